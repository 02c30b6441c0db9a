"""Our metrics on keypoints against pycocotools."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sightline.core.skeleton import COCO_SIGMAS, Skeleton
from sightline.core.targets.keypoints import Keypoints
from sightline.metrics import METRICS

NAMES = ("oks-ap", "oks-ap50", "oks-ap75", "oks-ap-medium", "oks-ap-large", "oks-ar")
CLASSES = 2


def theirs(prediction: Keypoints, target: Keypoints) -> list[float]:
    """The first six numbers of pycocotools on the same points."""
    images = [{"id": i} for i in range(len(target))]
    sides = []
    for objects in (target, prediction):
        rows = []
        points = torch.cat([objects.points.double(), objects.visibility[..., None].double()], 2).flatten(1)
        for m, (i, k) in enumerate(zip(objects.image.tolist(), objects.labels.tolist(), strict=True)):
            x1, y1, x2, y2 = objects.boxes[m].double().tolist()
            row: dict[str, Any] = {
                "id": m + 1, "image_id": i, "category_id": k, "bbox": [x1, y1, x2 - x1, y2 - y1],
                "keypoints": points[m].tolist(),
                "num_keypoints": int((objects.visibility[m] > 0).sum()),
                "iscrowd": int(objects.crowd is not None and bool(objects.crowd[m])),
            }  # fmt: skip
            if objects.scores is None:
                row["area"] = objects.area()[m].item()
            else:
                x, y = objects.points[m].double().numpy().T
                row |= {"score": float(objects.scores[m]), "area": (x.max() - x.min()) * (y.max() - y.min())}
            rows.append(row)
        side = COCO()
        side.dataset = {
            "images": images,
            "categories": [{"id": k} for k in range(CLASSES)],
            "annotations": rows,
        }
        with contextlib.redirect_stdout(io.StringIO()):
            side.createIndex()
        sides.append(side)
    judge = COCOeval(*sides, "keypoints")
    judge.params.kpt_oks_sigmas = np.array(target.skeleton.oks_sigmas)
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [float(v) for v in judge.stats[:6]]


def ours(prediction: Keypoints, target: Keypoints) -> list[float]:
    values = []
    for name in NAMES:
        metric = METRICS.load(name).METRIC()
        metric.update(prediction, target)
        values.append(-1.0 if math.isnan(metric.compute()) else metric.compute())
    return values


def scene(seed: int, images: int, skeleton: Skeleton, most: int = 5) -> tuple[Keypoints, Keypoints]:
    """People of all sizes: some crowds, some without labeled points, some far from what is predicted."""
    rng, j = np.random.default_rng(seed), len(skeleton)
    counts = rng.integers(0, most, images)
    m = int(counts.sum())
    near, side = rng.uniform(0, 400, (m, 1, 2)), np.exp(rng.uniform(np.log(15), np.log(250), (m, 1, 1)))
    points = torch.tensor(near + side * rng.random((m, j, 2))).float()
    visibility = torch.tensor(rng.choice([0, 1, 2], (m, j), p=[0.3, 0.2, 0.5])).to(torch.int8)
    visibility[torch.tensor(rng.random(m) < 0.1)] = 0
    boxes = torch.tensor(np.concatenate([near[:, 0], near[:, 0] + side[:, 0]], 1)).float()
    target = replace(
        Keypoints.of(
            torch.full((images, 2), 640), torch.tensor(counts), points, visibility, skeleton,
            torch.tensor(rng.integers(0, CLASSES, m)),
        ),
        boxes=boxes,
        areas=torch.tensor(rng.uniform(0.3, 0.8, m) * side[:, 0, 0] ** 2).float(),
        crowd=torch.tensor(rng.random(m) < 0.1),
    )  # fmt: skip
    each = torch.arange(m).repeat_interleave(8)
    shift = torch.tensor(
        rng.normal(size=(8 * m, j, 2)) * side[each] * rng.choice([0.02, 0.1, 0.5], (8 * m, 1, 1))
    )
    found = points[each] + shift.float()
    prediction = replace(
        Keypoints.of(
            target.sizes, 8 * target.counts, found, torch.full((8 * m, j), 2), skeleton, target.labels[each]
        ),
        scores=torch.tensor(np.round(rng.random(8 * m), 3)),
        point_scores=torch.ones(8 * m, j),
    )
    return prediction, target


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("own", [False, True])
def test_all_numbers_are_as_in_pycocotools(seed: int, own: bool) -> None:
    names = list(COCO_SIGMAS)[: 5 if own else 17]
    skeleton = Skeleton.from_names(names, sigmas=[0.02, 0.1, 0.3, 0.05, 0.08] if own else ())
    pair = scene(seed, 60, skeleton)
    assert (pair[0].counts > 20).any(), "more than count"
    numbers = theirs(*pair)
    assert 0.01 < numbers[0] < 0.9
    assert ours(*pair) == pytest.approx(numbers, abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), images=st.integers(1, 6), points=st.integers(1, 4), most=st.integers(1, 4))
def test_small_cases_are_as_in_pycocotools(seed: int, images: int, points: int, most: int) -> None:
    names = [f"p{i}" for i in range(points)]
    pair = scene(seed, images, Skeleton.from_names(names, sigmas=[0.1] * points), most)
    assert ours(*pair) == pytest.approx(theirs(*pair), abs=1e-9)


def test_without_predictions_nothing_is_found() -> None:
    prediction, target = scene(0, 10, Skeleton.from_names(list(COCO_SIGMAS)))
    none = prediction.select(torch.zeros(len(prediction.labels), dtype=torch.bool))
    assert ours(none, target) == pytest.approx([0.0] * 6)
