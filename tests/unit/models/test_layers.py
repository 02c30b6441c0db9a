"""Worked examples that the field teaches from, on torch's layers and ours."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from sightline.models.layers.fractional_pool import FractionalPool
from sightline.models.layers.stochastic_pool import StochasticPool, window_probabilities

SMALL = [[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]]
SIX = [
    [1, 2, 3, 1, 3, 5],
    [2, 2, 5, 4, 2, 5],
    [0, 6, 9, 6, 2, 2],
    [2, 0, 1, 9, 4, 0],
    [5, 5, 4, 6, 7, 6],
    [6, 1, 3, 7, 1, 5],
]
EDGE = [[1, 0, -1]] * 3
FOUR = [[5.0, 3, 0, 3], [4, 0, 9, 4], [2, 4, 1, 2], [1, 3, 2, 3]]


def tensor_of(rows: list[list[float]] | list[list[int]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float32)[None, None]


@pytest.mark.parametrize(
    ("rows", "kernel", "stride", "expected"),
    [
        (SMALL, [[0, 1, 2], [2, 2, 0], [0, 1, 2]], 1, [[12, 12, 17], [10, 17, 19], [9, 6, 14]]),
        (SIX, EDGE, 1, [[-14, -1, 10, -1], [-11, -11, 7, 12], [-7, -10, 1, 13], [5, -16, -4, 11]]),
        (SIX, EDGE, 2, [[-14, 10], [-7, 1]]),
    ],
)
def test_convolution_by_hand(
    rows: list[list[int]], kernel: list[list[int]], stride: int, expected: list[list[int]]
) -> None:
    assert F.conv2d(tensor_of(rows), tensor_of(kernel), stride=stride)[0, 0].tolist() == expected


def test_convolution_of_three_channels_with_padding_and_bias() -> None:
    red = [[156, 155, 156, 158, 158], [153, 154, 157, 159, 159], [149, 151, 155, 158, 159],
           [146, 146, 149, 153, 158], [145, 143, 143, 148, 158]]  # fmt: skip
    green = [[167, 166, 167, 169, 169], [164, 165, 168, 170, 170], [160, 162, 166, 169, 170],
             [156, 156, 159, 163, 168], [155, 153, 153, 158, 168]]  # fmt: skip
    blue = [[163, 162, 163, 165, 165], [160, 161, 164, 166, 166], [156, 158, 162, 165, 166],
            [155, 155, 158, 162, 167], [154, 152, 152, 157, 167]]  # fmt: skip
    kernels = [
        [[-1, -1, 1], [0, 1, -1], [0, 1, 1]],
        [[1, 0, 0], [1, -1, -1], [1, 0, -1]],
        [[0, 1, 1], [0, 1, 0], [1, -1, 1]],
    ]
    x = F.pad(torch.tensor([[red, green, blue]], dtype=torch.float32), (1, 0, 1, 0))
    out = F.conv2d(x, torch.tensor([kernels], dtype=torch.float32), torch.tensor([1.0]))[0, 0]
    assert out[0, :4].tolist() == [-25, 466, 466, 475]
    assert out[1, :2].tolist() == [295, 787]


def test_mean_filter_by_hand() -> None:
    x = torch.zeros(1, 1, 10, 10)
    x[..., 2:7, 3:8] = 90
    x[..., 5, 4], x[..., 8, 2] = 0, 90
    out = F.avg_pool2d(x, 3, stride=1)[0, 0].round().tolist()
    assert out[0] == [0, 10, 20, 30, 30, 30, 20, 10]
    assert out[3] == [0, 30, 50, 80, 80, 90, 60, 30]
    assert out[7] == [10, 10, 10, 0, 0, 0, 0, 0]


@given(
    h=st.integers(1, 30), k=st.integers(1, 5), s=st.integers(1, 4), p=st.integers(0, 3), d=st.integers(1, 3)
)
@settings(max_examples=60, deadline=None)
def test_output_size_of_a_convolution(h: int, k: int, s: int, p: int, d: int) -> None:
    expected = (h + 2 * p - d * (k - 1) - 1) // s + 1
    conv = nn.Conv2d(1, 1, k, stride=s, padding=p, dilation=d, device="meta")
    x = torch.empty(1, 1, h, h, device="meta")
    if h + 2 * p < d * (k - 1) + 1:
        with pytest.raises(RuntimeError):
            conv(x)
    else:
        assert conv(x).shape[-1] == expected


def test_stochastic_pooling_probabilities_by_hand() -> None:
    probabilities = window_probabilities(StochasticPool(2)._windows(tensor_of(FOUR)))
    expected = [
        [[5 / 12, 3 / 12, 4 / 12, 0], [0, 3 / 16, 9 / 16, 4 / 16]],
        [[2 / 10, 4 / 10, 1 / 10, 3 / 10], [1 / 8, 2 / 8, 2 / 8, 3 / 8]],
    ]
    assert torch.allclose(probabilities[0, 0], torch.tensor(expected))


def test_stochastic_pooling_at_inference_by_hand() -> None:
    out = StochasticPool(2).eval()(tensor_of(FOUR))
    assert torch.allclose(out[0, 0], torch.tensor([[25 / 6, 6.625], [3.0, 2.25]]))


def test_stochastic_pooling_draws_in_proportion() -> None:
    pool = StochasticPool(2, torch.Generator().manual_seed(1)).train()
    n = 20_000
    drawn = pool(tensor_of(FOUR).expand(n, 1, 4, 4))[:, 0, 0, 0]
    shares = [(drawn == value).float().mean().item() for value in (5, 3, 4, 0)]
    # Five standard deviations of a share of 20,000 draws are below 0.018.
    assert shares == pytest.approx([5 / 12, 3 / 12, 4 / 12, 0], abs=0.018)
    assert shares[3] == 0


def test_stochastic_pooling_repeats_by_its_generator_and_leaves_the_global_one_alone() -> None:
    x = torch.rand(4, 3, 8, 8)
    before = torch.get_rng_state()
    first, second = (StochasticPool(2, torch.Generator().manual_seed(3)).train()(x) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(before, torch.get_rng_state())


def test_stochastic_pooling_sends_the_gradient_to_what_was_drawn() -> None:
    x = torch.rand(2, 3, 6, 6, requires_grad=True)
    StochasticPool(2).train()(x).sum().backward()
    assert x.grad is not None
    windows = StochasticPool(2)._windows(x.grad)
    assert torch.equal(windows.sum(-1), torch.ones(2, 3, 3, 3))
    assert torch.equal(windows.max(-1).values, torch.ones(2, 3, 3, 3))


@pytest.mark.parametrize("training", [True, False])
def test_stochastic_pooling_of_nothing_is_nothing(training: bool) -> None:
    out = StochasticPool(2).train(training)(torch.zeros(2, 2, 5, 7))
    assert out.shape == (2, 2, 2, 3)
    assert not out.any()


@given(h=st.integers(4, 20), w=st.integers(4, 20), ratio=st.floats(1.1, 2.0), training=st.booleans())
@settings(max_examples=40, deadline=None)
def test_fractional_pooling_passes_on_values_of_the_image(
    h: int, w: int, ratio: float, training: bool
) -> None:
    x = torch.rand(2, 3, h, w)
    out = FractionalPool(ratio).train(training)(x)
    assert out.shape == (2, 3, int(h / ratio), int(w / ratio))
    assert torch.isin(out, x).all()


def test_fractional_pooling_is_random_in_training_only() -> None:
    x = torch.rand(1, 1, 24, 24)
    pool = FractionalPool()
    assert torch.equal(pool.eval()(x), pool(x))
    first = pool.train()(x)  # one draw in some hundred is the same again
    assert not all(torch.equal(first, pool(x)) for _ in range(8))
