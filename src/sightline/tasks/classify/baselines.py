"""Cheap answers: the commonest class, and a linear model on small pictures and their edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sightline.core.targets.label import Label
from sightline.core.task import Baseline
from sightline.ops.features import small_picture_features

Images = NDArray[np.uint8]


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
    ]  # fmt: skip


def _majority(truth: Label, classes: int) -> Callable[[Any], Label]:
    if truth.multi:
        share = truth.value.double().mean(0)
        return lambda images: Label((share > 0.5).repeat(len(images), 1), share.repeat(len(images), 1))
    share = torch.bincount(truth.value, minlength=classes).double() / len(truth)
    return lambda images: Label(share.argmax().repeat(len(images)), share.repeat(len(images), 1))


def _linear(images: Images, truth: Label, classes: int) -> Callable[[Images], Label]:
    x, y = small_picture_features(images), truth.value.numpy()
    machine = LogisticRegression(C=0.01, max_iter=200)
    model = make_pipeline(StandardScaler(), OneVsRestClassifier(machine) if truth.multi else machine)
    seen = np.arange(classes) if truth.multi else np.unique(y)
    if len(seen) < 2:
        return _majority(truth, classes)
    model.fit(x, y)

    def predict(new: Images) -> Label:
        scores = np.zeros((len(new), classes))
        scores[:, seen] = model.predict_proba(small_picture_features(new))
        found = torch.from_numpy(scores)
        return Label(found > 0.5 if truth.multi else found.argmax(1), found)

    return predict
