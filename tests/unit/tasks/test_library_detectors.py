"""Detectors of torchvision and of transformers as methods of the task: one contract for all of them."""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.core.dataset import Classes
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.task import DataInfo
from sightline.errors import MissingExtra, SightlineError, UnknownName, UsageError
from sightline.models.weights import freeze, load_into
from sightline.ops.boxes import iou, to_centres
from sightline.storage import read_tensors, write_tensors
from sightline.tasks.detect import MODELS
from sightline.tasks.detect.models import _candidates, _torchvision
from sightline.tasks.detect.models._network import seeded
from sightline.tasks.detect.options import Options

THERE = importlib.util.find_spec("transformers") is not None
NEEDS = pytest.mark.skipif(not THERE, reason="the extra 'transformers' is not installed")
SIDE = {"ssd": 96}
SMALL = {
    "faster-rcnn": "resnet18",
    "fcos": "resnet18",
    "retinanet": "resnet18",
    "ssd": "mobilenet",
    "rtdetr": "tiny",
    "dfine": "tiny",
}
TORCHVISION = [n for n in SMALL if n not in ("rtdetr", "dfine")]
METHODS = [pytest.param(n, marks=() if n in TORCHVISION else NEEDS) for n in SMALL]
CLASSES = ("red", "green", "blue")
COLOURS = torch.tensor([[230, 30, 30], [30, 220, 40], [40, 60, 240]], dtype=torch.uint8)


def settings(method: str, **changed: Any) -> dict[str, Any]:
    side = SIDE.get(method, 64)
    found = {
        "classes": list(CLASSES),
        "variant": SMALL[method],
        "size": [side, side],
        "mean": [0.4, 0.4, 0.4],
        "std": [0.2, 0.2, 0.2],
        "channels": 3,
        "conf": 0.01,
        "max_objects": 20,
        "nms": 1.0 if method in ("rtdetr", "dfine") else 0.5,
    }
    return {**found, **changed}


@cache
def _built(method: str, side: int | None) -> Any:
    torch.manual_seed(0)
    return MODELS.load(method).MODEL(settings(method, **({"size": [side, side]} if side else {})))


def build(method: str, side: int | None = None) -> Any:
    return copy.deepcopy(_built(method, side))


def pictures(side: int, objects: list[list[tuple[int, ...]]]) -> Batch:
    """Coloured rectangles (label, x1, y1, x2, y2) in sixty-fourths of the side, on grey."""
    images = torch.full((len(objects), 3, side, side), 60, dtype=torch.uint8)
    boxes = torch.tensor([o[1:] for image in objects for o in image]).reshape(-1, 4) * side // 64
    labels = torch.tensor([o[0] for image in objects for o in image], dtype=torch.int64)
    counts = torch.tensor([len(image) for image in objects])
    target = Instances(counts, torch.tensor([[side, side]] * len(objects)), boxes.float(), labels)
    for i, label, (x1, y1, x2, y2) in zip(target.image.tolist(), labels, boxes.tolist(), strict=True):
        images[i, :, y1:y2, x1:x2] = COLOURS[label][:, None, None]
    return Batch(images, target, [str(i) for i in range(len(objects))])


FOUR = [
    [(0, 4, 6, 30, 40), (2, 36, 30, 62, 60)],
    [(1, 8, 20, 40, 60), (0, 44, 2, 62, 24)],
    [(2, 2, 2, 34, 22), (1, 30, 34, 60, 62)],
    [(0, 20, 10, 50, 44)],
]


def batch_for(method: str, objects: list[list[tuple[int, ...]]] = FOUR) -> Batch:
    return pictures(SIDE.get(method, 64), objects)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


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
    found = model.decode(outputs, model.settings)
    side = SIDE.get(method, 64)
    assert found.sizes.tolist() == [[side, side]] * 4
    assert 0 < int(found.counts.max()) <= 20
    assert bool((found.boxes >= 0).all())
    assert bool((found.boxes <= side).all())
    for i in range(4):
        assert found[i].scores.tolist() == sorted(found[i].scores.tolist(), reverse=True)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("objects", [FOUR, [*FOUR[:2], []], [[], []]], ids=["all", "some", "none"])
