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
from sightline.core.targets.bitmaps import Bitmaps
from sightline.core.targets.outlines import Outlines
from sightline.metrics import METRICS
from sightline.metrics.functional.boxes import average_precision, by_image
from sightline.metrics.functional.masks import by_masks
from sightline.ops.masks import iou

CLASSES, SIDE = 3, 48
NAMES = ("mask-ap", "mask-ap50", "mask-ap75")


def runs(masks: Bitmaps) -> list[dict[str, object]]:
    """Run lengths as pycocotools makes them."""
    whole = masks.dense(SIDE, SIDE).numpy().astype(np.uint8)
    return [coco_mask.encode(np.asfortranarray(m)) for m in whole]


def theirs(prediction: Outlines, truth: Outlines) -> list[float]:
    """The first six numbers of pycocotools on the same masks."""
    images = [{"id": i, "height": SIDE, "width": SIDE} for i in range(len(truth))]
    sides = []
    for side in (truth, prediction):
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


def ours(prediction: Outlines, truth: Outlines) -> list[float]:
    """The same six, those by area from the matching that all three share."""
    found = []
    for name in NAMES:
        metric = METRICS.load(name).METRIC()
        metric.update(prediction, truth)
        found.append(metric.compute())
    weights = np.ones((1, len(truth)))
    with np.errstate(invalid="ignore", divide="ignore"):
        for area in ("small", "medium", "large"):
            stats = by_image(Evaluation(prediction, truth), area, by_masks)
            found.append(float(average_precision(stats, weights)[0]))
    return [-1.0 if math.isnan(x) else x for x in found]


def scene(
    seed: int, images: int, most: int, shown: int, step: int, crowds: float, areas: bool
) -> tuple[Outlines, Outlines]:
    """Spotted rectangles; half of what is said repeats an object with some pixels changed."""
    rng = np.random.default_rng(seed)

    def masks(n: int) -> np.ndarray:
        found = np.zeros((n, SIDE, SIDE), dtype=bool)
        for one in found:
            (y1, y2), (x1, x2) = np.sort(rng.integers(0, SIDE + 1, (2, 2)), axis=1)
            one[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < rng.choice([0.5, 1.0])
        return found

    sizes = torch.full((images, 2), SIDE)
    counts, said = rng.integers(0, most + 1, images), rng.integers(0, shown + 1, images)
    there, found = masks(int(counts.sum())), masks(int(said.sum()))
    label, named = rng.integers(0, CLASSES - 1, len(there)), rng.integers(0, CLASSES, len(found))
    first = np.cumsum(counts) - counts
    for j in np.flatnonzero(rng.random(len(found)) < 0.6):
        i = int(np.searchsorted(np.cumsum(said), j, "right"))
        if counts[i]:
            g = int(first[i] + rng.integers(0, counts[i]))
            found[j] = there[g] & (rng.random((SIDE, SIDE)) >= rng.choice([0.0, 0.1, 0.2, 0.4]))
            named[j] = label[g]
    truth = Outlines.of(sizes, torch.tensor(counts), Bitmaps.of(there), torch.tensor(label))
    if crowds:
        truth = replace(truth, crowd=torch.tensor(rng.random(len(there)) < crowds))
    if areas:
        drawn = rng.choice([10.0, 32.0**2, 50.0**2, 96.0**2, 2e5], len(there))
        truth = replace(truth, areas=torch.tensor(drawn).float())
    scores = torch.tensor(rng.integers(0, step + 1, len(found)) / step)
    return Outlines.of(sizes, torch.tensor(said), Bitmaps.of(found), torch.tensor(named), scores), truth


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
def test_all_numbers_are_as_in_pycocotools(pair: tuple[Outlines, Outlines]) -> None:
    assert ours(*pair) == pytest.approx(theirs(*pair), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_overlaps_are_as_in_pycocotools(seed: int) -> None:
    prediction, truth = scene(seed, 1, 8, 8, 4, 0.3, False)
    crowd = torch.zeros(len(truth.labels), dtype=torch.bool) if truth.crowd is None else truth.crowd
    found = iou(prediction.bitmaps, truth.bitmaps, crowd).numpy()
    if found.size:
        expected = coco_mask.iou(runs(prediction.bitmaps), runs(truth.bitmaps), crowd.int().tolist())
        assert np.array_equal(found, expected)
