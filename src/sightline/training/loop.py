"""Training loop: epochs of gradient steps, shared by trainers.

Every random draw is seeded from (seed, step), and the order of an epoch from (seed, epoch). So a
run that was killed and resumed at any step ends with the same weights, bit for bit, on a CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from torch.optim.swa_utils import AveragedModel

from sightline.console import say, track
from sightline.core.model import Model
from sightline.inference import threads
from sightline.training import averaging
from sightline.training.callbacks.base import Callback
from sightline.training.failures import (
    interruptible,
    memory,
    none_kept,
    not_finite,
    stop_if_interrupted,
)
from sightline.training.freezing import set_trainable, still
from sightline.training.progress import is_finished, is_out_of_time, progress_at_epoch, progress_of
from sightline.training.recipe import seconds
from sightline.training.state import Training
from sightline.training.trainer import Batches, Job, Validate
from sightline.training.turns import Steps


def run_epochs(job: Job) -> Training:
    """Train a model; it has its best weights on return, which are also in checkpoint "best".

    Raises:
        TrainingFailed: If the loss is not finite, or memory runs out.
        UsageError: If something is to be frozen and the model has no such part.
        Interrupted: If SIGINT or SIGTERM came; a checkpoint was written.
    """
    model, recipe, devices, run = job.model, job.recipe, job.devices, job.run
    training = job.state()
    steps = Steps(training)
    if recipe.ema:
        training.ema = AveragedModel(model, multi_avg_fn=averaging.running(training), use_buffers=True)
    if job.resume:
        _resume(training, len(job.train))
    models = [model] if job.teacher is None else [model, job.teacher.model]
    few_threads = threads.few_threads(models, recipe.batch_size or 32, devices)
    with job.called_back(training), few_threads, interruptible(training):
        if job.prepare is not None and not training.step:
            _prepare(training, job.prepare, job.validate)
        while not is_finished(training):
            _epoch(training, steps, job.callbacks, job.train, job.validate)
        if job.prepare is not None:
            _try_mean(training, job.validate, job.doubt)
            stop_if_interrupted(training)
    best = devices.gather(run.checkpoint("best") if devices.first else None)[0]
    if best is None:
        raise none_kept(run)
    model.load_state_dict(best[0]["model"])
    return training


def _resume(training: Training, batches: int) -> None:
    """Load the newest checkpoint, if there is one, and remove the events after it."""
    resumed = training.restore()
    if resumed:
        say(f"Resumed at epoch {training.epoch}, batch {training.batch} of {batches}.")
    else:
        say("There is no checkpoint to resume from: training starts at the beginning.")
    if training.devices.first:
        training.run.keep_events(training.epoch - 1 if resumed else -1)


def _prepare(
    training: Training,
    prepare: Callable[[Model], None],
    validate: Validate,
) -> None:
    """Epoch 0: validate the model before training, and keep it as the best so far."""
    started = time.monotonic()
    prepare(training.model)
    if training.ema is not None:
        training.ema.module.load_state_dict(training.model.state_dict())
    validated = time.monotonic()
    values = validate(training.evaluated)
    training.validation_seconds = time.monotonic() - validated
    training.prepared = time.monotonic() - started
    training.elapsed += training.prepared
    _keep_best(training, values, epoch=0)
    if training.devices.first:
        weights = {"model": training.evaluated.state_dict()}
        training.run.save_checkpoint(averaging.HEAD, training.step, weights, {}, keep=1)
        training.run.log(epoch=0, step=0, **values, seconds=time.monotonic() - started)
        numbers = "  ".join(
            f"{name.replace('_', ' ')} {v:.4f}" for name, v in values.items() if name != "val_score"
        )
        say(f"epoch 0 (head only)  {numbers}  {time.monotonic() - started:.1f} s")
    stop_if_interrupted(training)


def _try_mean(training: Training, validate: Validate, doubt: float) -> None:
    """Keep the mean of the weights before and after training, unless other weights validate better."""
    mean = averaging.with_head(training)
    if mean is None:
        return
    with memory(training, "validation"):
        values = validate(mean)
    if training.recipe.monitor == "loss" and values["val_loss"] <= -training.best[0] * (1 + doubt):
        training.best = (-math.inf, -math.inf)
    improved = _keep_best(training, values, training.epoch - 1, mean)
    numbers = "  ".join(f"{n.replace('_', ' ')} {v:.4f}" for n, v in values.items() if n != "val_score")
    say(f"mean of head only and network  {numbers}{' *' if improved else ''}")


def _keep_best(training: Training, values: dict[str, float], epoch: int, mean: Model | None = None) -> bool:
    """Write checkpoint "best" if these are the best validation values so far, of the model that is trained
    or of a mean of several; whether they are."""
    keyed = (values["val_score"], -values.get("val_loss", 0.0))
    key = keyed if training.recipe.monitor == "score" else (keyed[1], keyed[0])
    first = math.isinf(training.best[0]) and math.isinf(training.best[1])
    if not (all(map(math.isfinite, key)) and (key > training.best or first)):
        return False
    training.best, training.best_epoch = key, epoch
    if training.devices.first:
        weights = {"model": (mean or training.evaluated).state_dict()}
        state = {"epoch": epoch, "mean": mean is not None}
        training.run.save_checkpoint("best", training.step, weights, state, keep=1)
    return True


def _epoch(
    training: Training,
    steps: Steps,
    callbacks: Sequence[Callback],
    train: Batches,
    validate: Validate,
) -> None:
    """One epoch: train, validate, keep the best, call the callbacks, write a checkpoint."""
    recipe, devices = training.recipe, training.devices
    started = time.monotonic()
    _train_epoch(training, steps, train)
    if not all(math.isfinite(float(v)) for n, v in training.sums.items() if n.split("/")[-1] == "loss"):
        raise not_finite(training, "in one of its last batches")
    validated = time.monotonic()
    with memory(training, "validation"):
        values = validate(training.evaluated)
    training.validation_seconds = time.monotonic() - validated
    training.elapsed += training.validation_seconds
    if recipe.schedule == "plateau":
        training.plateau.see(values.get("val_loss", -values["val_score"]))
    _keep_best(training, values, training.epoch)
    images = max(float(training.sums.pop("images", 0.0)), 1.0)
    logs: dict[str, Any] = {
        "epoch": training.epoch,
        "step": training.step,
        "lr": training.lr,
        **{f"train_{name}": float(total) / images for name, total in training.sums.items()},
        **values,
        "seconds": time.monotonic() - started,
        "progress": progress_of(training, len(train)),
    }
    training.stopping = devices.agree(any([c.epoch(training, logs) for c in callbacks]))
    training.epoch, training.batch, training.sums = training.epoch + 1, 0, {}
    if devices.first:
        training.save()
    devices.wait()
    stop_if_interrupted(training)


def _train_epoch(training: Training, steps: Steps, train: Batches) -> None:
    """Train the rest of the current epoch."""
    recipe, devices, model = training.recipe, training.devices, training.model
    set_trainable(training, len(train))
    steps.begin_epoch(training)
    model.train()
    for layer in still(model, recipe):
        layer.eval()
    every = seconds(recipe.checkpoint_every) or math.inf
    saved = clock = time.monotonic()
    batches = train.epoch(training.epoch, training.batch, progress_at_epoch(training, len(train)))
    for batch in track(batches, f"epoch {training.epoch}", len(train) - training.batch):
        boundary = _boundary(training, len(train))
        with memory(training, "training"):
            steps.step(training, batch, len(train), boundary)
        training.batch += 1
        now = time.monotonic()
        training.elapsed, clock = training.elapsed + now - clock, now
        if not boundary:
            continue
        if devices.world > 1 and training.step % 8 == 0:
            training.interrupted = devices.agree(training.interrupted)
        if training.interrupted or now - saved > every:
            saved = now
            if devices.first:
                training.save()
        if devices.world == 1 or training.step % 8 == 0:
            stop_if_interrupted(training)
        if is_out_of_time(training):
            break


def _boundary(training: Training, batches: int) -> bool:
    """Whether the optimizer steps after this batch (gradient accumulation)."""
    every = training.recipe.grad_accum_steps or 1
    return (training.batch + 1) % every == 0 or training.batch + 1 == batches
