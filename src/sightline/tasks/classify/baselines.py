"""Baselines: the most frequent class, linear models on small images and on features, nearest neighbors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from sightline.classical import linear
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
        return _logistic(small_image_features(images), target, classes)

    return [
        Baseline(
            "majority",
            "always the commonest class, with the class shares as probabilities",
            lambda images, target: _majority(target, classes),
            uses_images=False,
            answer=_answer,
            graph=_graph,
        ),
        Baseline(
            "linear",
            "logistic regression on a small image and its edge directions (HOG-like)",
            on_small_images,
            answer=lambda state, x: _answer(state, x, small_image_features),
        ),
        Baseline(
            "frozen",
            f"logistic regression on features of {embedded.DEFAULT}, not trained further",
            lambda features, target: _logistic(features, target, classes),
            frozen=True,
            answer=_answer,
            graph=_graph,
        ),
        Baseline(
            "frozen-knn",
            f"the {NEIGHBORS} nearest training images by features of {embedded.DEFAULT}",
            lambda features, target: _nearest(features, target, classes),
            frozen=True,
            answer=_neighbors,
        ),
    ]


def _majority(target: ClassLabels, classes: int) -> State:
    """The share of each class, and whether an image may have several."""
    if target.multilabel:
        share = target.value.double().mean(0)
    else:
        share = torch.bincount(target.value, minlength=classes).double() / len(target)
    return {"shares": share, "multilabel": torch.tensor(target.multilabel)}


def _logistic(features: Any, target: ClassLabels, classes: int) -> State:
    """Logistic regression on standardized features, with a strong penalty; the shares where all are alike."""
    y, machine = target.value.numpy(), LogisticRegression(C=0.01, max_iter=200)
    shares, present = _majority(target, classes), np.unique(y)
    if not target.multilabel and len(present) < 2:
        return shares
    scaler = StandardScaler()
    x = scaler.fit_transform(features)
    if target.multilabel and classes > 1:
        state = linear.label_state(scaler, OneVsRestClassifier(machine).fit(x, y))
        return {**state, **shares}
    if target.multilabel:
        return shares
    places = torch.eye(classes)[torch.from_numpy(present)]
    return {**linear.scaled_state(scaler, machine.fit(x, y)), **shares, "places": places}


def _answer(state: State, images: Any, features: Callable[[Any], Any] = lambda x: x) -> ClassLabels:
    """Class shares, or the probabilities of the logistic regression."""
    multi, share = bool(state["multilabel"]), state["shares"]
    if "weight" not in state:
        scores = share.repeat(len(images), 1)
    elif multi:
        scores = torch.from_numpy(linear.label_probabilities(state, features(images)))
    else:
        present = state["places"].argmax(1).numpy()
        spread = np.zeros((len(images), len(share)))
        spread[:, present] = linear.probabilities(state, features(images), present)
        scores = torch.from_numpy(spread)
    return ClassLabels(scores > 0.5 if multi else scores.argmax(1), scores)


def _graph(state: State, features: Tensor) -> dict[str, Tensor]:
    """The same by tensor arithmetic: {"scores": (B, K)}."""
    share = state["shares"].float()
    if "weight" not in state:
        return {"scores": share.expand(features.shape[0], -1)}
    scores = linear.scores_of(state, features)
    if "constant" in state:  # an image may have several
        constant = state["constant"].to(scores)
        return {"scores": torch.where(constant >= 0, constant, scores.sigmoid())}
    of_present = scores.softmax(1)
    if scores.shape[1] == 1:  # of two classes
        of_present = torch.cat([1 - scores.sigmoid(), scores.sigmoid()], 1)
    return {"scores": of_present @ state["places"]}


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
