"""Cross-entropy of one class an item, with weights of classes and label smoothing."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from sightline.core.task import DataInfo


def classifier_settings(info: DataInfo, class_weights: str, label_smoothing: float) -> dict[str, Any]:
    """Settings of a classifier: its classes, and what `cross_entropy` takes.

    Args:
        info: The data.
        class_weights: "balanced" for weights that make all classes count alike, else 1 for each.
        label_smoothing: Share of the target that is spread over all classes.
    """
    assert info.classes is not None
    k = len(info.classes)
    weights = [1.0] * k
    if class_weights == "balanced":
        weights = [sum(info.class_counts) / (k * max(count, 1)) for count in info.class_counts]
    return {
        "classes": list(info.classes.names),
        "class_ids": list(info.classes.ids),
        "class_weights": weights,
        "label_smoothing": label_smoothing,
        "temperature": 1.0,
    }


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
