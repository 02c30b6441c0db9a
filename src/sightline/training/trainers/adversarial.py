"""Adversarial training (GAN): groups of parameters take turns, each with its own loss.

Source: Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014, algorithm 1.
"""

from __future__ import annotations

from sightline.errors import UsageError
from sightline.training.loop import run_epochs
from sightline.training.recipe import Recipe
from sightline.training.state import Training
from sightline.training.trainer import Job, TrainerCard
from sightline.training.turns import turns_of

WITHOUT = ("distill", "probe", "freeze", "unfreeze", "freeze_bn", "layer_decay", "compile")
"""Settings that are for one network with one loss."""

CARD = TrainerCard(
    name="adversarial",
    summary="Groups of parameters take turns, each with a loss and an optimizer of its own.",
    verb="is trained in turns (adversarial)",
    takes=(*(name for name in Recipe.names() if name not in WITHOUT), "weights", "pretrained"),
)


def train(job: Job) -> Training:
    """Train in turns; see `Job`. In each step, every turn uses the same batch.

    Raises:
        UsageError: If there is one turn only.
    """
    turns = list(turns_of(job.model.optimizer_groups()))
    if len(turns) < 2:
        raise UsageError(
            f"Model '{job.model.card.name}' says trainer='adversarial', but its groups of parameters "
            f"have one turn ({', '.join(turns)}). Give its groups turns, or say trainer='gradient'."
        )
    return run_epochs(job)
