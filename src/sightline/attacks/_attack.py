"""What attacks share: their card, the attacked function, losses, and the best images so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.attacks._ball import Norm

Loss = Callable[[Tensor, Tensor], Tensor]
"""(B,) values, which an attack raises, from (B, K) logits and (B,) labels."""


@dataclass(frozen=True)
class AttackCard:
    """Metadata of an attack.

    Attributes:
        name: The name in results.
        summary: One line for lists.
        paper: Author, title, venue, year.
        needs: gradients of the attacked function, or its scores alone (black box).
        norms: Balls that it can attack in.
        steps: Steps (of a black box: queries) where none are asked for.
    """

    name: str
    summary: str
    paper: str
    needs: Literal["gradients", "scores"]
    norms: tuple[Norm, ...]
    steps: int


class Victim:
    """The attacked function: images as they are served to logits. Everything between the two belongs
    inside, resizing and normalization too.

    Args:
        logits: (B, K) of (B, C, *S) images in [0, 1], float32; differentiable where `gradients` says so.
            It is called as it is; no weight and no mode changes.
        gradients: Whether gradients go through it.

    Attributes:
        queries: Images that were classified so far, with or without a gradient.
    """

    def __init__(self, logits: Callable[[Tensor], Tensor], gradients: bool = True) -> None:
        self._logits, self.gradients, self.queries = logits, gradients, 0

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """(B, K) float32 logits of (B, C, *S) images in [0, 1]."""
        self.queries += len(images)
        with torch.autocast(images.device.type, enabled=False):
            return self._logits(images).float()

    def gradient(self, images: Tensor, labels: Tensor, loss: Loss) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, K), losses (B,) and their gradients by the images, as they come: 0 where none comes
        through, or not finite. Always in float32."""
        self.queries += len(images)
        images = images.detach().requires_grad_()
        with torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
            logits = self._logits(images).float()
            values = loss(logits, labels)
        gradient = None
        if values.requires_grad:  # else nothing of the images is left in it
            gradient = torch.autograd.grad(values.sum(), images, allow_unused=True)[0]
        return (
            logits.detach(),
            values.detach(),
            torch.zeros_like(images).detach() if gradient is None else gradient,
        )


def margin(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) logit of the label less the largest of the others; below 0 the image is classified wrongly."""
    others = logits.scatter(1, labels[:, None], -torch.inf).amax(1)
    return logits.gather(1, labels[:, None])[:, 0] - others


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) cross-entropy."""
    return F.cross_entropy(logits, labels, reduction="none")


def dlr(logits: Tensor, labels: Tensor) -> Tensor:
    """(B,) difference of logits ratio: minus the margin, in units of the distance from the largest logit to
    the third. Neither large nor small logits make it vanish. With two classes: minus the margin.

    Source: Croce and Hein, Reliable evaluation of adversarial robustness with an ensemble of diverse
    parameter-free attacks, ICML 2020, section 4.
    """
    if logits.shape[1] < 3:
        return -margin(logits, labels)
    top = logits.topk(3, 1).values
    return -margin(logits, labels) / (top[:, 0] - top[:, 2]).clamp(min=1e-12)


class Best:
    """The images with the smallest margin so far, one for each image. The clean ones are the first, so that
    an attack never leaves an image better than it was.

    Args:
        victim: The attacked function.
        clean: (B, C, *S) images in [0, 1].
        labels: (B,) their labels.

    Attributes:
        images: (B, C, *S).
        margin: (B,) of them.
    """

    def __init__(self, victim: Victim, clean: Tensor, labels: Tensor) -> None:
        self.images, self.margin = clean.clone(), margin(victim(clean), labels)

    def offer(self, images: Tensor, margins: Tensor) -> None:
        """Take those of (B, C, *S) images whose (B,) margins are smaller."""
        better = margins < self.margin
        self.margin = torch.where(better, margins, self.margin)
        self.images[better] = images[better]


def right(victim: Victim, images: Tensor, labels: Tensor) -> Tensor:
    """(B,) bool: which images are classified as their labels say."""
    return victim(images).argmax(1) == labels
