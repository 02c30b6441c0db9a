"""Masks on our YOLO family: what they learn, say, and bear."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.dataset import Classes
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.instances import Instances
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.task import DataInfo
from sightline.errors import UsageError
from sightline.models.detection.assigner import Assigned
from sightline.models.heads import prototypes as masks_of
from sightline.tasks.instance import MODELS
from sightline.tasks.instance.options import InstanceOptions

SIDE = 64
CLASSES = ("square", "disc")


def info(size: tuple[int, int], classes: tuple[str, ...]) -> DataInfo:
    return DataInfo(Classes(classes), (), 3, size, (0.5,) * 3, (0.2,) * 3, 8)


def build(name: str = "yolo-n", **options: Any) -> Model:
    torch.manual_seed(0)
    kind, expected = MODELS.load(name).MODEL, info((SIDE, SIDE), CLASSES)
    settings = {"size": [SIDE, SIDE], "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    model: Model = kind({**settings, **kind.settings_for(expected, InstanceOptions(**options))})
    return model


def batch_of(n: int = 8) -> Batch:
    """A bright square at the left and a bright disc at the right of dark images."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 40, (n, SIDE, SIDE, 3), dtype=np.uint8)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    masks = []
    for image in images:
        for k, left in enumerate((0, 32)):
            reach, middle = int(rng.integers(8, 13)), rng.integers(14, 18, 2) + np.array([left, 16])
            dx, dy = x + 0.5 - middle[0], y + 0.5 - middle[1]
            inside = np.hypot(dx, dy) < reach if k else np.maximum(abs(dx), abs(dy)) < reach
            image[inside] = (220, 200, 90)
            masks.append(inside)
    target = InstanceMasks.of(
        torch.full((n, 2), SIDE), torch.full((n,), 2), CroppedMasks.of(masks), torch.arange(2).repeat(n)
    )
    tensor = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return Batch(tensor, target, [str(i) for i in range(n)])


def nothing(n: int) -> InstanceMasks:
    none = torch.zeros(0).long()
    return InstanceMasks.of(torch.full((n, 2), SIDE), torch.zeros(n).long(), CroppedMasks.of([]), none)


