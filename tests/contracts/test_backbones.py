"""What every network of our own folder must do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from sightline.models import registry
from sightline.models.backbones import BACKBONES
from sightline.models.backbones._backbone import Backbone
from sightline.storage import read_tensors, write_tensors

NAMES = BACKBONES.names()
pytestmark = pytest.mark.parametrize("name", NAMES)


def build(name: str, channels: int = 3, size: tuple[int, int] | None = None, seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    return registry.create(name, outputs=3, channels=channels, size=size or sizes(name)[0])


def sizes(name: str) -> list[tuple[int, int]]:
    """A square and an odd size that the network is meant for, the smallest that are quick."""
    made_for = registry.card(name).size
    return [(64, 64), (65, 71)] if made_for == (224, 224) else [(28, 28), (33, 27)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("which", [0, 1])
def test_gives_a_row_of_outputs_for_each_image(name: str, channels: int, which: int) -> None:
    size = sizes(name)[which]
    network = build(name, channels, size).eval()
    images = torch.rand(2, channels, *size)
    with torch.no_grad():
        features = network.features(images)
        outputs = network(images)
    assert features.ndim == 2
    assert outputs.shape == (2, 3)
    assert torch.equal(network.head(features), outputs)


def test_every_parameter_learns(name: str) -> None:
    network = build(name).train()
    network(torch.rand(4, 3, *sizes(name)[0])).square().sum().backward()
    idle = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not idle


def test_the_seed_decides_the_weights_and_saved_ones_bring_back_the_outputs(
    name: str, tmp_path: Path
) -> None:
    network, again, other = (build(name, seed=seed).eval() for seed in (0, 0, 1))
    images = torch.rand(2, 3, *sizes(name)[0])
    file = tmp_path / "model.safetensors"
    write_tensors(file, network.state_dict())
    with torch.no_grad():
        expected = network(images)
        assert torch.equal(again(images), expected)
        assert not torch.equal(other(images), expected)
        other.load_state_dict(read_tensors(file))
        assert torch.equal(other(images), expected)


def test_has_as_many_parameters_as_its_card_says(name: str) -> None:
    card = registry.card(name)
    assert card.name == name
    assert card.paper
    match = re.match(r"(\d+) classes, (\d)x(\d+)x(\d+)", card.counted)
    assert match, "the card must say what was counted: 'K classes, CxHxW'"
    outputs, channels, height, width = map(int, match.groups())
    with torch.device("meta"):
        network = registry.create(name, outputs=outputs, channels=channels, size=(height, width))
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == card.parameters


def test_blocks_and_head_hold_all_weights(name: str) -> None:
    network = build(name)
    parts = [*network.blocks(), network.head]
    held = [id(p) for part in parts for p in part.parameters()]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for p in network.parameters()}
    first = network.first_conv()
    assert first is None or (isinstance(first, nn.Conv2d) and first.in_channels == 3)
