"""Attention of a vision transformer over the tokens of an image, as it is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.targets.base import Targets
from sightline.errors import UsageError
from sightline.explanation.subject import Subject, gradients_of, token_grid

EXTRA = 2
"""Tokens beside those of patches, at most: of the class, and of distillation. More are registers, which
collect what belongs to no place (Darcet et al., Vision Transformers Need Registers, ICLR 2024)."""


@dataclass(frozen=True)
class Attention:
    """What the attentions of a transformer did for B images of N tokens.

    Attributes:
        weights: Of each attention, in order: (B, heads, N, N), rows sum to 1.
        slopes: Gradients of the evidence by them.
        read: (B, N) share of each token in what the evidence is read from: the class token, or the patches.
        extra: Tokens in front of those of the patches.
        grid: Rows and columns of patches.
    """

    weights: list[Tensor]
    slopes: list[Tensor]
    read: Tensor
    extra: int
    grid: tuple[int, int]

    def as_map(self, relevance: Tensor) -> Tensor:
        """(B, *grid) of relevance (B, N, N) of each token for each other, for those that are read."""
        tokens = torch.einsum("bi,bij->bj", self.read, relevance)
        return tokens[:, self.extra :].view(len(tokens), *self.grid)


def attention(subject: Subject, images: Tensor, about: Targets) -> Attention:
    """Attentions for images (B, C, H, W) and a statement about each.

    Raises:
        UsageError: If the network has none over all patches, in words that say what it has instead.
    """
    if images.ndim != 4 or subject.model is None:
        raise UsageError("attention is followed through networks on images, and this is none.")
    pixels = images.detach().clone().requires_grad_()
    with _recorded() as calls:
        evidence = subject.evidence(pixels, about)
    extra, grid = _layout([weights for weights, _ in calls], images)
    slopes = gradients_of(evidence, [*(weights for weights, _ in calls), calls[-1][1]])
    size = slopes.pop().norm(dim=3).sum(1)  # of the tokens that the last attention gives
    read = (size > 1e-6 * size.amax(1, keepdim=True)).to(size)
    read = read / read.sum(1, keepdim=True).clamp(min=1)
    weights = [w.detach().cpu() for w, _ in calls]
    return Attention(weights, [s.cpu() for s in slopes], read.cpu(), extra, grid)


def _layout(weights: list[Tensor], images: Tensor) -> tuple[int, tuple[int, int]]:
    """Tokens in front of the patches, and rows and columns of the patches."""
    if not weights:
        raise UsageError("the network has no attention over all patches of an image.")
    shapes = {(len(w), *w.shape[-2:]) for w in weights}
    batch, queries, keys = next(iter(shapes))
    if len(shapes) > 1 or batch != len(images) or queries != keys or weights[0].ndim != 4:
        raise UsageError(
            "its attentions are over windows, reduced maps or queries (Swin, PVT, detection transformers), "
            "so that they cannot be multiplied from patch to patch."
        )
    layout = token_grid(queries, tuple(images.shape[2:]))
    if layout is None:
        raise UsageError(f"its {queries} tokens are no grid of patches.")
    if layout[0] > EXTRA:
        raise UsageError(
            f"it has {layout[0]} tokens beside those of patches (registers), which collect attention."
        )
    return layout


@contextmanager
def _recorded() -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Weights and result of every attention that is computed inside this block, all of them differentiable.

    Fused attention has no weights; here it is computed in two steps, with the same result.
    """
    calls: list[tuple[Tensor, Tensor]] = []
    fused = F.scaled_dot_product_attention

    def explicit(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, **options: Any,
    ) -> Tensor:  # fmt: skip
        if is_causal or options.get("enable_gqa"):
            return fused(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **options)
        logits = query @ key.mT * (query.shape[-1] ** -0.5 if scale is None else scale)
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            logits = logits.masked_fill(~attn_mask, -torch.inf)
        elif attn_mask is not None:
            logits = logits + attn_mask
        weights = logits.softmax(-1)
        result = weights @ value
        calls.append((weights, result))
        return result

    F.scaled_dot_product_attention = cast(Any, explicit)
    try:
        yield calls
    finally:
        F.scaled_dot_product_attention = fused