@pytest.fixture(scope="module")
def learnt() -> tuple[Model, Batch]:
    model, batch, rng = build(), batch_of(), torch.Generator()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    model.train()
    for _ in range(60):
        optimizer.zero_grad()
        model.loss(batch, rng)["loss"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model.eval(), batch


def test_learns_the_masks_of_eight_images_by_heart(learnt: tuple[Model, Batch]) -> None:
    model, batch = learnt
    with torch.no_grad():
        outputs = model(batch.images)
    for nms in (1.0, 0.65):
        prediction = model.predict_from_outputs(outputs, {**model.settings, "nms": nms, "conf": 0.3})
        for i in range(len(batch)):
            result, true = prediction[i], batch.targets[i]
            assert result.labels.sort().values.tolist() == [0, 1], f"nms {nms}"
            first, second = (o.bitmaps[o.labels.argsort()].dense(SIDE, SIDE) for o in (result, true))
            overlap = (first & second).sum((1, 2)) / (first | second).sum((1, 2))
            assert overlap.min() > 0.85, f"nms {nms}"


def test_masks_lie_in_their_boxes_and_have_a_pixel(learnt: tuple[Model, Batch]) -> None:
    model, batch = learnt
    with torch.no_grad():
        prediction = model.predict_from_outputs(model(batch.images), {**model.settings, "conf": 0.001})
    assert isinstance(prediction, InstanceMasks)
    assert prediction.areas is not None
    assert (prediction.areas > 0).all()
    assert torch.equal(prediction.areas, prediction.bitmaps.areas())
    around = prediction.bitmaps.boxes()
    assert (around[:, :2] >= prediction.boxes[:, :2].floor()).all()
    assert (around[:, 2:] <= prediction.boxes[:, 2:].ceil()).all()
    assert prediction.sizes.tolist() == [[SIDE, SIDE]] * len(batch)


def test_shapes() -> None:
    model, batch = build().eval(), batch_of(2)
    with torch.no_grad():
        outputs = model(batch.images)
    places = 8 * 8 + 4 * 4 + 2 * 2
    assert outputs["coefficients"].shape == (2, places, masks_of.COUNT)
    assert outputs["coefficients"].abs().max() <= 1
    assert outputs["prototypes"].shape == (2, masks_of.COUNT, SIDE // 4, SIDE // 4)
    assert outputs["boxes"].shape == (2, places, 4)
    assert outputs["scores"].shape == outputs["many"].shape == (2, places, 2)


def test_loss_needs_no_objects_and_reaches_every_parameter() -> None:
    model, images = build().train(), batch_of(2).images
    losses = model.loss(Batch(images, nothing(2), ["", ""]), torch.Generator())
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    assert losses["loss"].isfinite()
    assert losses["mask"] == 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_groups_and_empty_boxes_are_not_learnt() -> None:
    model, batch = build().eval(), batch_of(2)
    whole = CroppedMasks.of([np.ones((SIDE, SIDE)), np.zeros((SIDE, SIDE))])
    more = InstanceMasks.of(torch.full((1, 2), SIDE), torch.tensor([2]), whole, torch.zeros(2).long())
    group = InstanceMasks(
        more.counts, more.sizes, more.boxes, more.labels, crowd=torch.tensor([True, False]), masks=whole
    )
    # The first image has a group, and a box without an area, before its two objects.
    target = Instances.cat([group, batch.targets]).reassign_images(
        torch.tensor([0, 0, 0, 0, 1, 1]), batch.targets.sizes
    )
    with torch.no_grad():
        outputs = model(batch.images)
        first, second = (
            model.loss(Batch(batch.images, t, batch.ids), torch.Generator(), outputs=outputs)["mask"]
            for t in (target, batch.targets)
        )
    assert torch.equal(first, second)


def test_right_masks_cost_little_and_wrong_ones_much() -> None:
    target = batch_of(1).targets
    goal = masks_of.shares(target.bitmaps, 16, 16)
    result = Assigned(torch.tensor([0, 1, 1]), torch.zeros(3).long(), torch.tensor([0, 1, 2]), torch.ones(3))
    # Cells that an object covers in part cost something however they are said.
    for sign, least, most in ((1.0, 0.0, 0.4), (-1.0, 3.0, 7.0)):
        outputs = {
            "prototypes": sign * goal[None].clamp(0.001, 0.999).logit(),
            "coefficients": torch.tensor([[[1.0, 0], [0, 1], [0, 1]]]),
        }
        lost = float(masks_of.mask_loss(outputs, target, result, torch.Generator()))
        assert least <= lost / masks_of.GAIN <= most


def test_more_places_than_fit_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks_of, "MAX_MASKS", 3)
    target = batch_of(2).targets
    n = 10
    result = Assigned(
        torch.tensor([0, 1] * 5 + [2] * 2), torch.tensor([0] * n + [1] * 2), torch.arange(12), torch.ones(12)
    )
    weights = torch.rand(2, 12, 4, requires_grad=True)
    outputs = {"prototypes": torch.rand(2, 4, 16, 16), "coefficients": weights}
    masks_of.mask_loss(outputs, target, result, torch.Generator()).backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
    assert weights.grad.any(2).sum(1).tolist() == [3, 2]


@given(st.integers(0, 2**31), st.integers(0, 40), st.integers(0, 40), st.integers(1, 9), st.integers(1, 9))
def test_shares_are_those_of_the_cells(seed: int, x: int, y: int, w: int, h: int) -> None:
    whole = np.zeros((52, 52), dtype=np.uint8)
    whole[y : y + h, x : x + w] = np.random.default_rng(seed).integers(0, 2, (h, w))
    result = masks_of.shares(CroppedMasks.of([whole]), 11, 12)[0].numpy()
    for row, column in itertools.product(range(11), range(12)):
        cell = whole[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
        assert result[row, column] == pytest.approx(cell.mean() if cell.size else 0)


@given(st.integers(0, 34), st.integers(0, 34), st.integers(8, 30), st.integers(8, 30))
def test_what_is_shared_out_comes_back(x: int, y: int, w: int, h: int) -> None:
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[y : y + h, x : x + w] = True
    target = InstanceMasks.of(
        torch.tensor([[SIDE, SIDE]]), torch.tensor([1]), CroppedMasks.of([mask]), torch.zeros(1).long()
    )
    goal = masks_of.shares(target.bitmaps, 16, 16)[None].clamp(0.01, 0.99)
    back = masks_of.crop_masks(goal.logit(), torch.ones(1, 1), target).dense(SIDE, SIDE)[0].numpy()
    assert not (back & ~mask).any()
    assert back.sum() > 0.6 * mask.sum()
    inner = mask[y + 4 : y + h - 4, x + 4 : x + w - 4]
    assert back[y + 4 : y + h - 4, x + 4 : x + w - 4].sum() == inner.sum()


@pytest.mark.parametrize("nms", [1.0, 0.6])
def test_exported_it_says_only_what_is_read(learnt: tuple[Model, Batch], nms: float) -> None:
    model, batch = learnt
    selected = model.settings
    try:
        model.settings = {**selected, "nms": nms}
        program: Callable[..., Any] = torch.export.export(model, (batch.images[:1],)).module()
        outputs, here = program(batch.images[:1]), model(batch.images[:1])
        read = "scores" if nms == 1 else "many"
        assert set(outputs) == {"boxes", read, "coefficients", "prototypes"}
        assert all(torch.allclose(outputs[name], here[name], atol=1e-3) for name in outputs)
        first, second = (model.predict_from_outputs(x, model.settings) for x in (outputs, here))
        assert first.counts.tolist() == second.counts.tolist()
    finally:
        model.settings = selected


def test_bf16_is_finite() -> None:
    model, batch = build().train(), batch_of(2)
    with torch.autocast("cpu", torch.bfloat16):
        loss = model.loss(batch, torch.Generator())["loss"]
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.isfinite()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_any_size_of_image_is_taken_in_training() -> None:
    model = build().train()
    target = batch_of(2).targets
    small = target.warp(torch.eye(2, 3).repeat(2, 1, 1), torch.tensor([[50, 61]] * 2), least=0.1)
    images = torch.randint(0, 255, (2, 3, 50, 61), dtype=torch.uint8)
    assert model.loss(Batch(images, small, ["a", "b"]), torch.Generator())["loss"].isfinite()


@pytest.mark.parametrize("name", ["yolo-n", "yolo-s", "yolo-m", "yolo-l"])
def test_card_counts_parameters(name: str) -> None:
    card, kind = MODELS.load(name).CARD, MODELS.load(name).MODEL
    assert card.counted == "80 classes, 3x640x640, own backbone"
    expected = info((640, 640), tuple(str(i) for i in range(80)))
    settings = {"size": [640, 640], "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    with torch.device("meta"):
        model = kind({**settings, **kind.settings_for(expected, InstanceOptions())})
    assert sum(p.numel() for p in model.parameters()) == card.parameters


def test_variants_are_refused() -> None:
    with pytest.raises(UsageError, match="no variants"):
        build(variant="full")
