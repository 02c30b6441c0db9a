"""Cross-entropy: the negative log-likelihood of the target class."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from sightline.core.targets.masks import IGNORE_INDEX
from sightline.losses.semantic import LossCard
from sightline.losses.semantic._pixelwise import mean, weights_of

CARD = LossCard(
    name="ce",
    summary="cross-entropy of each pixel",
    paper="Good, Rational Decisions, J. R. Stat. Soc. B 14, 1952; "
    "smoothing: Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, section 7",
)


def loss(logits: Tensor, target: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy: the weighted mean over the pixels with a class, by class weight.

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64, 255 for pixels without a class.
        weights: (K,), or None: all classes count alike.
        smoothing: Share of the target, in [0, 1), that is spread evenly over all classes.

    Returns:
        Scalar, at least 0.
    """
    # Weighted by the true class alone: else what smoothing moves to a rare class would count with its weight.
    values = F.cross_entropy(
        logits.float(), target, ignore_index=IGNORE_INDEX, reduction="none", label_smoothing=smoothing
    )
    return mean(values, weights_of(target, weights))
