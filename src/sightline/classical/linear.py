"""Linear models of scikit-learn stored as tensors: reading them runs no code, and predictions stay the
same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from torch import Tensor

State = Mapping[str, Tensor]


def scaled_state(scaler: StandardScaler, machine: Any) -> dict[str, Tensor]:
    """State of a fitted scaler and linear model.

    Args:
        scaler: Fitted on (N, D) features.
        machine: LogisticRegression or RidgeCV, fitted on what the scaler gave.

    Returns:
        "mean" and "scale" (D,), "weight" (P, D) and "bias" (P,); P is 1 for two classes.
    """
    return {
        "mean": torch.from_numpy(np.asarray(scaler.mean_)),
        "scale": torch.from_numpy(np.asarray(scaler.scale_)),
        "weight": torch.from_numpy(np.array(machine.coef_)),
        "bias": torch.from_numpy(np.atleast_1d(np.array(machine.intercept_))),
    }


def scaled(state: State, features: Any) -> NDArray[Any]:
    """Standardize features with the scaler of a state."""
    scaler = StandardScaler()
    scaler.mean_, scaler.scale_ = state["mean"].numpy(), state["scale"].numpy()
    scaler.n_features_in_ = len(scaler.mean_)
    return np.asarray(scaler.transform(features))


def ridge(state: State, features: Any) -> Tensor:
    """Predict (N, M) numbers of a fitted ridge regression from (N, D) features."""
    machine = RidgeCV()
    machine.coef_, machine.intercept_ = state["weight"].numpy(), state["bias"].numpy()
    values = np.asarray(machine.predict(scaled(state, features)))
    return torch.from_numpy(values.reshape(len(features), -1))


def probabilities(state: State, features: Any, classes: Any) -> NDArray[Any]:
    """(N, P) probabilities of a fitted logistic regression from (N, D) features; `classes` are its
    classes, sorted.
    """
    return _probabilities(state, scaled(state, features), classes)


def _probabilities(state: State, x: NDArray[Any], classes: Any) -> NDArray[Any]:
    machine = LogisticRegression()
    machine.coef_, machine.intercept_ = state["weight"].numpy(), state["bias"].numpy()
    machine.classes_ = np.asarray(classes)
    return np.asarray(machine.predict_proba(x))


def label_state(scaler: StandardScaler, machine: OneVsRestClassifier) -> dict[str, Tensor]:
    """State of one logistic regression per label; a label that is the same for all images has its value (0
    or 1) in "constant", where others have -1.
    """
    parts = machine.estimators_
    fitted = [getattr(part, "coef_", None) for part in parts]
    width = len(scaler.mean_)
    first = next((w for w in fitted if w is not None), np.zeros((1, width)))
    weights = [np.zeros_like(first) if w is None else w for w in fitted]
    biases = [np.zeros(1) if w is None else part.intercept_ for w, part in zip(fitted, parts, strict=True)]
    ends = [-1 if w is not None else int(part.predict(np.zeros((1, width)))[0])
            for w, part in zip(fitted, parts, strict=True)]  # fmt: skip
    return {
        "mean": torch.from_numpy(np.asarray(scaler.mean_)),
        "scale": torch.from_numpy(np.asarray(scaler.scale_)),
        "weight": torch.from_numpy(np.concatenate(weights)),
        "bias": torch.from_numpy(np.concatenate(biases)),
        "constant": torch.tensor(ends),
    }


def label_probabilities(state: State, features: Any) -> NDArray[Any]:
    """(N, K) probability of each label, for (N, D) features."""
    x, columns = scaled(state, features), []
    for k, constant in enumerate(state["constant"].tolist()):
        single = {"weight": state["weight"][k : k + 1], "bias": state["bias"][k : k + 1]}
        share = np.full(len(x), float(constant)) if constant >= 0 else _probabilities(single, x, [0, 1])[:, 1]
        columns.append(share)
    return np.stack(columns, 1)


def scores_of(state: State, features: Tensor) -> Tensor:
    """(N, P) scores of a linear model by tensor arithmetic, from (N, D) features."""
    x = (features - state["mean"].to(features)) / state["scale"].to(features)
    return x @ state["weight"].to(features).T + state["bias"].to(features)
