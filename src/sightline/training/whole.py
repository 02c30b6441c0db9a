"""Training without steps: one epoch for the log, and the model as checkpoint "best"."""

from __future__ import annotations

import time
from typing import Any

from sightline.training.failures import memory
from sightline.training.state import Training
from sightline.training.trainer import Job


def keep(training: Training, job: Job, fitting: float) -> None:
    """Validate the model, keep it as checkpoint "best", and tell the callbacks.

    Args:
        training: Of the job.
        job: Whose model it is.
        fitting: Seconds that fitting took.
    """
    started = time.monotonic()
    with memory(training, "validation"):
        values = job.validate(job.model)
    seconds = fitting + time.monotonic() - started
    training.elapsed, training.best_epoch = seconds, 1
    training.best = values["val_score"], -values.get("val_loss", 0.0)
    if job.devices.first:
        weights = {"model": job.model.state_dict()}
        state = {"epoch": 1, "mean": False, "elapsed": seconds, "best": training.best}
        job.run.save_checkpoint("best", 0, weights, state, keep=1)
    logs: dict[str, Any] = {"epoch": 1, "step": 0, "lr": 0.0, **values, "seconds": seconds, "progress": 1.0}
    if not (job.resume and _logged(job)):
        for callback in job.callbacks:
            callback.epoch(training, logs)
    job.devices.wait()


def take_up(training: Training, job: Job) -> bool:
    """Go on with the model that a run kept before it was stopped; whether there is one."""
    if not job.resume or not _logged(job):
        return False
    best = job.devices.gather(job.run.checkpoint("best") if job.devices.first else None)[0]
    if best is None:
        return False
    tensors, state = best
    job.model.load_state_dict(tensors["model"])
    training.elapsed, training.best, training.best_epoch = state["elapsed"], tuple(state["best"]), 1
    return True


def _logged(job: Job) -> bool:
    return any(event.get("epoch") == 1 for event in job.run.events())
