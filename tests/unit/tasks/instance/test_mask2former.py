"""Mask2Former as a method of the task."""

from __future__ import annotations

import copy
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sightline.core.sample import Batch
from sightline.ops.masks import iou
from sightline.storage import read_tensors, write_tensors
from sightline.tasks.instance.models.mask2former import CARD, MODEL
from tests.unit.tasks.instance._samples import FOUR, ellipse, image_batch, rng, same, settings

NEEDS = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="the extra 'transformers' is not installed"
)


@cache
def _built() -> Any:
    torch.manual_seed(0)
    return MODEL(settings("tiny", nms=1.0))


def build() -> Any:
    return copy.deepcopy(_built())


def logits(sure: list[tuple[int, float, torch.Tensor]], queries: int = 4) -> dict[str, torch.Tensor]:
    """What a network would say that is sure of some masks: (class, chance, (16, 16) mask logits)."""
    classes = torch.full((1, queries, 4), -20.0)
    classes[..., 3] = 0.0
    masks = torch.full((1, queries, 16, 16), -20.0)
    for q, (label, chance, mask) in enumerate(sure):
        classes[0, q, 3] = torch.tensor(1 - chance).log()
        classes[0, q, label] = torch.tensor(chance).log()
        masks[0, q] = mask
    return {"class_logits": classes, "mask_logits": masks}


def test_masks_are_read_in_the_pixels_of_the_image() -> None:
    """A score is the chance of the class times the mean chance of the mask; the padding is cut off."""
    low = torch.full((16, 16), -20.0)
    low[4:8, 2:10] = 20.0
    weak = torch.full((16, 16), -20.0)
    weak[10:, 10:] = 1.0
    outputs = logits([(2, 0.6, weak), (1, 0.8, low)])
    prediction = MODEL.predict_from_outputs(outputs, settings("tiny", size=[60, 60]))
    assert prediction.labels.tolist() == [1, 2]
    assert float(prediction.scores[0]) == pytest.approx(0.8, abs=0.01)
    assert float(prediction.scores[1]) == pytest.approx(0.6 * torch.tensor(1.0).sigmoid().item(), abs=0.05)
    assert prediction.boxes.tolist()[0] == [8, 16, 40, 32]
    assert prediction.boxes.tolist()[1][2:] == [60, 60]
    assert prediction.sizes.tolist() == [[60, 60]]


def test_queries_that_see_nothing_are_no_objects() -> None:
    empty = torch.full((16, 16), -3.0)
    prediction = MODEL.predict_from_outputs(logits([(0, 0.9, empty)]), settings("tiny"))
    assert prediction.counts.tolist() == [0]


def test_one_query_may_be_of_two_classes() -> None:
    outputs = logits([(0, 0.5, torch.where(ellipse(3, 3, 12, 12, 16, 16), 9.0, -9.0))])
    outputs["class_logits"][0, 0, 2] = torch.tensor(0.3).log()
    prediction = MODEL.predict_from_outputs(outputs, settings("tiny"))
    assert prediction.labels.tolist() == [0, 2]
    assert torch.equal(*prediction.bitmaps.dense(64, 64))
    assert MODEL.predict_from_outputs(outputs, settings("tiny", max_objects=1)).labels.tolist() == [0]


@NEEDS
@pytest.mark.parametrize("objects", [FOUR, [*FOUR[:2], []], [[], []]], ids=["all", "some", "none"])
def test_loss_is_finite_and_every_parameter_gets_a_gradient(objects: Any) -> None:
    model = build().train()
    losses = model.loss(image_batch(objects), rng())
    assert all(bool(torch.isfinite(x)) for x in losses.values())
    losses["loss"].backward()
    for group in model.optimizer_groups().values():
        assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in group.parameters)


@NEEDS
def test_validation_changes_nothing_and_goes_by_the_outputs_at_hand() -> None:
    model, batch = build().eval(), image_batch()
    drawn = torch.get_rng_state()
    with torch.no_grad():
        outputs = model(batch.images)
        first = model.loss(batch, rng(), outputs=outputs)
        fresh = model.loss(batch, rng())
    assert float(first["loss"]) == pytest.approx(float(fresh["loss"]), rel=1e-5)
    assert float(first["loss"]) == pytest.approx(
        float(first["class"] + first["mask"] + first["dice"]), rel=1e-5
    )
    assert torch.equal(drawn, torch.get_rng_state())


