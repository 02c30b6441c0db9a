"""Fit once to all training images, without steps and epochs: linear models, nearest neighbors, clusters."""

from __future__ import annotations

import time

from sightline.console import say
from sightline.errors import UsageError
from sightline.training.state import Training
from sightline.training.trainer import Job, TrainerCard
from sightline.training.whole import keep, take_up

CARD = TrainerCard(
    name="fit",
    summary="One look at all training images, without epochs: scikit-learn, k-means, neighbors.",
    verb="is fitted once, without epochs",
    takes=("batch_size", "size", "tile_size", "resize", "workers", "cache", "precision", "tracker"),
    steps=False,
)


def train(job: Job) -> Training:
    """Fit the model; see `Job`. A run that was stopped before the model was kept starts again.

    Raises:
        UsageError: If several processes were started.
    """
    if job.devices.world > 1:
        raise UsageError(
            f"Model '{job.model.card.name}' {CARD.verb}, in one process. Start it without torchrun."
        )
    training = job.state()
    if take_up(training, job):
        return training
    started = time.monotonic()
    with job.called_back(training):
        say(f"fitted    {job.model.fit(job.train.epoch(0), job.seed)}")
        keep(training, job, time.monotonic() - started)
    return training
