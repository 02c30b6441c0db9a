"""No training: interpolation, filters, stereo matching, trackers. The model is validated as it is."""

from __future__ import annotations

from sightline.training.state import Training
from sightline.training.trainer import Job, TrainerCard
from sightline.training.whole import keep, take_up

CARD = TrainerCard(
    name="none",
    summary="Nothing to train: the model is validated and tested as it is.",
    verb="has nothing to train",
    takes=("batch_size", "size", "tile_size", "resize", "workers", "cache", "precision", "tracker"),
    steps=False,
)


def train(job: Job) -> Training:
    """Validate and keep the model as it is; see `Job`."""
    training = job.state()
    if take_up(training, job):
        return training
    with job.called_back(training):
        keep(training, job, 0.0)
    return training
