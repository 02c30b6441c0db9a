"""The sweeps of DAG-RNN, against equations 5 to 7 of the paper in plain loops."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from sightline.tasks.semantic.models.dag_rnn import Sweep

AWAY = ((1, 1), (1, -1), (-1, -1), (-1, 1))
"""Steps down and right in which context flows: to south-east, south-west, north-west, north-east."""


def plain(sweep: Sweep, x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    default = sweep.inputs(x)
    wide = default.shape[1] // 4
    out = torch.zeros_like(default)
    for d, (down, right) in enumerate(AWAY):
        part = slice(d * wide, (d + 1) * wide)
        rows = range(height) if down > 0 else reversed(range(height))
        columns = range(width) if right > 0 else reversed(range(width))
        for i, j in itertools.product(rows, list(columns)):
            heard = torch.zeros(len(x), wide)
            for y, c in ((i - down, j), (i, j - right), (i - down, j - right)):
                if 0 <= y < height and 0 <= c < width:
                    heard = heard + out[:, part, y, c]
            out[:, part, i, j] = (default[:, part, i, j] + heard @ sweep.states[d]).relu()
    return out


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (4, 1), (3, 5), (6, 4)])
def test_states_are_those_of_the_paper(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    sweep = Sweep(3, 5)
    with torch.no_grad():
        sweep.states.normal_(std=0.4)
        sweep.inputs.bias.normal_()  # type: ignore[union-attr]
        x = torch.randn(2, 3, *size)
        assert torch.allclose(sweep(x), plain(sweep, x), atol=1e-5, rtol=1e-4)


def test_every_place_hears_of_every_other() -> None:
    torch.manual_seed(0)
    sweep = Sweep(2, 8)
    x = torch.randn(1, 2, 5, 7)
    for i, j in itertools.product(range(5), range(7)):
        given = x.clone().requires_grad_()
        sweep(given)[0, :, i, j].sum().backward()
        assert given.grad is not None
        assert bool((given.grad.abs().sum((0, 1)) > 0).all())
