"""Our metrics on masks against pycocotools."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sightline.core.metric import Evaluation
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.metrics import METRICS
from sightline.metrics.functional.boxes import average_precision, by_image
from sightline.metrics.functional.masks import by_masks
from sightline.ops.masks import iou

CLASSES, SIDE = 3, 48
NAMES = ("mask-ap", "mask-ap50", "mask-ap75")


def runs(masks: CroppedMasks) -> list[dict[str, object]]:
    """Run lengths as pycocotools makes them."""
    whole = masks.dense(SIDE, SIDE).numpy().astype(np.uint8)
    return [coco_mask.encode(np.asfortranarray(m)) for m in whole]


def theirs(prediction: InstanceMasks, target: InstanceMasks) -> list[float]:
    """The first six numbers of pycocotools on the same masks."""
    images = [{"id": i, "height": SIDE, "width": SIDE} for i in range(len(target))]
    sides = []
    for side in (target, prediction):
        crowd = torch.zeros(len(side.labels)) if side.crowd is None else side.crowd
        scores = torch.zeros(len(side.labels)) if side.scores is None else side.scores
        columns = zip(side.image.tolist(), side.labels.tolist(), side.area().tolist(), crowd.long().tolist(),
                      scores.tolist(), runs(side.bitmaps), strict=True)  # fmt: skip
        names = ("image_id", "category_id", "area", "iscrowd", "score", "segmentation")
        rows = [{"id": m + 1, **dict(zip(names, row, strict=True))} for m, row in enumerate(columns)]
        coco = COCO()
        coco.dataset = {"images": images, "categories": [{"id": k} for k in range(CLASSES)],
                        "annotations": rows}  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):
            coco.createIndex()
        sides.append(coco)
    judge = COCOeval(*sides, "segm")
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [float(x) for x in judge.stats[:6]]


def ours(prediction: InstanceMasks, target: InstanceMasks) -> list[float]:
    """The same six, those by area from the matching that all three share."""
    result = []
    for name in NAMES:
        metric = METRICS.load(name).METRIC()
        metric.update(prediction, target)
        result.append(metric.compute())
    weights = np.ones((1, len(target)))
    with np.errstate(invalid="ignore", divide="ignore"):
        for area in ("small", "medium", "large"):
            stats = by_image(Evaluation(prediction, target), area, by_masks)
            result.append(float(average_precision(stats, weights)[0]))
    return [-1.0 if math.isnan(x) else x for x in result]


def scene(
    seed: int, images: int, most: int, shown: int, step: int, crowds: float, areas: bool
) -> tuple[InstanceMasks, InstanceMasks]:
    """Spotted rectangles; half of what is said repeats an object with some pixels changed."""
    rng = np.random.default_rng(seed)

    def masks(n: int) -> np.ndarray:
        result = np.zeros((n, SIDE, SIDE), dtype=bool)
        for item in result:
            (y1, y2), (x1, x2) = np.sort(rng.integers(0, SIDE + 1, (2, 2)), axis=1)
            item[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < rng.choice([0.5, 1.0])
        return result

    sizes = torch.full((images, 2), SIDE)
    counts, outputs = rng.integers(0, most + 1, images), rng.integers(0, shown + 1, images)
    present, result = masks(int(counts.sum())), masks(int(outputs.sum()))
    label, named = rng.integers(0, CLASSES - 1, len(present)), rng.integers(0, CLASSES, len(result))
    first = np.cumsum(counts) - counts
    for j in np.flatnonzero(rng.random(len(result)) < 0.6):
        i = int(np.searchsorted(np.cumsum(outputs), j, "right"))
        if counts[i]:
            g = int(first[i] + rng.integers(0, counts[i]))
            result[j] = present[g] & (rng.random((SIDE, SIDE)) >= rng.choice([0.0, 0.1, 0.2, 0.4]))
            named[j] = label[g]
    target = InstanceMasks.of(sizes, torch.tensor(counts), CroppedMasks.of(present), torch.tensor(label))
    if crowds:
        target = replace(target, crowd=torch.tensor(rng.random(len(present)) < crowds))
    if areas:
        drawn = rng.choice([10.0, 32.0**2, 50.0**2, 96.0**2, 2e5], len(present))
        target = replace(target, areas=torch.tensor(drawn).float())
    scores = torch.tensor(rng.integers(0, step + 1, len(result)) / step)
    return InstanceMasks.of(
        sizes, torch.tensor(outputs), CroppedMasks.of(result), torch.tensor(named), scores
    ), target


scenes = st.builds(
    scene,
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 5),
    most=st.integers(0, 6),
    shown=st.integers(0, 12),
    step=st.sampled_from([1, 4, 1000000]),
    crowds=st.sampled_from([0.0, 0.3]),
    areas=st.booleans(),
)


@settings(max_examples=40, deadline=None)
@given(pair=scenes)
@example(pair=scene(1, 2, 8, 330, 50, 0.1, True))  # above 100 in an image and class
@example(pair=scene(3, 12, 6, 12, 4, 0.2, False))  # scores tie
@example(pair=scene(4, 3, 4, 0, 1, 0.0, False))  # nothing found
@example(pair=scene(5, 3, 0, 4, 1, 0.0, False))  # nothing there
def test_all_numbers_are_as_in_pycocotools(pair: tuple[InstanceMasks, InstanceMasks]) -> None:
    assert ours(*pair) == pytest.approx(theirs(*pair), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_overlaps_are_as_in_pycocotools(seed: int) -> None:
    prediction, target = scene(seed, 1, 8, 8, 4, 0.3, False)
    crowd = torch.zeros(len(target.labels), dtype=torch.bool) if target.crowd is None else target.crowd
    result = iou(prediction.bitmaps, target.bitmaps, crowd).numpy()
    if result.size:
        expected = coco_mask.iou(runs(prediction.bitmaps), runs(target.bitmaps), crowd.int().tolist())
        assert np.array_equal(result, expected)
