"""Training by gradient descent: the whole loop.

Every draw is seeded from (seed, step), and the order of an epoch from (seed, epoch), so that a
run that was killed and resumed at any step ends with the same weights, bit for bit, on a CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from sightline.console import say, track
from sightline.core.model import Model
from sightline.core.run import Run
from sightline.core.sample import Batch
from sightline.devices import Devices
from sightline.errors import UsageError
from sightline.inference import threads
from sightline.models.backbones._backbone import Backbone
from sightline.models.weights.load import freeze, frozen_modules, unfreeze_stage
from sightline.training import averaging, optimizers
from sightline.training.callbacks.base import Callback
from sightline.training.distillation import Teacher
from sightline.training.failures import (
    check_finite,
    interruptible,
    memory,
    none_kept,
    not_finite,
    stop_if_interrupted,
)
from sightline.training.lr_schedule import factor
from sightline.training.progress import is_finished, is_out_of_time, progress_at_epoch, progress_of
from sightline.training.recipe import Recipe, seconds
from sightline.training.state import Training


class Batches(Protocol):
    """Where training batches come from; see `data/loading/loader.py`."""

    def __len__(self) -> int: ...
    def epoch(self, epoch: int, start: int = 0, progress: float = 0.0) -> Iterator[Batch]:
        """Batches `start` and following of an epoch, which begins when `progress` is done."""
        ...


class _Step(nn.Module):
    """The loss as a module's forward, which is what several processes can average gradients of."""

    def __init__(self, model: Model, teacher: Teacher | None) -> None:
        super().__init__()
        self.model, self.teacher = model, teacher

    def forward(self, batch: Batch, rng: torch.Generator, part: str) -> dict[str, Tensor]:
        if self.teacher is None:
            return self.model.loss(batch, rng, part)
        return self.teacher.losses(self.model, batch, rng, part)


def fit(
    model: Model,
    train: Batches,
    validate: Callable[[Model], dict[str, float]],
    recipe: Recipe,
    run: Run,
    devices: Devices,
    *,
    seed: int,
    callbacks: Sequence[Callback] = (),
    resume: bool = False,
    teacher: Teacher | None = None,
    prepare: Callable[[Model], None] | None = None,
    doubt: float = 0.0,
) -> Training:
    """Train a model; the best weights are in it, and in checkpoint "best", when this returns.

    Args:
        model: On the device.
        train: Training batches.
        validate: Gives at least "val_loss" and "val_score" (higher is better) of a model.
        recipe: Resolved: no None in it but `time`.
        run: Where checkpoints go.
        devices: This process's share of the machine.
        seed: Seed of every draw.
        callbacks: Called after each epoch, in order.
        resume: Go on from the run's newest checkpoint.
        teacher: Another model that it learns from.
        prepare: Changes the model before the first step, and makes a model of it that training must beat:
            it is validated, and kept until better weights come. After training the mean of both is tried.
        doubt: Standard error of the validation loss as a share of it: where the loss decides, others than
            that mean must be better by more.

    Raises:
        TrainingFailed: If the loss is not finite, or memory runs out.
        UsageError: If something is to be frozen and the model has no such part.
        Interrupted: If SIGINT or SIGTERM came; a checkpoint was written.
    """
    training = Training(model, recipe, run, devices, seed, callbacks, teacher)
    scales = _layer_scales(training)
    training.optimizers = {part: optimizers.build(p, recipe, scales) for part, p in model.parts().items()}
    if recipe.ema:
        training.ema = AveragedModel(model, multi_avg_fn=averaging.running(training), use_buffers=True)
    if resume:
        _resume(training, len(train))
    models = [model] if teacher is None else [model, teacher.model]
    try:
        for callback in callbacks:
            callback.start(training)
        with threads.few(models, recipe.batch_size or 32, devices), interruptible(training):
            if prepare is not None and not training.step:
                _prepare(training, prepare, validate)
            while not is_finished(training):
                _epoch(training, callbacks, train, validate)
            if prepare is not None:
                _try_mean(training, validate, doubt)
                stop_if_interrupted(training)
    finally:
        for callback in callbacks:
            callback.end(training)
    best = devices.gather(run.checkpoint("best") if devices.first else None)[0]
    if best is None:
        raise none_kept(run)
    model.load_state_dict(best[0]["model"])
    return training


def _resume(training: Training, batches: int) -> None:
    """Take up the newest checkpoint, if there is one, and forget the events after it."""
    resumed = training.restore()
    if resumed:
        say(f"Resumed at epoch {training.epoch}, batch {training.batch} of {batches}.")
    else:
        say("There is no checkpoint to resume from: training starts at the beginning.")
    if training.devices.first:
        training.run.keep_events(training.epoch - 1 if resumed else -1)


def _layer_scales(training: Training) -> dict[nn.Parameter, float] | None:
    """Shares of the learning rate by depth, where the recipe has them."""
    backbone, decay = training.model.backbone(), training.recipe.layer_decay
    if decay in (None, 1.0):
        return None
    if not isinstance(backbone, Backbone):
        raise UsageError(
            f"Model '{training.model.card.name}' has no list of blocks for --layer-decay {decay}. "
            "Leave it out."
        )
    return optimizers.layer_scales(backbone, decay)


def _prepare(
    training: Training,
    prepare: Callable[[Model], None],
    validate: Callable[[Model], dict[str, float]],
) -> None:
    """Epoch 0: what the model is before training, validated and kept as the best so far."""
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


