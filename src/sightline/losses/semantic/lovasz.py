"""Lovász-Softmax loss: the convex extension of the Jaccard loss to errors in [0, 1]."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.targets.masks import IGNORE_INDEX
from sightline.losses.semantic import LossCard

CARD = LossCard(
    name="lovasz",
    summary="convex extension of one minus the intersection over union of each class",
    paper="Berman et al., The Lovász-Softmax Loss, CVPR 2018, for the classes present",
)


def loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over the classes in the targets of the Lovász extension of the Jaccard loss.

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64, 255 for pixels without a class.
        weights: (K,), or None: all classes count alike.

    Returns:
        Scalar in [0, 1].
    """
    valid = target != IGNORE_INDEX
    probabilities, labels = logits.float().softmax(1).movedim(1, -1)[valid], target[valid]
    present = torch.unique(labels)
    if len(present) == 0:
        return probabilities.sum()
    values = torch.stack([_extension(probabilities[:, k], labels == k) for k in present.tolist()])
    if weights is None:
        return values.mean()
    each = weights.to(values)[present]
    return (each * values).sum() / each.sum().clamp(min=1e-12)


def _extension(probabilities: Tensor, target: Tensor) -> Tensor:
    """Loss of one class, from (P,) probabilities and targets; the class has at least one target pixel.

    Pixels become wrong one after the other, the greatest error first. Each error counts as much as the
    Jaccard loss, wrong / (true or wrong), grows when its pixel becomes wrong. With G true pixels, of
    which F are wrong by then, as are N others, it is 1 - (G - F) / (G + N); it has grown by 1 / (G + N)
    if the last pixel is a true one, else by (G - F) / ((G + N) (G + N - 1)). Written like this and not as
    the difference of two losses, it stays exact where there are millions of pixels.
    """
    errors, order = (target.float() - probabilities).abs().sort(descending=True)
    with torch.no_grad():
        true = target[order]
        wrong = true.cumsum(0)
        all_true = wrong[-1]
        union = all_true + torch.arange(1, len(true) + 1, device=true.device) - wrong
        other = (all_true - wrong) / (union * (union - 1).clamp(min=1))
        grown = torch.where(true, 1 / union, other)
    return (errors * grown).sum()
