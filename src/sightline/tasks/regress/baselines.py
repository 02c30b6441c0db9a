"""Baselines: the mean, and ridge regression on small images and on features of a frozen network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sightline.classical.features import small_picture_features
from sightline.core.targets.number import Number
from sightline.core.task import Baseline
from sightline.models.weights import embedded

NEIGHBORS = 5


def baselines() -> list[Baseline]:
    """The baselines of regression."""
    return [
        Baseline("mean", "always the mean of the training images", _mean, looks=False),
        Baseline("linear", "ridge regression on a small picture and its edge directions",
                 lambda images, truth: _ridge(images, truth, small_picture_features)),
        Baseline("frozen", f"ridge regression on features of {embedded.DEFAULT}, not trained further",
                 lambda features, truth: _ridge(features, truth, lambda x: x), frozen=True),
        Baseline("frozen-knn", f"the mean of the {NEIGHBORS} nearest training images by features of "
                 f"{embedded.DEFAULT}", _nearest, frozen=True),
    ]  # fmt: skip


def _mean(images: Any, truth: Number) -> Callable[[Any], Number]:
    mean = truth.value.double().mean(0, keepdim=True)
    return lambda new: Number(mean.repeat(len(new), 1))


def _ridge(images: Any, truth: Number, features: Callable[[Any], Any]) -> Callable[[Any], Number]:
    """Ridge regression on standardized features, with its penalty by leave-one-out."""
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
    model.fit(features(images), truth.value.double().numpy())

    def predict(new: Any) -> Number:
        predicted = np.asarray(model.predict(features(new)))
        return Number(torch.from_numpy(predicted.reshape(len(new), -1)))

    return predict


def _nearest(features: Any, truth: Number) -> Callable[[Any], Number]:
    """k nearest neighbors by cosine: the mean target of the nearest training images."""
    near = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(features)), metric="cosine").fit(features)

    def predict(new: Any) -> Number:
        indices = torch.from_numpy(near.kneighbors(new, return_distance=False))
        return Number(truth.value.double()[indices].mean(1))

    return predict
