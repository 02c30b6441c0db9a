"""Base class of models that are fitted once (scikit-learn and others), with their state in tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sightline.core.model import Model


class FittedModel(Model):
    """A model whose state is the result of `fit`: tensors whose names and shapes depend on the data.

    They are buffers, so that they lie in `model.safetensors`, and no code is run to read them.

    Args:
        settings: See `Model`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self._learned: list[str] = []

    def learn(self, state: Mapping[str, Any]) -> None:
        """Store the result of a fit.

        Args:
            state: Tensors or arrays of any shape, by names without a dot.
        """
        for name, value in state.items():
            self.register_buffer(name, torch.as_tensor(value).to(self.mean.device))
        self._learned = list(state)

    @property
    def learned(self) -> dict[str, Tensor]:
        """The stored tensors; empty before a fit."""
        return {name: getattr(self, name) for name in self._learned}

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """Create buffers for all tensors in a file before it is loaded."""
        names = [key.removeprefix(prefix) for key in state_dict if key.startswith(prefix)]
        self.learn({n: torch.empty_like(state_dict[prefix + n]) for n in names if "." not in n})
        super()._load_from_state_dict(state_dict, prefix, *rest)
