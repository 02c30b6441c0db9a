"""Detectors of torchvision and of transformers as methods of the task: one contract for all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.ops.boxes import iou, to_centers
from sightline.storage import read_tensors, write_tensors
from sightline.tasks.detect import MODELS
from tests.unit.tasks._detectors import FOUR, METHODS, NEEDS, SIDE, batch_for, build, rng, same, settings


@pytest.mark.parametrize("method", METHODS)
def test_candidates_and_predictions_have_one_form(method: str) -> None:
    model, batch = build(method).eval(), batch_for(method)
    with torch.no_grad():
        outputs = model(batch.images)
    queries = outputs["scores"].shape[1]
    assert outputs["boxes"].shape == (4, queries, 4)
    assert outputs["scores"].shape == outputs["labels"].shape == (4, queries)
    assert 0 <= float(outputs["scores"].min()) <= float(outputs["scores"].max()) <= 1
    assert 0 <= int(outputs["labels"].min()) <= int(outputs["labels"].max()) < 3
    model.settings.update(conf=0.0)
    prediction = model.predict_from_outputs(outputs, model.settings)
    side = SIDE.get(method, 64)
    assert prediction.sizes.tolist() == [[side, side]] * 4
    assert 0 < int(prediction.counts.max()) <= 20
    assert bool((prediction.boxes >= 0).all())
    assert bool((prediction.boxes <= side).all())
    for i in range(4):
        assert prediction[i].scores.tolist() == sorted(prediction[i].scores.tolist(), reverse=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("objects", [FOUR, [*FOUR[:2], []], [[], []]], ids=["all", "some", "none"])
def test_loss_is_finite_and_every_parameter_gets_a_gradient(method: str, objects: Any) -> None:
    """Several processes wait for every gradient, also where images show nothing."""
    model = build(method).train()
    losses = model.loss(batch_for(method, objects), rng())
    assert all(bool(torch.isfinite(x)) for x in losses.values())
    losses["loss"].backward()
    for group in model.optimizer_groups().values():
        assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in group.parameters)


@pytest.mark.parametrize("method", METHODS)
def test_groups_and_boxes_without_area_are_not_learnt(method: str) -> None:
    model, batch = build(method).eval(), batch_for(method)
    target = batch.targets
    side = target.sizes[0, 0]
    more = Instances(
        target.counts + torch.tensor([2, 0, 0, 0]),
        target.sizes,
        torch.cat([torch.tensor([[0, 0, side, side], [9, 9, 9, 20]]).float(), target.boxes]),
        torch.cat([torch.tensor([1, 1]), target.labels]),
        crowd=torch.tensor([True, *[False] * (1 + len(target.labels))]),
    )
    with torch.no_grad():
        first = model.loss(batch, rng())
        second = model.loss(Batch(batch.images, more, batch.ids), rng())
    assert same(first, second)


@pytest.mark.parametrize("method", METHODS)
def test_validation_changes_nothing_and_goes_by_the_outputs_at_hand(method: str) -> None:
    model, batch = build(method).eval(), batch_for(method)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    drawn = torch.get_rng_state()
    with torch.no_grad():
        outputs = model(batch.images)
        first = model.loss(batch, rng(), outputs=outputs)
        second = model.loss(batch, rng(), outputs=outputs)
        fresh = model.loss(batch, rng())
    assert same(first, second)
    assert float(first["loss"]) == pytest.approx(float(fresh["loss"]), rel=1e-5)
    assert same(before, model.state_dict())
    assert torch.equal(drawn, torch.get_rng_state())
    assert not any(m.training for m in model.modules())


@pytest.mark.parametrize("method", METHODS)
def test_training_follows_from_the_generator(method: str) -> None:
    batch = batch_for(method)
    values = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(values))
        values.append(float(build(method).train().loss(batch, rng(seed))["loss"].detach()))
    assert values[0] == values[1]
    draws = method in ("faster-rcnn", "rtdetr", "dfine")
    assert (values[0] != values[2]) == draws


@pytest.mark.parametrize("method", METHODS)
def test_an_image_is_read_alone_as_among_others(method: str) -> None:
    model, batch = build(method).eval(), batch_for(method)
    with torch.no_grad():
        together, alone = model(batch.images), model(batch.images[1:2])
    for name, value in together.items():
        torch.testing.assert_close(value[1:2].float(), alone[name].float(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_saved_and_loaded_it_says_the_same(method: str, tmp_path: Path) -> None:
    model, batch = build(method), batch_for(method)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.01)
    write_tensors(tmp_path / "m.safetensors", model.state_dict())
    again = MODELS.load(method).MODEL(json.loads(json.dumps(model.settings)))
    again.load_state_dict(read_tensors(tmp_path / "m.safetensors"))
    with torch.no_grad():
        assert same(model.eval()(batch.images), again.eval()(batch.images))


HEADS = {
    "faster-rcnn": ("roi_heads.box_predictor.cls_score", 1),
    "fcos": ("head.classification_head.cls_logits", 0),
    "retinanet": ("head.classification_head.cls_logits", 0),
    "ssd": ("head.classification_head.module_list", 1),
    "rtdetr": ("decoder.class_embed", 0),
    "dfine": ("decoder.class_embed", 0),
}


@pytest.mark.parametrize("method", METHODS)
def test_no_class_is_taken_for_its_neighbor(method: str) -> None:
    """Where the head says nothing but one class, it is that of the same place in the class table."""
    model = build(method).eval()
    where, background = HEADS[method]
    part = model.network.net.get_submodule(where)
    last = [m for m in part.modules() if getattr(m, "bias", None) is not None]
    last = [m for m in last if len(m.bias) % (3 + background) == 0 and not isinstance(m, nn.BatchNorm2d)]
    images = batch_for(method).images[:1]
    for label in range(3):
        with torch.no_grad():
            for module in last:
                sides = module.bias.view(-1, 3 + background)
                sides.fill_(-9.0)[:, label + background] = 9.0
            prediction = model.predict_from_outputs(model(images), {**model.settings, "conf": 0.3})
        assert len(prediction.labels) > 0
        assert set(prediction.labels.tolist()) == {label}


LESSONS = {
    "faster-rcnn": (30, 5e-4),
    "fcos": (30, 5e-4),
    "retinanet": (60, 5e-4),
    "ssd": (100, 1e-3),
    "rtdetr": (100, 1e-3),
    "dfine": (120, 2e-3),
}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_four_images_are_learnt_by_heart(method: str) -> None:
    model, batch = build(method).train(), batch_for(method)
    steps, lr = LESSONS[method]
    optimizer = torch.optim.Adam(model.parameters(), lr)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = model.loss(batch, rng(step))["loss"]
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    with torch.no_grad():
        prediction = model.eval().predict_from_outputs(model(batch.images), model.settings)
    hits = []
    for i in range(4):
        target, outputs = batch.targets[i], prediction[i]
        top = outputs.select(torch.arange(len(outputs.labels)) < len(target.labels))
        overlap = iou(target.boxes[:, None], top.boxes) * (target.labels[:, None] == top.labels)
        hits += (overlap.amax(1) > 0.5).tolist()
    assert sum(hits) >= len(hits) - 1, f"{sum(hits)} of {len(hits)} objects found, loss {losses[-1]}"


@pytest.mark.parametrize("method", METHODS)
def test_images_of_another_size_and_gray_ones(method: str) -> None:
    """The size may change from batch to batch in training (multiscale)."""
    model = (
        MODELS.load(method).MODEL(settings(method, channels=1, mean=[0.4], std=[0.2], size=[96, 128])).train()
    )
    target = Instances(
        torch.tensor([1, 0]),
        torch.tensor([[128, 96]] * 2),
        torch.tensor([[9.0, 9, 60, 70]]),
        torch.tensor([2]),
    )
    batch = Batch(torch.randint(0, 255, (2, 1, 128, 96), dtype=torch.uint8), target, ["a", "b"])
    assert bool(torch.isfinite(model.loss(batch, rng())["loss"]))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_card_counts_parameters(method: str) -> None:
    module = MODELS.load(method)
    variant, classes = module.CARD.counted.split(", ")
    result = module.MODEL(
        settings(method, variant=variant, classes=[str(i) for i in range(80)], size=[320, 320])
    )
    assert classes == "80 classes"
    assert sum(p.numel() for p in result.parameters() if p.requires_grad) == module.CARD.parameters
    assert module.CARD.name == method


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_exported_it_says_the_same(method: str) -> None:
    model, images = build(method).eval(), batch_for(method).images[:2]
    with torch.no_grad():
        expected = model(images)
        exported = torch.export.export(model, (images,), strict=False).module()(images)
    assert list(exported) == ["boxes", "scores", "labels"]
    assert all(torch.allclose(expected[k].float(), v.float(), atol=1e-4) for k, v in exported.items())
    assert same_instances(
        model.predict_from_outputs(exported, model.settings),
        model.predict_from_outputs(expected, model.settings),
    )


def same_instances(first: Instances, second: Instances) -> bool:
    return torch.equal(first.labels, second.labels) and torch.allclose(first.boxes, second.boxes, atol=1e-3)


@NEEDS
def test_loss_is_that_of_transformers() -> None:
    """In evaluation, where no version of theirs mixes queries of denoising into the main term."""
    import transformers

    model, batch = build("rtdetr").eval(), batch_for("rtdetr", FOUR[:3])
    net = model.network.net
    theirs = transformers.RTDetrV2ForObjectDetection(net.config).eval()
    theirs.model = net
    labels = [
        {"boxes": to_centers(batch.targets[i].boxes) / 64, "class_labels": batch.targets[i].labels}
        for i in range(3)
    ]
    with torch.no_grad():
        ours = float(model.loss(batch, rng())["loss"])  # first: it fits the number of queries to the size
        expected = theirs(pixel_values=model.normalize(batch.images), labels=labels).loss
    assert ours == pytest.approx(float(expected), rel=1e-5)


def test_images_without_any_proposal() -> None:
    model = build("faster-rcnn").eval()
    with torch.no_grad():
        model.network.net.rpn.score_thresh = 2.0
        outputs = model(batch_for("faster-rcnn").images)
    assert not bool(outputs["scores"].any())
    assert model.predict_from_outputs(outputs, {**model.settings, "conf": 0.0}).counts.tolist() == [0] * 4
