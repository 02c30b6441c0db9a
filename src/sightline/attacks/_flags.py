"""Signs of masked gradients: reasons why attacks fail although the model can be fooled.

Each compares attacks whose order is known for a model that hides nothing. One sign voids the number.
Source: Athalye, Carlini, Wagner, Obfuscated gradients give a false sense of security, ICML 2018, section 3.1;
Carlini et al., On evaluating adversarial robustness, 2019. The limits were chosen on honest models and fake
defences of our own (tests/unit/test_masking.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sightline.attacks import ATTACKS
from sightline.attacks._attack import Victim, margin
from sightline.attacks._ball import Ball

CHECKS = 7
SLACK = 0.02
"""Share of the images by which two shares may differ by chance, or since an attack did not run to its end."""
NO_GRADIENT = 0.05
"""Share of the images that may have no gradient."""
STEPS = 10
"""Of the attacks that are only compared with one another."""
RANDOM = "random answers"


@dataclass(frozen=True)
class Sign:
    """A sign of masked gradients.

    Attributes:
        name: What it is called.
        message: What was measured, in words.
    """

    name: str
    message: str


def signs(
    victim: Victim,
    served: Callable[[Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    ball: Ball,
    left: Mapping[str, int],
    rng: torch.Generator,
) -> list[Sign]:
    """The signs of masked gradients that a model shows, of the `CHECKS` that are looked for, and whether its
    answers are random.

    Args:
        victim: The attacked function.
        served: (B,) classes of (B, C, H, W) uint8 images, as users get them.
        images: (B, C, H, W) uint8, of those that the model classifies rightly.
        labels: (B,) of them.
        ball: That the model was attacked in.
        left: How many images are still classified rightly: "clean", "noise", "fgsm", "pgd", "white" (after
            all attacks by gradients) and "square" (after that one too).
        rng: Source of every draw.
    """
    clean = images.float() / 255
    if moved := _random(victim, clean):
        return [Sign(RANDOM, moved)]
    results = [*_compared(left), _census(victim, clean, labels, ball, rng)]
    results += [
        _whole(victim, clean, labels, ball, rng),
        _monotone(victim, clean, labels, ball, rng),
        _same(victim, served, images, clean),
    ]
    return [sign for sign in results if sign is not None]


def slack(n: int) -> int:
    """Images of n that may be answered otherwise for no reason that matters."""
    return max(1, round(SLACK * n))


def _compared(left: Mapping[str, int]) -> list[Sign | None]:
    """Three signs from the numbers of the attacks."""
    n = left["clean"]
    few = slack(n)
    weak = overfitted = box = None
    if left["fgsm"] > left["noise"] + few:
        weak = Sign(
            "gradient worse than noise",
            f"a step along the gradient leaves {left['fgsm']} of {n} images right, noise {left['noise']}",
        )
    # A model that claims nothing after one step may well fall to half of it after many.
    if left["fgsm"] >= n / 2 and left["pgd"] < left["fgsm"] / 2 - few:
        overfitted = Sign(
            "one step against many",
            f"one step leaves {left['fgsm']} of {n} images right, many steps {left['pgd']}",
        )
    if left["white"] - left["square"] > few:
        box = Sign(
            "black box stronger",
            f"an attack without gradients (Square) breaks {left['white'] - left['square']} of the "
            f"{left['white']} images that withstand those with gradients",
        )
    return [weak, overfitted, box]


def _census(victim: Victim, clean: Tensor, labels: Tensor, ball: Ball, rng: torch.Generator) -> Sign | None:
    """Images whose gradient is zero or not finite, at a random place of the ball."""
    gradient = victim.gradient(ball.sample(clean, rng), labels, margin)[2].flatten(1)
    dead = ~gradient.isfinite().all(1) | (gradient == 0).all(1)
    if float(dead.float().mean()) <= NO_GRADIENT:
        return None
    return Sign(
        "no gradient",
        f"the gradient of {int(dead.sum())} of {len(dead)} images is zero or not finite",
    )


def _whole(victim: Victim, clean: Tensor, labels: Tensor, ball: Ball, rng: torch.Generator) -> Sign | None:
    """With a ball that holds every image, nothing can be classified rightly."""
    whole = ball.whole(clean)
    attacked = clean
    for name in ("pgd", "apgd"):
        attacked = ATTACKS.load(name).run(victim, clean, labels, whole, STEPS, rng)
        right = victim(attacked).argmax(1) == labels
        clean, labels = clean[right], labels[right]
        if not len(clean):
            return None
    n = len(labels)
    few = slack(n) if n else 0
    if n <= few:
        return None
    return Sign(
        "attack without bounds fails", f"{n} images withstand an attack that may change every pixel at will"
    )


def _monotone(victim: Victim, clean: Tensor, labels: Tensor, ball: Ball, rng: torch.Generator) -> Sign | None:
    """A larger ball holds the smaller one, so that no more images can withstand it."""
    seed, rights = int(torch.randint(0, 2**31, (1,), generator=rng)), []
    for factor in (0.5, 1.0, 2.0):
        again = torch.Generator().manual_seed(seed)
        attacked = ATTACKS.load("pgd").run(victim, clean, labels, ball.scaled(factor), STEPS, again)
        rights.append(int((victim(attacked).argmax(1) == labels).sum()))
    rise = max(rights[1] - rights[0], rights[2] - min(rights[:2]))
    if rise <= slack(len(clean)):
        return None
    numbers = ", ".join(map(str, rights))
    return Sign(
        "not monotone",
        f"{numbers} of {len(clean)} images withstand half, all and twice of the radius",
    )


def _same(victim: Victim, served: Callable[[Tensor], Tensor], images: Tensor, clean: Tensor) -> Sign | None:
    """Unchanged images are classified as they are served: what is attacked is what users get."""
    other = int((victim(clean).argmax(1) != served(images).to(clean.device)).sum())
    if other <= slack(len(clean)):
        return None
    return Sign(
        "other function attacked",
        f"{other} of {len(clean)} unchanged images are classified otherwise than they are served",
    )


def _random(victim: Victim, clean: Tensor) -> str:
    """What differs between three passes: as they are, again, and in other company; "" if nothing does."""
    order = torch.arange(len(clean) - 1, -1, -1, device=clean.device)
    first, again = victim(clean), victim(clean)
    parts = [victim(clean[rows]) for rows in order.tensor_split(3)]
    company = torch.cat(parts)[order.argsort()]
    scale = first.abs().amax().clamp(min=1e-6)
    for other, what in ((again, "twice alike"), (company, "alike in another batch")):
        if float((other - first).abs().amax() / scale) > 1e-3:
            return f"the model does not answer the same image {what}"
    return ""
