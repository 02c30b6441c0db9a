"""Baselines: the mean, and ridge regression on small images and on features of a frozen network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from sightline.classical import linear
from sightline.classical.features import small_image_features
from sightline.core.targets.number import RegressionValues
from sightline.core.task import Baseline
from sightline.models.weights import embedded

NEIGHBORS = 5

State = Mapping[str, Tensor]


def baselines() -> list[Baseline]:
    """The baselines of regression."""
    return [
        Baseline(
            "mean",
            "always the mean of the training images",
            _mean,
            uses_images=False,
            answer=lambda state, new: RegressionValues(state["mean"].repeat(len(new), 1)),
            graph=lambda state, new: {"value": state["mean"].float().expand(new.shape[0], -1)},
        ),
        Baseline(
            "linear",
            "ridge regression on a small image and its edge directions",
            lambda images, target: _ridge(small_image_features(images), target),
            answer=lambda state, new: RegressionValues(linear.ridge(state, small_image_features(new))),
        ),
        Baseline(
            "frozen",
            f"ridge regression on features of {embedded.DEFAULT}, not trained further",
            _ridge,
            frozen=True,
            answer=lambda state, new: RegressionValues(linear.ridge(state, new)),
            graph=lambda state, new: {"value": linear.scores_of(state, new)},
        ),
        Baseline(
            "frozen-knn",
            f"the mean of the {NEIGHBORS} nearest training images by features of {embedded.DEFAULT}",
            _nearest,
            frozen=True,
            answer=_neighbors,
        ),
    ]


def _mean(images: Any, target: RegressionValues) -> State:
    return {"mean": target.value.double().mean(0, keepdim=True)}


def _ridge(features: Any, target: RegressionValues) -> State:
    """Ridge regression on standardized features, with its penalty by leave-one-out."""
    scaler, machine = StandardScaler(), RidgeCV(np.logspace(0, 5, 11))
    machine.fit(scaler.fit_transform(features), target.value.double().numpy())
    return linear.scaled_state(scaler, machine)


def _nearest(features: Any, target: RegressionValues) -> State:
    return {"features": torch.as_tensor(features), "values": target.value.double()}


def _neighbors(state: State, new: Any) -> RegressionValues:
    """k nearest neighbors by cosine: the mean target of the nearest training images."""
    features = state["features"].numpy()
    near = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(features)), metric="cosine").fit(features)
    indices = torch.from_numpy(near.kneighbors(new, return_distance=False))
    return RegressionValues(state["values"][indices].mean(1))
