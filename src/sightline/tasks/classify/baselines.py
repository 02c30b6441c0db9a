"""Baselines: the most frequent class, linear models on small images and on features, nearest neighbors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sightline.classical.features import small_picture_features
from sightline.core.targets.label import Label
from sightline.core.task import Baseline
from sightline.models.weights import embedded

Images = NDArray[np.uint8]
NEIGHBORS = 5


def baselines(classes: int) -> list[Baseline]:
    """The baselines of classification.

    Args:
        classes: Number of classes K.
    """
    return [
        Baseline("majority", "always the commonest class, with the class shares as probabilities",
                 lambda images, truth: _majority(truth, classes), looks=False),
        Baseline("linear", "logistic regression on a small picture and its edge directions (HOG-like)",
                 lambda images, truth: _linear(images, truth, classes)),
        Baseline("frozen", f"logistic regression on features of {embedded.DEFAULT}, not trained further",
                 lambda features, truth: _logistic(features, truth, classes, lambda x: x), frozen=True),
        Baseline("frozen-knn", f"the {NEIGHBORS} nearest training images by features of {embedded.DEFAULT}",
                 lambda features, truth: _nearest(features, truth, classes), frozen=True),
    ]  # fmt: skip


def _majority(truth: Label, classes: int) -> Callable[[Any], Label]:
    if truth.multi:
        share = truth.value.double().mean(0)
        return lambda images: Label((share > 0.5).repeat(len(images), 1), share.repeat(len(images), 1))
    share = torch.bincount(truth.value, minlength=classes).double() / len(truth)
    return lambda images: Label(share.argmax().repeat(len(images)), share.repeat(len(images), 1))


def _linear(images: Images, truth: Label, classes: int) -> Callable[[Images], Label]:
    return _logistic(images, truth, classes, small_picture_features)


def _logistic(
    images: Any, truth: Label, classes: int, features: Callable[[Any], Any]
) -> Callable[[Any], Label]:
    """Logistic regression on standardized features, with a strong penalty."""
    x, y = features(images), truth.value.numpy()
    machine = LogisticRegression(C=0.01, max_iter=200)
    model = make_pipeline(StandardScaler(), OneVsRestClassifier(machine) if truth.multi else machine)
    classes_present = np.arange(classes) if truth.multi else np.unique(y)
    if len(classes_present) < 2:
        return _majority(truth, classes)
    model.fit(x, y)

    def predict(new: Any) -> Label:
        scores = np.zeros((len(new), classes))
        scores[:, classes_present] = model.predict_proba(features(new))
        scores_of_new = torch.from_numpy(scores)
        return Label(scores_of_new > 0.5 if truth.multi else scores_of_new.argmax(1), scores_of_new)

    return predict


def _nearest(features: Any, truth: Label, classes: int) -> Callable[[Any], Label]:
    """k nearest neighbors by cosine: the mean target of the nearest training images."""
    near = NearestNeighbors(n_neighbors=min(NEIGHBORS, len(features)), metric="cosine").fit(features)
    present = truth.present(classes).double()

    def predict(new: Any) -> Label:
        shares = present[torch.from_numpy(near.kneighbors(new, return_distance=False))].mean(1)
        return Label(shares > 0.5 if truth.multi else shares.argmax(1), shares)

    return predict
