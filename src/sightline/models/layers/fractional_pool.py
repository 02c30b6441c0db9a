"""Fractional max pooling: downsampling by a ratio between one and two, with random windows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class FractionalPool(nn.Module):
    """Fractional max pooling over 2x2 windows; training draws new windows for each image.

    At inference the windows are spread evenly, so that equal images give equal outputs.

    Source: Graham, Fractional max-pooling, 2014. torch's layer draws the places.

    Args:
        ratio: How much smaller the output is, above 1 and at most 2.
        rng: Where the draws come from; torch's global generator if left out.
    """

    def __init__(self, ratio: float = 2**0.5, rng: torch.Generator | None = None) -> None:
        super().__init__()
        if not 1 < ratio <= 2:
            raise ValueError(f"Fractional pooling shrinks by more than 1 and at most 2. Received {ratio}.")
        self.ratio, self.rng = ratio, rng

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, int(H / ratio), int(W / ratio))."""
        size = (int(x.shape[2] / self.ratio), int(x.shape[3] / self.ratio))
        shape = (x.shape[0], x.shape[1], 2)
        if self.training:
            places = torch.rand(shape, dtype=x.dtype, device=x.device, generator=self.rng)
        else:
            places = torch.full(shape, 0.5, dtype=x.dtype, device=x.device)
        return F.fractional_max_pool2d(x, 2, output_size=size, _random_samples=places)

    def extra_repr(self) -> str:
        """The ratio, for printing."""
        return f"ratio={self.ratio:.3f}"
