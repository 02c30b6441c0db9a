"""Baselines: vectors by chance, pixels, eigenfaces, gradients, and features of the installed network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from sightline.classical.features import small_image_features
from sightline.core.targets.base import Targets
from sightline.core.targets.vector import Vector
from sightline.core.task import Baseline
from sightline.models.weights import embedded

SIDE = 48
"""Largest side of the images that they look at."""
COMPONENTS = 80
"""Of eigenfaces, at most."""

Floats = NDArray[np.float32]
Describe = Callable[[Any], Floats]


def baselines() -> list[Baseline]:
    """The baselines of embedding."""

    def chance(images: Any, target: Targets) -> Callable[[Any], Vector]:
        del images, target
        return lambda new: unit(np.random.default_rng(0).normal(size=(len(new), 16)))

    def eigenfaces(images: Any, target: Targets) -> Callable[[Any], Vector]:
        del target
        pixels = _pixels(images)
        count = min(COMPONENTS, *pixels.shape)
        fitted = PCA(count, svd_solver="randomized", random_state=0).fit(pixels)
        return lambda new: unit(fitted.transform(_pixels(new)))

    return [
        Baseline("chance", "vectors by chance", chance, uses_images=False),
        Baseline("pixels", "correlation of small images", lambda x, y: _plain(_pixels), side=SIDE),
        Baseline("eigenfaces", f"{COMPONENTS} principal components of small images", eigenfaces, side=SIDE),
        Baseline(
            "hog",
            "histograms of oriented gradients, less their mean",
            lambda images, target: _centered(_gradients, images),
            side=SIDE,
        ),
        Baseline(
            "frozen",
            f"features of {embedded.DEFAULT}, not trained further, less their mean",
            lambda features, target: _centered(np.asarray, features),
            frozen=True,
        ),
    ]


def unit(values: Any) -> Vector:
    """Vectors (N, D) of length 1."""
    return Vector(torch.nn.functional.normalize(torch.as_tensor(np.asarray(values, np.float32)), dim=1))


def _plain(describe: Describe) -> Callable[[Any], Vector]:
    return lambda new: unit(describe(new))


def _centered(describe: Describe, images: Any) -> Callable[[Any], Vector]:
    """Features less the mean of those of the training images."""
    mean = describe(images).mean(0)
    return lambda new: unit(describe(new) - mean)


def _pixels(images: Any) -> Floats:
    """(N, D) gray values of images (N, H, W, C), each less its mean and by its deviation."""
    gray = np.asarray(images, dtype=np.float32).mean(3).reshape(len(images), -1)
    gray -= gray.mean(1, keepdims=True)
    return np.asarray(gray / (gray.std(1, keepdims=True) + 1e-6))


def _gradients(images: Any) -> Floats:
    """(N, D) histograms of oriented gradients in 8 x 8 cells."""
    cells, bins = 8, 9
    return small_image_features(images, cells=cells, bins=bins)[:, -cells * cells * bins :]
