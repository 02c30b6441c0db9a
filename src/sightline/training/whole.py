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
        job.run.save_checkpoint("best", 0, weights, {"epoch": 1, "mean": False}, keep=1)
    logs: dict[str, Any] = {"epoch": 1, "step": 0, "lr": 0.0, **values, "seconds": seconds, "progress": 1.0}
    for callback in job.callbacks:
        callback.epoch(training, logs)
    job.devices.wait()
