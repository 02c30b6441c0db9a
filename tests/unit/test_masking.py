"""Twelve fake defences are found out, and six honest models are not accused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.attacks import ATTACKS, Ball, Victim
from sightline.attacks._flags import RANDOM, signs

BALL = Ball("linf", 0.1)
N = 60


@cache
def digits() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """uint8 images of 8 x 8 and labels: 1,400 to train on, N others."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = torch.from_numpy((data.images[order] * 15.9).astype("uint8"))[:, None]
    labels = torch.from_numpy(data.target[order].astype("int64"))
    return images[:1400], labels[:1400], images[1400 : 1400 + N], labels[1400 : 1400 + N]


def convolutional(norm: bool = False, dropout: float = 0.0, width: int = 8) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(32 * width, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def attacked(model: nn.Module, images: Tensor, labels: Tensor, kind: str, eps: float) -> Tensor:
    """Images to train on: as they are, or after one step (random start, or none) or many."""
    ball = Ball("linf", eps)
    if kind == "plain":
        return images
    start = images if kind == "fgsm" else ball.sample(images, torch.Generator().manual_seed(len(images)))
    steps, length = (4, 0.4 * eps) if kind == "pgd" else (1, 1.0 * eps)
    for _ in range(steps):
        start = start.detach().requires_grad_()
        gradient = torch.autograd.grad(F.cross_entropy(model(start), labels), start)[0]
        start = ball.project(start + length * gradient.sign(), images)
    return start.detach()


def train(model: nn.Module, kind: str, epochs: int, eps: float = BALL.eps, lr: float = 2e-3) -> nn.Module:
    images, labels = digits()[0].float() / 255, digits()[1]
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for epoch in range(epochs):
        for rows in torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch)).split(70):
            inputs = attacked(model, images[rows], labels[rows], kind, eps)
            optimizer.zero_grad()
            F.cross_entropy(model(inputs), labels[rows]).backward()
            optimizer.step()
    return model.eval()


@cache
def net(kind: str) -> nn.Module:
    """A network that hides nothing."""
    torch.manual_seed(0)
    match kind:
        case "plain":
            return train(convolutional(), "plain", 8)
        case "norm":
            return train(convolutional(norm=True, dropout=0.3), "plain", 6)
        case "perceptron":
            return train(
                nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10)), "plain", 12
            )
        case "linear":
            return train(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), "plain", 12)
        case "one step":
            return train(convolutional(), "one", 10)
        case "many steps":
            return train(convolutional(), "pgd", 8)
    raise KeyError(kind)


HONEST = ("plain", "norm", "perceptron", "linear", "one step", "many steps")