def _try_mean(training: Training, validate: Callable[[Model], dict[str, float]], doubt: float) -> None:
    """Keep the mean of the weights before and after training, unless others are better on validation."""
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
    keyed = (values["val_score"], -values["val_loss"])
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
    callbacks: Sequence[Callback],
    train: Batches,
    validate: Callable[[Model], dict[str, float]],
) -> None:
    """One epoch: train, validate, keep the best, tell the callbacks, write a checkpoint."""
    recipe, devices = training.recipe, training.devices
    started = time.monotonic()
    _train_epoch(training, train)
    if not math.isfinite(float(training.sums.get("loss", 0.0))):
        raise not_finite(training, "in one of its last batches")
    validated = time.monotonic()
    with memory(training, "validation"):
        values = validate(training.evaluated)
    training.validation_seconds = time.monotonic() - validated
    training.elapsed += training.validation_seconds
    if recipe.schedule == "plateau":
        training.plateau.see(values["val_loss"])
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


def _train_epoch(training: Training, train: Batches) -> None:
    """The rest of the epoch under way."""
    recipe, devices, model = training.recipe, training.devices, training.model
    _set_trainable(training, len(train))
    module = devices.wrap(_Step(model, training.teacher))
    if recipe.compile:
        module = torch.compile(module)  # type: ignore[assignment]
    model.train()
    for layer in still(model, recipe):
        layer.eval()
    every = seconds(recipe.checkpoint_every) or math.inf
    saved = clock = time.monotonic()
    batches = train.epoch(training.epoch, training.batch, progress_at_epoch(training, len(train)))
    for batch in track(batches, f"epoch {training.epoch}", len(train) - training.batch):
        boundary = _boundary(training, len(train))
        with memory(training, "training"):
            _step(training, module, batch, len(train), boundary)
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


def still(model: Model, recipe: Recipe) -> list[nn.Module]:
    """Layers whose running statistics training leaves alone."""
    if not recipe.freeze_bn:
        return frozen_modules(model)
    backbone = model.backbone()
    return [m for m in (backbone or model).modules() if getattr(m, "running_mean", None) is not None]


def _boundary(training: Training, batches: int) -> bool:
    """Whether the optimiser steps after this batch (gradients may be added up over several)."""
    every = training.recipe.accumulate or 1
    return (training.batch + 1) % every == 0 or training.batch + 1 == batches


def _step(training: Training, module: nn.Module, batch: Batch, batches: int, boundary: bool) -> None:
    """Forward, backward and, at a boundary, the optimiser's step."""
    recipe, devices = training.recipe, training.devices
    moved = batch.to(devices.device)
    if recipe.channels_last and moved.images.ndim == 4:
        images = moved.images.contiguous(memory_format=torch.channels_last)
        moved = moved.with_images(images)
    number = training.epoch * batches + training.batch
    devices.seed(_mixed(training.seed, number, devices.rank))
    rng = torch.Generator(devices.device).manual_seed(_mixed(training.seed + 1, number, devices.rank))
    share = factor(recipe, progress_of(training, batches)) * training.plateau.scale
    training.lr = (recipe.lr or 0.0) * share
    for part, optimizer in training.optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = training.lr * group.get("lr_scale", 1.0)
        with devices.autocast():
            losses = module(moved, rng, part)
        loss = losses["loss"]
        if recipe.l1:
            loss = loss + recipe.l1 * optimizers.l1(training.model)
        devices.backward(loss * (len(batch) / _planned(recipe)) if recipe.accumulate != 1 else loss)
        for name, value in losses.items():
            training.sums[name] = training.sums.get(name, 0.0) + _number(value, devices) * len(batch)
        check_finite(training, loss, batch)
        if boundary:
            _mean_over_window(training, optimizer, training.window + len(batch))
            devices.step(optimizer, recipe.clip or 0.0)
    training.window = 0 if boundary else training.window + len(batch)
    training.sums["images"] = training.sums.get("images", 0.0) + len(batch)
    if boundary:
        training.step += 1
        if training.ema is not None:
            training.ema.update_parameters(training.model)


def _mean_over_window(training: Training, optimizer: torch.optim.Optimizer, images: int) -> None:
    """Gradients added up over several batches, as if these had been one: the last window of an epoch may hold
    fewer batches, and its last batch fewer images."""
    if training.recipe.accumulate == 1 or images == _planned(training.recipe):
        return
    for parameter in (p for group in optimizer.param_groups for p in group["params"]):
        if parameter.grad is not None:
            parameter.grad.mul_(_planned(training.recipe) / images)


def _planned(recipe: Recipe) -> int:
    """Images of a whole window of batches whose gradients are added up."""
    return (recipe.batch_size or 32) * (recipe.accumulate or 1)


def _set_trainable(training: Training, batches: int) -> None:
    """Freeze what the recipe freezes, and free it again stage by stage."""
    backbone, recipe = training.model.backbone(), training.recipe
    if recipe.freeze in (None, "none"):
        return
    if not isinstance(backbone, Backbone):
        raise UsageError(
            f"Model '{training.model.card.name}' has no part that can be kept from training. "
            f"Leave out --freeze {recipe.freeze}."
        )
    freeze(backbone, recipe.freeze)
    unfreeze = 1.0 if recipe.unfreeze is None else recipe.unfreeze
    if unfreeze < 1:
        done = progress_of(training, batches)
        unfreeze_stage(backbone, max(0.0, (done - unfreeze) / max(1 - unfreeze, 1e-9)))


def _number(value: Tensor, devices: Devices) -> Any:
    """A loss as a number; on a GPU it stays there, so that the step need not wait for it."""
    return float(value.detach()) if devices.device.type == "cpu" else value.detach()


def _mixed(seed: int, number: int, rank: int) -> int:
    """A seed of its own for every (seed, number, rank); multipliers of SplitMix64."""
    mixed = seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB
    return (mixed ^ (mixed >> 31)) % 2**63
