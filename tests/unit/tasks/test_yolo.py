"""Our YOLO family and the first YOLO: what they learn, say, and bear."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sightline.core.dataset import Classes
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.task import DataInfo
from sightline.data.synthetic.shapes import SHAPES, scene
from sightline.errors import SightlineError, UnknownName, UsageError
from sightline.metrics.mean_average_precision import MeanAveragePrecision
from sightline.models.weights.load import freeze, frozen_modules, load_into
from sightline.storage import read_tensors, write_tensors
from sightline.tasks.detect import MODELS
from sightline.tasks.detect.options import DetectOptions

SIDE = 64
FAMILY = ["yolo-n", "yolo-s", "yolo-m", "yolo-l"]


def info(size: tuple[int, int] = (SIDE, SIDE), classes: tuple[str, ...] = SHAPES) -> DataInfo:
    return DataInfo(Classes(classes), (), 3, size, (0.5,) * 3, (0.2,) * 3, 8)


def build(name: str, size: tuple[int, int] = (SIDE, SIDE), **options: Any) -> Model:
    torch.manual_seed(0)
    kind, expected = MODELS.load(name).MODEL, info(size)
    settings = {"size": list(size), "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    model: Model = kind({**settings, **kind.settings_for(expected, DetectOptions(**options))})
    return model


def batch_of(n: int = 8, most: int = 3) -> Batch:
    """Scenes of shapes, as images and targets."""
    rng = np.random.default_rng(0)
    scenes = [scene(rng, (SIDE, SIDE), most=most) for _ in range(n)]
    target = Instances(
        torch.tensor([len(s.labels) for s in scenes]),
        torch.full((n, 2), SIDE),
        torch.from_numpy(np.concatenate([s.boxes for s in scenes])),
        torch.from_numpy(np.concatenate([s.labels for s in scenes])),
    )
    target = target.select((target.boxes[:, 2:] > target.boxes[:, :2]).all(1))
    images = torch.stack([torch.from_numpy(s.image).permute(2, 0, 1) for s in scenes])
    return Batch(images, target, [str(i) for i in range(n)])


def nothing(n: int) -> Instances:
    return Instances(
        torch.zeros(n, dtype=torch.int64), torch.full((n, 2), SIDE), torch.zeros(0, 4), torch.zeros(0).long()
    )


def ap50(prediction: Instances, target: Instances) -> float:
    metric = MeanAveragePrecision(iou=0.5)
    metric.update(prediction, target)
    return metric.compute()


def learn(model: Model, batch: Batch, steps: int, lr: float) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(batch, torch.Generator())["loss"].backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.eval()


@pytest.fixture(scope="module")
def learnt() -> tuple[Model, Batch]:
    model, batch = build("yolo-n"), batch_of()
    learn(model, batch, 80, 3e-3)
    return model, batch


def test_learns_eight_images_by_heart_with_both_heads(learnt: tuple[Model, Batch]) -> None:
    model, batch = learnt
    with torch.no_grad():
        outputs = model(batch.images)
    for nms in (1.0, 0.65):
        prediction = model.predict_from_outputs(outputs, {**model.settings, "nms": nms})
        assert ap50(prediction, batch.targets) > 0.95, f"nms {nms}"


def test_first_yolo_learns_eight_images_by_heart() -> None:
    model, batch = build("yolo1"), batch_of()
    learn(model, batch, 80, 2e-3)
    with torch.no_grad():
        prediction = model.predict_from_outputs(model(batch.images), model.settings)
    assert ap50(prediction, batch.targets) > 0.8


def test_one_to_one_head_says_each_object_once(learnt: tuple[Model, Batch]) -> None:
    model, batch = learnt
    with torch.no_grad():
        prediction = model.predict_from_outputs(model(batch.images), {**model.settings, "conf": 0.4})
    assert prediction.counts.tolist() == batch.targets.counts.tolist()


def test_predictions_are_sorted_bounded_and_inside(learnt: tuple[Model, Batch]) -> None:
    model, batch = learnt
    with torch.no_grad():
        outputs = model(batch.images)
    for nms in (1.0, 0.5):
        settings = {**model.settings, "nms": nms, "conf": 0.001, "max_objects": 7}
        prediction = model.predict_from_outputs(outputs, settings)
        assert prediction.counts.max() <= 7
        assert prediction.sizes.tolist() == [[SIDE, SIDE]] * len(batch)
        assert (prediction.boxes >= 0).all()
        assert (prediction.boxes <= SIDE).all()
        for i in range(len(prediction)):
            first = prediction[i]
            assert first.scores is not None
            assert (first.scores.diff() <= 0).all()
            assert (first.scores > 0.001).all()


@pytest.mark.parametrize("name", ["yolo-n", "yolo1"])
def test_an_image_is_judged_alike_alone_and_in_company(name: str) -> None:
    model, batch = build(name).eval(), batch_of(4)
    with torch.no_grad():
        together, alone = model(batch.images), model(batch.images[:1])
    for key, value in together.items():
        assert torch.allclose(value[:1], alone[key], atol=1e-4), key


@pytest.mark.parametrize("name", ["yolo-n", "yolo1"])
def test_saved_and_loaded_it_says_the_same(name: str, tmp_path: Path) -> None:
    model = build(name).eval()
    write_tensors(tmp_path / "model.safetensors", model.state_dict())
    again = MODELS.load(name).MODEL(json.loads(json.dumps(model.settings))).eval()
    again.load_state_dict(read_tensors(tmp_path / "model.safetensors"))
    images = batch_of(2).images
    with torch.no_grad():
        first, second = model(images), again(images)
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["yolo-n", "yolo1"])
def test_loss_needs_no_objects_and_reaches_every_parameter(name: str) -> None:
    model, images = build(name).train(), batch_of(4).images
    loss = model.loss(Batch(images, nothing(4), [""] * 4), torch.Generator())["loss"]
    assert loss.isfinite()
    loss.backward()  # type: ignore[no-untyped-call]
    idle = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not idle


@pytest.mark.parametrize("name", ["yolo-n", "yolo1"])
def test_loss_in_evaluation_needs_only_the_outputs(name: str) -> None:
    model, batch = build(name).eval(), batch_of(4)
    with torch.no_grad():
        outputs = model(batch.images)
        given = model.loss(batch, torch.Generator(), outputs=outputs)["loss"]
        assert torch.equal(given, model.loss(batch, torch.Generator())["loss"])


def test_tiny_odd_and_empty_boxes_leave_the_loss_finite() -> None:
    boxes = torch.tensor(
        [[3.9, 3.9, 4.1, 4.1], [10, 10, 10, 30], [0, 0, 64, 64], [63.5, 63.5, 64, 64], [5, 40, 60, 40.01]]
    )
    target = Instances(torch.tensor([5]), torch.tensor([[SIDE, SIDE]]), boxes, torch.zeros(5).long())
    model = build("yolo-n").train()
    images = batch_of(1).images.repeat(2, 1, 1, 1)
    losses = model.loss(Batch(images, Instances.cat([target, nothing(1)]), ["a", "b"]), torch.Generator())
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    assert losses["box"] > 0
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_groups_count_neither_as_objects_nor_as_none() -> None:
    model, batch = build("yolo-n").eval(), batch_of(1)
    whole = torch.tensor([[0.0, 0, SIDE, SIDE]])
    group = Instances(
        torch.tensor([1]), torch.tensor([[SIDE, SIDE]]), whole, torch.tensor([0]), crowd=torch.tensor([True])
    )
    with torch.no_grad():
        outputs = model(batch.images)
        lost = model.loss(Batch(batch.images, group, ["a"]), torch.Generator(), outputs=outputs)
        bare = model.loss(Batch(batch.images, nothing(1), ["a"]), torch.Generator(), outputs=outputs)
    assert float(lost["loss"]) == pytest.approx(0, abs=1e-3)
    assert float(bare["loss"]) > 0.1


def test_five_thousand_objects_in_an_image(learnt: tuple[Model, Batch]) -> None:
    model, batch = learnt
    rng = torch.Generator().manual_seed(0)
    near = torch.rand(5000, 2, generator=rng) * 50
    target = Instances(
        torch.tensor([5000]),
        torch.tensor([[SIDE, SIDE]]),
        torch.cat([near, near + 14 * torch.rand(5000, 2, generator=rng) + 0.1], 1),
        torch.randint(0, 5, (5000,), generator=rng),
    )
    with torch.no_grad():
        first = Batch(batch.images[:1], target, ["a"])
        assert model.loss(first, torch.Generator())["loss"].isfinite()


def test_bf16_is_finite_and_learns() -> None:
    model, batch = build("yolo-n").train(), batch_of(4)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    result = []
    for _ in range(6):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.loss(batch, torch.Generator())["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        result.append(float(loss.detach()))
    assert np.isfinite(result).all()
    assert result[-1] < result[0]


@pytest.mark.parametrize("nms", [1.0, 0.6])
def test_exported_it_says_only_what_is_read(learnt: tuple[Model, Batch], nms: float) -> None:
    model, batch = learnt
    selected = model.settings
    try:
        model.settings = {**selected, "nms": nms}
        program: Callable[..., Any] = torch.export.export(model, (batch.images[:1],)).module()
        outputs, here = program(batch.images[:1]), model(batch.images[:1])
        read = "scores" if nms == 1 else "many"
        assert set(outputs) == {"boxes", read}
        assert torch.allclose(outputs["boxes"], here["boxes"], atol=1e-3)
        assert torch.allclose(outputs[read], here[read], atol=1e-4)
        first, second = (model.predict_from_outputs(x, model.settings) for x in (outputs, here))
        assert first.counts.tolist() == second.counts.tolist()
    finally:
        model.settings = selected


def test_any_size_of_image_is_taken_in_training() -> None:
    model = build("yolo-n").train()
    for height, width in ((96, 64), (50, 75)):
        target = nothing(2)
        images = torch.randint(0, 255, (2, 3, height, width), dtype=torch.uint8)
        assert model.loss(Batch(images, target, ["a", "b"]), torch.Generator())["loss"].isfinite()


@pytest.mark.parametrize("name", FAMILY)
def test_card_counts_parameters(name: str) -> None:
    card, kind = MODELS.load(name).CARD, MODELS.load(name).MODEL
    assert card.counted == "80 classes, 3x640x640, own backbone"
    expected = info((640, 640), tuple(str(i) for i in range(80)))
    settings = {"size": [640, 640], "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    with torch.device("meta"):
        model = kind({**settings, **kind.settings_for(expected, DetectOptions())})
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model.eval().network(torch.zeros(1, 3, 640, 640), ("bins", "scores"))
    assert sum(p.numel() for p in model.parameters()) == card.parameters
    billions = {"yolo-n": 5.6, "yolo-s": 21.5, "yolo-m": 60, "yolo-l": 115}
    assert counter.get_total_flops() / 1e9 < billions[name]


def test_timm_backbone_is_used_frozen_and_loaded(tmp_path: Path) -> None:
    model = build("yolo-n", backbone="test_resnet")
    backbone: Any = model.backbone()
    frozen = freeze(backbone, "backbone")
    assert frozen == sum(p.numel() for p in backbone.parameters())
    batch = batch_of(2)
    loss = model.train().loss(batch, torch.Generator())["loss"]
    loss.backward()  # type: ignore[no-untyped-call]
    assert all((p.grad is None) == (not p.requires_grad) for p in model.parameters())
    write_tensors(tmp_path / "w.safetensors", backbone.state_dict())
    other: Any = build("yolo-n", backbone="test_resnet").backbone()
    assert len(load_into(other, tmp_path / "w.safetensors").loaded) == len(backbone.state_dict())


def test_own_backbone_takes_weights_from_classification(tmp_path: Path) -> None:
    from sightline.models import registry

    classifier = registry.create("csp", outputs=4, channels=3, size=(SIDE, SIDE))
    write_tensors(tmp_path / "w.safetensors", {f"network.{k}": v for k, v in classifier.state_dict().items()})
    model = build("yolo-n")
    result = load_into(model.backbone(), tmp_path / "w.safetensors")  # type: ignore[arg-type]
    assert not result.missing
    assert set(result.unexpected) == {"head.weight", "head.bias"}


def test_freezing_the_first_yolo_holds_its_convolutions() -> None:
    model = build("yolo1").train()
    network = model.backbone()
    freeze(network, "backbone")
    before = {k: v.clone() for k, v in network.named_parameters()}
    for still in frozen_modules(model):
        still.eval()
    step = torch.optim.SGD(model.optimizer_groups()["all"].parameters, lr=0.1)
    model.loss(batch_of(), torch.Generator())["loss"].backward()
    step.step()
    changed = {k.split(".")[0] for k, v in network.named_parameters() if not torch.equal(v, before[k])}
    assert changed == {"head"}
    assert len(network.blocks()) == 12  # six convolutions and their norms


def test_what_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="strides 16"):
        build("yolo-n", backbone="test_vit")
    with pytest.raises(UsageError, match="no feature maps"):
        build("yolo-n", backbone="resnet-small")
    with pytest.raises(UnknownName, match=r"no backbone 'resnet81'.*resnet18"):
        MODELS.load("yolo-n").MODEL.settings_for(info(), DetectOptions(backbone="resnet81"))
    with pytest.raises(UsageError, match="no variants"):
        build("yolo-n", variant="full")
    with pytest.raises(UnknownName, match="small"):
        build("yolo1", variant="smal")
    with pytest.raises(UsageError, match="of its own"):
        build("yolo1", backbone="resnet18")
    with pytest.raises(SightlineError, match="none are published"):
        MODELS.load("yolo-n").MODEL(build("yolo-n").settings, pretrained="yes")


def test_first_yolo_has_24_layers_as_published() -> None:
    card, kind = MODELS.load("yolo1").CARD, MODELS.load("yolo1").MODEL
    settings = {"size": [448, 448], "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3}
    expected = info((448, 448), tuple(str(i) for i in range(20)))
    with torch.device("meta"):
        model = kind({**settings, **kind.settings_for(expected, DetectOptions(variant="full"))})
        outputs = model.eval()(torch.zeros(1, 3, 448, 448))["cells"]
    assert outputs.shape == (1, 7, 7, 30)
    assert sum(isinstance(m, torch.nn.Conv2d) for m in model.modules()) == 24
    assert sum(p.numel() for p in model.parameters()) == card.parameters
