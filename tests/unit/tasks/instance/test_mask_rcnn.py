"""Mask R-CNN as a method of the task, and masks as grids over boxes."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as quickly
from hypothesis import strategies as st
from torch import nn

from sightline.core.sample import Batch
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.ops.masks import iou
from sightline.storage import read_tensors, write_tensors
from sightline.tasks.instance._crops import cells, pasted
from sightline.tasks.instance.models.mask_rcnn import CARD, MODEL
from tests.unit.tasks.instance._samples import FOUR, ellipse, image_batch, rng, same, settings


@cache
def _built() -> Any:
    torch.manual_seed(0)
    return MODEL(settings("resnet18"))


def build() -> Any:
    return copy.deepcopy(_built())


sides = st.integers(1, 12)
places = st.floats(0, 40)


@given(places, places, st.floats(6, 60), st.floats(6, 60))
@quickly(deadline=None, max_examples=60)
def test_a_mask_that_was_cut_out_is_put_back(x: float, y: float, w: float, h: float) -> None:
    box = torch.tensor([[x, y, x + w, y + h]])
    present = CroppedMasks.of(ellipse(*box[0].tolist(), 100, 100)[None])
    back = pasted(cells(present, box), box, (100, 100))
    assert float(iou(present, back)) > 0.93


@given(st.integers(0, 20), st.integers(0, 20), sides, sides)
@quickly(deadline=None, max_examples=60)
def test_small_masks_are_put_back_pixel_for_pixel(x: int, y: int, w: int, h: int) -> None:
    mask = np.zeros((40, 40), dtype=np.uint8)
    inner = np.random.default_rng(x + 40 * y + w + h).random((h, w)) < 0.6
    mask[y : y + h, x : x + w] = inner
    box = torch.tensor([[x, y, x + w, y + h]]).float()
    back = pasted(cells(CroppedMasks.of([mask]), box), box, (40, 40))
    np.testing.assert_array_equal(back.dense(40, 40)[0].numpy(), mask > 0)


@given(st.lists(places, min_size=4, max_size=4))
@quickly(deadline=None, max_examples=60)
def test_shares_of_cells_add_up_to_the_area(corner: list[float]) -> None:
    x1, y1 = corner[0], corner[1]
    box = torch.tensor([[x1, y1, x1 + corner[2] + 1, y1 + corner[3] + 1]])
    mask = torch.ones(90, 90)
    got = cells(CroppedMasks.of(mask[None]), box, 7)
    np.testing.assert_allclose(got.numpy(), 1, atol=1e-4)
    half = cells(CroppedMasks.of((torch.arange(90) < 45).float().expand(90, 90)[None]), box, 7)
    expected = float((45 - box[0, 0]).clamp(0, box[0, 2] - box[0, 0]) / (box[0, 2] - box[0, 0]))
    assert float(half.mean()) == pytest.approx(expected, abs=1e-4)


def test_pasting_says_what_torchvision_says_but_for_its_rounding() -> None:
    """On boxes of whole pixels, of which torchvision takes one more: then both differ by an edge only."""
    from torchvision.models.detection.roi_heads import paste_masks_in_image

    boxes = torch.tensor([[8.0, 10, 68, 80], [30, 2, 90, 60]])
    grids = torch.stack([ellipse(0, 0, 28, 28, 28, 28), ellipse(4, 6, 25, 28, 28, 28)]).float()
    theirs = paste_masks_in_image(grids[:, None], boxes, (100, 100))[:, 0] >= 0.5
    ours = pasted(grids, boxes, (100, 100))
    assert bool((iou(ours, CroppedMasks.of(theirs)).diagonal() > 0.94).all())


def test_objects_at_the_edge_are_cut_off() -> None:
    result = pasted(torch.ones(2, 28, 28), torch.tensor([[-20.0, -10, 8, 6], [30, 36, 60, 60]]), (40, 40))
    np.testing.assert_array_equal(result.boxes().numpy(), [[0, 0, 8, 6], [30, 36, 40, 40]])


def test_candidates_and_predictions_have_one_form() -> None:
    model, batch = build().eval(), image_batch()
    model.settings["conf"] = 0.0
    with torch.no_grad():
        outputs = model(batch.images)
    assert outputs["boxes"].shape == (4, 20, 4)
    assert outputs["scores"].shape == outputs["labels"].shape == (4, 20)
    assert outputs["masks"].shape == (4, 20, 28, 28)
    outputs["masks"][:] = 0.9
    prediction = model.predict_from_outputs({k: v.float() for k, v in outputs.items()}, model.settings)
    assert prediction.kind == "outlines"
    assert 0 < int(prediction.counts.max()) <= 20
    for i in range(4):
        assert prediction[i].scores.tolist() == sorted(prediction[i].scores.tolist(), reverse=True)
    # A mask that is full reaches its box's edge, to the nearest pixel and half a cell.
    assert bool(((prediction.bitmaps.boxes() - prediction.boxes).abs() <= 1.7).all())


def test_what_has_no_pixel_is_no_object() -> None:
    outputs = {
        "boxes": torch.tensor([[[2.0, 2, 30, 30], [10, 10, 50, 50]]]),
        "scores": torch.tensor([[0.9, 0.8]]),
        "labels": torch.tensor([[0, 1]]),
        "masks": torch.stack([torch.zeros(28, 28), torch.ones(28, 28)])[None],
    }
    prediction = MODEL.predict_from_outputs(outputs, settings("resnet18"))
    assert prediction.labels.tolist() == [1]
    assert prediction.bitmaps.boxes().tolist() == [[10, 10, 50, 50]]


@pytest.mark.parametrize("objects", [FOUR, [*FOUR[:2], []], [[], []]], ids=["all", "some", "none"])
def test_loss_is_finite_and_every_parameter_gets_a_gradient(objects: Any) -> None:
    model = build().train()
    losses = model.loss(image_batch(objects), rng())
    assert all(bool(torch.isfinite(x)) for x in losses.values())
    losses["loss"].backward()
    for group in model.optimizer_groups().values():
        assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in group.parameters)


def test_validation_changes_nothing_and_goes_by_the_outputs_at_hand() -> None:
    model, batch = build().eval(), image_batch()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad():
        outputs = model(batch.images)
        first = model.loss(batch, rng(), outputs=outputs)
        second = model.loss(batch, rng(), outputs=outputs)
        fresh = model.loss(batch, rng())
    assert same(first, second)
    assert float(first["loss"]) == pytest.approx(float(fresh["loss"]), rel=1e-5)
    assert same(before, model.state_dict())


def test_groups_are_not_learnt() -> None:
    model, batch = build().eval(), image_batch()
    target = batch.targets
    crowd = InstanceMasks.of(
        target.sizes[:1], torch.tensor([1]), CroppedMasks.of(torch.ones(1, 64, 64)), torch.tensor([1])
    )
    whole = InstanceMasks.cat([crowd, target])
    more = InstanceMasks(
        target.counts + torch.tensor([1, 0, 0, 0]),
        target.sizes,
        whole.boxes,
        whole.labels,
        crowd=torch.tensor([True, *[False] * len(target.labels)]),
        masks=whole.bitmaps,
    )
    with torch.no_grad():
        assert same(model.loss(batch, rng()), model.loss(Batch(batch.images, more, batch.ids), rng()))


def test_saved_and_loaded_it_says_the_same(tmp_path: Path) -> None:
    model, batch = build(), image_batch()
    write_tensors(tmp_path / "m.safetensors", model.state_dict())
    again = MODEL(json.loads(json.dumps(model.settings)))
    again.load_state_dict(read_tensors(tmp_path / "m.safetensors"))
    with torch.no_grad():
        assert same(model.eval()(batch.images), again.eval()(batch.images))


def test_no_class_is_taken_for_its_neighbor() -> None:
    """Where the heads know one class only, it is that of the same place in the class table, mask and all."""
    model = build().eval()
    heads, images = model.network.net.roi_heads, image_batch().images[:1]
    for label in range(3):
        with torch.no_grad():
            heads.box_predictor.cls_score.bias.fill_(-9.0)[label + 1] = 9.0
            heads.mask_predictor.mask_fcn_logits.bias.fill_(-9.0)[label + 1] = 9.0
            prediction = model.predict_from_outputs(model(images), {**model.settings, "conf": 0.3})
        assert len(prediction.labels) > 0
        assert set(prediction.labels.tolist()) == {label}
        assert float(prediction.bitmaps.areas().min()) > 0


def test_images_without_any_proposal() -> None:
    model = build().eval()
    with torch.no_grad():
        model.network.net.rpn.score_thresh = 2.0
        outputs = model(image_batch().images)
    assert model.predict_from_outputs(outputs, {**model.settings, "conf": 0.0}).counts.tolist() == [0] * 4


def test_images_of_another_size_and_gray_ones() -> None:
    model = MODEL(settings("resnet18", channels=1, mean=[0.4], std=[0.2], size=[96, 128])).train()
    batch = image_batch([[(2, 9, 9, 60, 70)], []], side=96)
    assert bool(
        torch.isfinite(model.loss(Batch(batch.images[:, :1], batch.targets, batch.ids), rng())["loss"])
    )


@pytest.mark.slow
def test_four_images_are_learnt_by_heart() -> None:
    model, batch = build().train(), image_batch()
    model.network.net.roi_heads.fg_bg_sampler.batch_size_per_image = 32  # of images with two objects at most
    optimizer = torch.optim.Adam(model.parameters(), 5e-4)
    for step in range(40):
        optimizer.zero_grad()
        model.loss(batch, rng(step))["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    with torch.no_grad():
        prediction = model.eval().predict_from_outputs(model(batch.images), model.settings)
    hits = []
    for i in range(4):
        target, outputs = batch.targets[i], prediction[i]
        overlap = iou(target.bitmaps, outputs.bitmaps) * (target.labels[:, None] == outputs.labels)
        hits += (overlap.amax(1) > 0.7).tolist()
    assert sum(hits) >= len(hits) - 1, f"{sum(hits)} of {len(hits)} objects found"


@pytest.mark.slow
def test_card_counts_parameters() -> None:
    result = MODEL(settings("resnet50", classes=[str(i) for i in range(80)], size=[320, 320]))
    assert CARD.counted == "resnet50, 80 classes"
    assert sum(p.numel() for p in result.parameters() if p.requires_grad) == CARD.parameters