def test_loss_is_finite_and_every_parameter_gets_a_gradient(method: str, objects: Any) -> None:
    """Several processes wait for every gradient, also where images show nothing."""
    model = build(method).train()
    losses = model.loss(batch_for(method, objects), rng())
    assert all(bool(torch.isfinite(x)) for x in losses.values())
    losses["loss"].backward()
    for parameters in model.parts().values():
        assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in parameters)


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
        one = model.loss(batch, rng())
        two = model.loss(Batch(batch.images, more, batch.ids), rng())
    assert same(one, two)


@pytest.mark.parametrize("method", METHODS)
def test_validation_changes_nothing_and_goes_by_the_outputs_at_hand(method: str) -> None:
    model, batch = build(method).eval(), batch_for(method)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    drawn = torch.get_rng_state()
    with torch.no_grad():
        outputs = model(batch.images)
        one = model.loss(batch, rng(), outputs=outputs)
        two = model.loss(batch, rng(), outputs=outputs)
        fresh = model.loss(batch, rng())
    assert same(one, two)
    assert float(one["loss"]) == pytest.approx(float(fresh["loss"]), rel=1e-5)
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
def test_no_class_is_taken_for_its_neighbour(method: str) -> None:
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
            found = model.decode(model(images), {**model.settings, "conf": 0.3})
        assert len(found.labels) > 0
        assert set(found.labels.tolist()) == {label}


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
def test_four_pictures_are_learnt_by_heart(method: str) -> None:
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
        found = model.eval().decode(model(batch.images), model.settings)
    hits = []
    for i in range(4):
        truth, said = batch.targets[i], found[i]
        top = said.only(torch.arange(len(said.labels)) < len(truth.labels))
        overlap = iou(truth.boxes[:, None], top.boxes) * (truth.labels[:, None] == top.labels)
        hits += (overlap.amax(1) > 0.5).tolist()
    assert sum(hits) >= len(hits) - 1, f"{sum(hits)} of {len(hits)} objects found, loss {losses[-1]}"


@pytest.mark.parametrize("method", METHODS)
def test_pictures_of_another_size_and_grey_ones(method: str) -> None:
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


@pytest.mark.parametrize("method", METHODS)
def test_freezing_holds_the_body(method: str) -> None:
    network = build(method).backbone()
    body = {id(p) for p in network.body.parameters()}
    frozen = freeze(network, "backbone")
    free = {id(p) for p in network.parameters() if p.requires_grad}
    assert frozen == sum(p.numel() for p in network.body.parameters())
    assert free
    assert not free & body
    freeze(network, "all-but-1")
    last = {id(p) for p in network.blocks()[-1].parameters()}
    assert {id(p) for p in network.parameters() if p.requires_grad} & body == last
    assert network.first_conv() is not None


