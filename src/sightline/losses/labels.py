"""Cross-entropy of one class an item, with weights of classes and label smoothing."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, goal: Tensor, weights: Tensor, smooth: float) -> Tensor:
    """Mean over images, weighted by the class of each image; a mixed image has the weights of its classes by
    share.

    PyTorch's own weights what smoothing spreads over the classes as well, so that a rare class with a great
    weight is what the network learns to answer always; and divides by the images where targets are soft.

    Args:
        logits: (B, K).
        goal: (B, K) share of each class in each image.
        weights: (K,).
        smooth: Share of the target that is spread evenly over all classes.
    """
    far = -F.log_softmax(logits, 1)
    share = goal * weights
    each = (1 - smooth) * (share * far).sum(1) + smooth * share.sum(1) * far.mean(1)
    return each.sum() / share.sum()