@NEEDS
def test_loss_is_that_of_transformers() -> None:
    model, batch = build().train(), image_batch()
    ours = float(model.loss(batch, rng(3))["loss"].detach())
    from sightline.models.adapters.base import seeded
    from sightline.tasks.instance.models.mask2former import _truths

    masks, labels = _truths(batch)
    with seeded(rng(3)):
        theirs = model.network.net(
            pixel_values=model.normalize(batch.images), mask_labels=masks, class_labels=labels
        ).loss
    assert ours == pytest.approx(float(theirs.detach()), rel=1e-5)


@NEEDS
def test_predictions_are_those_of_transformers() -> None:
    import transformers
    from transformers.models.mask2former.modeling_mask2former import Mask2FormerForUniversalSegmentationOutput

    model = build().eval()
    outputs = {
        "class_logits": 4 * torch.randn(1, 20, 4, generator=rng()),
        "mask_logits": torch.nn.functional.interpolate(torch.randn(1, 20, 4, 4, generator=rng(1)), (16, 16)),
    }
    theirs = transformers.Mask2FormerImageProcessor().post_process_instance_segmentation(
        Mask2FormerForUniversalSegmentationOutput(
            class_queries_logits=outputs["class_logits"], masks_queries_logits=outputs["mask_logits"]
        ),
        threshold=0.3,
        target_sizes=[(64, 64)],
        return_binary_maps=True,
    )[0]
    ours = model.predict_from_outputs(outputs, {**model.settings, "conf": 0.3})
    scores = sorted((s["score"] for s in theirs["segments_info"]), reverse=True)
    assert len(scores) > 2
    assert ours.scores.tolist() == pytest.approx(scores, abs=0.02)  # they count pixels of 384 x 384
    assert sorted(ours.labels.tolist()) == sorted(s["label_id"] for s in theirs["segments_info"])


@NEEDS
def test_saved_and_loaded_it_says_the_same(tmp_path: Path) -> None:
    model, batch = build(), image_batch()
    write_tensors(tmp_path / "m.safetensors", model.state_dict())
    again = MODEL(json.loads(json.dumps(model.settings)))
    again.load_state_dict(read_tensors(tmp_path / "m.safetensors"))
    with torch.no_grad():
        assert same(model.eval()(batch.images), again.eval()(batch.images))


@NEEDS
def test_images_of_another_size_and_gray_ones() -> None:
    model = MODEL(settings("tiny", channels=1, mean=[0.4], std=[0.2])).train()
    batch = image_batch([[(2, 9, 9, 60, 70)], []], side=80)
    assert bool(
        torch.isfinite(model.loss(Batch(batch.images[:, :1], batch.targets, batch.ids), rng())["loss"])
    )


@NEEDS
@pytest.mark.slow
def test_four_images_are_learnt_by_heart() -> None:
    model, batch = build().train(), image_batch()
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    for step in range(150):
        optimizer.zero_grad()
        model.loss(batch, rng(step))["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    with torch.no_grad():
        prediction = model.eval().predict_from_outputs(model(batch.images), model.settings)
    hits = []
    for i in range(4):
        target, outputs = batch.targets[i], prediction[i]
        overlap = iou(target.bitmaps, outputs.bitmaps) * (target.labels[:, None] == outputs.labels)
        hits += (overlap.amax(1) > 0.5).tolist()
    assert sum(hits) >= len(hits) - 2, f"{sum(hits)} of {len(hits)} objects found"


@NEEDS
@pytest.mark.slow
def test_card_counts_parameters() -> None:
    result = MODEL(settings("swin-t", classes=[str(i) for i in range(80)]))
    assert CARD.counted == "swin-t, 80 classes"
    assert sum(p.numel() for p in result.parameters() if p.requires_grad) == CARD.parameters
