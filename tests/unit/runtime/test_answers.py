"""What the light runtime reads from outputs is what the toolkit decodes from them, to the last row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st

from sightline.core.dataset import Classes
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.masks import SemanticMasks
from sightline.core.targets.number import RegressionValues
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.task import DataInfo
from sightline.data.loading.preprocess import input_affine
from sightline.inference import presenters
from sightline.models.detection import postprocess
from sightline.models.heads.prototypes import crop_masks
from sightline.ops import rle
from sightline.ops.contours import fill
from sightline.runtime import rows
from sightline.runtime.targets import target_type
from sightline.runtime.targets.instances import InstanceArrays
from sightline.tasks import TASKS
from sightline.tasks.instance.models.mask_rcnn import MaskRCNN

SIZE, NAMES = (48, 64), ("car", "bus", "dog")
SETTINGS: dict[str, Any] = {
    "size": SIZE, "channels": 3, "classes": list(NAMES), "conf": 0.05, "max_objects": 20, "multilabel": False,
}  # fmt: skip
STORED = [(48, 64), (100, 150), (31, 200), (480, 20)]
cases = st.tuples(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["stretch", "crop", "letterbox", "rect"]),
    st.sampled_from([0.3, 0.7, 1.0]),
)


def task(name: str, outputs: tuple[str, ...] = ()) -> Any:
    kind = TASKS.load(name)
    result = __import__(f"{kind.__name__}.task", fromlist=["TASK"]).TASK
    info = DataInfo(Classes(NAMES), outputs, 3, SIZE, (0.5,) * 3, (0.2,) * 3, 9)
    return result(info, result.Options())


def moved(prediction: Any, resize: Any) -> Any:
    """Back to the stored images, as every part of the toolkit does it."""
    stored = torch.tensor(STORED)
    batch = Batch(torch.zeros(len(STORED), 3, *SIZE), None, (), input_affine(stored, SIZE, resize), stored)
    return batch.back(prediction)


def said(seed: int, count: int = 40, masks: bool = False) -> dict[str, np.ndarray]:
    """Candidates: some outside, some empty, some alike, some padding."""
    rng, n = np.random.default_rng(seed), len(STORED)
    near = rng.uniform(-10, 60, (n, count, 2))
    boxes = np.concatenate([near, near + rng.uniform(-4, 40, (n, count, 2))], 2).astype(np.float32)
    boxes[:, 1::3] = boxes[:, ::3][:, : boxes[:, 1::3].shape[1]] + rng.normal(0, 2, boxes[:, 1::3].shape)
    scores = rng.uniform(0, 1, (n, count)).astype(np.float32).round(2)  # with ties
    scores[:, -5:] = 0
    result = {"boxes": boxes, "scores": scores, "labels": rng.integers(0, 3, (n, count))}
    if masks:
        result["coefficients"] = rng.normal(0, 1, (n, count, 4)).astype(np.float32)
        result["prototypes"] = rng.normal(0, 1, (n, 4, SIZE[0] // 4, SIZE[1] // 4)).astype(np.float32)
    return result


def read(
    kind: str, outputs: dict[str, np.ndarray], settings: Any, stored: list[tuple[int, int]]
) -> list[Any]:
    """One prediction an image."""
    target = target_type(kind)
    return [
        target.decode({k: v[i] for k, v in outputs.items()}, settings, size) for i, size in enumerate(stored)
    ]


def as_tensors(outputs: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in outputs.items()}


def check(mine: InstanceArrays, theirs: Any, message: dict[str, Any]) -> None:
    assert np.array_equal(mine.labels, theirs.labels.numpy())
    assert np.array_equal(mine.scores, theirs.scores.numpy())
    np.testing.assert_allclose(mine.boxes, theirs.boxes.numpy(), atol=1e-4)
    assert mine.record(NAMES) == message


@given(cases)
@with_settings(max_examples=60, deadline=None)
def test_boxes_are_those_of_the_toolkit(case: tuple[int, str, float]) -> None:
    seed, resize, nms = case
    settings, outputs = {**SETTINGS, "resize": resize, "nms": nms}, said(seed)
    mine = read("instances", outputs, settings, STORED)
    # Image by image: torchvision moves boxes of other images apart, and rounds them then.
    parts = [
        postprocess.select({k: v[i : i + 1] for k, v in as_tensors(outputs).items()}, settings)[0]
        for i in range(len(STORED))
    ]
    theirs = moved(type(parts[0]).cat(parts), resize)
    message = task("detect").to_records(theirs)
    for i, first in enumerate(mine):
        check(first, theirs[i], message[i])
        line = rows.full("a.png", message[i], first, NAMES)
        wanted = presenters.details(theirs[i], NAMES)["boxes"]
        assert [b["class"] for b in line["boxes"]] == [b["class"] for b in wanted]


@given(cases)
@with_settings(max_examples=25, deadline=None)
def test_masks_of_prototypes_are_those_of_the_toolkit(case: tuple[int, str, float]) -> None:
    seed, resize, nms = case
    settings = {**SETTINGS, "resize": resize, "nms": nms, "cuts": [0.2, 0.5, 0.9]}
    outputs = said(seed, 16, masks=True)
    mine = read("outlines", outputs, settings, STORED)
    for i, first in enumerate(mine):
        present = {k: v[i : i + 1] for k, v in as_tensors(outputs).items()}
        result, place = postprocess.select(present, settings)
        masks = crop_masks(present["prototypes"], present["coefficients"][result.image, place], result)
        areas = masks.areas()
        whole = InstanceMasks(
            result.counts, result.sizes, result.boxes, result.labels, result.scores, areas, masks=masks
        )
        whole = postprocess.rescale_scores(whole.select(areas > 0), settings["cuts"])
        stored = torch.tensor(STORED[i : i + 1])
        batch = Batch(torch.zeros(1, 3, *SIZE), None, (), input_affine(stored, SIZE, resize), stored)
        theirs = batch.back(whole)
        check(first, theirs, task("instance").to_records(theirs)[0])
        wanted = presenters.rle_codes(theirs).get("masks", [])
        got = rows.full("a.png", {}, first, NAMES).get("masks", [])
        # A pixel may fall on the other side of 0 where sums were added up in another order.
        different = sum(a != b for a, b in zip(got, wanted, strict=True))
        assert len(got) == len(wanted)
        assert different <= 1


@given(cases)
@with_settings(max_examples=25, deadline=None)
def test_masks_over_boxes_are_those_of_the_toolkit(case: tuple[int, str, float]) -> None:
    """Of Mask R-CNN; some of the objects have not one pixel."""
    seed, resize, nms = case
    settings = {**SETTINGS, "resize": resize, "nms": nms, "cuts": [0.2, 0.5, 0.9]}
    outputs = said(seed, 16)
    grids = np.random.default_rng(seed).uniform(0, 1, (len(STORED), 16, 28, 28)).astype(np.float32)
    grids[:, ::4] *= 0.4
    outputs["masks"] = grids
    mine = read("outlines", outputs, settings, STORED)
    for i, first in enumerate(mine):
        present = {k: v[i : i + 1] for k, v in as_tensors(outputs).items()}
        stored = torch.tensor(STORED[i : i + 1])
        batch = Batch(torch.zeros(1, 3, *SIZE), None, (), input_affine(stored, SIZE, resize), stored)
        theirs = batch.back(MaskRCNN.to_predictions(present, settings))
        check(first, theirs, task("instance").to_records(theirs)[0])
        assert first.codes() == presenters.rle_codes(theirs)


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox", "rect"])
def test_class_maps_are_those_of_the_toolkit(resize: str) -> None:
    maps = np.random.default_rng(1).integers(0, 3, (len(STORED), *SIZE), dtype=np.uint8)
    mine = read("masks", {"classes": maps}, {**SETTINGS, "resize": resize}, STORED)
    theirs = moved(SemanticMasks.of(maps), resize)
    for i, message in enumerate(task("semantic").to_records(theirs)):
        assert np.array_equal(mine[i].map, theirs.map(i))
        assert mine[i].record(NAMES) == message


@pytest.mark.parametrize("multi", [False, True])
def test_labels_and_numbers_are_those_of_the_toolkit(multi: bool) -> None:
    logits = torch.randn(len(STORED), 3, generator=torch.Generator().manual_seed(0))
    scores = torch.sigmoid(logits) if multi else torch.softmax(logits, 1)
    theirs = ClassLabels(logits > 0 if multi else logits.argmax(1), scores)
    settings = {**SETTINGS, "multilabel": multi, "resize": "stretch"}
    mine = read("label", {"scores": scores.numpy()}, settings, STORED)
    assert [first.record(NAMES) for first in mine] == task("classify").to_records(theirs)
    outputs = ("red", "green", "blue")
    mine = read("number", {"value": logits.numpy()}, settings, STORED)
    message = task("regress", outputs).to_records(RegressionValues(logits))
    assert [first.record(NAMES, outputs) for first in mine] == message


def test_nothing_found_is_said_as_by_the_toolkit() -> None:
    outputs = said(0, 8, masks=True)
    outputs["scores"][:] = 0
    settings = {**SETTINGS, "resize": "letterbox", "nms": 0.5}
    for kind in ("instances", "outlines"):
        for first in read(kind, outputs, settings, STORED):
            message = rows.full("a.png", first.record(NAMES), first, NAMES)
            assert message == {"path": "a.png", "objects": 0, "found": "nothing", "max_confidence": 0.0,
                            "boxes": []}  # fmt: skip


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
@with_settings(max_examples=60, deadline=None)
def test_codes_of_parts_are_those_of_whole_masks(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    part = fill([rng.uniform(-5, 35, (4, 2))], height, width)
    x, y, crop = part
    whole = np.zeros((height, width), dtype=np.uint8)
    whole[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    wanted = {"size": [height, width], "counts": rle.rle_text(rle.rle(whole))}
    assert rle.code(part, height, width) == wanted
