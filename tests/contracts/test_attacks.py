"""Contract of attacks: inside the ball, harmless to the model, and exact where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attacks import ATTACKS, Ball, Victim, read_ball
from sightline.attacks._attack import margin
from sightline.errors import UsageError

CARDS = {name: ATTACKS.load(name).CARD for name in ATTACKS.names()}
CASES = [(name, norm) for name, card in CARDS.items() for norm in card.norms]
RADII = {"linf": 0.1, "l2": 0.4, "patch": 0.15}


def attack(
    name: str, victim: Victim, images: Tensor, labels: Tensor, ball: Ball, steps: int = 0, seed: int = 0
) -> Tensor:
    module = ATTACKS.load(name)
    rng = torch.Generator().manual_seed(seed)
    result: Tensor = module.run(victim, images, labels, ball, steps or min(module.CARD.steps, 30), rng)
    return result


def network(channels: int = 1, classes: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Dropout(0.5),
        nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(96, classes),
    ).eval()  # fmt: skip


def right_images(model: nn.Module, n: int = 12, channels: int = 1) -> tuple[Tensor, Tensor]:
    """Noise of 8 bits in [0, 1] and what the model says of it."""
    images = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (n, channels, 9, 8))).float() / 255
    with torch.no_grad():
        return images, model(images).argmax(1)


def changed(images: Tensor, clean: Tensor, ball: Ball) -> None:
    """Assert that images of [0, 1] are in the ball."""
    assert images.shape == clean.shape
    assert images.dtype == torch.float32
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    change = (images - clean).flatten(1)
    if ball.norm == "linf":
        assert float(change.abs().max()) <= ball.eps + 1e-6
    elif ball.norm == "l2":
        assert float(change.norm(dim=1).max()) <= ball.eps * (1 + 1e-5) + 1e-7
    else:
        for image in (images != clean).any(1):
            rows, columns = image.any(1).nonzero()[:, 0], image.any(0).nonzero()[:, 0]
            if len(rows):
                sides = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
                assert max(sides) ** 2 <= ball.eps * image.numel() + 1e-6


@pytest.mark.parametrize(("name", "norm"), CASES)
@pytest.mark.parametrize("channels", [1, 3])
def test_images_stay_in_the_ball_and_the_model_as_it_is(name: str, norm: str, channels: int) -> None:
    model = network(channels)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    flags = [p.requires_grad for p in model.parameters()]
    images, labels = right_images(model, channels=channels)
    stored = images.clone()
    ball = Ball(norm, RADII[norm])  # type: ignore[arg-type]
    attacked = attack(name, Victim(model), images, labels, ball)
    changed(attacked, images, ball)
    assert torch.equal(images, stored)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == flags
    assert all(p.grad is None for p in model.parameters())
    assert not any(m.training for m in model.modules())
    assert bool((attacked != images).any()), "the attack does nothing"


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_a_radius_of_zero_changes_nothing(name: str, norm: str) -> None:
    model = network()
    images, labels = right_images(model)
    assert torch.equal(attack(name, Victim(model), images, labels, Ball(norm, 0.0)), images)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_no_image_becomes_better_and_a_seed_repeats(name: str, norm: str) -> None:
    model = network()
    images, labels = right_images(model)
    ball = Ball(norm, RADII[norm])  # type: ignore[arg-type]
    first = attack(name, Victim(model), images, labels, ball, seed=3)
    assert torch.equal(first, attack(name, Victim(model), images, labels, ball, seed=3))
    with torch.no_grad():
        assert bool((margin(model(first), labels) <= margin(model(images), labels)).all())
        assert float((model(first).argmax(1) != labels).float().mean()) > 0.2, "hardly an attack"


class Linear(nn.Module):
    """Two classes whose logits are half of minus and plus w (x - 1/2) + b."""

    def __init__(self, shape: tuple[int, ...], seed: int) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(seed)
        self.w = torch.randn(shape, generator=rng)
        self.b = torch.randn((), generator=rng) * 0.1

    def value(self, images: Tensor) -> Tensor:
        return ((images - 0.5) * self.w).flatten(1).sum(1) + self.b

    def forward(self, images: Tensor) -> Tensor:
        value = self.value(images) / 2
        return torch.stack([-value, value], 1)


def most(model: Linear, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
    """How far the value can be brought down (label 1) or up (label 0): the closed form."""
    if ball.norm == "linf":
        return torch.full((len(images),), ball.eps * float(model.w.abs().sum()))
    if ball.norm == "l2":
        return torch.full((len(images),), ball.eps * float(model.w.norm()))
    gradient = model.w * (1 - 2 * labels.reshape(-1, *[1] * model.w.ndim))
    gain = torch.maximum(gradient * (1 - images), -gradient * images).sum(1)
    height, width = images.shape[-2:]
    side = int((ball.eps * height * width) ** 0.5 + 1e-6)
    return gain.unfold(1, side, 1).unfold(2, side, 1).sum((3, 4)).flatten(1).amax(1)


@pytest.mark.parametrize(("name", "norm"), CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_linear_model_is_broken_as_far_as_it_can_be(name: str, norm: str, seed: int) -> None:
    shape, spread = ((1, 8, 8), 1.0) if norm == "patch" else ((1, 4, 4), 0.3)
    model = Linear(shape, seed)
    images = 0.5 + spread * (torch.rand((60, *shape), generator=torch.Generator().manual_seed(seed)) - 0.5)
    labels = (model.value(images) > 0).long()
    far = model.value(images).abs().median()  # half of the images are to be broken
    ball = {
        "linf": Ball("linf", float(far / model.w.abs().sum())),
        "l2": Ball("l2", float(far / model.w.norm())),
        "patch": Ball("patch", 1 / 64 + 1e-6),
    }[norm]
    can = most(model, images, labels, ball)
    margins = model.value(images).abs()
    clear = (margins - can).abs() > 1e-4  # what lies on the edge is a matter of rounding
    attacked = attack(name, Victim(model), images, labels, ball, steps=600 if name == "square" else 60)
    broken = (model(attacked).argmax(1) != labels)[clear]
    expected = (can > margins)[clear]
    assert 5 < int(expected.sum()) < len(expected) - 5
    if (name, norm) == ("square", "l2"):  # random search only comes near
        assert not bool((broken & ~expected).any())
        assert int(broken.sum()) >= 0.8 * int(expected.sum())
    else:
        assert torch.equal(broken, expected)


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_clips_are_attacked_too(name: str, norm: str) -> None:
    model = Linear((1, 3, 5, 4), 0)
    images = torch.rand((8, 1, 3, 5, 4), generator=torch.Generator().manual_seed(0))
    labels = (model.value(images) > 0).long()
    ball = Ball(norm, 0.4)  # type: ignore[arg-type]
    attacked = attack(name, Victim(model), images, labels, ball)
    assert attacked.shape == images.shape
    assert float(((attacked - images).abs() > 0).float().mean()) > 0.05
    assert 0 <= float(attacked.min()) <= float(attacked.max()) <= 1


@pytest.mark.parametrize("name", sorted(CARDS))
def test_a_black_box_asks_for_no_gradient_and_a_dead_gradient_is_no_error(name: str) -> None:
    def dead(images: Tensor) -> Tensor:
        assert CARDS[name].needs == "gradients" or not images.requires_grad
        return torch.stack([images.detach().flatten(1).mean(1), torch.full((len(images),), 0.4)], 1)

    images = torch.rand((6, 1, 4, 4), generator=torch.Generator().manual_seed(0)) * 0.2 + 0.5
    ball = Ball(CARDS[name].norms[0], 0.1)
    attacked = attack(name, Victim(dead), images, torch.zeros(6, dtype=torch.int64), ball)
    assert bool(attacked.isfinite().all())
    changed(attacked, images, ball)


def test_the_difference_of_logits_finds_what_the_cross_entropy_cannot() -> None:
    model = Linear((1, 4, 4), 2)
    images = 0.35 + 0.3 * torch.rand((40, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    labels = (model.value(images) > 0).long()
    ball = Ball("linf", float(2 * model.value(images).abs().max() / model.w.abs().sum()))
    steep = Victim(lambda x: 1e5 * model(x))  # softmax is 0 or 1, and its gradient 0
    for name, share in (("pgd", 0.5), ("apgd", 1.0)):
        wrong = model(attack(name, steep, images, labels, ball)).argmax(1) != labels
        assert (float(wrong.float().mean()) >= share) == (name == "apgd")


@given(
    seed=st.integers(0, 2**16),
    norm=st.sampled_from(["linf", "l2"]),
    eps=st.floats(0, 1.2),
    shape=st.sampled_from([(1, 3, 3), (3, 4, 2), (1, 2, 3, 3)]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_drawn_projected_and_rounded_stays_in_the_ball(
    seed: int, norm: str, eps: float, shape: tuple[int, ...]
) -> None:
    rng = torch.Generator().manual_seed(seed)
    stored = torch.randint(0, 256, (5, *shape), generator=rng, dtype=torch.uint8)
    clean, ball = stored.float() / 255, Ball(norm, eps)  # type: ignore[arg-type]
    sample = ball.sample(clean, rng)
    changed(sample, clean, ball)
    changed(ball.project(torch.randn(clean.shape, generator=rng), clean), clean, ball)
    quantized = ball.quantize(sample, stored)
    assert quantized.dtype == torch.uint8
    changed(quantized.float() / 255, clean, ball)
    assert float((quantized.float() / 255 - sample).abs().max()) <= 1.001 / 255


def test_a_ball_is_read_and_printed() -> None:
    for text in ("linf:8/255", "linf:0.3", "l2:0.55", "patch:0.05", "linf:1/255"):
        assert str(read_ball(text, "--robust")) == text
    assert read_ball("linf:8/255", "--robust").eps == 8 / 255


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("linf:8", "Did you mean linf:8/255?"),
        ("linf:1", "Did you mean linf:1/255?"),
        ("l2:128", "Did you mean l2:128/255?"),
        ("linf:300", "in [0, 1]"),
        ("linf:0", "less than one gray level"),
        ("linf:0.001", "less than one gray level"),
        ("8/255", "such as linf:8/255"),
        ("l3:1", "such as linf:8/255"),
        ("linf:8/0", "such as linf:8/255"),
        ("linf:-1", "such as linf:8/255"),
        ("patch:2", "share of the image"),
    ],
)
def test_a_ball_that_cannot_be_meant_is_refused(text: str, words: str) -> None:
    with pytest.raises(UsageError, match="--robust") as error:
        read_ball(text, "--robust")
    assert words in str(error.value)