@pytest.mark.parametrize("method", METHODS)
def test_weights_of_a_run_with_other_classes(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build(method)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    write_tensors(tmp_path / "m.safetensors", model.state_dict())
    other = MODELS.load(method).MODEL(settings(method, classes=["a", "b", "c", "d"]))
    loaded = load_into(other.backbone(), tmp_path / "m.safetensors")
    own = other.state_dict()
    assert all(torch.equal(own[k], v) for k, v in model.state_dict().items() if ".body." in k)
    assert 0 < len(loaded.misfits) + len(loaded.fresh) < 0.1 * len(own)
    assert not loaded.missing


def _published(monkeypatch: pytest.MonkeyPatch, method: str) -> dict[str, Tensor]:
    """What a model of 91 classes has learnt, as if it had been fetched."""
    torch.manual_seed(7)
    theirs = MODELS.load(method).MODEL(settings(method, classes=[str(i) for i in range(91)]))
    tensors = {k: v.clone() for k, v in theirs.network.net.state_dict().items()}
    for module in {"_torchvision", "_transformers"}:
        name = f"sightline.tasks.detect.models.{module}"
        if name in sys.modules:
            monkeypatch.setattr(f"{name}._fetch", lambda *_: lambda: tensors)
    monkeypatch.setenv("SIGHTLINE_OFFLINE", "0")
    return tensors


@pytest.mark.parametrize("method", [METHODS[3], METHODS[4]])
@pytest.mark.parametrize("channels", [1, 3])
def test_published_weights(
    method: str, channels: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = MODELS.load(method).MODEL
    variant = kind.variants[SMALL[method]]
    tensors = _published(monkeypatch, method)
    if method in TORCHVISION and variant.weights is None:
        small = _torchvision.Variant(variant.build, weights=type("W", (), {"url": "http://x"}))
        monkeypatch.setattr(kind, "variants", {SMALL[method]: small})
    pixels = {} if channels == 3 else {"mean": [0.4], "std": [0.2]}
    model = kind(settings(method, channels=channels, **pixels), pretrained="yes")
    own = model.network.net.state_dict()
    taken = [k for k, v in tensors.items() if torch.equal(own[k], v)] if channels == 3 else [
        k for k, v in tensors.items() if own[k].shape == v.shape and torch.equal(own[k], v)
    ]  # fmt: skip
    assert len(taken) > 0.9 * len(own)
    assert (model.backbone().pixels is not None) == (channels == 3)
    assert model.settings["keep_statistics"] is True
    assert "fresh" in capsys.readouterr().err
    first = next(k for k, v in tensors.items() if v.ndim == 4)
    assert torch.allclose(own[first].sum(1), tensors[first].sum(1), atol=1e-5)
    again = kind(json.loads(json.dumps(model.settings)))
    again.train()
    before = {k: v.clone() for k, v in again.network.body.state_dict().items()}
    again.loss(Batch(batch_for(method).images[:, :channels], batch_for(method).targets, list("abcd")), rng())
    assert same(before, again.network.body.state_dict())


@pytest.mark.parametrize("method", METHODS)
def test_without_network(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    kind = MODELS.load(method).MODEL
    full = {"ssd": "mobilenet", "rtdetr": "r18", "dfine": "nano"}.get(method, "resnet50")
    with pytest.raises(SightlineError, match="SIGHTLINE_OFFLINE forbids the network"):
        kind(settings(method, variant=full), pretrained="yes")
    kind(settings(method), pretrained="auto")
    assert "Going on from scratch" in capsys.readouterr().err
    with pytest.raises(UnknownName, match="pretrained"):
        kind(settings(method), pretrained="maybe")


def test_what_cannot_be_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match="resnet18"):
        MODELS.load("fcos").MODEL(settings("fcos", variant="resnet81"))
    with pytest.raises(UsageError, match=r"64x64.*--size"):
        MODELS.load("ssd").MODEL(settings("ssd", variant="vgg16", size=[64, 64]))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"sightline\[transformers\]"):
        MODELS.load("rtdetr").MODEL(settings("rtdetr"))


@pytest.mark.parametrize("method", SMALL)
def test_settings_follow_from_data_and_options(method: str) -> None:
    info = DataInfo(Classes(("a", "b")), (), 3, (64, 64), (0.5,) * 3, (0.2,) * 3, 10)
    kind = MODELS.load(method).MODEL
    found = kind.settings_for(info, Options(conf=0.1, max_objects=7))
    assert found["classes"] == ["a", "b"]
    assert (found["conf"], found["max_objects"]) == (0.1, 7)
    assert found["variant"] in kind.variants
    assert kind.settings_for(info, Options(variant=SMALL[method]))["variant"] == SMALL[method]
    assert json.loads(json.dumps(found)) == found
    with pytest.raises(UsageError, match="--variant"):
        kind.settings_for(info, Options(backbone="resnet18"))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_card_counts_parameters(method: str) -> None:
    module = MODELS.load(method)
    variant, classes = module.CARD.counted.split(", ")
    made = module.MODEL(
        settings(method, variant=variant, classes=[str(i) for i in range(80)], size=[320, 320])
    )
    assert classes == "80 classes"
    assert sum(p.numel() for p in made.parameters() if p.requires_grad) == module.CARD.parameters
    assert module.CARD.name == method


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS[1:])
def test_exported_it_says_the_same(method: str) -> None:
    """But for Faster R-CNN, where torchvision decides by the number of proposals."""
    model, images = build(method).eval(), batch_for(method).images[:2]
    with torch.no_grad():
        expected = model(images)
        exported = torch.export.export(model, (images,), strict=False).module()(images)
    assert list(exported) == ["boxes", "scores", "labels"]
    assert all(torch.allclose(expected[k].float(), v.float(), atol=1e-4) for k, v in exported.items())
    assert same_instances(model.decode(exported, model.settings), model.decode(expected, model.settings))


