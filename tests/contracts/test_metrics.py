"""What every metric found in the folder must keep."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from benchmarks.track_metrics import random_pair
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.metric import Metric
from sightline.core.skeleton import Skeleton
from sightline.core.targets import TARGETS, target_type
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.instances import Instances
from sightline.core.targets.keypoints import Keypoints
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.core.targets.number import RegressionValues
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.targets.text import Captions
from sightline.core.targets.tracks import Tracks
from sightline.metrics import METRICS
from sightline.metrics.intervals import score, under

KINDS = (*TARGETS.names(), "labels")
"""Those of targets, and labels of which an image may have several."""
CALLED = {"ap": "mAP50-95", "ap50": "mAP50", "ap75": "mAP75", "ap-small": "mAP small",
          "ap-medium": "mAP medium", "ap-large": "mAP large", "voc-ap": "VOC07 mAP",
          "mask-ap": "mask mAP50-95", "mask-ap50": "mask mAP50", "mask-ap75": "mask mAP75", "panoptic": "PQ",
          "object-f1": "object F1 50-95", "cell-ap": "cell AP50-95", "dice-score": "mDice"}  # fmt: skip
"""Metrics whose usual name is no file name."""


def answers(kind: str, n: int, seed: int = 0) -> tuple[Any, Any]:
    """(prediction, target) with ties, rare classes and some mistakes."""
    rng = np.random.default_rng(seed)
    if kind == "instances":
        return boxes(n, rng)
    if kind == "outlines":
        return outlines(n, rng)
    if kind == "masks":
        return maps(n, rng)
    if kind == "tracks":
        pairs = [random_pair(seed) for seed in range(10 * seed, 10 * seed + n)]
        prediction, target = (Tracks.cat([pair[k] for pair in pairs]) for k in (0, 1))
        return prediction, target
    if kind == "keypoints":
        return poses(n, rng)
    if kind == "text":
        return captions(n, rng)
    if kind == "number":
        target = rng.normal(size=(n, 2))
        return RegressionValues(torch.tensor(target + 0.3 * rng.normal(size=(n, 2)))), RegressionValues(
            torch.tensor(target)
        )
    if kind not in ("label", "labels"):  # kinds that no answers are drawn for here: without mistakes
        data = target_type(kind).synthetic(n, 32, seed)
        return data.targets.as_prediction(len(data.classes)), data.targets
    logits = np.round(2 * rng.normal(size=(n, 7)), 1)
    if kind == "labels":
        p = torch.tensor(logits).sigmoid()
        return ClassLabels(p > 0.5, p), ClassLabels(torch.tensor(logits + rng.normal(size=(n, 7)) > 1))
    target = rng.choice(7, n, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.04, 0.01])
    logits[np.arange(n), target] += 2
    p = torch.tensor(logits).softmax(1)
    return ClassLabels(p.argmax(1), p), ClassLabels(torch.tensor(target))


def boxes(n: int, rng: np.random.Generator) -> tuple[Instances, Instances]:
    """Objects of all sizes, some of them crowds; three detections each, with no equal scores.

    Between images equal scores would be ranked by the order of the images, as in COCO.
    """
    counts = rng.integers(0, 6, n)
    m = int(counts.sum())
    near, side = rng.uniform(0, 300, (m, 2)), np.exp(rng.uniform(np.log(10), np.log(200), (m, 1)))
    target = Instances(
        torch.tensor(counts),
        torch.full((n, 2), 600),
        torch.tensor(np.concatenate([near, near + side], 1)).float(),
        torch.tensor(rng.choice(4, m, p=[0.5, 0.3, 0.15, 0.05])),
        crowd=torch.tensor(rng.random(m) < 0.03),
    )
    each = torch.arange(m).repeat_interleave(3)
    shift = torch.tensor(rng.normal(size=(3 * m, 4)) * 0.1 * side.repeat(3, 0)).float()
    labels = torch.where(torch.tensor(rng.random(3 * m) < 0.8), target.labels[each], 0)
    scores = torch.tensor((1 + rng.permutation(3 * m)) / (3 * m + 1))
    return Instances(target.counts * 3, target.sizes, target.boxes[each] + shift, labels, scores), target


def maps(n: int, rng: np.random.Generator) -> tuple[SemanticMasks, SemanticMasks]:
    """Maps of several sizes with five classes in patches; some pixels void, a fifth of them wrong."""
    outputs, present = [], []
    for _ in range(n):
        rows, columns = rng.integers(2, 5, 2)
        first = np.kron(rng.integers(0, 5, (rows, columns)), np.ones((4, 4), dtype=np.uint8)).astype(np.uint8)
        wrong = rng.random(first.shape) < 0.2
        outputs.append(np.where(wrong, rng.integers(0, 5, first.shape), first))
        present.append(np.where(rng.random(first.shape) < 0.05, IGNORE_INDEX, first))
    return SemanticMasks.of(outputs), SemanticMasks.of(present)


def outlines(n: int, rng: np.random.Generator) -> tuple[InstanceMasks, InstanceMasks]:
    """Round objects, some of them crowds; two detections each, shifted, with no equal scores."""
    side, grid = 40, np.arange(40)
    counts = rng.integers(0, 5, n)
    m = int(counts.sum())
    near, size = rng.uniform(8, 32, (m, 2)), rng.uniform(3, 7, m)

    def discs(centers: np.ndarray, radii: np.ndarray) -> CroppedMasks:
        far = (grid[:, None] - centers[:, 1, None, None]) ** 2 + (grid - centers[:, 0, None, None]) ** 2
        return CroppedMasks.of(far <= radii[:, None, None] ** 2)

    sizes = torch.full((n, 2), side)
    label = torch.tensor(rng.integers(0, 3, m))
    target = InstanceMasks.of(sizes, torch.tensor(counts), discs(near, size), label)
    target = replace(target, crowd=torch.tensor(rng.random(m) < 0.05))
    each = np.arange(m).repeat(2)
    shifted = discs(near[each] + rng.normal(size=(2 * m, 2)), size[each] * rng.uniform(0.8, 1.2, 2 * m))
    scores = torch.tensor((1 + rng.permutation(2 * m)) / (2 * m + 1))
    return InstanceMasks.of(sizes, 2 * target.counts, shifted, label[torch.tensor(each)], scores), target


def poses(n: int, rng: np.random.Generator) -> tuple[Keypoints, Keypoints]:
    """Up to three figures in an image, with some points that are not labeled; most are predicted nearby."""
    names = ["head_top", "neck", "left_eye", "right_eye", "left_shoulder", "right_shoulder", "right_hip"]
    skeleton, counts = Skeleton.from_names(names), rng.integers(0, 4, n)
    m, j = int(counts.sum()), len(names)
    points = rng.uniform(0, 300, (m, 1, 2)) + rng.choice([70, 180], (m, 1, 1)) * rng.random((m, j, 2))
    visibility = torch.tensor(rng.choice([0, 1, 2], (m, j), p=[0.1, 0.2, 0.7]))
    sizes, labels = torch.full((n, 2), 500), torch.tensor(rng.integers(0, 2, m))
    target = Keypoints.of(
        sizes, torch.tensor(counts), torch.tensor(points).float(), visibility, skeleton, labels
    )
    target = replace(target, crowd=torch.tensor(rng.random(m) < 0.03))
    shift = rng.normal(size=(m, j, 2)) * rng.choice([2, 10, 60], (m, 1, 1), p=[0.5, 0.4, 0.1])
    outputs = replace(
        target.as_prediction(2),
        points=target.points + torch.tensor(shift).float(),
        visibility=torch.full((m, j), 2, dtype=torch.int8),
        scores=torch.tensor((1 + rng.permutation(m)) / (m + 1)),
        crowd=None,
    )
    return outputs.select(torch.tensor(rng.random(m) < 0.9)), target


def captions(n: int, rng: np.random.Generator) -> tuple[Captions, Captions]:
    """Sentences of a small grammar with one reference; in a third of them a word is another."""
    words = (
        ["a", "the"],
        ["red", "blue", "green"],
        ["star", "ball", "dog"],
        ["is", "lies"],
        ["here", "there"],
    )
    target = [[str(rng.choice(some)) for some in words] for _ in range(n)]
    said = [list(row) for row in target]
    for row in said:
        if rng.random() < 0.3:
            row[rng.integers(len(row))] = "cat"
    outputs, references = (Captions(tuple((" ".join(row),) for row in rows)) for rows in (said, target))
    return outputs.as_prediction(0), references


def perfect(kind: str) -> tuple[Any, Any]:
    target = answers(kind, 60)[1]
    if kind == "masks":
        return target, target
    if kind == "outlines":
        return replace(target, crowd=None, scores=torch.linspace(0.5, 0.9, len(target.labels))), target
    if kind == "instances":
        return replace(target, crowd=None, scores=torch.linspace(0.1, 0.9, len(target.labels))), target
    if kind not in ("label", "labels"):
        return target.as_prediction(7), target
    scores = target.value if kind == "labels" else torch.nn.functional.one_hot(target.value, 7)
    return ClassLabels(target.value, scores.double()), target


def made(name: str) -> Metric:
    metric: Metric = METRICS.load(name).METRIC()
    return metric


def applies(name: str, kind: str) -> bool:
    metric = made(name)
    target = "label" if kind == "labels" else kind
    return target in metric.card.target_types and (kind != "labels" or getattr(metric, "several", True))


CASES = [(name, kind) for name in METRICS.names() for kind in KINDS if applies(name, kind)]
each = pytest.mark.parametrize(("name", "kind"), CASES)


def test_every_metric_is_tried_on_a_kind_that_it_applies_to() -> None:
    assert {name for name, _ in CASES} == set(METRICS.names())


def test_helpers_beside_the_metrics_are_not_listed() -> None:
    assert {"accuracy", "macro-f1", "mae"} <= set(METRICS.names())
    beside = {"intervals", "compare", "calibration", "detections", "mistakes", "pixels"}
    assert not beside & set(METRICS.names())


@pytest.mark.parametrize("name", METRICS.names())
def test_card_is_complete(name: str) -> None:
    card = made(name).card
    assert card.name
    assert card.summary
    assert card.target_types
    if not name.startswith("top"):
        assert card.name == CALLED[name] if name in CALLED else card.name.lower().replace(" ", "-") == name


@each
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_parts_merge_in_any_order(name: str, kind: str, data: st.DataObject) -> None:
    prediction, target = answers(kind, 40)
    whole = made(name)
    whole.update(prediction, target)
    cuts = sorted(data.draw(st.lists(st.integers(1, 39), unique=True, max_size=5)))
    bounds = list(zip([0, *cuts], [*cuts, 40], strict=True))
    merged = made(name)
    for start, end in data.draw(st.permutations(bounds)):
        part = made(name)
        part.update(prediction[start:end], target[start:end])
        merged.merge(part)
    assert merged.compute() == pytest.approx(whole.compute(), rel=1e-12, abs=1e-12)


@each
def test_perfect_prediction_scores_best(name: str, kind: str) -> None:
    metric = made(name)
    metric.update(*perfect(kind))
    assert metric.compute() == pytest.approx(metric.card.best, abs=1e-12)


@each
def test_no_image_is_nan_and_no_crash(name: str, kind: str) -> None:
    prediction, target = answers(kind, 3)
    metric = made(name)
    assert math.isnan(metric.compute())
    metric.update(prediction[:0], target[:0])
    assert math.isnan(metric.compute())
    assert score(metric, metric.stats).n == 0


@each
def test_weights_count_images(name: str, kind: str) -> None:
    prediction, target = answers(kind, 50)
    metric = made(name)
    stats = metric.sample_statistics(prediction, target)
    plain = metric.compute_from(stats)
    assert metric.compute_from(stats, np.ones(50)) == pytest.approx(plain, rel=1e-12)
    assert metric.compute_from(stats, np.full(50, 7.0)) == pytest.approx(plain, rel=1e-12)
    times = np.random.default_rng(1).integers(0, 4, 50)
    index = torch.tensor(np.repeat(np.arange(50), times))
    if name == "cider":  # how rare words are is that of the images that there are
        return
    repeated = metric.compute_from(metric.sample_statistics(prediction[index], target[index]))
    assert metric.compute_from(stats, times.astype(float)) == pytest.approx(repeated, rel=1e-9)
    both = under(metric, stats, np.stack([np.ones(50), times.astype(float)]))
    assert both == pytest.approx([plain, repeated], rel=1e-9)


@each
def test_interval_holds_the_value_and_one_image_has_none_beyond_its_share(name: str, kind: str) -> None:
    prediction, target = answers(kind, 80)
    metric = made(name)
    stats = metric.sample_statistics(prediction, target)
    interval = score(metric, stats)
    assert interval.low <= interval.value <= interval.high
    assert interval.high - interval.low > 0.001
    assert interval.n == 80
    assert interval == score(metric, stats)
    alone = score(metric, {k: v[:1] for k, v in stats.items()})
    assert alone.n == 1
    if metric.card.is_proportion:
        assert alone.high - alone.low > 0.9
    else:
        assert math.isnan(alone.low)
        assert math.isnan(alone.high)
