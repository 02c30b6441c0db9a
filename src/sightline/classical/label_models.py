"""Class shares and logistic regression as states of tensors: what baselines of labels are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from sightline.classical import linear
from sightline.core.targets.label import ClassLabels

State = Mapping[str, Tensor]


def majority(target: ClassLabels, classes: int) -> State:
    """The share of each class, and whether an image may have several."""
    if target.multilabel:
        share = target.value.double().mean(0)
    else:
        share = torch.bincount(target.value, minlength=classes).double() / len(target)
    return {"shares": share, "multilabel": torch.tensor(target.multilabel)}


def logistic(features: Any, target: ClassLabels, classes: int, strength: float = 0.01) -> State:
    """Logistic regression on standardized features; the shares where all are alike.

    Args:
        features: (N, D).
        target: Classes or labels of N items.
        classes: Number of classes K.
        strength: Inverse of the penalty; the default suits many features.
    """
    y, machine = target.value.numpy(), LogisticRegression(C=strength, max_iter=200)
    shares, present = majority(target, classes), np.unique(y)
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


def answer(state: State, images: Any, features: Callable[[Any], Any] = lambda x: x) -> ClassLabels:
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


def graph(state: State, features: Tensor) -> dict[str, Tensor]:
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
