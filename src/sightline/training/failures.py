"""Failures of training: interruption by the user, a loss that is not finite, out of memory."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sightline.console import say
from sightline.core.run import Run
from sightline.core.sample import Batch
from sightline.errors import Interrupted, TrainingFailed
from sightline.training.state import Training

EVERY = 16
"""Steps between two looks at the loss where a look costs time: on a GPU, and with several processes."""


def check_finite(training: Training, loss: Tensor, batch: Batch, name: str = "loss") -> None:
    """Raise if the loss is not finite: at once on one CPU; else every 16th batch, in all processes together,
    by the running sum, which keeps a NaN.

    Args:
        training: The training.
        loss: Of this batch.
        batch: The batch.
        name: Of its running sum.

    Raises:
        TrainingFailed: Names the epoch and the batch.
    """
    at_once = loss.device.type == "cpu" and training.devices.world == 1
    if not at_once and training.batch % EVERY != EVERY - 1:
        return
    bad = not math.isfinite(float(loss.detach() if at_once else training.sums[name]))
    if training.devices.agree(bad):
        names = ", ".join(list(batch.ids)[:3])
        before = "" if at_once else f" or up to {EVERY - 1} before it"
        raise not_finite(training, f"batch {training.batch + 1}{before} (images {names}, ...)")


def not_finite(training: Training, where: str) -> TrainingFailed:
    """The error for a loss that is not finite."""
    return TrainingFailed(
        f"The loss is no longer finite in epoch {training.epoch}, {where}, at learning rate "
        f"{training.lr:.2g}. The last good weights are kept in {training.run.path}. "
        "Try a lower --lr, --clip-grad 1, or --precision fp32."
    )


@contextmanager
def memory(training: Training, doing: str) -> Iterator[None]:
    """Convert an out-of-memory error to one that names the batch size to try.

    Raises:
        TrainingFailed: Then.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        text = str(error).lower()
        is_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not is_memory and "out of memory" not in text and "can't allocate" not in text:
            raise
        size = training.recipe.batch_size or 2
        raise TrainingFailed(
            f"Not enough memory for {doing} with batches of {size} images. Try --batch-size "
            f"{max(1, size // 2)} (with --grad-accum-steps 2 the steps stay the same). The run is kept in "
            f"{training.run.path}."
        ) from error


def stop_if_interrupted(training: Training) -> None:
    """Stop cleanly if a signal has arrived.

    Raises:
        Interrupted: Then.
    """
    if training.interrupted:
        raise Interrupted(
            f"Interrupted in epoch {training.epoch}. The best weights so far are kept; "
            f"go on with --resume {training.run.path}."
        )


@contextmanager
def interruptible(training: Training) -> Iterator[None]:
    """The first SIGINT or SIGTERM leads to a checkpoint and a clean end; the second ends immediately."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: Any) -> None:
        if training.interrupted:
            raise KeyboardInterrupt
        training.interrupted = True
        say("Stopping after this step; once more to stop at once.")

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def none_kept(run: Run) -> TrainingFailed:
    """The error for a training without a usable validation result."""
    last = (list(run.events())[-1:] or [{}])[0]
    if last.get("val_loss") is not None and last.get("val_score") is None:
        return TrainingFailed(
            "The score was not defined on the validation part in any epoch, so that no weights could be "
            "chosen. Put images into it on which it is (with objects, or with classes). "
            f"See {run.path}."
        )
    return TrainingFailed(f"No epoch had a finite validation loss. Try a lower --lr. See {run.path}.")
