"""Robust training: each batch is attacked before the step, and the weights are chosen by an attack.

The attack is one step from a random start (Wong, Rice, Kolter, Fast is better than free, ICLR 2020), which
costs about as much as a second step of training. It can collapse (catastrophic overfitting): the network then
withstands that one step and nothing else. So PGD attacks some validation images after each epoch, the weights
that it harms least are the result, and training stops when it collapses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.attacks import ATTACKS, Ball, Victim, read_ball
from sightline.console import say
from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.run import Run
from sightline.core.sample import Batch
from sightline.devices import Devices
from sightline.errors import UsageError
from sightline.metrics.intervals import exact
from sightline.training.callbacks.base import Callback
from sightline.training.plan import Plan
from sightline.training.state import Training
from sightline.training.trainer import Batches, Validate

STEP = 1.25
"""Length of the step, in radii of the ball."""
IMAGES = 200
"""Validation images that are attacked after each epoch, at most."""
PGD_STEPS = 10
IN_WORDS = (
    "{0}: each batch is attacked by one step from a random start (Wong et al. 2020); the epoch that PGD "
    f"harms least is kept ({IMAGES} validation images)"
)
COLLAPSED = 0.5
"""Share of what was withstood before, and of what one step leaves, below which training has collapsed."""


def validate(plan: Plan) -> Plan:
    """The plan with the ball as a promise in the model's settings, which go into exported files; unchanged
    without --robust.

    Raises:
        UsageError: If it is no ball, or something else that was asked for would void what is promised.
    """
    given = plan.recipe.robust
    if given is None:
        return plan
    ball, option = read_ball(given, "--robust"), f"--robust {given}"
    if ball.norm == "patch":
        raise UsageError(f"{option}: training is against linf or l2, such as linf:8/255.")
    if not plan.dataset.targets.exclusive:
        raise UsageError(
            f"{option} is for images with one class each; the data give {plan.dataset.targets.description}. "
            "Leave --robust out."
        )
    if plan.task.card.prediction_type != plan.dataset.targets.kind:
        raise UsageError(f"{option} is for models that give a class. Leave --robust out.")
    if not InputSpec.of(plan.settings).is_plain:
        raise UsageError(f"{option} is for images of 8 bits, gray or in colors. Leave --robust out.")
    for name, why in _against(plan).items():
        raise UsageError(f"{option} and --{name} cannot be together: {why}. Leave one of them out.")
    return replace(
        plan,
        recipe=replace(plan.recipe, monitor="score"),
        settings={**plan.settings, "promises": {"robust": str(ball)}},
        decisions={**plan.decisions, "robust": IN_WORDS.format(ball)},
    )


def _against(plan: Plan) -> dict[str, str]:
    """Options that void the promise, and the reason."""
    reasons = {
        name: "no image is the center of a ball once two are mixed"
        for name in ("mixup", "cutmix")
        if getattr(plan.task.options, name, 0)
    }
    if plan.arguments.teacher is not None:
        reasons["teacher"] = "the teacher was not trained for attacked images, and its answers mislead"
    if plan.arguments.settings.get("monitor") == "loss":
        reasons["monitor loss"] = "the loss is of images as they are, and attacked ones choose the weights"
    return reasons


@dataclass(frozen=True)
class Robust:
    """Training against attacks of a ball.

    Attributes:
        ball: How far an image may be changed.
    """

    ball: Ball

    def attacked(self, model: Model, batch: Batch, rng: torch.Generator, turn: str) -> Batch:
        """The batch after one step of the attack; its images are float32 in [0, 1]. The model keeps its mode,
        its weights and their gradients.

        Args:
            model: The network, in the mode it is trained in.
            batch: Images and targets, on its device.
            rng: Source of the starts, and of what the loss draws.
            turn: See `Model.loss`.
        """
        clean = batch.images.float() / 255 if batch.images.dtype == torch.uint8 else batch.images
        start = self.ball.sample(clean, rng).requires_grad_()
        with torch.enable_grad(), torch.autocast(clean.device.type, enabled=False):
            loss = model.loss(batch.with_images(start), rng, turn)["loss"]
            gradient = torch.autograd.grad(loss, start)[0]
        step = STEP * self.ball.eps * self.ball.direction(gradient)
        return batch.with_images(self.ball.project(start.detach() + step, clean))


def attacked_too(validate: Validate, few: Batches, ball: Ball, devices: Devices) -> Validate:
    """Validation that also attacks a few images, and takes what PGD leaves right for the score.

    Args:
        validate: The plain validation.
        few: Images that are attacked.
        ball: How far they may be changed.
        devices: Processes that share them.

    Returns:
        Gives the plain values, "val_fgsm" and "val_pgd": shares of the images that are still right.
    """

    def both(model: Model) -> dict[str, float]:
        values = validate(model)
        was_training = model.training
        model.eval()
        victim = Victim(lambda images: model(images)["logits"])
        counts = {"images": 0, "fgsm": 0, "pgd": 0}
        rng = torch.Generator().manual_seed(0)
        for batch in few.epoch(0):
            moved = batch.to(devices.device)
            images, labels = moved.images.float() / 255, moved.targets.value
            counts["images"] += len(batch)
            for name in ("fgsm", "pgd"):
                attacked = ATTACKS.load(name).run(victim, images, labels, ball, PGD_STEPS, rng)
                counts[name] += _right(victim, attacked, labels)
        model.train(was_training)
        parts = devices.gather(counts)
        n = sum(part["images"] for part in parts)
        shares = {f"val_{name}": sum(part[name] for part in parts) / max(n, 1) for name in ("fgsm", "pgd")}
        return {**values, **shares, "val_score": shares["val_pgd"]}

    return both


def _right(victim: Victim, images: Tensor, labels: Tensor) -> int:
    return int((victim(images).argmax(1) == labels).sum())


def some(n: int, seed: int) -> np.ndarray:
    """Which of n validation images are attacked after each epoch: random by the seed."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:IMAGES])


class Collapse(Callback):
    """Stop when the network withstands one step of the attack, and no longer many."""

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """Compare with the best epoch, and with one step."""
        fgsm, pgd, best = logs["val_fgsm"], logs["val_pgd"], training.best[0]
        is_over: bool = pgd < COLLAPSED * min(fgsm, best) and best - pgd > 0.05
        if is_over:
            say(
                f"Stopped: catastrophic overfitting. One step leaves {fgsm:.0%} of the images right, "
                f"PGD {pgd:.0%} ({best:.0%} in epoch {training.best_epoch}, which is kept)."
            )
        return is_over


def conclude(run: Run, promise: str | None, n: int) -> list[str]:
    """A sentence on what the weights withstood on the validation images that chose them.

    Args:
        run: The run.
        promise: The ball, or None.
        n: Validation images, of which `IMAGES` at most were attacked.
    """
    n = min(n, IMAGES)
    events = [e for e in run.events() if e.get("val_pgd") is not None]
    if promise is None or not events:
        return []
    best = max(events, key=lambda e: (e["val_pgd"], -e.get("val_loss", 0.0)))
    low, high = exact(round(best["val_pgd"] * n), n, 0.95)
    return [
        f"Trained to withstand {promise}: PGD leaves {best['val_pgd']:.1%} of {n} validation images right "
        f"({low:.1%} to {high:.1%}), which chose the weights. Stronger attacks leave fewer."
    ]
