"""Weights that are installed as a package: found, compared and put in by position; never imported."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch

from sightline.errors import SightlineError
from sightline.models import registry
from sightline.models.backbones._backbone import Backbone
from sightline.models.weights import embedded
from sightline.models.weights.embedded import WeightsCard

NAME = "test_efficientnet"
PACKAGE = "tiny-weights-for-tests"


@pytest.fixture(scope="module")
def source() -> torch.nn.Module:
    """What was "published": timm's network with weights and statistics that are not those of a fresh one."""
    torch.manual_seed(3)
    net = timm.create_model(NAME).eval()
    for buffer in net.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return net


@pytest.fixture
def file(source: torch.nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package whose file has the tensors in the network's order, under other names."""
    folder = tmp_path / "site" / PACKAGE.replace("-", "_")
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('imported')")
    file = folder / "models" / "tiny.pth"
    torch.save(renamed(source), file)
    monkeypatch.syspath_prepend(tmp_path / "site")
    publish(monkeypatch, file)
    return file


def renamed(source: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The tensors in their order, under names of which only the last part is theirs ("weight")."""
    named = source.state_dict().items()
    return {f"layer{i}.{name.rsplit('.', 1)[-1]}": tensor for i, (name, tensor) in enumerate(named)}


def publish(monkeypatch: pytest.MonkeyPatch, file: Path) -> WeightsCard:
    """Pin the file as it is."""
    content = file.read_bytes()
    card = replace(
        next(iter(embedded.CARDS.values())),
        model=NAME,
        package=PACKAGE,
        file="models/tiny.pth",
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )
    monkeypatch.setattr(embedded, "CARDS", {NAME: card})
    return card


def build(pretrained: str = "yes", channels: int = 3) -> Backbone:
    return registry.create(NAME, outputs=5, channels=channels, size=(64, 64), pretrained=pretrained).eval()  # type: ignore[arg-type]


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """What --pretrained yes says; auto says the same and goes on."""
    with pytest.raises(SightlineError, match="--pretrained auto") as caught:
        build("yes")
    capsys.readouterr()
    assert build("auto").origin == "scratch"
    outputs = capsys.readouterr().err
    assert outputs.endswith("Going on from scratch.\n")
    why = str(caught.value).partition("cannot be had: ")[2].partition(" Give a file")[0]
    assert why
    assert why in outputs
    return why


def test_features_are_those_of_the_published_network(
    file: Path, source: torch.nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    network = build()
    photographs = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(network.features(photographs), source.forward_head(  # type: ignore[operator]
            source.forward_features(photographs), pre_logits=True))  # type: ignore[operator]  # fmt: skip
    card = embedded.CARDS[NAME]
    assert network.origin == f"installed: {PACKAGE}==0.1.0, SHA-256 {card.sha256}"
    assert network.pixels == (card.mean, card.std)
    outputs = capsys.readouterr().err
    assert (
        outputs == f"Weights of '{NAME}': installed ({PACKAGE}==0.1.0, Apache-2.0, trained on ImageNet-1k).\n"
    )


def test_gray_photographs_give_what_they_give_in_three_equal_channels(file: Path) -> None:
    gray = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        first, three = build(channels=1).features(gray), build().features(gray.expand(2, 3, 64, 64))
    assert torch.allclose(first, three, atol=1e-4, rtol=1e-4)


def test_maps_are_filled_too(file: Path, source: torch.nn.Module) -> None:
    maps = registry.pyramid(NAME, channels=3, size=(64, 64), pretrained="yes")
    published = source.state_dict()
    selected = maps.net.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(tensor, published[name]) for name, tensor in selected.items())
    assert "conv_stem.weight" in selected


def test_scratch_stays_scratch(file: Path) -> None:
    assert build("no").origin == "scratch"


def test_a_missing_package_is_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = replace(embedded.CARDS[NAME], package="no-such-weights")
    monkeypatch.setattr(embedded, "CARDS", {NAME: card})
    assert refused(capsys) == (
        "SIGHTLINE_OFFLINE forbids the network. The package no-such-weights is not installed. "
        "Install it: pip install 'no-such-weights==0.1.0'."
    )
    assert embedded.described(NAME) == ""


def test_another_version_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.rename(file.with_name("tiny-v2.pth"))
    assert (
        f"The package {PACKAGE} has no file models/tiny.pth: expected version 0.1.0, found none. Install it "
        f"anew: pip install --force-reinstall '{PACKAGE}==0.1.0'." in refused(capsys)
    )


def test_a_truncated_file_is_named(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    why = refused(capsys)
    assert f"expected {len(whole)} bytes, found {len(whole) - 1}" in why
    assert str(file) in why
    assert "--force-reinstall --no-cache-dir" in why


def test_one_wrong_byte_is_found_before_the_file_is_read(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build()  # a verdict on the file as it was must not stand for the file as it is
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the file was read"))
    assert "is not the file that is known: expected SHA-256" in refused(capsys)
    assert embedded.trouble(NAME) == ""
    assert "expected SHA-256" in embedded.trouble(NAME, thorough=True)


def test_a_network_of_other_parts_is_refused(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"only": torch.zeros(1)}, file)
    publish(monkeypatch, file)
    assert "has 1 tensors, and this version of timm makes 'test_efficientnet' of" in refused(capsys)


def test_tensors_in_another_order_are_refused(
    file: Path, source: torch.nn.Module, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Weight and bias of a normalisation have the same shape: only their names tell them apart."""
    items = list(renamed(source).items())
    assert items[1][1].shape == items[2][1].shape
    items[1], items[2] = items[2], items[1]
    torch.save(dict(items), file)
    publish(monkeypatch, file)
    assert "has the tensors of 'test_efficientnet' in another order than" in refused(capsys)


def test_code_in_the_file_does_not_run(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    torch.save({"bomb": Bomb()}, file)
    publish(monkeypatch, file)
    refused(capsys)
    assert not (tmp_path / "ran").exists()


def test_cards_say_what_a_user_must_know() -> None:
    assert embedded.DEFAULT == "tf_efficientnet_lite0"
    for name, card in embedded.CARDS.items():
        assert card.model == name
        assert timm.is_model(name)
        assert len(card.sha256) == 64
        assert card.sha256.startswith(card.file.rsplit("-", 1)[1].removesuffix(".pth"))
        assert card.license == "Apache-2.0"
        assert "research" in card.trained_on
        assert 0.7 < card.top1 < 0.8


def test_the_default_is_here_and_as_pinned() -> None:
    assert embedded.trouble(embedded.DEFAULT, thorough=True) == ""
    network = registry.create(embedded.DEFAULT, outputs=3, channels=3, size=(64, 64), pretrained="yes")
    file = torch.load(embedded.locate(embedded.DEFAULT), weights_only=True)
    conv = network.first_conv()
    assert conv is not None
    assert torch.equal(conv.weight, next(iter(file.values())))
