"""The time of an audit: how fast the model is, what each check costs, and how many images each may have."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from sightline.audits._case import Case
from sightline.audits._verdict import AuditCard
from sightline.core.inputs import InputSpec
from sightline.core.sample import Batch

CAUTION = 1.2
"""What is planned takes so much longer: decoding, metrics, pages."""


@dataclass(frozen=True)
class Budget:
    """What a check may use.

    Attributes:
        n: Images at most.
        seconds: That were planned for it.
    """

    n: int
    seconds: float = 0.0


@dataclass(frozen=True)
class Speed:
    """Seconds of the model.

    Attributes:
        forward: Of one image forward, decoding included.
        backward: Of one image forward and backward.
        training: Of a whole training, as the run took.
        pixels: Million pixels of one image at the model's input.
    """

    forward: float
    backward: float
    training: float
    pixels: float = 0.0

    def of(self, card: AuditCard, n: int, trains: int) -> float:
        """Seconds of a check with n images and so many training images."""
        cost = card.cost
        each = cost.forwards * self.forward + cost.backwards * self.backward + cost.pixels * self.pixels
        fixed = cost.seconds + cost.trainings * self.training + cost.trains * trains * self.forward
        return CAUTION * (n * each + fixed)


@dataclass(frozen=True)
class Planned:
    """What is planned for a check.

    Attributes:
        card: The check.
        n: Images; 0 where there is no time for it.
        seconds: That it will take, or that it would take.
    """

    card: AuditCard
    n: int
    seconds: float


def measure(case: Case, seconds: float, gradients: bool) -> Speed:
    """Speed of the model: one forward, and if asked for one backward, of a batch of the part.

    Args:
        case: The case; without a model nothing takes time.
        seconds: Of the run's training.
        gradients: Whether a backward pass is measured too.
    """
    if case.model is None:
        return Speed(0.0, 0.0, seconds)
    batch = next(iter(case.loader(case.part.dataset).epoch(0)))
    case.answer(batch)  # the first is slower
    started = time.perf_counter()
    case.answer(batch)
    forward = (time.perf_counter() - started) / len(batch)
    backward = _backward(case, batch) if gradients else 0.0
    return Speed(forward, backward, seconds, InputSpec.of(case.settings).cells / 1e6)


def _backward(case: Case, batch: Batch) -> float:
    """Seconds of one image forward and backward, to the pixels."""
    assert case.model is not None
    inputs = [v.to(case.devices.device).float().requires_grad_() for v in batch.inputs.values()]
    started = time.perf_counter()
    outputs = [v for v in case.model(*inputs).values() if v.requires_grad]
    if outputs:
        torch.autograd.grad(sum(v.float().sum() for v in outputs), inputs, allow_unused=True)
    return (time.perf_counter() - started) / len(batch)


def plan(cards: Sequence[AuditCard], speed: Speed, n: int, trains: int, seconds: float) -> list[Planned]:
    """How many images each check may have, so that all together take no more than the time.

    A check takes part with the fewest images that it needs; the cheapest come first. What time is left then
    gives more images to the checks in the order of the page.

    Args:
        cards: Of the checks that can run, in the order of the page.
        speed: Of the model.
        n: Images of the part.
        trains: Training images.
        seconds: That there are.

    Returns:
        One for each card, in their order.
    """
    least = {card.name: speed.of(card, min(card.least, n), trains) for card in cards}
    images: dict[str, int] = {}
    left = seconds
    for card in sorted(cards, key=lambda c: (least[c.name], c.rank)):
        if least[card.name] <= left:
            images[card.name] = min(card.least, n)
            left -= least[card.name]
    for card in cards:
        if card.name not in images:
            continue
        each = speed.of(card, 1, 0) - speed.of(card, 0, 0)
        more = n - images[card.name]
        more = more if each * more <= left else int(left / each)
        images[card.name] += more
        left -= each * more
    return [_planned(card, images, least, speed, trains) for card in cards]


def _planned(
    card: AuditCard, images: Mapping[str, int], least: Mapping[str, float], speed: Speed, trains: int
) -> Planned:
    n = images.get(card.name, 0)
    return Planned(card, n, speed.of(card, n, trains) if n else least[card.name])


def duration(seconds: float) -> str:
    """Seconds in words: "40 s", "3 min 20 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def option(seconds: float) -> str:
    """A time for --time that holds so many seconds, generously."""
    minutes = max(1, -(-int(seconds * 1.5) // 60))
    return f"{minutes}m"
