"""Training by gradient descent: the whole loop.

Every draw is seeded from (seed, step), and the order of an epoch from (seed, epoch), so that a
run that was killed and resumed at any step ends with the same weights, bit for bit, on a CPU.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from sightline.core.model import Model
from sightline.core.run import Run
from sightline.core.sample import Batch
from sightline.engine import optim
from sightline.engine.callbacks import Callback
from sightline.engine.devices import Devices
from sightline.engine.packing import pack, unpack
from sightline.engine.recipe import Recipe, seconds
from sightline.engine.schedule import Plateau, factor
from sightline.errors import Interrupted, TrainingFailed
from sightline.models.backbones._backbone import Backbone
from sightline.models.weights import freeze, frozen_modules, unfreeze_stage
from sightline.talk import say, track


class Batches(Protocol):
    """Where training batches come from; see `data/loader.py`."""

    def __len__(self) -> int: ...
    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Batches `start` and following of an epoch."""
        ...


@dataclass
class Training:
    """What a training run is doing; the loop's whole state but for the tensors.

    Attributes:
        epoch: Number of the epoch under way, from 1.
        batch: Batches of it that are done.
        step: Steps in all.
        elapsed: Seconds of training in all, over all resumes.
        lr: Learning rate of the last step.
        best: (score, minus loss) of the weights that are kept.
        best_epoch: Epoch they come from; 0 before the first.
        sums: Sums of the logged losses over the images of the epoch, and of "images".
        stopping: A callback asked to stop after this epoch.
        interrupted: A signal asked to stop after this step.
    """

    model: Model
    recipe: Recipe
    run: Run
    devices: Devices
    seed: int
    callbacks: Sequence[Callback]
    epoch: int = 1
    batch: int = 0
    step: int = 0
    elapsed: float = 0.0
    lr: float = 0.0
    best: tuple[float, float] = (-math.inf, -math.inf)
    best_epoch: int = 0
    sums: dict[str, Any] = field(default_factory=dict)
    plateau: Plateau = field(default_factory=Plateau)
    validation_seconds: float = 0.0
    stopping: bool = False
    interrupted: bool = False
    ema: AveragedModel | None = None
    optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict)

    @property
    def evaluated(self) -> Model:
        """The weights that are validated and kept: the running mean, where there is one."""
        return self.model if self.ema is None else self.ema.module  # type: ignore[return-value]

    def save(self) -> None:
        """Write checkpoint "last": all that is needed to go on exactly."""
        tensors: dict[str, dict[str, Tensor]] = {"model": self.model.state_dict(), "optimizer": {}}
        if self.ema is not None:
            tensors["ema"] = self.ema.state_dict()
        trees = {
            part: pack(optimizer.state_dict(), tensors["optimizer"], part)
            for part, optimizer in self.optimizers.items()
        }
        names = ("epoch", "batch", "step", "elapsed", "lr", "best", "best_epoch", "validation_seconds")
        state = {name: getattr(self, name) for name in names} | {
            "sums": {name: float(value) for name, value in self.sums.items()},
            "optimizers": trees,
            "plateau": asdict(self.plateau),
            "devices": pack(self.devices.state(), tensors["optimizer"], "devices"),
            "callbacks": {type(c).__name__: c.state() for c in self.callbacks},
        }
        self.run.save_checkpoint("last", self.step, tensors, state, keep=2)

    def restore(self) -> bool:
        """Take up the newest whole checkpoint "last"; False if there is none."""
        found = self.run.checkpoint("last")
        if found is None:
            return False
        tensors, state = found
        self.model.load_state_dict(tensors["model"])
        if self.ema is not None:
            self.ema.load_state_dict(tensors["ema"])
        for part, optimizer in self.optimizers.items():
            optimizer.load_state_dict(unpack(state["optimizers"][part], tensors["optimizer"]))
        names = ("epoch", "batch", "step", "elapsed", "lr", "best_epoch", "sums", "validation_seconds")
        for name in names:
            setattr(self, name, state[name])
        self.best = tuple(state["best"])
        self.plateau = Plateau(**state["plateau"])
        self.devices.restore(unpack(state["devices"], tensors["optimizer"]))
        for callback in self.callbacks:
            if type(callback).__name__ in state["callbacks"]:
                callback.restore(state["callbacks"][type(callback).__name__])
        return True


