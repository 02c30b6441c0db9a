"""Progress of a training in [0, 1], by epochs or by a time budget."""

from __future__ import annotations

from sightline.training.recipe import seconds
from sightline.training.state import Training


def is_finished(training: Training) -> bool:
    """Whether epochs or time are used up, or a callback asked to stop."""
    done = training.stopping or training.epoch > (training.recipe.epochs or 1)
    return done or is_out_of_time(training)


def is_out_of_time(training: Training) -> bool:
    """Whether only the time of the last validation is left; the main process decides for all."""
    budget = seconds(training.recipe.time)
    if budget is None:
        return False
    return bool(training.devices.gather(training.elapsed + training.reserved)[0] >= budget)


def progress_of(training: Training, batches: int) -> float:
    """How much of training is done, in [0, 1], by epochs or by time, whichever is further."""
    done = (training.epoch - 1 + training.batch / max(batches, 1)) / (training.recipe.epochs or 1)
    budget = seconds(training.recipe.time)
    if budget:
        times = (training.elapsed, training.reserved, training.prepared)
        elapsed, validation, prepared = training.devices.gather(times)[0]
        done = max(done, (elapsed - prepared) / max(budget - validation - prepared, 1e-9))
    return min(done, 1.0)


def progress_at_epoch(training: Training, batches: int) -> float:
    """Progress at the beginning of the epoch under way; with a budget of time, at this moment."""
    if training.recipe.time:
        return progress_of(training, batches)
    return (training.epoch - 1) / (training.recipe.epochs or 1)
