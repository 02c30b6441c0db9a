"""Our metrics against scikit-learn and torchmetrics."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
from sklearn.preprocessing import label_binarize

from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.metrics import METRICS
from sightline.metrics.ece import Ece
from sightline.metrics.top_k import TopK

N, K = 300, 6
RNG = np.random.default_rng(0)
WEIGHTS = [None, RNG.integers(0, 3, N).astype(float), RNG.random(N)]
weightings = pytest.mark.parametrize("weights", WEIGHTS, ids=["plain", "counts", "floats"])


def _single() -> tuple[np.ndarray, np.ndarray]:
    target = RNG.choice(K, N, p=[0.4, 0.3, 0.15, 0.1, 0.04, 0.01])
    logits = np.round(RNG.normal(size=(N, K)), 1)  # rounded, so that scores tie
    logits[np.arange(N), target] += 1.5
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True), target


P, Y = _single()
PREDICTED = P.argmax(1)
P_SEVERAL = 1 / (1 + np.exp(-np.round(RNG.normal(size=(N, K)), 1)))
Y_SEVERAL = RNG.random((N, K)) < P_SEVERAL * 0.8
NUMBERS, NUMBERS_TRUE = RNG.normal(size=(2, N, 2))


def _ours(name: str, prediction: Any, target: Any, weights: np.ndarray | None) -> float:
    metric = METRICS.load(name).METRIC()
    return float(metric.compute_from(metric.sample_statistics(prediction, target), weights))


SINGLE = {
    "accuracy": lambda w: sk.accuracy_score(Y, PREDICTED, sample_weight=w),
    "balanced-accuracy": lambda w: sk.balanced_accuracy_score(Y, PREDICTED, sample_weight=w),
    "macro-f1": lambda w: sk.f1_score(Y, PREDICTED, average="macro", sample_weight=w),
    "weighted-f1": lambda w: sk.f1_score(Y, PREDICTED, average="weighted", sample_weight=w),
    "micro-f1": lambda w: sk.f1_score(Y, PREDICTED, average="micro", sample_weight=w),
    "hamming": lambda w: sk.hamming_loss(Y, PREDICTED, sample_weight=w),
    "log-loss": lambda w: sk.log_loss(Y, P, labels=range(K), sample_weight=w),
    "average-precision": lambda w: sk.average_precision_score(
        label_binarize(Y, classes=range(K)), P, average="macro", sample_weight=w
    ),
    "auroc": lambda w: sk.roc_auc_score(
        label_binarize(Y, classes=range(K)), P, average="macro", sample_weight=w
    ),
}
SEVERAL = {
    "accuracy": lambda w: sk.accuracy_score(Y_SEVERAL, P_SEVERAL > 0.5, sample_weight=w),
    "macro-f1": lambda w: sk.f1_score(Y_SEVERAL, P_SEVERAL > 0.5, average="macro", sample_weight=w),
    "weighted-f1": lambda w: sk.f1_score(Y_SEVERAL, P_SEVERAL > 0.5, average="weighted", sample_weight=w),
    "micro-f1": lambda w: sk.f1_score(Y_SEVERAL, P_SEVERAL > 0.5, average="micro", sample_weight=w),
    "hamming": lambda w: sk.hamming_loss(Y_SEVERAL, P_SEVERAL > 0.5, sample_weight=w),
    "auroc": lambda w: sk.roc_auc_score(Y_SEVERAL, P_SEVERAL, average="macro", sample_weight=w),
    "average-precision": lambda w: sk.average_precision_score(Y_SEVERAL, P_SEVERAL, sample_weight=w),
    "log-loss": lambda w: np.mean(
        [sk.log_loss(Y_SEVERAL[:, k], P_SEVERAL[:, k], sample_weight=w) for k in range(K)]
    ),
    "balanced-accuracy": lambda w: np.mean(
        [
            sk.balanced_accuracy_score(Y_SEVERAL[:, k], P_SEVERAL[:, k] > 0.5, sample_weight=w)
            for k in range(K)
        ]
    ),
}
NUMBER = {
    "mae": lambda w: sk.mean_absolute_error(NUMBERS_TRUE, NUMBERS, sample_weight=w),
    "rmse": lambda w: sk.root_mean_squared_error(NUMBERS_TRUE, NUMBERS, sample_weight=w),
    "r2": lambda w: sk.r2_score(NUMBERS_TRUE, NUMBERS, sample_weight=w),
}


@weightings
@pytest.mark.parametrize("name", SINGLE)
def test_single_label_is_as_in_sklearn(name: str, weights: np.ndarray | None) -> None:
    prediction = ClassLabels(torch.tensor(PREDICTED), torch.tensor(P))
    ours = _ours(name, prediction, ClassLabels(torch.tensor(Y)), weights)
    assert ours == pytest.approx(SINGLE[name](weights), abs=1e-9)


@weightings
@pytest.mark.parametrize("name", SEVERAL)
def test_several_labels_are_as_in_sklearn(name: str, weights: np.ndarray | None) -> None:
    p = torch.tensor(P_SEVERAL)
    ours = _ours(name, ClassLabels(p > 0.5, p), ClassLabels(torch.tensor(Y_SEVERAL)), weights)
    assert ours == pytest.approx(SEVERAL[name](weights), abs=1e-9)


@weightings
@pytest.mark.parametrize("name", NUMBER)
def test_numbers_are_as_in_sklearn(name: str, weights: np.ndarray | None) -> None:
    ours = _ours(
        name, RegressionValues(torch.tensor(NUMBERS)), RegressionValues(torch.tensor(NUMBERS_TRUE)), weights
    )
    assert ours == pytest.approx(NUMBER[name](weights), abs=1e-9)


def test_two_classes_have_the_binary_auroc() -> None:
    p = torch.tensor(np.stack([1 - P[:, 0], P[:, 0]], 1))
    target = (Y == 0).astype(np.int64)
    ours = _ours("auroc", ClassLabels(p.argmax(1), p), ClassLabels(torch.tensor(target)), None)
    assert ours == pytest.approx(sk.roc_auc_score(target, P[:, 0]), abs=1e-9)


@weightings
@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_as_in_sklearn_without_ties(k: int, weights: np.ndarray | None) -> None:
    scores = P + np.random.default_rng(5).random(P.shape) * 1e-6
    metric = TopK(k)
    stats = metric.sample_statistics(
        ClassLabels(torch.tensor(scores.argmax(1)), torch.tensor(scores)), ClassLabels(torch.tensor(Y))
    )
    theirs = sk.top_k_accuracy_score(Y, scores, k=k, labels=range(K), sample_weight=weights)
    assert metric.compute_from(stats, weights) == pytest.approx(theirs, abs=1e-9)


def test_calibration_error_is_as_in_torchmetrics() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        functional = pytest.importorskip("torchmetrics.functional.classification")
    p = torch.tensor(P)
    ours = Ece()
    ours.update(ClassLabels(p.argmax(1), p), ClassLabels(torch.tensor(Y)))
    theirs = functional.multiclass_calibration_error(p, torch.tensor(Y), num_classes=K, n_bins=15)
    assert ours.compute() == pytest.approx(float(theirs), abs=1e-6)  # torchmetrics counts in float32
    auroc = functional.multiclass_auroc(p, torch.tensor(Y), num_classes=K, average="macro")
    label = ClassLabels(p.argmax(1), p)
    assert _ours("auroc", label, ClassLabels(torch.tensor(Y)), None) == pytest.approx(float(auroc), abs=1e-6)
