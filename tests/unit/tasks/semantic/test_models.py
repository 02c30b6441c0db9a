"""Networks of semantic segmentation, ours and those of libraries: one contract for all of them."""

from __future__ import annotations

import copy
import importlib.util
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.dataset import Classes
from sightline.core.sample import Batch
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.core.task import DataInfo
from sightline.errors import SightlineError, UnknownName, UsageError
from sightline.metrics.miou import MeanIoU
from sightline.models.adapters import base
from sightline.models.weights.load import freeze, load_into
from sightline.storage import read_tensors, write_tensors
from sightline.tasks.semantic import MODELS
from sightline.tasks.semantic.models import _torchvision
from sightline.tasks.semantic.models.dag_rnn import Labeller, Local
from sightline.tasks.semantic.models.unet2015 import LOST, UNet, UNetVariant, mirrored
from sightline.tasks.semantic.options import SemanticOptions
from tests.fixtures.tiny import tiny

THERE = importlib.util.find_spec("transformers") is not None
NEEDS = pytest.mark.skipif(not THERE, reason="the extra 'transformers' is not installed")
HUGGING = ("mask2former", "segformer-hf")
METHODS = [pytest.param(n, marks=NEEDS if n in HUGGING else ()) for n in MODELS.names()]
SMP = ["deeplabv3plus", "fpn", "linknet", "manet", "pspnet", "segformer", "unet", "unetplusplus", "upernet"]
OURS = ["dag-rnn", "unet2015"]
SIDE = 64


def info(classes: int = 3, channels: int = 3, **more: Any) -> DataInfo:
    table = Classes(tuple(f"c{i}" for i in range(classes)))
    expected = {"class_counts": (5,) * classes, **more}
    return DataInfo(table, (), channels, (SIDE, SIDE), (0.5,) * channels, (0.2,) * channels, 8, **expected)


def settings(method: str, classes: int = 3, channels: int = 3, **options: Any) -> dict[str, Any]:
    module = MODELS.load(method)
    expected = info(classes, channels)
    basic = {"size": [SIDE, SIDE], "channels": channels, "mean": [0.5] * channels, "std": [0.2] * channels}
    return {
        **basic,
        **module.MODEL.settings_for(expected, SemanticOptions(**{**tiny("semantic", method), **options})),
    }


@cache
def _built(method: str, classes: int, channels: int, options: tuple[Any, ...]) -> Any:
    torch.manual_seed(0)
    return MODELS.load(method).MODEL(settings(method, classes, channels, **dict(options)))


def build(method: str, classes: int = 3, channels: int = 3, **options: Any) -> Any:
    return copy.deepcopy(_built(method, classes, channels, tuple(options.items())))


