"""Pairs: thresholds, ROC and ranks equal those of naive loops and of scikit-learn."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from sightline.core.targets.label import ClassLabels
from sightline.core.targets.vector import Vector
from sightline.metrics import intervals
from sightline.metrics.functional import pairs
from sightline.metrics.functional.accept_threshold import fit_threshold
from sightline.metrics.functional.pairs import STEPS, Counts
from sightline.tasks.embed import _scores


def drawn(n: int, people: int, seed: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(n, 8) unit vectors that lean to one of their identity, and their identities."""
    rng = np.random.default_rng(seed)
    identity = rng.integers(0, people, n)
    vectors = rng.normal(size=(people, 8))[identity] + rng.normal(size=(n, 8))
    vectors = np.round(vectors) + np.eye(8)[0] if ties else vectors
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), identity


def listed(vectors: np.ndarray, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Level of each pair by a loop, and whether it is genuine."""
    levels = [np.rint(vectors[i] @ vectors[j] * STEPS) for i, j in combinations(range(len(vectors)), 2)]
    same = [identity[i] == identity[j] for i, j in combinations(range(len(vectors)), 2)]
    return np.array(levels), np.array(same)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(8, 60), ties=st.booleans(), far=st.floats(0.005, 0.5))
def test_rates_equal_those_of_scikit_learn(seed: int, n: int, ties: bool, far: float) -> None:
    vectors, identity = drawn(n, 4, seed, ties)
    levels, same = listed(vectors, identity)
    counted = pairs.all_pairs(vectors, identity)
    assert abs(counted.genuine - np.sort(levels[same])).max(initial=0) <= 1
    assert abs(counted.impostor - np.sort(levels[~same])).max(initial=0) <= 1
    if not 0 < same.sum() < len(same):
        return
    score = np.concatenate([counted.genuine, counted.impostor])
    truth = np.repeat([1, 0], [len(counted.genuine), len(counted.impostor)])
    genuine, impostor = (Counts(x, x[:0]) for x in (counted.genuine, counted.impostor))
    fpr, tpr, _ = roc_curve(truth, score, drop_intermediate=False)
    assert pairs.true_accepts(genuine, impostor, far) == pytest.approx(tpr[fpr <= far].max())
    assert pairs.area(genuine, impostor) == pytest.approx(roc_auc_score(truth, score))
    eer = brentq(lambda x: 1 - x - np.interp(x, fpr, tpr), 0, 1) if fpr[tpr >= 1].min() > 0 else 0.0
    assert pairs.equal_error_rate(genuine, impostor) == pytest.approx(eer, abs=1e-6)
    level = pairs.threshold_level(impostor, far)
    assert (counted.impostor >= level).mean() <= far < (counted.impostor >= level - 1).mean()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(5, 40), ties=st.booleans())
def test_ranks_equal_those_of_a_loop(seed: int, n: int, ties: bool) -> None:
    vectors, identity = drawn(n, 4, seed, ties)
    ranked = pairs.ranks(vectors, identity)
    levels = pairs.cosine_levels(vectors, vectors)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        same = identity[others] == identity[i]
        if not same.any():
            assert ranked.first[i] == 0
            assert np.isnan(ranked.precision[i])
            continue
        order = sorted(others, key=lambda j, i=i: (-levels[i, j], identity[j] == identity[i]))  # type: ignore[misc]
        first = next(k for k, j in enumerate(order, 1) if identity[j] == identity[i])
        assert ranked.first[i] == first
        if len(set(levels[i, others].tolist())) == len(others):
            wanted = average_precision_score(same, levels[i, others])
            assert ranked.precision[i] == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["TAR@FAR", "EER", "AUC"])
def test_leaving_people_out_is_counting_the_others_alone(name: str) -> None:
    vectors, identity = drawn(70, 9, seed=3)
    metric: Any = _scores.metrics(0.05)[name]
    stats = {"embedding": vectors, "identity": identity}
    rest = ~np.isin(identity, [2, 5])
    left = metric.compute_from(stats, rest.astype(float))
    assert left == pytest.approx(metric.compute_from({k: v[rest] for k, v in stats.items()}))
    assert left != metric.compute_from(stats)
    with pytest.raises(ValueError, match="never paired with itself"):
        metric.compute_from(stats, np.arange(70.0))


def test_intervals_count_identities_and_batches_merge() -> None:
    vectors, identity = drawn(80, 10, seed=1)
    prediction, target = Vector(torch.tensor(vectors)), ClassLabels(torch.tensor(identity))
    for name, metric in _scores.metrics(0.05).items():
        metric.update(prediction[:30], target[:30])
        metric.update(prediction[30:], target[30:], np.full(50, "one group"))
        score = intervals.score(metric, metric.stats)
        whole = _scores.metrics(0.05)[name]
        whole.update(prediction, target)
        assert score.n == len(np.unique(identity))
        assert "identities" in score.method
        assert score.low < score.value == whole.compute() < score.high
    few = fit_threshold(prediction, target, 0.001)
    assert few.cosine is None
    assert "needs 3,000 impostor pairs" in few.text
    fitted = fit_threshold(prediction, target, 0.05)
    assert fitted.cosine is not None
    assert 0 < fitted.cosine < 1
