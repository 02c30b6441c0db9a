"""Border-weighted cross-entropy (U-Net 2015): gaps between objects count most, so that objects stay apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from sightline.core.targets.masks import IGNORE_INDEX
from sightline.losses.semantic import LossCard
from sightline.losses.semantic._pixelwise import log_losses, mean, weights_of

CARD = LossCard(
    name="touching",
    summary="cross-entropy with high weights in the gaps between objects, background being class 0 (cells)",
    paper="Ronneberger et al., U-Net, MICCAI 2015, equation 2",
)
W0, SIGMA = 10.0, 5.0
"""Greatest additional weight, and width in pixels of the gaps that get it."""
_REACH = math.ceil(4 * SIGMA)
"""Distance in pixels beyond which an object is not looked for: the weight there is below W0 / 2900."""


def loss(logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean of the log losses, each with the weight w_c + w0 exp(-(d1 + d2)^2 / (2 sigma^2)).

    w_c is the weight of the pixel's class. d1 and d2 are the distances to the nearest two objects. An object
    is a region of any class but 0 that is connected by the sides of its pixels. Pixels of objects have no
    second term, and objects that touch without a gap of class 0 are one region. Weights are computed on the
    CPU.

    Args:
        logits: (B, K, H, W).
        target: (B, H, W) int64, 255 for pixels without a class.
        weights: (K,), or None: all classes count alike.

    Returns:
        Scalar, at least 0.
    """
    gaps = torch.from_numpy(np.stack([gap_weights(class_map) for class_map in target.cpu().numpy()]))
    each = weights_of(target, weights) + gaps.to(target.device)
    return mean(log_losses(logits, target), each)


def gap_weights(class_map: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(H, W) float32 w0 exp(-(d1 + d2)^2 / (2 sigma^2)) where (H, W) classes are 0; elsewhere 0."""
    first, second = np.full(class_map.shape, np.inf), np.full(class_map.shape, np.inf)
    for k in np.setdiff1d(np.unique(class_map), (0, IGNORE_INDEX)):
        regions, _ = ndimage.label(class_map == k)
        for i, (rows, columns) in enumerate(ndimage.find_objects(regions), 1):
            window = tuple(slice(max(0, s.start - _REACH), s.stop + _REACH) for s in (rows, columns))
            distance = ndimage.distance_transform_edt(regions[window] != i)
            nearest = first[window]
            second[window] = np.minimum(second[window], np.maximum(nearest, distance))
            first[window] = np.minimum(nearest, distance)
    gaps = W0 * np.exp(-((first + second) ** 2) / (2 * SIGMA**2))
    return np.where(class_map == 0, gaps, 0.0).astype(np.float32)
