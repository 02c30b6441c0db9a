"""Interface of trainers: a file in `trainers/` has CARD and `train(job)`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from sightline.core.model import Model
from sightline.core.run import Run
from sightline.core.sample import Batch
from sightline.devices import Devices
from sightline.training.callbacks.base import Callback
from sightline.training.distillation import Teacher
from sightline.training.recipe import Recipe
from sightline.training.state import Attack, Objective, Training


class Batches(Protocol):
    """Interface of a training loader; see `data/loading/loader.py`."""

    def __len__(self) -> int: ...
    def epoch(self, epoch: int, start: int = 0, progress: float = 0.0) -> Iterator[Batch]:
        """Batches `start` and following of an epoch, which begins when `progress` is done."""
        ...


Validate = Callable[[Model], dict[str, float]]
"""Gives "val_loss", if the model has a loss, and "val_score" (higher is better) of a model."""


@dataclass(frozen=True)
class TrainerCard:
    """Metadata of a way of training.

    Attributes:
        name: What a model's card says.
        summary: One line for lists.
        verb: What it does, as words of a sentence ("is fitted once, without epochs").
        takes: Settings of training that have an effect, of the recipe and of weights, pretrained, teacher and
            prune; None for all. Others are refused where the user gives them.
        steps: Whether it takes steps by gradients: a batch is tried first, and a search of its settings makes
            sense.
    """

    name: str
    summary: str
    verb: str
    takes: tuple[str, ...] | None = None
    steps: bool = True


@dataclass(frozen=True)
class Job:
    """Arguments of one training, for `train(job) -> Training` of a trainer.

    Attributes:
        model: On the device. When training returns, the best weights are in it, and in checkpoint "best".
        train: Training batches: changed and shuffled where the trainer takes steps, else as they are.
        validate: Scores a model.
        recipe: Resolved: None where a setting has no effect.
        run: Where checkpoints go.
        devices: This process's share of the machine.
        seed: Seed of every draw.
        callbacks: Called after each epoch, in order.
        resume: Go on from the run's newest checkpoint.
        teacher: Another model that it learns from.
        attack: Changes each batch before its step.
        fair: Gives the losses instead of the model, by groups of the items.
        prepare: Changes the model before the first step, and makes a model of it that training must beat:
            it is validated, and kept until better weights come. After training the mean of both is tried.
        doubt: Standard error of the validation loss as a share of it: where the loss decides, others than
            that mean must be better by more.
    """

    model: Model
    train: Batches
    validate: Validate
    recipe: Recipe
    run: Run
    devices: Devices
    seed: int
    callbacks: Sequence[Callback] = ()
    resume: bool = False
    teacher: Teacher | None = None
    attack: Attack | None = None
    fair: Objective | None = None
    prepare: Callable[[Model], None] | None = None
    doubt: float = 0.0

    def state(self) -> Training:
        """Initial state of this training."""
        return Training(
            self.model,
            self.recipe,
            self.run,
            self.devices,
            self.seed,
            self.callbacks,
            self.teacher,
            self.attack,
            self.fair,
        )

    @contextmanager
    def called_back(self, training: Training) -> Iterator[None]:
        """Call the callbacks at the start and, whatever happens, at the end."""
        try:
            for callback in self.callbacks:
                callback.start(training)
            yield
        finally:
            for callback in self.callbacks:
                callback.end(training)