def batch_of(n: int = 2, channels: int = 3, size: tuple[int, int] = (SIDE, SIDE), classes: int = 3) -> Batch:
    """Squares of one brightness a class, on class 0; the first rows have no class."""
    rng = torch.Generator().manual_seed(0)
    maps = torch.zeros(n, *size, dtype=torch.uint8)
    for i in range(n):
        for label in range(1, classes):
            y, x = (int(torch.randint(0, s - 20, (), generator=rng)) for s in size)
            maps[i, y : y + 20, x : x + 20] = label
    noise = torch.randint(0, 30, (n, channels, *size), generator=rng)
    images = (noise + maps[:, None] * (200 // max(1, classes - 1))).to(torch.uint8)
    maps[:, :4] = IGNORE_INDEX
    return Batch(images, SemanticMasks.of(maps), [str(i) for i in range(n)])


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("classes", "channels"), [(11, 3), (2, 1)])
def test_a_score_for_each_class_at_each_pixel(method: str, classes: int, channels: int) -> None:
    """Images of any size, grey ones too."""
    model = build(method, classes, channels).eval()
    for size in ((64, 64), (40, 75)):
        batch = batch_of(2, channels, size)
        with torch.no_grad():
            outputs = model(batch.images)
        assert outputs["logits"].shape == (2, classes, *size)
        prediction = model.predict_from_outputs(outputs, model.settings)
        assert prediction.sizes.tolist() == [list(size)] * 2
        assert int(prediction.dense().max()) < classes
        assert torch.equal(prediction.dense().long(), outputs["logits"].argmax(1))


@pytest.mark.parametrize("method", METHODS)
def test_every_parameter_gets_a_gradient(method: str) -> None:
    """Several processes wait for all of them; also where no pixel of the batch has a class."""
    model, batch = build(method).train(), batch_of()
    nothing = Batch(batch.images, SemanticMasks.of(torch.full((2, SIDE, SIDE), IGNORE_INDEX)), batch.ids)
    for first in (batch, nothing):
        model.zero_grad(set_to_none=True)
        losses = model.loss(first, rng())
        assert all(bool(torch.isfinite(x)) for x in losses.values())
        losses["loss"].backward()
        assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in model.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_validation_goes_by_the_outputs_at_hand_and_by_each_image_alone(method: str) -> None:
    model, batch = build(method).eval(), batch_of()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad():
        outputs, alone = model(batch.images), model(batch.images[1:])
        first = model.loss(batch, rng(), outputs=outputs)
        second = model.loss(batch, rng())
    for name, value in outputs.items():
        torch.testing.assert_close(value[1:], alone[name], atol=1e-3, rtol=1e-3)
    assert float(first["loss"]) == pytest.approx(float(second["loss"]), rel=1e-5)
    assert same(before, model.state_dict())


@pytest.mark.parametrize("method", METHODS)
def test_saved_and_loaded_it_says_the_same(method: str, tmp_path: Path) -> None:
    model, batch = build(method), batch_of()
    write_tensors(tmp_path / "m.safetensors", model.state_dict())
    again = MODELS.load(method).MODEL(json.loads(json.dumps(model.settings)))
    again.load_state_dict(read_tensors(tmp_path / "m.safetensors"))
    with torch.no_grad():
        assert same(model.eval()(batch.images), again.eval()(batch.images))


@pytest.mark.parametrize("method", METHODS)
def test_freezing_holds_the_encoder(method: str) -> None:
    model = build(method)
    network = model.backbone()
    body = {id(p) for p in network.body.parameters()}
    assert freeze(network, "backbone") == sum(p.numel() for p in network.body.parameters()) > 0
    free = {id(p) for p in network.parameters() if p.requires_grad}
    assert free
    assert not free & body
    freeze(network, "all-but-1")
    last = {id(p) for p in network.blocks()[-1].parameters()}
    assert {id(p) for p in network.parameters() if p.requires_grad} & body == last
    assert network.first_conv().in_channels == 3
    assert {id(p) for p in network.parameters()} == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("method", METHODS)
def test_weights_of_a_run_with_other_classes(method: str, tmp_path: Path) -> None:
    model, other = build(method), build(method, classes=5)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    write_tensors(tmp_path / "m.safetensors", model.state_dict())
    loaded = load_into(other.backbone(), tmp_path / "m.safetensors")
    assert not loaded.missing
    assert not loaded.unexpected
    assert 0 < len(loaded.fresh) + len(loaded.misfits) < 0.2 * len(other.state_dict())
    body = other.backbone().body.state_dict()
    assert same(body, model.backbone().body.state_dict())


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("unet", {}),
        ("unet2015", {"variant": "small", "up": "transposed"}),
        ("unet2015", {"variant": "small", "up": "nearest"}),
        ("dag-rnn", {}),
        ("dag-rnn", {"up": "transposed"}),
        pytest.param("fcn", {}, marks=pytest.mark.slow),
        pytest.param("segformer-hf", {}, marks=[NEEDS, pytest.mark.slow]),
        pytest.param("mask2former", {}, marks=[NEEDS, pytest.mark.slow]),
    ],
)
def test_exported_it_says_the_same(method: str, options: dict[str, Any]) -> None:
    model, images = build(method, **options).eval(), batch_of(size=(60, 68)).images
    with torch.no_grad():
        expected = model(images)["logits"]
        exported = torch.export.export(model, (images,), strict=False).module()(images)
    assert list(exported) == ["logits"]
    assert torch.allclose(exported["logits"], expected, atol=1e-4)


@pytest.mark.parametrize("method", ["unet", *OURS])
def test_channels_last_says_the_same(method: str) -> None:
    model, images = build(method).eval(), batch_of().images
    with torch.no_grad():
        expected = model(images)["logits"]
        model.to(memory_format=torch.channels_last)
        result = model(images.to(memory_format=torch.channels_last))["logits"]
    assert torch.allclose(result, expected, atol=1e-3)


