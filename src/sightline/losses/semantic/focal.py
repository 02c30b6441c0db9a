"""Focal loss: cross-entropy with less weight for pixels that are classified well."""

from __future__ import annotations

from torch import Tensor

from sightline.losses.semantic import LossCard
from sightline.losses.semantic._pixelwise import log_losses, mean, weights_of

CARD = LossCard(
    name="focal",
    summary="cross-entropy with less weight for pixels that are classified well; for rare classes",
    paper="Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 5",
)


def loss(logits: Tensor, target: Tensor, weights: Tensor | None = None, gamma: float = 2.0) -> Tensor:
    """Weighted mean over the pixels with a class of -(1 - p)^gamma log p, p being that of the true class.

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64, 255 for pixels without a class.
        weights: (K,), or None; the paper's alpha.
        gamma: How much less sure pixels count; 0 is cross-entropy.

    Returns:
        Scalar, at least 0.
    """
    values = log_losses(logits, target)
    # 1 - p from the logarithm, exact also where p is nearly 1.
    return mean((-(-values).expm1()).pow(gamma) * values, weights_of(target, weights))
