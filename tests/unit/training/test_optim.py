from __future__ import annotations

import pytest
import torch
from torch import nn

from sightline.core.model import OptimizerGroup
from sightline.errors import UnknownName
from sightline.training import optimizers
from sightline.training.recipe import Recipe


@pytest.mark.parametrize("name", ["sgd", "Adam", "adamw", "adadelta", "rmsprop", "NAdam", "adagrad"])
def test_every_optimizer_lowers_a_simple_loss(name: str) -> None:
    torch.manual_seed(0)
    net = nn.Linear(4, 1)
    x = torch.randn(32, 4)
    y = x @ torch.tensor([[1.0], [2.0], [-1.0], [0.5]])
    optimizer = optimizers.build(
        [OptimizerGroup(list(net.parameters()))],
        Recipe(optimizer=name, lr=0.05, weight_decay=0.0, momentum=0.9),
    )
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (net(x) - y).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_weight_decay_spares_biases_and_norms() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    groups = optimizers.build(
        [OptimizerGroup(list(net.parameters()))], Recipe(optimizer="adamw", lr=0.1, weight_decay=0.3)
    ).param_groups
    assert [(len(g["params"]), g["weight_decay"]) for g in groups] == [(1, 0.3), (3, 0.0)]


def test_unknown_optimizer_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match="radam"):
        optimizers.build([], Recipe(optimizer="adamm", lr=0.1))


def test_l1_is_the_sum_of_absolute_weights() -> None:
    net = nn.Linear(2, 1)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[-3.0, 2.0]]))
        net.bias.fill_(9)
    assert optimizers.l1(net).item() == 5
