"""Attacks: how many images stay right when somebody changes them so that people do not notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.attacks import ATTACKS, Ball, read_ball
from sightline.attacks._flags import CHECKS, RANDOM, Sign, signs
from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._planted import CLASSES, SIDE, with_model
from sightline.audits._rules import judge, skip
from sightline.audits._served import Served
from sightline.audits._statistics import share
from sightline.audits._verdict import AuditCard, Bound, Cost, Verdict
from sightline.core.inputs import InputSpec
from sightline.core.report import Score, Table
from sightline.ops.resize_shape import equal_shapes

CARD = AuditCard(
    name="robust",
    title="Attacks",
    summary="whether small changes of an image, made to mislead, change its class",
    rank=70,
    scores=("robust.clean", "robust.noise", "robust.fgsm", "robust.pgd", "robust.best", "robust.patch",
            "robust.left", "robust.flags"),
    least=30,
    cost=Cost(forwards=250, backwards=130),
    bounds={"robust.left": Bound(at_least=0.5), "robust.flags": Bound(at_most=0)},
    target_types=("label",),
    needs=("model",),
    sees="Attacks by somebody who has the model, on each image for itself. What withstands them may yield to "
    "better ones: the shares are upper bounds, unless all is broken.",
)  # fmt: skip
BALL = "linf:8/255"
"""Where the run promises no other one."""
PATCH = Ball("patch", 0.05)
ROUNDS = ("noise", "fgsm", "pgd", "apgd", "square")
"""All start from the images that are right; apgd and square, which cost most, from those that are left."""
BATCH = 128
BATCH_PIXELS = 2**21
"""Pixels that are attacked at a time: a few copies of them take less than a GB."""
SIGN_IMAGES = 100
"""Images that signs of masking and patches are looked for in."""
HIDDEN = ("no gradient", "black box stronger", "attack without bounds fails")
"""Signs that a gradient of zero may leave."""
UPPER = "White-box attacks were not possible: this number is an upper bound."


@dataclass
class Attacked:
    """What happened to n images.

    Attributes:
        alive: (n,) bool: right without an attack, and after each, by its name.
    """

    n: int
    alive: dict[str, np.ndarray] = field(default_factory=dict)

    def mark(self, name: str, rows: list[int], right: Tensor) -> None:
        """Note which of some images are right after an attack."""
        self.alive.setdefault(name, np.zeros(self.n, dtype=bool))[rows] = right.cpu().numpy()

    def left(self, *names: str) -> int:
        """Images that are right after all of these."""
        return int(np.logical_and.reduce([self.alive[name] for name in names]).sum())


def run(case: Case, budget: Budget) -> Verdict:
    """Attack a random sample of the images, and look for signs that the attacks were hindered."""
    assert case.model is not None
    n = len(case.part)
    if not case.part.target.exclusive:
        return skip(
            CARD,
            f"attacks are made for one class an image, and the data give {case.part.target.description}.",
            of=n,
        )
    if not InputSpec.of(case.settings).is_plain:
        return skip(CARD, "attacks are made for images of 8 bits, gray or in colors.", of=n)
    part, served = case.part.sample(budget.n, case.seed), Served(case)
    promised = (case.settings.get("promises") or {}).get("robust")
    ball = read_ball(promised or BALL, "the promise of the run")
    rng = torch.Generator().manual_seed(case.seed)
    white = _has_gradient(served, part)
    attacked, masking, patched = _attack(served, part, ball, rng, white)
    scores = _scores(attacked, masking, patched, white)
    rows = [
        [name.partition(".")[2], s.text(percent=True)]
        for name, s in scores.items()
        if name not in CARD.bounds
    ]
    return judge(
        CARD, _sentence(scores, ball, masking, white), scores, fix=_fix(ball, masking, promised), n=len(part),
        places=tuple([sign.name for sign in masking] or _strongest(attacked)),
        flags=tuple(sign.message for sign in masking), rows=_rows(part, attacked),
        settings={"ball": str(ball), "promised": promised is not None, "gradients": white, "quantized": True},
        figures=(Table("Images that stay right", ["attack", "right"], rows),),
    )  # fmt: skip


def _has_gradient(served: Served, part: Part) -> bool:
    """Whether gradients go from logits to images; not in fitted models."""
    image = torch.from_numpy(np.ascontiguousarray(served.read(part, 0))).movedim(-1, 0)[None]
    with torch.enable_grad():
        pixels = (image.to(served.device).float() / 255).requires_grad_()
        return bool(served._logits(pixels).requires_grad)


def _batches(served: Served, part: Part) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Rows, (B, C, H, W) uint8 images of one size, and labels, on the device."""
    for start in range(0, len(part), BATCH):
        images = [served.read(part, row) for row in range(start, min(start + BATCH, len(part)))]
        for rows in equal_shapes(image.shape for image in images):
            height, width = images[rows[0]].shape[:2]
            for some in torch.tensor(rows).tensor_split(-(-len(rows) * height * width // BATCH_PIXELS)):
                stacked = torch.from_numpy(np.stack([images[row] for row in some.tolist()])).movedim(-1, 1)
                labels = part.target.value[start + some]
                numbers: list[int] = (start + some).tolist()
                yield numbers, stacked.contiguous().to(served.device), labels.to(served.device)


def _attack(
    served: Served, part: Part, ball: Ball, rng: torch.Generator, white: bool
) -> tuple[Attacked, list[Sign], tuple[int, int]]:
    """What each attack leaves right, the signs of masking, and (left, tried) of the patches."""
    attacked = Attacked(len(part))
    first: tuple[Tensor, Tensor] | None = None
    patched = [0, 0]
    for rows, images, labels in _batches(served, part):
        right = served.classes(images) == labels
        attacked.mark("clean", rows, right)
        rows = [row for row, is_right in zip(rows, right.tolist(), strict=True) if is_right]
        images, labels = images[right], labels[right]
        if not rows:
            continue
        if first is None or len(first[0]) < len(rows):
            first = images[:SIGN_IMAGES], labels[:SIGN_IMAGES]
        _rounds(served, attacked, rows, images, labels, ball, rng, white)
        if white and patched[1] < SIGN_IMAGES:
            alive = _after(served, "patch", images, labels, PATCH, rng)
            patched = [patched[0] + int(alive.sum()), patched[1] + len(rows)]
    for name in ROUNDS:
        attacked.alive.setdefault(name, attacked.alive["clean"].copy())
    masking: list[Sign] = []
    if white and first is not None:
        left = {name: attacked.left(name) for name in ("clean", "noise", "fgsm", "pgd")}
        gradients = ("fgsm", "pgd", "apgd")
        left |= {"white": attacked.left(*gradients), "square": attacked.left(*gradients, "square")}
        masking = signs(served.victim, served.classes, *first, ball, left, rng)
    return attacked, masking, (patched[0], patched[1])


def _rounds(
    served: Served, attacked: Attacked, rows: list[int], images: Tensor, labels: Tensor, ball: Ball,
    rng: torch.Generator, white: bool,
) -> None:  # fmt: skip
    """Mark what each attack leaves of a batch of right images."""
    left = torch.ones(len(rows), dtype=torch.bool, device=images.device)
    for name in ROUNDS:
        late = name in ("apgd", "square")
        chosen = left if late else torch.ones_like(left)
        alive = chosen.clone()
        if white or name in ("noise", "square"):
            alive[chosen] = _after(served, name, images[chosen], labels[chosen], ball, rng)
        else:
            alive = torch.ones_like(left)
        if name != "noise":
            left = left & alive
        attacked.mark(name, rows, alive)


def _after(
    served: Served, name: str, images: Tensor, labels: Tensor, ball: Ball, rng: torch.Generator
) -> Tensor:
    """(B,) bool: which images are right as they are served after an attack, in 8 bits."""
    if not len(images):
        return torch.zeros(0, dtype=torch.bool, device=images.device)
    clean = images.float() / 255
    if name == "noise":
        changed = ball.sample(clean, rng)
    else:
        module: Any = ATTACKS.load(name)
        changed = module.run(served.victim, clean, labels, ball, module.CARD.steps, rng)
    return served.classes(ball.quantize(changed, images)) == labels


def _scores(
    attacked: Attacked, masking: list[Sign], patched: tuple[int, int], white: bool
) -> dict[str, Score]:
    n, right = attacked.n, attacked.left("clean")
    names = ("clean", "noise", "fgsm", "pgd") if white else ("clean", "noise")
    scores = {f"robust.{name}": share(attacked.left("clean", name), n) for name in names}
    best = attacked.left(*attacked.alive)
    scores["robust.best"] = share(best, n)
    scores["robust.left"] = share(best, right)
    if patched[1]:
        scores["robust.patch"] = share(patched[0], patched[1])
    if white:
        scores["robust.flags"] = Score(len(masking), len(masking), len(masking), CHECKS, "count")
    return scores


def _strongest(attacked: Attacked) -> list[str]:
    """Attacks that break images, the strongest first."""
    names = [
        name for name in ROUNDS if name != "noise" and attacked.left("clean", name) < attacked.left("clean")
    ]
    return sorted(names, key=lambda name: attacked.left("clean", name))


def _sentence(scores: Mapping[str, Score], ball: Ball, masking: list[Sign], white: bool) -> str:
    best, clean = scores["robust.best"], scores["robust.clean"]
    text = f"At {ball} {best.text(percent=True)} stay right ({100 * clean.value:.1f} % without an attack)."
    if "robust.patch" in scores:
        patch = scores["robust.patch"]
        text += f" A square of 5 % of the image leaves {100 * patch.value:.0f} % of the right ones."
    if not white:
        return f"{text} {UPPER}"
    if not masking:
        return f"{text} No sign of masking ({CHECKS} checks)."
    if masking[0].name == RANDOM:
        return f"{text} The number does not count: {masking[0].message}."
    return (
        f"{text} The number does not count: {len(masking)} of {CHECKS} checks see masked gradients "
        f"({'; '.join(sign.message for sign in masking)})."
    )


def _fix(ball: Ball, masking: list[Sign], promised: str | None) -> str:
    if masking:
        return "Find what hides the gradient or makes answers random, take it out, and audit again."
    if promised is not None:
        return "Train longer, with more images or a wider network, or promise a smaller ball."
    return f"sightline train DATA --robust {ball}: it costs some of the score of images as they are."


def _rows(part: Part, attacked: Attacked) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"id": item, **{name: bool(attacked.alive[name][i]) for name in ("clean", *ROUNDS)}}
        for i, item in enumerate(part.ids)
    )


def plant(seed: int) -> Case:
    """A model that the smallest change misleads, behind rounding that hides the gradient."""
    return _case(seed, 4, lambda images: (images * 255).round() / 255, HIDDEN)


def clean(seed: int) -> Case:
    """A model whose classes are further apart than any change in the ball."""
    return _case(seed, 60, lambda images: images, ())


def _case(seed: int, gap: int, before: Any, planted: tuple[str, ...]) -> Case:
    """Images whose class is the brightest color, by `gap` gray levels."""
    rng = np.random.default_rng([seed, 70])
    labels = rng.integers(0, len(CLASSES), 120)
    images = rng.integers(90, 110, (len(labels), SIDE, SIDE, 3), dtype=np.uint8)
    images -= images.mean((1, 2), keepdims=True).round().astype(np.uint8) - 100
    images[np.arange(len(labels)), :, :, labels] += np.uint8(gap)
    return with_model(images, labels, lambda pixels: 40 * before(pixels).mean((2, 3)), planted=planted)