class Rounded(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return (x * 15).round() / 15


class Cosines(nn.Module):
    """JPEG's step: rounded coefficients of the cosine transform of 8 x 8 pixels."""

    def forward(self, x: Tensor) -> Tensor:
        k = torch.arange(8.0)
        basis = torch.cos((2 * k[None] + 1) * k[:, None] * torch.pi / 16) * 0.5
        basis[0] /= 2**0.5
        step = 0.06 * (1 + k[:, None] + k[None])
        return basis.T @ (((basis @ x @ basis.T) / step).round() * step) @ basis


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn(x.shape)


class Resized(nn.Module):
    """Random resizing and padding (Xie et al. 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        side = int(torch.randint(7, 9, (1,)))
        left = int(torch.randint(0, 9 - side, (1,)))
        return F.pad(F.interpolate(x, (side, side), mode="bilinear"), (left, 8 - side - left, 8 - side, 0))


class Purified(nn.Module):
    """Optimization at inference: the image is first made one that the model is sure of."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            for _ in range(2):
                x = x.detach().requires_grad_()
                entropy = -(self.model(x).softmax(1) * self.model(x).log_softmax(1)).sum()
                x = x - 0.02 * torch.autograd.grad(entropy, x)[0].sign()
        return self.model(x.detach())


class Through(nn.Module):
    """A quantizer with a straight-through gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return x + ((x * 7).round() / 7 - x).detach()


class Times(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 1000 * x


def overfitted() -> nn.Module:
    """Trained with one step of the sign of the gradient until that step, and no other, is withstood."""
    torch.manual_seed(1)
    return train(convolutional(width=16), "fgsm", 30, eps=0.35, lr=3e-3)


def in_training(model: nn.Module) -> nn.Module:
    return model.train()


def noisy_dropout() -> nn.Module:
    torch.manual_seed(0)
    return in_training(train(convolutional(dropout=0.4), "plain", 5))


def live_norm() -> nn.Module:
    torch.manual_seed(0)
    return in_training(train(convolutional(norm=True), "plain", 5))


FAKE: dict[str, Callable[[], nn.Module]] = {
    "zero gradient": lambda: nn.Sequential(Rounded(), net("plain")),
    "straight-through quantizer": lambda: nn.Sequential(Through(), net("plain")),
    "logits times 1000": lambda: nn.Sequential(net("plain"), Times()),
    "softmax returned": lambda: nn.Sequential(net("plain"), Times(), nn.Softmax(1)),
    "random noise": lambda: nn.Sequential(Noisy(), net("plain")),
    "dropout left on": noisy_dropout,
    "random resize and pad": lambda: nn.Sequential(Resized(), net("plain")),
    "optimization at inference": lambda: Purified(net("plain")),
    "JPEG step": lambda: nn.Sequential(Cosines(), net("plain")),
    "overfitted to one step": overfitted,
    "batch norm of the batch": live_norm,
    "normalized twice": lambda: net("plain"),
}
"""As in the list of section A4 of Athalye et al. and of what users report; each built on a model that has no
defence at all."""
FOOLS_NO_ATTACK = {"straight-through quantizer", "logits times 1000"}
"""Attacks get through these, so that the number is right and there may be nothing to find."""


def examine(victim: Victim, served: Callable[[Tensor], Tensor], ball: Ball) -> tuple[set[str], float]:
    """(names of the signs, share of N images that withstand everything)."""
    images, labels = digits()[2:]
    rng = torch.Generator().manual_seed(0)
    right = served(images) == labels
    images, labels = images[right], labels[right]
    clean, left = images.float() / 255, {"clean": len(images)}

    def survive(attacked: Tensor, before: Tensor | None = None) -> Tensor:
        alive = served(ball.quantize(attacked, images)) == labels
        return alive if before is None else alive & before

    alive = {"noise": survive(ball.sample(clean, rng))}
    for name, steps in (("fgsm", 1), ("pgd", 20), ("apgd", 10)):
        alive[name] = survive(ATTACKS.load(name).run(victim, clean, labels, ball, steps, rng))
    alive["white"] = alive["fgsm"] & alive["pgd"] & alive["apgd"]
    black = ATTACKS.load("square").run(victim, clean, labels, ball, 100, rng)
    alive["square"] = survive(black, alive["white"])
    left |= {name: int(value.sum()) for name, value in alive.items()}
    found = signs(victim, served, images, labels, ball, left, rng)
    return {sign.name for sign in found}, left["square"] / N


def classes(model: nn.Module) -> Callable[[Tensor], Tensor]:
    victim = Victim(model)
    return lambda images: victim(images.float() / 255).argmax(1)


@pytest.mark.parametrize("name", FAKE)
def test_a_fake_defence_is_found_out(name: str) -> None:
    torch.manual_seed(0)
    model = FAKE[name]()
    ball = Ball("linf", 0.35) if name == "overfitted to one step" else BALL
    inner: Callable[[Tensor], Tensor] = model
    if name == "normalized twice":
        inner = lambda x: model(4 * x - 3)  # noqa: E731 - (x - 0.5) / 0.5, and again; nothing is served so
    marks, share = examine(Victim(inner), classes(model), ball)
    truth = examine(Victim(net("plain")), classes(net("plain")), ball)[1]
    assert marks or share < truth + 1.5 / N, f"{share} of the images seem to withstand, and no sign is seen"
    if name not in FOOLS_NO_ATTACK:
        assert marks, share
    if name in ("random noise", "dropout left on", "random resize and pad", "batch norm of the batch"):
        assert marks == {RANDOM}


@pytest.mark.parametrize("eps", [0.05, 0.15])
@pytest.mark.parametrize("kind", HONEST)
def test_an_honest_model_is_not_accused(kind: str, eps: float) -> None:
    model = net(kind)
    marks, share = examine(Victim(model), classes(model), Ball("linf", eps))
    assert not marks, (marks, share)