class _Step(nn.Module):
    """The loss as a module's forward, which is what several processes can average gradients of."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, rng: torch.Generator, part: str) -> dict[str, Tensor]:
        return self.model.loss(batch, rng, part)


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

    Raises:
        TrainingFailed: If the loss is not finite, or memory runs out.
        Interrupted: If SIGINT or SIGTERM came; a checkpoint was written.
    """
    training = Training(model, recipe, run, devices, seed, callbacks)
    training.optimizers = {part: optim.build(p, recipe) for part, p in model.parts().items()}
    if recipe.ema:
        average = get_ema_multi_avg_fn(recipe.ema)  # type: ignore[no-untyped-call]
        training.ema = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
    if resume and training.restore():
        say(f"Resumed at epoch {training.epoch}, batch {training.batch} of {len(train)}.")
        if devices.first:
            run.keep_events(training.epoch - 1)
    elif resume:
        say("There is no checkpoint to resume from: training starts at the beginning.")
        if devices.first:
            run.keep_events(0)
    for callback in callbacks:
        callback.start(training)
    with _interruptible(training):
        while not _finished(training):
            _epoch(training, train, validate)
    for callback in callbacks:
        callback.end(training)
    best = devices.gather(run.checkpoint("best") if devices.first else None)[0]
    if best is None:
        raise TrainingFailed(f"No epoch had a finite validation loss. Try a lower --lr. See {run.path}.")
    model.load_state_dict(best[0]["model"])
    return training


def _finished(training: Training) -> bool:
    done = training.stopping or training.epoch > (training.recipe.epochs or 1)
    return done or _out_of_time(training)


def _out_of_time(training: Training) -> bool:
    """Whether the budget leaves no more than one validation; the first process decides for all."""
    budget = seconds(training.recipe.time)
    if budget is None:
        return False
    return bool(training.devices.gather(training.elapsed + training.validation_seconds)[0] >= budget)


def _epoch(training: Training, train: Batches, validate: Callable[[Model], dict[str, float]]) -> None:
    """One epoch: train, validate, keep the best, tell the callbacks, write a checkpoint."""
    recipe, devices = training.recipe, training.devices
    started = time.monotonic()
    _train_epoch(training, train)
    if not math.isfinite(float(training.sums.get("loss", 0.0))):
        raise _not_finite(training, "in one of its last batches")
    validated = time.monotonic()
    values = validate(training.evaluated)
    training.validation_seconds = time.monotonic() - validated
    training.elapsed += training.validation_seconds
    keyed = (values["val_score"], -values["val_loss"])
    key = keyed if recipe.monitor == "score" else (keyed[1], keyed[0])
    if recipe.schedule == "plateau":
        training.plateau.see(values["val_loss"])
    if all(map(math.isfinite, key)) and (key > training.best or not training.best_epoch):
        training.best, training.best_epoch = key, training.epoch
        if devices.first:
            weights = {"model": training.evaluated.state_dict()}
            training.run.save_checkpoint("best", training.step, weights, {"epoch": training.epoch}, keep=1)
    images = max(float(training.sums.pop("images", 0.0)), 1.0)
    logs: dict[str, Any] = {
        "epoch": training.epoch,
        "step": training.step,
        "lr": training.lr,
        **{f"train_{name}": float(total) / images for name, total in training.sums.items()},
        **values,
        "seconds": time.monotonic() - started,
        "progress": _progress(training, len(train)),
    }
    training.stopping = devices.agree(any([c.epoch(training, logs) for c in training.callbacks]))
    training.epoch, training.batch, training.sums = training.epoch + 1, 0, {}
    if devices.first:
        training.save()
    devices.wait()
    _stop_if_interrupted(training)


def _train_epoch(training: Training, train: Batches) -> None:
    """The rest of the epoch under way."""
    recipe, devices, model = training.recipe, training.devices, training.model
    _set_trainable(training, len(train))
    module = devices.wrap(_Step(model))
    if recipe.compile:
        module = torch.compile(module)  # type: ignore[assignment]
    model.train()
    for still in frozen_modules(model):
        still.eval()
    every = seconds(recipe.checkpoint_every) or math.inf
    saved = clock = time.monotonic()
    batches = train.epoch(training.epoch, start=training.batch)
    for batch in track(batches, f"epoch {training.epoch}", len(train) - training.batch):
        boundary = _boundary(training, len(train))
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
            _stop_if_interrupted(training)
        if _out_of_time(training):
            break


def _stop_if_interrupted(training: Training) -> None:
    if training.interrupted:
        raise Interrupted(
            f"Interrupted in epoch {training.epoch}. The best weights so far are kept; "
            f"go on with --resume {training.run.path}."
        )


def _boundary(training: Training, batches: int) -> bool:
    """Whether the optimiser steps after this batch (gradients may be added up over several)."""
    every = training.recipe.accumulate or 1
    return (training.batch + 1) % every == 0 or training.batch + 1 == batches


