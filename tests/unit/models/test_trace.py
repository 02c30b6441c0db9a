"""Receptive fields, FLOPs and parameters, by hand and by gradient."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sightline.models import registry
from sightline.models.layer_table import Field, trace


def fields(network: nn.Module, side: int = 32, channels: int = 3) -> list[str]:
    image = torch.zeros(1, channels, side, side)
    return [layer.field.text() if layer.field else "-" for layer in trace(network, image)]


def test_lenet_by_hand() -> None:
    network = registry.create("lenet5", outputs=10, channels=1, size=(28, 28))
    layers = trace(network, torch.zeros(1, 1, 28, 28))
    result = {x.name: (x.output, x.parameters, x.flops, x.field and x.field.text()) for x in layers}
    assert result["convolutions.0"] == ((6, 28, 28), 156, 2 * 28 * 28 * 6 * 25, "5x5")
    assert result["convolutions.2"] == ((6, 14, 14), 0, 0, "6x6")
    assert result["convolutions.3"] == ((16, 10, 10), 2416, 2 * 100 * 16 * 6 * 25, "14x14")
    assert result["convolutions.5"] == ((16, 5, 5), 0, 0, "16x16")
    assert result["dense.0"] == ((120,), 48120, 2 * 400 * 120, "all")
    assert result["head"] == ((10,), 850, 2 * 84 * 10, "all")


def test_first_blocks_of_vgg_by_hand() -> None:
    with torch.device("meta"):
        network = registry.create("vgg16", outputs=1000, channels=3, size=(224, 224))
        layers = trace(network, torch.empty(1, 3, 224, 224))
    convolutions = [x.field.text() for x in layers if x.type in ("Conv2d", "MaxPool2d") and x.field]
    assert convolutions[:7] == ["3x3", "5x5", "6x6", "10x10", "14x14", "16x16", "24x24"]
    assert sum(x.parameters for x in layers) == 138_357_544
    # 15.47 billion multiply-adds, as the literature counts.
    assert sum(x.flops for x in layers) == pytest.approx(2 * 15.47e9, rel=1e-3)


class Branches(nn.Module):
    """A residual and an inception join, a dilated, a strided and a lopsided convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3, padding=1)
        self.wide = nn.Conv2d(2, 2, 3, padding=2, dilation=2)
        self.strided = nn.Conv2d(4, 2, (3, 5), stride=(2, 1), padding=(1, 2))
        self.last = nn.Conv2d(2, 1, 3, padding=1)
        self.mean = nn.AvgPool2d(2, ceil_mode=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        x = torch.cat([x + self.wide(x), x], 1)
        return self.mean(self.last(self.strided(x)))


def test_receptive_field_is_what_the_gradient_reaches() -> None:
    torch.manual_seed(0)
    network = Branches()
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.5, 1.0)  # so that nothing cancels out
    image = torch.rand(1, 1, 41, 41, requires_grad=True)
    out = network(image)
    out[0, 0, out.shape[2] // 2, out.shape[3] // 2].backward()
    assert image.grad is not None
    rows, columns = image.grad[0, 0].nonzero(as_tuple=True)
    reached = (int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1)
    last = trace(network, torch.zeros(1, 1, 41, 41))[-1]
    assert last.field is not None
    # By hand, down: 3, +4, +2, then steps of 2: +4, +2; across: 3, +4, +4, +2, +1.
    assert last.field.size == reached == (15, 14)


def test_where_no_field_is_defined() -> None:
    assert fields(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 900, 2))) == [
        "3x3", "all", "all"
    ]  # fmt: skip
    assert fields(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 3, 2), nn.Conv2d(3, 3, 3))) == [
        "3x3", "-", "-"
    ]  # fmt: skip
    vit = registry.create("test_vit", outputs=2, channels=3, size=(32, 32))
    assert fields(vit)[-1] == "-"


def test_shared_layers_are_counted_once_and_worked_twice() -> None:
    shared = nn.Conv2d(3, 3, 3, padding=1)
    layers = trace(nn.Sequential(shared, nn.ReLU(), shared), torch.zeros(1, 3, 8, 8))
    assert [x.parameters for x in layers] == [84, 0, 0]
    assert [x.flops for x in layers] == [2 * 64 * 81, 0, 2 * 64 * 81]


def test_layers_that_are_never_called_are_listed() -> None:
    class Lazy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Conv2d(3, 1, 1), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)

    layers = trace(Lazy(), torch.zeros(1, 3, 4, 4))
    assert [(x.name, x.output, x.parameters) for x in layers] == [("used", (1, 4, 4), 4), ("idle", (), 6)]


@pytest.mark.parametrize("name", ["test_vit", "test_efficientnet", "pit_ti_224", "resnet-small"])
def test_nothing_is_left_behind_and_nothing_missed(name: str) -> None:
    side = registry.card(name).size or (32, 32)
    with torch.device("meta"):
        network = registry.create(name, outputs=9, channels=3, size=side)
    next(network.parameters()).requires_grad_(False)
    before = [p.requires_grad for p in network.parameters()]
    layers = trace(network, torch.empty(1, 3, *side, device="meta"))
    assert sum(x.parameters for x in layers) == sum(p.numel() for p in network.parameters())
    assert [p.requires_grad for p in network.parameters()] == before
    assert network.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert layers[-1].output == (9,)


def test_field_through_windows() -> None:
    field = Field((1, 1)).through(7, 2).through(3, 2)
    assert (field.size, field.step) == ((11, 11), (4, 4))
    assert Field(None).through(3, 1).text() == "all"
