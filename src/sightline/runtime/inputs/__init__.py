"""Kinds of input of a model: from a file, bytes or an array to what the network takes. No torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...core.folder import Folder

if TYPE_CHECKING:
    from .base import InputReader

INPUTS = Folder(__name__, "kind of input", exclude=("base",))


def input_reader(kind: str) -> InputReader:
    """The reader of a kind, as a model's settings name it: "image" is in image.py.

    Raises:
        UnknownName: If there is no such kind.
    """
    reader: InputReader = INPUTS.load(kind).INPUT
    return reader