def same_instances(one: Instances, two: Instances) -> bool:
    return torch.equal(one.labels, two.labels) and torch.allclose(one.boxes, two.boxes, atol=1e-3)


@NEEDS
def test_loss_is_that_of_transformers() -> None:
    """In evaluation, where no version of theirs mixes queries of denoising into the main term."""
    import transformers

    model, batch = build("rtdetr").eval(), batch_for("rtdetr", FOUR[:3])
    net = model.network.net
    theirs = transformers.RTDetrV2ForObjectDetection(net.config).eval()
    theirs.model = net
    labels = [
        {"boxes": to_centres(batch.targets[i].boxes) / 64, "class_labels": batch.targets[i].labels}
        for i in range(3)
    ]
    with torch.no_grad():
        ours = float(model.loss(batch, rng())["loss"])  # first: it fits the number of queries to the size
        expected = theirs(pixel_values=model.normalise(batch.images), labels=labels).loss
    assert ours == pytest.approx(float(expected), rel=1e-5)


def test_global_generators_are_put_back() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with seeded(rng(5)):
        one = torch.rand(4)
    assert torch.equal(torch.rand(2), expected)
    with seeded(rng(5)):
        assert torch.equal(torch.rand(4), one)


def test_pictures_without_any_proposal() -> None:
    model = build("faster-rcnn").eval()
    with torch.no_grad():
        model.network.net.rpn.score_thresh = 2.0
        outputs = model(batch_for("faster-rcnn").images)
    assert not bool(outputs["scores"].any())
    assert model.decode(outputs, {**model.settings, "conf": 0.0}).counts.tolist() == [0] * 4


READ = {"size": [40, 60], "conf": 0.1, "max_objects": 3, "nms": 0.5, "classes": ["a", "b"]}


def test_reading_candidates() -> None:
    boxes = [[0, 0, 20, 20], [1, 0, 21, 20], [1, 0, 21, 20], [50, 30, 90, 80], [5, 5, 9, 9], [70, 0, 80, 9]]
    outputs = {
        "boxes": torch.tensor([boxes] * 2).float(),
        "scores": torch.tensor([[0.8, 0.9, 0.7, 0.3, 0.05, 0.9], [0.0] * 6]),
        "labels": torch.tensor([[0, 0, 1, 1, 0, 0]] * 2),
    }
    found = _candidates.decode(outputs, READ)
    assert found.counts.tolist() == [3, 0]
    assert found.sizes.tolist() == [[40, 60]] * 2
    # The better of two of a class; another class in the same place; cut at the edge; none from outside.
    assert found.boxes.tolist() == [[1, 0, 21, 20], [1, 0, 21, 20], [50, 30, 60, 40]]
    assert found.labels.tolist() == [0, 1, 1]
    together = _candidates.decode(outputs, {**READ, "nms": 1.0, "max_objects": 9})
    assert together.counts.tolist() == [4, 0]


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 7), st.booleans())
def test_best_are_the_best_of_each_level(seed: int, classes: int, most: int, each: bool) -> None:
    torch.manual_seed(seed)
    counts = [4, 2, 1]
    scores = torch.rand(2, 7, classes)
    boxes = torch.rand(2, 7 * classes if each else 7, 4)
    found = _candidates.best(boxes, scores, counts, most)
    for image in range(2):
        start, expected = 0, []
        for count in counts:
            pairs = [
                (float(scores[image, a, k]), k, boxes[image, a * classes + k if each else a].tolist())
                for a in range(start, start + count)
                for k in range(classes)
            ]
            expected += sorted(pairs, reverse=True)[:most]
            start += count
        said = zip(*(found[k][image].tolist() for k in ("scores", "labels", "boxes")), strict=True)
        assert sorted(said) == sorted(expected)
