"""Ball: how far an attack may change an image."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from sightline.errors import UsageError

Norm = Literal["linf", "l2", "patch"]
LEVELS = 255
"""Gray levels above black of an image of 8 bits."""
EXAMPLES = "linf:8/255, l2:0.5 or patch:0.05"
_LARGEST_L2 = 16.0  # beyond it an l2 distance was meant in gray levels


@dataclass(frozen=True)
class Ball:
    """All images that an attack may make of an image; pixels are in [0, 1].

    Attributes:
        norm: linf: each value changes by eps at most. l2: the square root of the sum of squared changes is
            eps at most. patch: the pixels of one square take any value; eps is its share of the area.
        eps: Radius of the ball, at least 0.
    """

    norm: Norm
    eps: float

    def __str__(self) -> str:
        levels = self.eps * LEVELS
        whole = self.norm != "patch" and abs(levels - round(levels)) < 1e-6 and 0 < self.eps < 1
        return f"{self.norm}:{round(levels)}/{LEVELS}" if whole else f"{self.norm}:{self.eps:g}"

    def scaled(self, factor: float) -> Ball:
        """The ball of `factor` times the radius."""
        return Ball(self.norm, self.eps * factor)

    def project(self, images: Tensor, clean: Tensor) -> Tensor:
        """The images of the ball around `clean`, and of [0, 1], that are nearest to (B, ...) images."""
        change = images - clean
        if self.norm == "linf":
            change = change.clamp(-self.eps, self.eps)
        else:
            change = change * (self.eps / _norm(change).clamp(min=1e-12)).clamp(max=1)
        return (clean + change).clamp(0, 1)  # towards `clean`, which lies in [0, 1]: never out of the ball

    def sample(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """Images drawn evenly from the ball around (B, ...) images, cut to [0, 1]."""
        if self.norm == "linf":
            noise = torch.rand(clean.shape, generator=rng, device=rng.device).to(clean) * 2 - 1
            return self.project(clean + self.eps * noise, clean)
        noise = torch.randn(clean.shape, generator=rng, device=rng.device).to(clean)
        radius = torch.rand(len(clean), generator=rng, device=rng.device).to(clean) ** (
            1 / max(1, clean[0].numel())
        )
        length = self.eps * radius.reshape(-1, *[1] * (clean.ndim - 1))
        return self.project(clean + length * noise / _norm(noise).clamp(min=1e-12), clean)

    def direction(self, gradient: Tensor) -> Tensor:
        """The step of length 1 in this norm that raises a loss of (B, ...) gradient most; 0 where the
        gradient is 0 or not finite."""
        gradient = torch.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)
        if self.norm == "linf":
            return gradient.sign()
        length = _norm(gradient)
        return torch.where(length > 0, gradient / length.clamp(min=1e-30), 0.0)

    def whole(self, clean: Tensor) -> Ball:
        """The smallest ball of this norm that holds every image."""
        return Ball(self.norm, math.sqrt(clean[0].numel()) if self.norm == "l2" else 1.0)

    def quantize(self, images: Tensor, clean: Tensor) -> Tensor:
        """Images of 8 bits for attacked (B, ...) images in [0, 1], inside the ball around uint8 `clean`."""
        exact = images * LEVELS - clean
        change = exact.round()
        if self.norm == "linf":
            most = math.floor(self.eps * LEVELS + 1e-6)
            change = change.clamp(-most, most)
        elif self.norm == "l2":
            beyond = _norm(change) > self.eps * LEVELS * (1 + 1e-6)
            change = torch.where(beyond, exact.trunc(), change)  # towards `clean`
        return (clean + change).clamp(0, LEVELS).to(torch.uint8)


def _norm(values: Tensor) -> Tensor:
    """(B, 1, ...) Euclidean lengths of (B, ...) values; in units of the largest, whose square may vanish."""
    flat = values.flatten(1)
    largest = flat.abs().amax(1, keepdim=True).clamp(min=1e-30)
    lengths: Tensor = largest * (flat / largest).norm(dim=1, keepdim=True)
    return lengths.reshape(-1, *[1] * (values.ndim - 1))


def read_ball(text: str, option: str) -> Ball:
    """The ball that a user wrote, such as "linf:8/255".

    Args:
        text: Norm and radius, for pixels in [0, 1].
        option: Where it was written, for messages ("--robust").

    Raises:
        UsageError: If it is no such text, or the radius was meant in gray levels, or is too small for images
            of 8 bits.
    """
    match = re.fullmatch(r"\s*(\w+):(\d+(?:\.\d+)?)(?:/(\d+))?\s*", text)
    if match is None or match[1] not in get_args(Norm) or match[3] == "0":
        raise UsageError(f"{option} takes a norm and a radius, such as {EXAMPLES}. Received '{text}'.")
    norm: Norm = match[1]  # type: ignore[assignment]
    eps = float(match[2]) / float(match[3] or 1)
    if eps >= (_LARGEST_L2 if norm == "l2" else 1):
        if norm == "patch":
            raise UsageError(
                f"{option} {text}: the patch is a share of the image below 1, such as patch:0.05."
            )
        meant = f" Did you mean {norm}:{match[2]}/{LEVELS}?" if match[3] is None and eps <= LEVELS else ""
        raise UsageError(
            f"{option} {text}: the radius is for pixels in [0, 1], and this is all of them.{meant}"
        )
    if eps <= 0 or (norm == "linf" and eps * LEVELS < 1 - 1e-6):
        raise UsageError(
            f"{option} {text}: less than one gray level, which an image of 8 bits cannot show. "
            f"The smallest is linf:1/{LEVELS}."
        )
    return Ball(norm, eps)
