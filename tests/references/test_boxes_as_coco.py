"""Our metrics on boxes against pycocotools."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sightline.core.metric import Evaluation
from sightline.core.targets.instances import Instances
from sightline.metrics import METRICS
from sightline.metrics.detections import average_precisions, curves
from sightline.metrics.functional.boxes import average_recall, by_image
from sightline.metrics.functional.matching import AREAS, THRESHOLDS, ranks

CLASSES = 3
SIDE = 640


def theirs(prediction: Instances, target: Instances) -> COCOeval:
    """pycocotools on the same boxes."""
    images = [{"id": i} for i in range(len(target))]
    classes = [{"id": k} for k in range(CLASSES)]
    sides = []
    for boxes in (target, prediction):
        rows = []
        box, area = boxes.boxes.double(), boxes.area().tolist()
        for m, (i, k) in enumerate(zip(boxes.image.tolist(), boxes.labels.tolist(), strict=True)):
            x1, y1, x2, y2 = box[m].tolist()
            row = {"id": m + 1, "image_id": i, "category_id": k, "bbox": [x1, y1, x2 - x1, y2 - y1]}
            row["iscrowd"] = int(boxes.crowd is not None and bool(boxes.crowd[m]))
            if boxes.scores is None:
                row["area"] = area[m]
            else:
                row["score"], row["area"] = float(boxes.scores[m]), (x2 - x1) * (y2 - y1)
            rows.append(row)
        side = COCO()
        side.dataset = {"images": images, "categories": classes, "annotations": rows}
        with contextlib.redirect_stdout(io.StringIO()):
            side.createIndex()
        sides.append(side)
    judge = COCOeval(*sides, "bbox")
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge


def first(prediction: Instances, most: int) -> Instances:
    """The detections with the highest scores of each image and class."""
    image, label, score = (x.numpy() for x in (prediction.image, prediction.labels, prediction.scores))
    order = np.lexsort((-score, label, image))
    keep = np.zeros(len(order), dtype=bool)
    keep[order[ranks(image[order], label[order]) < most]] = True
    return prediction.select(torch.from_numpy(keep))


def ours(prediction: Instances, target: Instances) -> list[float]:
    """The twelve numbers of COCO in their order."""

    def value(name: str, outputs: Instances) -> float:
        metric = METRICS.load(name).METRIC()
        metric.update(outputs, target)
        return metric.compute()

    result = [value(n, prediction) for n in ("ap", "ap50", "ap75", "ap-small", "ap-medium", "ap-large")]
    result += [value("ar100", first(prediction, most)) for most in (1, 10, 100)]
    with np.errstate(invalid="ignore", divide="ignore"):
        for area in ("small", "medium", "large"):
            stats = by_image(Evaluation(prediction, target), area)
            result.append(float(average_recall(stats, np.ones((1, len(target))))[0]))
    return [-1.0 if math.isnan(x) else x for x in result]


def scene(
    seed: int, images: int, most: int, shown: int, grid: int, step: int, crowds: float, areas: bool
) -> tuple[Instances, Instances]:
    """Boxes on a coarse grid, so that overlaps tie and lie on the thresholds, and some have no area."""
    rng = np.random.default_rng(seed)

    def boxes(counts: np.ndarray, classes: int) -> dict[str, Any]:
        n = int(counts.sum())
        ends = np.sort(rng.integers(0, grid + 1, (n, 2, 2)), axis=1).reshape(n, 4) * (SIDE / grid)
        sizes = torch.full((images, 2), SIDE)
        label = torch.tensor(rng.integers(0, classes, n))
        return {"counts": torch.tensor(counts), "sizes": sizes, "boxes": torch.tensor(ends).float(),
                "labels": label}  # fmt: skip

    objects = boxes(rng.integers(0, most + 1, images), CLASSES - 1)  # the last class has no object
    n = len(objects["labels"])
    if areas:
        objects["areas"] = torch.tensor(rng.choice([10.0, 32.0**2, 50.0**2, 96.0**2, 2e5], n)).float()
    if crowds:
        objects["crowd"] = torch.tensor(rng.random(n) < crowds)
    target = Instances(**objects)
    outputs = boxes(rng.integers(0, shown + 1, images), CLASSES)
    m = len(outputs["labels"])
    outputs["scores"] = torch.tensor(rng.integers(0, step + 1, m) / step).float()
    prediction = Instances(**outputs)
    # Some detections repeat an object, else few would be right on a fine grid.
    start = np.cumsum(target.counts.numpy()) - target.counts.numpy()
    for j in np.flatnonzero(rng.random(m) < 0.5):
        i = int(prediction.image[j])
        if target.counts[i]:
            g = int(start[i] + rng.integers(0, int(target.counts[i])))
            prediction.boxes[j], prediction.labels[j] = target.boxes[g], target.labels[g]
            prediction.boxes[j, 2:] += float(rng.choice([0.0, 0.0, 4.0, 30.0]))
    return prediction, target


scenes = st.builds(
    scene,
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 8),
    most=st.integers(0, 8),
    shown=st.integers(0, 20),
    grid=st.sampled_from([3, 5, 20, 64]),
    step=st.sampled_from([1, 4, 1000000]),
    crowds=st.sampled_from([0.0, 0.2]),
    areas=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(pair=scenes)
@example(pair=scene(1, 3, 20, 420, 20, 50, 0.1, True))  # above 100 in an image and class
@example(pair=scene(2, 2, 60, 300, 64, 10**6, 0.0, False))
@example(pair=scene(3, 40, 6, 12, 20, 4, 0.1, False))  # scores tie
@example(pair=scene(4, 4, 5, 0, 5, 1, 0.0, False))  # nothing found
@example(pair=scene(5, 4, 0, 5, 5, 1, 0.0, False))  # nothing there
def test_all_numbers_are_as_in_pycocotools(pair: tuple[Instances, Instances]) -> None:
    judge = theirs(*pair)
    assert ours(*pair) == pytest.approx(list(judge.stats), abs=1e-6)
    precision = judge.eval["precision"][:, :, :, 0, -1]
    by_class = np.where(precision[:, 0] < 0, np.nan, precision.mean(1)).T
    assert average_precisions(Evaluation(*pair), CLASSES) == pytest.approx(by_class, abs=1e-6, nan_ok=True)
    drawn = np.stack(
        [c.precision_at() if c.objects else np.full(101, -1.0) for c in curves(Evaluation(*pair), CLASSES)]
    )
    if (np.diff(np.sort(pair[0].scores.numpy())) > 0).all():  # equal scores are one point of ours
        assert pytest.approx(precision[0], abs=1e-6) == drawn.T


def test_the_thresholds_and_areas_are_those_of_pycocotools() -> None:
    params = COCOeval(iouType="bbox").params
    assert np.array_equal(params.iouThrs, THRESHOLDS)
    assert [tuple(x) for x in params.areaRng] == list(AREAS.values())


def test_more_than_one_hundred_of_a_class_in_an_image_are_cut() -> None:
    n = 130
    box = torch.tensor([[10.0, 10, 50, 50]])
    away = torch.tensor([[100.0, 100, 150, 150]])
    target = Instances(torch.tensor([1]), torch.full((1, 2), SIDE), box, torch.tensor([0]))
    scores = torch.linspace(0.9, 0.1, n)
    for place, right in ((99, True), (100, False)):
        boxes = away.repeat(n, 1)
        boxes[place] = box
        outputs = Instances(torch.tensor([n]), target.sizes, boxes, torch.zeros(n).long(), scores)
        assert (ours(outputs, target)[8] == 1) is right
        assert ours(outputs, target) == pytest.approx(list(theirs(outputs, target).stats), abs=1e-6)


def test_a_difficult_object_is_as_one_outside_the_area_range() -> None:
    prediction, target = scene(7, 10, 6, 12, 20, 10**6, 0.0, False)
    hard = torch.rand(len(target.labels), generator=torch.Generator().manual_seed(0)) < 0.3
    marked = replace(target, difficult=hard)
    huge = replace(target, areas=torch.where(hard, 1e11, target.area()))  # above the range of all
    assert ours(prediction, marked)[:3] == pytest.approx(list(theirs(prediction, huge).stats[:3]), abs=1e-6)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_of_two_objects_overlapped_alike_the_later_one_is_taken(order: list[int]) -> None:
    objects = torch.tensor([[0.0, 0, 10, 10], [4.0, 0, 14, 10]])[order]
    target = Instances(torch.tensor([2]), torch.full((1, 2), SIDE), objects, torch.zeros(2).long())
    between = torch.tensor([[2.0, 0, 12, 10], [4.0, 0, 14, 10]])  # IoU 2 / 3 with both; the second one
    prediction = replace(target, boxes=between, scores=torch.tensor([0.9, 0.8]))
    assert ours(prediction, target) == pytest.approx(list(theirs(prediction, target).stats), abs=1e-6)
    assert ours(prediction, target)[1] == pytest.approx(1.0 if order == [1, 0] else 51 / 101, abs=1e-6)