def test_pixels_without_a_class_and_weights_of_classes() -> None:
    model, batch = build("fcn").eval(), batch_of()
    with torch.no_grad():
        outputs = {"logits": model(batch.images)["logits"].clone()}
        first = float(model.loss(batch, rng(), outputs=outputs)["loss"])
        outputs["logits"][:, 1, :4] += 50.0  # there no pixel has a class
        assert float(model.loss(batch, rng(), outputs=outputs)["loss"]) == pytest.approx(first)
        model.weights = torch.tensor([0.0, 0.0, 1.0])
        only = float(model.loss(batch, rng(), outputs=outputs)["loss"])
    target = batch.targets.dense().long()
    present = F.cross_entropy(
        outputs["logits"], torch.where(target == 2, target, IGNORE_INDEX), ignore_index=IGNORE_INDEX
    )
    assert only == pytest.approx(float(present), rel=1e-5)


def test_auxiliary_heads_count_two_fifths_and_in_training_only() -> None:
    model, batch = build("fcn"), batch_of()
    with torch.no_grad():
        outputs = model.train()(batch.images)
        terms = model.loss(batch, rng(), outputs=outputs)
        aux = model.loss(batch, rng(), outputs={"logits": outputs["aux"]})
    assert outputs["aux"].shape == outputs["logits"].shape
    assert float(terms["aux"]) == pytest.approx(0.4 * float(aux["loss"]))
    assert float(terms["loss"]) == pytest.approx(float(terms["ce"] + terms["aux"]))
    assert "aux" not in model.eval()(batch.images)
    assert "aux" not in build("lraspp").train()(batch.images)


