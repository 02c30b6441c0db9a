"""What every metric found in the folder must keep."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.metric import Metric
from sightline.core.targets.label import Label
from sightline.core.targets.number import Number
from sightline.metrics import METRICS
from sightline.metrics.intervals import score, under

KINDS = ("label", "labels", "number")


def answers(kind: str, n: int, seed: int = 0) -> tuple[Any, Any]:
    """(prediction, truth) with ties, rare classes and some mistakes."""
    rng = np.random.default_rng(seed)
    if kind == "number":
        truth = rng.normal(size=(n, 2))
        return Number(torch.tensor(truth + 0.3 * rng.normal(size=(n, 2)))), Number(torch.tensor(truth))
    logits = np.round(2 * rng.normal(size=(n, 7)), 1)
    if kind == "labels":
        p = torch.tensor(logits).sigmoid()
        return Label(p > 0.5, p), Label(torch.tensor(logits + rng.normal(size=(n, 7)) > 1))
    truth = rng.choice(7, n, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.04, 0.01])
    logits[np.arange(n), truth] += 2
    p = torch.tensor(logits).softmax(1)
    return Label(p.argmax(1), p), Label(torch.tensor(truth))


def perfect(kind: str) -> tuple[Any, Any]:
    truth = answers(kind, 60)[1]
    if kind == "number":
        return truth, truth
    scores = truth.value if kind == "labels" else torch.nn.functional.one_hot(truth.value, 7)
    return Label(truth.value, scores.double()), truth


def made(name: str) -> Metric:
    metric: Metric = METRICS.load(name).METRIC()
    return metric


def applies(name: str, kind: str) -> bool:
    metric = made(name)
    truth = "label" if kind == "labels" else kind
    return truth in metric.card.truths and (kind != "labels" or getattr(metric, "several", True))


CASES = [(name, kind) for name in METRICS.names() for kind in KINDS if applies(name, kind)]
each = pytest.mark.parametrize(("name", "kind"), CASES)


def test_helpers_beside_the_metrics_are_not_listed() -> None:
    assert {"accuracy", "macro-f1", "mae"} <= set(METRICS.names())
    assert not {"intervals", "compare", "calibration"} & set(METRICS.names())


@pytest.mark.parametrize("name", METRICS.names())
def test_card_is_complete(name: str) -> None:
    card = made(name).card
    assert card.name
    assert card.summary
    assert card.truths
    if not name.startswith("top"):
        assert card.name.lower().replace(" ", "-") == name


@each
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_parts_merge_in_any_order(name: str, kind: str, data: st.DataObject) -> None:
    prediction, truth = answers(kind, 40)
    whole = made(name)
    whole.update(prediction, truth)
    cuts = sorted(data.draw(st.lists(st.integers(1, 39), unique=True, max_size=5)))
    bounds = list(zip([0, *cuts], [*cuts, 40], strict=True))
    merged = made(name)
    for start, end in data.draw(st.permutations(bounds)):
        part = made(name)
        part.update(prediction[start:end], truth[start:end])
        merged.merge(part)
    assert merged.compute() == pytest.approx(whole.compute(), rel=1e-12, abs=1e-12)


@each
def test_perfect_prediction_scores_best(name: str, kind: str) -> None:
    metric = made(name)
    metric.update(*perfect(kind))
    assert metric.compute() == pytest.approx(metric.card.best, abs=1e-12)


@each
def test_no_image_is_nan_and_no_crash(name: str, kind: str) -> None:
    prediction, truth = answers(kind, 3)
    metric = made(name)
    assert math.isnan(metric.compute())
    metric.update(prediction[:0], truth[:0])
    assert math.isnan(metric.compute())
    assert score(metric, metric.stats).n == 0


@each
def test_weights_count_images(name: str, kind: str) -> None:
    prediction, truth = answers(kind, 50)
    metric = made(name)
    stats = metric.per_image(prediction, truth)
    plain = metric.value(stats)
    assert metric.value(stats, np.ones(50)) == pytest.approx(plain, rel=1e-12)
    assert metric.value(stats, np.full(50, 7.0)) == pytest.approx(plain, rel=1e-12)
    times = np.random.default_rng(1).integers(0, 4, 50)
    index = torch.tensor(np.repeat(np.arange(50), times))
    repeated = metric.value(metric.per_image(prediction[index], truth[index]))
    assert metric.value(stats, times.astype(float)) == pytest.approx(repeated, rel=1e-9)
    both = under(metric, stats, np.stack([np.ones(50), times.astype(float)]))
    assert both == pytest.approx([plain, repeated], rel=1e-9)


@each
def test_interval_holds_the_value_and_one_image_has_none_beyond_its_share(name: str, kind: str) -> None:
    prediction, truth = answers(kind, 80)
    metric = made(name)
    stats = metric.per_image(prediction, truth)
    found = score(metric, stats)
    assert found.low <= found.value <= found.high
    assert found.high - found.low > 0.001
    assert found.n == 80
    assert found == score(metric, stats)
    alone = score(metric, {k: v[:1] for k, v in stats.items()})
    assert alone.n == 1
    if metric.card.binomial:
        assert alone.high - alone.low > 0.9
    else:
        assert math.isnan(alone.low)
        assert math.isnan(alone.high)
