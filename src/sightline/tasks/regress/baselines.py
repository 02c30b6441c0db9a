"""Cheap answers: the mean, and a ridge regression on small pictures and their edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sightline.core.targets.number import Number
from sightline.core.task import Baseline
from sightline.ops.features import small_picture_features

Images = NDArray[np.uint8]


def baselines() -> list[Baseline]:
    """The baselines of regression."""
    return [
        Baseline("mean", "always the mean of the training images", _mean, looks=False),
        Baseline("linear", "ridge regression on a small picture and its edge directions", _linear),
    ]


def _mean(images: Any, truth: Number) -> Callable[[Any], Number]:
    mean = truth.value.double().mean(0, keepdim=True)
    return lambda new: Number(mean.repeat(len(new), 1))


def _linear(images: Images, truth: Number) -> Callable[[Images], Number]:
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(0, 5, 11)))
    model.fit(small_picture_features(images), truth.value.double().numpy())

    def predict(new: Images) -> Number:
        said = np.asarray(model.predict(small_picture_features(new)))
        return Number(torch.from_numpy(said.reshape(len(new), -1)))

    return predict