def test_unet_has_the_sizes_of_the_paper() -> None:
    net = UNet(1, 2, (4, 8, 16, 32, 64)).eval()
    with torch.no_grad():
        assert net(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
        assert net(torch.zeros(1, 1, 188, 204)).shape == (1, 2, 4, 20)


@pytest.mark.parametrize("up", ["transposed", "bilinear", "nearest"])
def test_unet_has_31_million_parameters_however_it_enlarges(up: str) -> None:
    with torch.device("meta"):
        net = UNet(1, 2, up=up)
    assert sum(p.numel() for p in net.parameters()) == 31_030_658


@given(st.integers(1, 260), st.integers(1, 260))
def test_images_are_mirrored_so_that_the_unpadded_network_covers_them(height: int, width: int) -> None:
    image = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    result = mirrored(image)
    for side, more in zip((height, width), result.shape[2:], strict=True):
        assert (more - 12) % 16 == 0
        assert side <= more - 2 * LOST < side + 16
    assert torch.equal(result[:, :, LOST : LOST + height, LOST : LOST + width], image)
    if min(height, width) > LOST + 16:
        below, right = result.shape[2] - height - LOST, result.shape[3] - width - LOST
        assert torch.equal(result, F.pad(image, (LOST, right, LOST, below), mode="reflect"))


def test_unpadded_unet_sees_mirrored_images_and_no_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = MODELS.load("unet2015").MODEL
    monkeypatch.setattr(kind, "variants", {"valid": UNetVariant((4, 8, 16, 32, 64), padded=False)})
    torch.manual_seed(0)
    model = kind(settings("unet2015", variant="valid")).eval()
    images = torch.randint(0, 255, (1, 3, 100, 119), dtype=torch.uint8, generator=rng())
    with torch.no_grad():
        outwards = F.pad(model.normalize(images), (LOST, 105, LOST, 92), mode="reflect")
        expected = model.network.net(outwards)
        result = model(images)["logits"]
    assert expected.shape == (1, 3, 100, 132)
    assert result.shape == (1, 3, 100, 119)
    assert torch.allclose(result, expected[..., :119], atol=1e-5)


def test_valid_variant_is_built_and_trained() -> None:
    kind = MODELS.load("unet2015").MODEL
    result = settings("unet2015", variant="valid", up="transposed")
    model = kind(result)
    assert sum(p.numel() for p in model.parameters()) == 31_030_658 + 64 + 2 * 64 * 9 + 1
    with torch.no_grad():
        assert model.eval()(batch_of(1).images[:, :, :30, :50])["logits"].shape == (1, 3, 30, 50)


def test_learnt_enlargement_begins_as_interpolation() -> None:
    torch.manual_seed(0)
    body, images = Local(3).eval(), torch.randn(1, 3, 64, 96)
    learnt, smooth = Labeller(body, 4, "transposed").eval(), Labeller(body, 4, "bilinear").eval()
    smooth.load_state_dict(learnt.state_dict(), strict=False)
    with torch.no_grad():
        first, second = learnt(images), smooth(images)
    assert first.shape == second.shape == (1, 4, 64, 96)
    assert torch.allclose(first[:, :, 4:-4, 4:-4], second[:, :, 4:-4, 4:-4], atol=1e-5)


@pytest.mark.parametrize(
    ("method", "backbone"),
    [("unet", "test_resnet"), ("segformer", "test_convnext"), ("dag-rnn", "test_resnet"), ("dag-rnn", "csp")],
)
def test_any_fitting_network_as_a_backbone(method: str, backbone: str) -> None:
    model = build(method, backbone=backbone).train()
    losses = model.loss(batch_of(), rng())
    losses["loss"].backward()
    assert all(p.grad is not None for p in model.parameters())
    assert freeze(model.backbone(), "backbone") > 0


def test_what_cannot_be_is_refused_in_words() -> None:
    def ask(method: str, **options: Any) -> Any:
        return MODELS.load(method).MODEL.settings_for(info(), SemanticOptions(**options))

    for method in (*SMP, "dag-rnn"):
        with pytest.raises(UnknownName, match="resnet18"):
            ask(method, backbone="resnet81")
        with pytest.raises(UsageError, match="no variants"):
            ask(method, variant="big")
    with pytest.raises(UsageError, match="our own 'csp'"):
        ask("unet", backbone="csp")
    with pytest.raises(UsageError, match="backbone of its own"):
        ask("fcn", backbone="resnet18")
    with pytest.raises(UnknownName, match="resnet50"):
        ask("fcn", variant="resnet05")
    with pytest.raises(UsageError, match="--up transposed"):
        ask("unet", up="transposed")
    with pytest.raises(UnknownName, match="loss 'cee'"):
        ask("unet", loss="cee")
    with pytest.raises(UsageError, match="'test_vit'"):
        build("unet", backbone="test_vit")
    with pytest.raises(UsageError, match="--class-weights balanced"):
        ask("mask2former", class_weights="balanced")


def test_settings_follow_from_data_and_options() -> None:
    kind = MODELS.load("unet").MODEL
    requested = SemanticOptions(loss="ce+0.5*dice", class_weights="balanced")
    result = kind.settings_for(info(class_counts=(600, 200, 0)), requested)
    assert result["class_weights"] == pytest.approx([800 / 1200, 2.0, 1.0])
    assert (result["loss"], result["backbone"], result["variant"]) == ("ce+0.5*dice", "resnet18", None)
    assert json.loads(json.dumps(result)) == result
    assert MODELS.load("unet2015").MODEL.settings_for(info(), SemanticOptions())["variant"] == "same"
    assert settings("unet")["class_weights"] is None
    losses = build("fcn", loss="ce+0.5*dice").eval().loss(batch_of(), rng())
    assert set(losses) == {"loss", "ce", "dice"}


@pytest.mark.parametrize(("method", "channels"), [("unet", 3), ("deeplabv3plus", 3), ("pspnet", 1)])
def test_published_weights_of_the_encoder(
    method: str, channels: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if they had been fetched: our door gets the file, timm reads it, all of the encoder is filled."""
    from sightline.models.backbones import _timm
    from sightline.models.weights import hub

    requested = []
    create = _timm.timm.create_model

    def fake(name: str, pretrained: bool = False, **more: Any) -> nn.Module:
        net: nn.Module = create(name, **more)
        if pretrained:
            requested.append((name, more["pretrained_cfg_overlay"]["file"]))
            for tensor in net.state_dict().values():
                tensor.copy_(torch.full_like(tensor, 3))
        return net

    monkeypatch.setenv("SIGHTLINE_OFFLINE", "0")
    monkeypatch.setattr(_timm.timm, "create_model", fake)
    monkeypatch.setattr(hub, "fetch", lambda weights: Path(weights.repo))
    model = MODELS.load(method).MODEL(settings(method, channels=channels), pretrained="yes")
    assert requested == [("resnet18", "timm/resnet18.a1_in1k")]
    assert all(bool((t == 3).all()) for t in model.backbone().body.state_dict().values())
    assert (model.backbone().pixels is not None) == (channels == 3)
    assert model.backbone().origin == "timm: timm/resnet18.a1_in1k"
    assert "cannot be had" not in capsys.readouterr().err


def test_published_weights_of_torchvision(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kind = MODELS.load("lraspp").MODEL
    theirs = build("lraspp", classes=21).backbone().net.state_dict()
    monkeypatch.setattr(_torchvision, "_fetch", lambda _: lambda: theirs)
    monkeypatch.setenv("SIGHTLINE_OFFLINE", "0")
    model = kind(settings("lraspp"), pretrained="yes")
    assert same(model.backbone().body.state_dict(), {
        k.removeprefix("backbone."): v for k, v in theirs.items() if k.startswith("backbone.")
    })  # fmt: skip
    assert model.backbone().pixels == _torchvision.IMAGENET
    assert "fresh are classifier.low_classifier.weight" in capsys.readouterr().err


@pytest.mark.parametrize("method", METHODS)
def test_without_network(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    kind = MODELS.load(method).MODEL
    with pytest.raises(SightlineError, match=r"SIGHTLINE_OFFLINE forbids|none are published"):
        kind(settings(method), pretrained="yes")
    kind(settings(method), pretrained="auto")
    assert "Going on from scratch" in capsys.readouterr().err


@NEEDS
def test_votes_of_masks_are_those_of_transformers() -> None:
    import transformers

    model = build("mask2former").eval()
    images = batch_of(1, size=(384, 384)).images
    with torch.no_grad():
        outputs = model(images)
        theirs = model.network.net(pixel_values=model.normalize(images))
    reader = transformers.Mask2FormerImageProcessor.post_process_semantic_segmentation
    result = model.predict_from_outputs(outputs, model.settings).dense()[0]
    assert float((result == reader(None, theirs)[0]).float().mean()) > 0.9999


@NEEDS
def test_masks_learn_nothing_where_there_is_no_class() -> None:
    model, batch = build("mask2former").train(), batch_of()
    maps = batch.targets.dense().clone()
    maps[:, :, : maps.shape[2] // 2] = IGNORE_INDEX
    batch = replace(batch, targets=SemanticMasks.of(maps))
    raw = {k: v.detach().requires_grad_() for k, v in model._raw(batch.images).items()}
    model.loss(batch, rng(0), outputs=raw)["loss"].backward()
    slope = raw["masks"].grad
    assert slope is not None
    half = slope.shape[-1] // 2
    assert not slope[..., : half - 1].any()
    assert slope[..., half + 1 :].any()


@NEEDS
def test_points_of_the_loss_follow_from_the_generator() -> None:
    model, batch = build("mask2former").train(), batch_of()
    drawn = torch.get_rng_state()
    values = [float(model.loss(batch, rng(seed))["loss"].detach()) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert torch.equal(drawn, torch.get_rng_state())


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_card_counts_parameters(method: str) -> None:
    module = MODELS.load(method)
    first, classes = module.CARD.counted.split(", ")
    assert classes == "21 classes"
    options = {"variant": first} if module.MODEL.variants else {}
    result = module.MODEL(settings(method, classes=21, **options))
    assert sum(p.numel() for p in result.parameters() if p.requires_grad) == module.CARD.parameters
    assert module.CARD.name == method
    assert isinstance(result.backbone(), base.LibraryNetwork)


LESSONS = {"dag-rnn": (90, 3e-3), "unet2015": (120, 2e-3), "pspnet": (90, 3e-3), "unet": (40, 3e-3)}


@pytest.mark.slow
@pytest.mark.parametrize("method", LESSONS)
def test_four_images_are_learnt_by_heart(method: str) -> None:
    model, batch = build(method).train(), batch_of(4)
    steps, lr = LESSONS[method]
    optimizer = torch.optim.Adam(model.parameters(), lr)
    torch.manual_seed(0)
    for step in range(steps):
        optimizer.zero_grad()
        model.loss(batch, rng(step))["loss"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    with torch.no_grad():
        prediction = model.eval().predict_from_outputs(model(batch.images), model.settings)
    metric = MeanIoU()
    metric.update(prediction, batch.targets)
    assert metric.compute() > 0.75


def test_a_classifier_fills_the_encoder(tmp_path: Path) -> None:
    """Weights of a plain timm network, as a classification run or a download holds them."""
    model = build("unet")
    plain = timm.create_model("resnet18", pretrained=False)
    write_tensors(tmp_path / "resnet18.safetensors", plain.state_dict())
    loaded = load_into(model.backbone(), tmp_path / "resnet18.safetensors")
    assert len(loaded.loaded) >= 120
    body = model.backbone().body
    assert torch.equal(body.state_dict()["conv1.weight"], plain.conv1.weight)
