"""Networks by name: counts, choices, refusals."""

from __future__ import annotations

import pytest
import timm
import torch

from sightline import console
from sightline.errors import SightlineError, UnknownName, UsageError
from sightline.models import registry
from sightline.models.backbones._backbone import take_channels
from sightline.models.weights import hub


def parameters(name: str, outputs: int, channels: int, size: int) -> int:
    with torch.device("meta"):
        network = registry.create(name, outputs=outputs, channels=channels, size=(size, size))
    return sum(p.numel() for p in network.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("name", "outputs", "channels", "size", "count"),
    [
        ("vgg16", 1000, 3, 224, 138_357_544),
        ("resnet18", 1000, 3, 224, 11_689_512),
        ("alexnet", 1000, 3, 224, 61_100_840),
        ("lecture-cnn", 10, 1, 28, 1_199_882),
        ("lenet5", 10, 1, 28, 61_706),
        ("perceptron", 10, 1, 28, 7_850),
    ],
)
def test_published_counts(name: str, outputs: int, channels: int, size: int, count: int) -> None:
    assert parameters(name, outputs, channels, size) == count


@pytest.mark.parametrize(
    "name", ["resnet18", "test_vit", "test_convnext", "test_efficientnet", "densenet121"]
)
def test_timm_network_answers_as_timm_itself(name: str) -> None:
    torch.manual_seed(0)
    ours = registry.create(name, outputs=7, channels=3, size=(64, 64)).eval()
    torch.manual_seed(0)
    more = {"img_size": 64} if name == "test_vit" else {}
    theirs = timm.create_model(name, num_classes=7, **more).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
        assert ours.features(images).shape == (2, ours.head.in_features)
    assert ours.blocks()


@pytest.mark.parametrize("channels", [1, 3])
def test_timm_network_takes_gray_images_of_another_size(channels: int) -> None:
    network = registry.create("vit_tiny_patch16_224", outputs=5, channels=channels, size=(48, 32)).eval()
    assert network(torch.rand(1, channels, 48, 32)).shape == (1, 5)


def test_network_with_two_heads_gets_one() -> None:
    network = registry.create("deit_tiny_distilled_patch16_224", outputs=4, channels=3, size=(32, 32))
    assert network(torch.rand(2, 3, 32, 32)).shape == (2, 4)


def test_unknown_name_suggests_ours_and_those_of_timm() -> None:
    with pytest.raises(UnknownName, match="'lenet5'"):
        registry.create("lenet-5x", outputs=2, channels=1, size=(28, 28))
    with pytest.raises(UnknownName, match="'resnet18'"):
        registry.card("resnet81")


def test_settings_are_checked() -> None:
    size = {"outputs": 2, "channels": 1, "size": (28, 28)}
    with pytest.raises(UnknownName, match="'width'"):
        registry.create("mlp", **size, widht=3)
    with pytest.raises(UsageError, match=r"--width must be a whole number\. Received 'wide'"):
        registry.create("mlp", **size, width="wide")
    with pytest.raises(UsageError, match=r"dropout in \[0, 1\)"):
        registry.create("mlp", **size, dropout=1.0)
    with pytest.raises(UsageError, match="no settings of its own"):
        registry.create("lenet5", **size, width=3)
    with pytest.raises(UsageError, match="max or stochastic or fractional"):
        registry.create("lecture-cnn", **size, pool="mean")
    with pytest.raises(UsageError, match="drop_path_rate"):
        registry.create("vgg11", **size, drop_path_rate=0.5)
    assert registry.create("mlp", **size, width="16").head.in_features == 16


@pytest.mark.parametrize("pool", ["max", "stochastic", "fractional"])
def test_lecture_cnn_takes_each_pooling(pool: str) -> None:
    network = registry.create("lecture-cnn", outputs=2, channels=1, size=(17, 20), pool=pool)
    for training in (True, False):
        assert network.train(training)(torch.rand(3, 1, 17, 20)).shape == (3, 2)


@pytest.mark.parametrize(("name", "size"), [("lenet5", 8), ("alexnet", 32), ("lecture-cnn", 5)])
def test_images_too_small_are_refused_in_words(name: str, size: int) -> None:
    with pytest.raises(UsageError, match="--size"):
        registry.create(name, outputs=2, channels=3, size=(size, size))


@pytest.mark.parametrize("side", [8, 9, 31, 96, 97, 161])
def test_the_default_takes_any_size_and_keeps_the_work_in_bounds(side: int) -> None:
    network = registry.create("resnet-small", outputs=2, channels=3, size=(side, side - 1)).eval()
    inner = network.stem(torch.rand(1, 3, side, side - 1))
    assert max(inner.shape[2:]) <= 64
    assert network(torch.rand(1, 3, side + 5, side)).shape == (1, 2)


@pytest.mark.parametrize("name", ["resnet18", "alexnet", "lenet5"])
def test_weights_that_cannot_be_had(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = {"outputs": 2, "channels": 3, "size": (64, 64)}
    with pytest.raises(SightlineError, match=r"--weights.*--pretrained auto") as caught:
        registry.create(name, **arguments, pretrained="yes")
    why = "none are published" if name == "lenet5" else "SIGHTLINE_OFFLINE"
    assert why in str(caught.value)
    network = registry.create(name, **arguments, pretrained="auto")
    assert network.origin == "scratch"
    assert network.pixels is None
    outputs = capsys.readouterr().err
    assert outputs.count("Going on from scratch.") == 1
    with pytest.raises(UnknownName):
        registry.create(name, **arguments, pretrained="ja")


def test_a_hub_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_OFFLINE", "0")

    def broken(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the hub\nand more")

    monkeypatch.setattr(hub, "fetch", broken)
    with console.quiet(), pytest.raises(SightlineError, match=r"ConnectionError: no route to the hub\)"):
        registry.create("resnet18", outputs=2, channels=3, size=(64, 64), pretrained="yes")


def test_cards_need_no_network_to_be_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm, "create_model", None)
    card = registry.card("vit_tiny_patch16_224")
    assert card.size == (224, 224)
    assert len(registry.names(all=True)) > 1000 + len(registry.names())


def test_color_filters_kept_for_gray_images_answer_alike() -> None:
    conv = torch.nn.Conv2d(3, 4, 3, stride=2, padding=1)
    gray = torch.rand(2, 1, 9, 9)
    selected = take_channels(conv, 1, keep=True)
    assert torch.allclose(selected(gray), conv(gray.expand(2, 3, 9, 9)), atol=1e-6)
    assert take_channels(conv, 3, keep=True) is conv
