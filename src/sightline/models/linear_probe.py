"""Linear probe: a head that scikit-learn fits on the features of a frozen network.

Features are standardized, and the scaling is folded into the head: the result is a plain linear layer. The
regularization strength is the one with the lowest loss on validation features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from torch import nn

Floats = NDArray[np.floating[Any]]

C_VALUES = (1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths of the penalty of logistic regression that are tried, from the strongest on."""
ALPHAS = (1e4, 1e3, 1e2, 1e1, 1.0)
"""Strengths of the penalty of ridge regression that are tried, from the strongest on."""
MAX_STEPS = 300
"""Steps of L-BFGS; more do not change the answers on standardized features."""


@dataclass(frozen=True)
class Head:
    """A fitted linear layer.

    Attributes:
        weight: (K, D).
        bias: (K,).
        penalty: Name and value of the penalty that was chosen, in words.
        loss: Loss on the validation features.
    """

    weight: Floats
    bias: Floats
    penalty: str
    loss: float

    def put_into(self, layer: nn.Module) -> None:
        """Copy weight and bias into an `nn.Linear` of the same shape."""
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(self.weight))  # type: ignore[union-attr, operator]
            layer.bias.copy_(torch.from_numpy(self.bias))  # type: ignore[union-attr, operator]

    def __call__(self, features: Floats) -> Floats:
        """(N, D) to (N, K)."""
        outputs: Floats = features @ self.weight.T + self.bias
        return outputs


def logistic_head(
    features: Floats,
    target: NDArray[np.int64],
    val_features: Floats,
    val_target: NDArray[np.int64],
    class_weights: Sequence[float],
) -> Head:
    """Multinomial logistic regression.

    Args:
        features: (N, D) of training images.
        target: (N,) class index of each.
        val_features: (M, D) of validation images.
        val_target: (M,) class index of each.
        class_weights: (K,) weight of each class in the loss.
    """
    k, weights = len(class_weights), np.asarray(class_weights)
    scaler = StandardScaler().fit(features)
    scaled, present = scaler.transform(features), np.unique(target)

    def fit(c: float) -> tuple[Floats, Floats]:
        weight, bias = np.zeros((k, features.shape[1])), np.full(k, -20.0)
        if len(present) < 2:  # nothing to tell apart: the one class is always right
            bias[present] = 0.0
            return weight, bias
        model = LogisticRegression(C=c, max_iter=MAX_STEPS).fit(scaled, target, weights[target])
        coef, intercept = model.coef_, model.intercept_
        if len(present) == 2:
            coef, intercept = np.concatenate([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
        weight[present], bias[present] = coef, intercept
        return weight, bias

    def loss(outputs: Floats) -> float:
        shifted = outputs - outputs.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        each = -log_p[np.arange(len(val_target)), val_target]
        return float(np.average(each, weights=weights[val_target]))

    return _best(fit, loss, scaler, val_features, "C", C_VALUES)


def multilabel_head(
    features: Floats,
    target: NDArray[np.bool_],
    val_features: Floats,
    val_target: NDArray[np.bool_],
    class_weights: Sequence[float],
) -> Head:
    """One logistic regression a label.

    Args:
        features: (N, D) of training images.
        target: (N, K) which labels each has.
        val_features: (M, D) of validation images.
        val_target: (M, K).
        class_weights: (K,) weight of each label in the loss; what counts is how they stand to each other.
    """
    weights = np.asarray(class_weights) / np.mean(class_weights)
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)

    def fit(c: float) -> tuple[Floats, Floats]:
        weight, bias = np.zeros((target.shape[1], features.shape[1])), np.zeros(target.shape[1])
        for label, has in enumerate(target.T):
            if has.all() or not has.any():
                bias[label] = 20.0 if has.all() else -20.0
                continue
            model = LogisticRegression(C=c, max_iter=MAX_STEPS).fit(
                scaled, has, np.full(len(has), weights[label])
            )
            weight[label], bias[label] = model.coef_[0], model.intercept_[0]
        return weight, bias

    def loss(outputs: Floats) -> float:
        each = np.logaddexp(0, np.where(val_target, -outputs, outputs)).mean(0)
        return float(np.average(each, weights=weights))

    return _best(fit, loss, scaler, val_features, "C", C_VALUES)


def ridge_head(features: Floats, target: Floats, val_features: Floats, val_target: Floats) -> Head:
    """Ridge regression.

    Args:
        features: (N, D) of training images.
        target: (N, M) numbers of each.
        val_features: (V, D) of validation images.
        val_target: (V, M).
    """
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)

    def fit(alpha: float) -> tuple[Floats, Floats]:
        model = Ridge(alpha=alpha).fit(scaled, target)
        return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)

    def loss(outputs: Floats) -> float:
        return float(np.square(outputs - val_target).mean())

    return _best(fit, loss, scaler, val_features, "alpha", ALPHAS)


def _best(
    fit: Callable[[float], tuple[Floats, Floats]],
    loss: Callable[[Floats], float],
    scaler: StandardScaler,
    val_features: Floats,
    name: str,
    values: Sequence[float],
) -> Head:
    """The head with the lowest validation loss; stops when the loss rises twice in a row."""
    heads: list[Head] = []
    for value in values:
        weight, bias = fit(value)
        weight = weight / scaler.scale_
        bias = bias - weight @ scaler.mean_
        head = Head(weight, bias, f"{name} {value:g}", loss(val_features @ weight.T + bias))
        heads.append(head)
        if len(heads) > 2 and heads[-1].loss > heads[-2].loss > heads[-3].loss:
            break
    return min(heads, key=lambda head: head.loss)
