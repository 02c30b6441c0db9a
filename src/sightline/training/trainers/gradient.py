"""Gradient descent on one loss: all parameter groups share each step."""

from __future__ import annotations

from sightline.errors import UsageError
from sightline.training.loop import run_epochs
from sightline.training.state import Training
from sightline.training.trainer import Job, TrainerCard
from sightline.training.turns import turns_of

CARD = TrainerCard(
    name="gradient",
    summary="Gradient descent on one loss; groups of parameters may have rates of their own.",
    verb="is trained by gradients",
)


def train(job: Job) -> Training:
    """Train by gradient descent; see `Job`.

    Raises:
        UsageError: If the model's groups take turns.
    """
    turns = list(turns_of(job.model.optimizer_groups()))
    if len(turns) > 1:
        raise UsageError(
            f"Model '{job.model.card.name}' has groups of parameters that take turns ({', '.join(turns)}), "
            "and its card says trainer='gradient', which has one loss. It should say trainer='adversarial'."
        )
    return run_epochs(job)
