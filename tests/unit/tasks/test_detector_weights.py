"""Library detectors: freezing, weights of runs and published ones, settings, and what cannot be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sightline.core.dataset import Classes
from sightline.core.sample import Batch
from sightline.core.task import DataInfo
from sightline.errors import MissingExtra, SightlineError, UnknownName, UsageError
from sightline.models.adapters.base import map_sizes
from sightline.models.weights.load import freeze, load_into
from sightline.storage import write_tensors
from sightline.tasks.detect import MODELS
from sightline.tasks.detect.models import _torchvision
from sightline.tasks.detect.models.ssd import MIN_SIZE
from sightline.tasks.detect.options import DetectOptions
from tests.unit.tasks._detectors import METHODS, SMALL, TORCHVISION, batch_for, build, rng, same, settings


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
    default = other.state_dict()
    assert all(torch.equal(default[k], v) for k, v in model.state_dict().items() if ".body." in k)
    assert 0 < len(loaded.misfits) + len(loaded.fresh) < 0.1 * len(default)
    assert not loaded.missing


def _published(monkeypatch: pytest.MonkeyPatch, method: str) -> dict[str, Tensor]:
    """What a model of 91 classes has learnt, as if it had been fetched."""
    torch.manual_seed(7)
    theirs = MODELS.load(method).MODEL(settings(method, classes=[str(i) for i in range(91)]))
    tensors = {k: v.clone() for k, v in theirs.network.net.state_dict().items()}
    for name in (
        "sightline.models.adapters.torchvision_detection",
        "sightline.tasks.detect.models._transformers",
    ):
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
    default = model.network.net.state_dict()
    taken = [k for k, v in tensors.items() if torch.equal(default[k], v)] if channels == 3 else [
        k for k, v in tensors.items() if default[k].shape == v.shape and torch.equal(default[k], v)
    ]  # fmt: skip
    assert len(taken) > 0.9 * len(default)
    assert (model.backbone().pixels is not None) == (channels == 3)
    assert model.settings["keep_statistics"] is True
    assert "fresh" in capsys.readouterr().err
    first = next(k for k, v in tensors.items() if v.ndim == 4)
    assert torch.allclose(default[first].sum(1), tensors[first].sum(1), atol=1e-5)
    again = kind(json.loads(json.dumps(model.settings)))
    again.train()
    before = {k: v.clone() for k, v in again.network.body.state_dict().items()}
    again.loss(Batch(batch_for(method).images[:, :channels], batch_for(method).targets, list("abcd")), rng())
    assert same(before, again.network.body.state_dict())


@pytest.mark.parametrize("library", ["torchvision", "timm"])
@pytest.mark.parametrize("method", ["faster-rcnn", "retinanet"])
def test_plain_weights_of_a_classifier_go_into_the_body(
    method: str, library: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import timm
    import torchvision

    torch.manual_seed(5)
    theirs = (
        torchvision.models.resnet18() if library == "torchvision" else timm.create_model("resnet18")
    ).state_dict()
    write_tensors(tmp_path / "resnet18.safetensors", theirs)
    network = build(method).backbone()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    loaded = load_into(network, tmp_path / "resnet18.safetensors")
    default = network.body.state_dict()
    assert len(default) == 120
    assert all(torch.equal(v, theirs[k]) for k, v in default.items())
    assert set(loaded.loaded) == {f"net.backbone.body.{k}" for k in default}
    rest = [k for k in before if ".body." not in k]
    assert all(torch.equal(before[k], network.state_dict()[k]) for k in rest)
    assert "120 of" in capsys.readouterr().err


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
    info = DataInfo(Classes(("a", "b")), (), 3, (300, 300), (0.5,) * 3, (0.2,) * 3, 10)
    ssd = MODELS.load("ssd").MODEL
    with pytest.raises(
        UsageError, match=r"--multiscale 0\.2 .* 256 pixels .* needs 268.*--variant mobilenet"
    ):
        ssd.settings_for(info, DetectOptions(multiscale=0.2))
    assert ssd.settings_for(info, DetectOptions(multiscale=0.05))["variant"] == "vgg16"
    assert (
        ssd.settings_for(info, DetectOptions(multiscale=0.5, variant="mobilenet"))["variant"] == "mobilenet"
    )
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"sightline\[transformers\]"):
        MODELS.load("rtdetr").MODEL(settings("rtdetr"))


def test_the_least_size_of_ssd_is_the_least() -> None:
    net = MODELS.load("ssd").MODEL(settings("ssd", variant="vgg16", size=[300, 300])).network.net
    assert map_sizes(net.backbone, 3, (MIN_SIZE["vgg16"], 300))[-1] == (1, 1)
    with pytest.raises(RuntimeError):
        map_sizes(net.backbone, 3, (MIN_SIZE["vgg16"] - 1, 300))


@pytest.mark.parametrize("method", SMALL)
def test_settings_follow_from_data_and_options(method: str) -> None:
    info = DataInfo(Classes(("a", "b")), (), 3, (64, 64), (0.5,) * 3, (0.2,) * 3, 10)
    kind = MODELS.load(method).MODEL
    result = kind.settings_for(info, DetectOptions(conf=0.1, max_objects=7))
    assert result["classes"] == ["a", "b"]
    assert (result["conf"], result["max_objects"]) == (0.1, 7)
    assert result["variant"] in kind.variants
    assert kind.settings_for(info, DetectOptions(variant=SMALL[method]))["variant"] == SMALL[method]
    assert json.loads(json.dumps(result)) == result
    with pytest.raises(UsageError, match="--variant"):
        kind.settings_for(info, DetectOptions(backbone="resnet18"))
