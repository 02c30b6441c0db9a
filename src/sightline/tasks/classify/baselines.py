"""Baselines: the most frequent class, linear models on small images and on features, nearest neighbors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from sightline.classical import label_models
from sightline.classical.features import small_image_features
from sightline.core.targets.label import ClassLabels
from sightline.core.task import Baseline
from sightline.models.weights import embedded

NEIGHBORS = 5

State = Mapping[str, Tensor]


def baselines(classes: int) -> list[Baseline]:
    """The baselines of classification.

    Args:
        classes: Number of classes K.
    """

    def on_small_images(images: Any, target: ClassLabels) -> State:
        return label_models.logistic(small_image_features(images), target, classes)

    return [
        Baseline(
            "majority",
            "always the commonest class, with the class shares as probabilities",
            lambda images, target: label_models.majority(target, classes),
            uses_images=False,
            answer=label_models.answer,
            graph=label_models.graph,
        ),
        Baseline(
            "linear",
            "logistic regression on a small image and its edge directions (HOG-like)",
            on_small_images,
            answer=lambda state, x: label_models.answer(state, x, small_image_features),
        ),
        Baseline(
            "frozen",
            f"logistic regression on features of {embedded.DEFAULT}, not trained further",
            lambda features, target: label_models.logistic(features, target, classes),
            frozen=True,
            answer=label_models.answer,
            graph=label_models.graph,
        ),
        Baseline(
            "frozen-knn",
            f"the {NEIGHBORS} nearest training images by features of {embedded.DEFAULT}",
            lambda features, target: _nearest(features, target, classes),
            frozen=True,
            answer=_neighbors,
        ),
    ]


def _nearest(features: Any, target: ClassLabels, classes: int) -> State:
    present = target.class_presence(classes).double()
    return {
        "features": torch.as_tensor(features),
        "classes": present,
        "multilabel": torch.tensor(target.multilabel),
    }


def _neighbors(state: State, new: Any) -> ClassLabels:
    """k nearest neighbors by cosine: the mean target of the nearest training images."""
    features = state["features"].numpy()
    near = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(features)), metric="cosine").fit(features)
    shares = state["classes"][torch.from_numpy(near.kneighbors(new, return_distance=False))].mean(1)
    return ClassLabels(shares > 0.5 if bool(state["multilabel"]) else shares.argmax(1), shares)
