"""State of a training: everything that the loop needs in order to resume, written and read."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from sightline.core.model import Model
from sightline.core.run import Run
from sightline.core.sample import Batch
from sightline.devices import Devices
from sightline.training.checkpoint_state import pack, unpack
from sightline.training.distillation import Teacher
from sightline.training.lr_schedule import Plateau
from sightline.training.recipe import Recipe

Attack = Callable[[Model, Batch, torch.Generator, str], Batch]
"""Changes a batch before a step, for the model as it is then and a turn."""


class Stateful(Protocol):
    """Interface of objects with state in a checkpoint."""

    def state(self) -> dict[str, Any]:
        """State to store; JSON-able."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        ...


class Objective(Protocol):
    """Interface of what gives the losses of a batch instead of the model."""

    def losses(self, model: Model, batch: Batch, rng: torch.Generator, turn: str, /) -> dict[str, Tensor]:
        """As `Model.loss`."""
        ...


@dataclass
class Training:
    """State of a training.

    Attributes:
        epoch: Number of the epoch under way, from 1.
        batch: Batches of it that are done.
        step: Steps in all.
        elapsed: Seconds of training in all, over all resumes.
        prepared: Seconds of it before the first step.
        lr: Learning rate of the last step.
        best: (score, minus loss) of the weights that are kept.
        best_epoch: Epoch they come from; 0 before the first.
        sums: Sums of the logged losses over the images of the epoch, and of "images".
        window: Images whose gradients wait for the next step; 0 whenever a checkpoint is written.
        stopping: A callback asked to stop after this epoch.
        interrupted: A signal asked to stop after this step.
    """

    model: Model
    recipe: Recipe
    run: Run
    devices: Devices
    seed: int
    callbacks: Sequence[Stateful]
    teacher: Teacher | None = None
    attack: Attack | None = None
    fair: Objective | None = None
    epoch: int = 1
    batch: int = 0
    step: int = 0
    elapsed: float = 0.0
    prepared: float = 0.0
    lr: float = 0.0
    best: tuple[float, float] = (-math.inf, -math.inf)
    best_epoch: int = 0
    sums: dict[str, Any] = field(default_factory=dict)
    window: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    validation_seconds: float = 0.0
    stopping: bool = False
    interrupted: bool = False
    ema: AveragedModel | None = None
    optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict)

    @property
    def evaluated(self) -> Model:
        """The weights that are validated and kept: the moving average, if there is one."""
        return self.model if self.ema is None else self.ema.module  # type: ignore[return-value]

    @property
    def reserved(self) -> float:
        """Seconds of a time budget reserved for the end: one validation, with a fitted head two."""
        return self.validation_seconds * (2 if self.recipe.probe else 1)

    def save(self) -> None:
        """Write checkpoint "last": everything for an exact resume."""
        tensors: dict[str, dict[str, Tensor]] = {"model": self.model.state_dict(), "optimizer": {}}
        if self.ema is not None:
            tensors["ema"] = self.ema.state_dict()
        trees = {
            part: pack(optimizer.state_dict(), tensors["optimizer"], part)
            for part, optimizer in self.optimizers.items()
        }
        names = ("epoch", "batch", "step", "elapsed", "lr", "best", "best_epoch", "validation_seconds",
                 "stopping")  # fmt: skip
        state = {name: getattr(self, name) for name in names} | {
            "prepared": self.prepared,
            "sums": {name: float(value) for name, value in self.sums.items()},
            "optimizers": trees,
            "plateau": asdict(self.plateau),
            "devices": pack(self.devices.state(), tensors["optimizer"], "devices"),
            "callbacks": {type(c).__name__: c.state() for c in self.callbacks},
        }
        self.run.save_checkpoint("last", self.step, tensors, state, keep=2)

    def restore(self) -> bool:
        """Load the newest complete checkpoint "last"; False if there is none."""
        checkpoint = self.run.checkpoint("last")
        if checkpoint is None:
            return False
        tensors, state = checkpoint
        self.model.load_state_dict(tensors["model"])
        if self.ema is not None:
            self.ema.load_state_dict(tensors["ema"])
        for part, optimizer in self.optimizers.items():
            optimizer.load_state_dict(unpack(state["optimizers"][part], tensors["optimizer"]))
        names = ("epoch", "batch", "step", "elapsed", "lr", "best_epoch", "sums", "validation_seconds")
        for name in names:
            setattr(self, name, state[name])
        self.best, self.prepared = tuple(state["best"]), state.get("prepared", 0.0)
        self.stopping = state.get("stopping", False)
        self.plateau = Plateau(**state["plateau"])
        self.devices.restore(unpack(state["devices"], tensors["optimizer"]))
        for callback in self.callbacks:
            if type(callback).__name__ in state["callbacks"]:
                callback.restore(state["callbacks"][type(callback).__name__])
        return True
