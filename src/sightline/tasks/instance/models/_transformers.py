"""Segmentation networks of Hugging Face; the library is imported only when one is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sightline.errors import MissingExtra
from sightline.models.adapters.base import Tensors
from sightline.models.weights.download import patient


def library(what: str) -> Any:
    """The library transformers.

    Args:
        what: What needs it, as a user writes it.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise MissingExtra(what, "transformers") from None
    return transformers


def fetch(kind: Any, hub: str) -> Callable[[], Tensors] | None:
    """A function that downloads the published tensors of a network of class `kind`; None if there are
    none.
    """

    def tensors() -> Tensors:
        with patient(hub):
            weights: Tensors = kind.from_pretrained(hub).state_dict()
            return weights

    return tensors if hub else None