def _step(training: Training, module: nn.Module, batch: Batch, batches: int, boundary: bool) -> None:
    """Forward, backward and, at a boundary, the optimiser's step."""
    recipe, devices = training.recipe, training.devices
    there = batch.to(devices.device)
    if recipe.channels_last and there.images.ndim == 4:
        images = there.images.contiguous(memory_format=torch.channels_last)
        there = Batch(images, there.targets, there.ids)
    number = training.epoch * batches + training.batch
    torch.manual_seed(_mixed(training.seed, number, devices.rank))
    rng = torch.Generator(devices.device).manual_seed(_mixed(training.seed + 1, number, devices.rank))
    share = factor(recipe, _progress(training, batches)) * training.plateau.scale
    training.lr = (recipe.lr or 0.0) * share
    for part, optimizer in training.optimizers.items():
        for group in optimizer.param_groups:
            group["lr"] = training.lr
        try:
            with devices.autocast():
                losses = module(there, rng, part)
            loss = losses["loss"]
            if recipe.l1:
                loss = loss + recipe.l1 * optim.l1(training.model)
            devices.backward(loss / (recipe.accumulate or 1))
        except (torch.OutOfMemoryError, RuntimeError) as error:
            raise _memory(error, len(batch), training) from error
        for name, value in losses.items():
            training.sums[name] = training.sums.get(name, 0.0) + _number(value, devices) * len(batch)
        _check_finite(training, loss, batch)
        if boundary:
            devices.step(optimizer, recipe.clip or 0.0)
    training.sums["images"] = training.sums.get("images", 0.0) + len(batch)
    if boundary:
        training.step += 1
        if training.ema is not None:
            training.ema.update_parameters(training.model)


def _progress(training: Training, batches: int) -> float:
    """How much of training is done, in [0, 1], by epochs or by time, whichever is further."""
    done = (training.epoch - 1 + training.batch / max(batches, 1)) / (training.recipe.epochs or 1)
    budget = seconds(training.recipe.time)
    if budget:
        elapsed, validation = training.devices.gather((training.elapsed, training.validation_seconds))[0]
        done = max(done, elapsed / max(budget - validation, 1e-9))
    return min(done, 1.0)


def _set_trainable(training: Training, batches: int) -> None:
    """Freeze what the recipe freezes, and free it again stage by stage."""
    backbone, recipe = training.model.backbone(), training.recipe
    if not isinstance(backbone, Backbone) or recipe.freeze in (None, "none"):
        return
    freeze(backbone, recipe.freeze)
    unfreeze = 1.0 if recipe.unfreeze is None else recipe.unfreeze
    if unfreeze < 1:
        done = _progress(training, batches)
        unfreeze_stage(backbone, max(0.0, (done - unfreeze) / max(1 - unfreeze, 1e-9)))


def _number(value: Tensor, devices: Devices) -> Any:
    """A loss as a number; on a GPU it stays there, so that the step need not wait for it."""
    return float(value.detach()) if devices.device.type == "cpu" else value.detach()


def _check_finite(training: Training, loss: Tensor, batch: Batch) -> None:
    """On a GPU only every 16th batch, and by the running sum, which keeps a NaN once it was there."""
    on_cpu = loss.device.type == "cpu"
    if not on_cpu and training.batch % 16 != 15:
        return
    if math.isfinite(float(loss.detach() if on_cpu else training.sums["loss"])):
        return
    names = ", ".join(list(batch.ids)[:3])
    raise _not_finite(training, f"batch {training.batch + 1} (images {names}, ...)")


def _not_finite(training: Training, where: str) -> TrainingFailed:
    return TrainingFailed(
        f"The loss is no longer finite in epoch {training.epoch}, {where}, at learning rate "
        f"{training.lr:.2g}. The last good weights are kept in {training.run.path}. "
        "Try a lower --lr, --clip 1, or --precision fp32."
    )


def _memory(error: Exception, size: int, training: Training) -> Exception:
    text = str(error).lower()
    if isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate" in text:
        return TrainingFailed(
            f"Not enough memory for batches of {size} images. Try --batch-size {max(1, size // 2)} "
            f"(with --accumulate 2 the steps stay the same). The run is kept in {training.run.path}."
        )
    return error


def _mixed(seed: int, number: int, rank: int) -> int:
    """A seed of its own for every (seed, number, rank); multipliers of SplitMix64."""
    mixed = seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB
    return (mixed ^ (mixed >> 31)) % 2**63


@contextmanager
def _interruptible(training: Training) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into a checkpoint and a clean end; the second ends at once."""
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
