"""Stochastic pooling: each window passes on one activation, drawn in proportion to its size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StochasticPool(nn.Module):
    """Stochastic pooling over windows that do not overlap.

    In training each window passes on one activation, drawn with probability a_i / sum(a). At
    inference it passes on the mean under these probabilities, sum(a_i^2) / sum(a). A window of
    zeros gives zero. Activations must not be negative: put it behind a ReLU. Rows and columns that
    do not fill a window are left out, as in max pooling.

    Source: Zeiler and Fergus, Stochastic pooling for regularization of deep CNNs, ICLR 2013.

    Args:
        size: Side of a window in pixels.
        rng: Where the draws come from; torch's global generator if left out. Not part of the state.
    """

    def __init__(self, size: int = 2, rng: torch.Generator | None = None) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"A pooling window has a side of 1 or more. Received {size}.")
        self.size, self.rng = size, rng

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), not negative, to (B, C, H // size, W // size)."""
        windows = self._windows(x)
        probabilities = window_probabilities(windows)
        if not self.training:
            return (windows * probabilities).sum(dim=-1)
        drawn = torch.multinomial(probabilities.detach().flatten(0, -2), 1, generator=self.rng)
        return windows.gather(-1, drawn.view(*windows.shape[:-1], 1)).squeeze(-1)

    def _windows(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H // size, W // size, size * size)."""
        b, c, h, w = x.shape
        k = self.size
        columns = F.unfold(x.reshape(b * c, 1, h, w), k, stride=k)
        return columns.transpose(1, 2).reshape(b, c, h // k, w // k, k * k)

    def extra_repr(self) -> str:
        """The window, for printing."""
        return f"size={self.size}"


def window_probabilities(windows: Tensor) -> Tensor:
    """a_i / sum(a) along the last axis; uniform where all are zero.

    Negative activations count as zero.
    """
    positive = windows.clamp_min(0)
    total = positive.sum(dim=-1, keepdim=True)
    uniform = torch.full_like(windows, 1 / windows.shape[-1])
    return torch.where(total > 0, positive / total.clamp_min(torch.finfo(positive.dtype).tiny), uniform)
