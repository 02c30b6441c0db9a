"""Training step in turns: each turn has a loss, a backward pass and an optimizer, and freezes the others.

A network with one loss has one turn. In a generative adversarial network the discriminator and the generator
take turns: the generator's gradients go through the discriminator and leave none in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.model import Model, OptimizerGroup
from sightline.core.sample import Batch
from sightline.devices import Devices
from sightline.errors import UsageError
from sightline.training import optimizers
from sightline.training.failures import check_finite
from sightline.training.freezing import frozen, layer_scales
from sightline.training.lr_schedule import factor
from sightline.training.progress import progress_of
from sightline.training.recipe import Recipe
from sightline.training.state import Objective, Training


class _Loss(nn.Module):
    """Module whose forward returns the loss, so that DDP can average gradients."""

    def __init__(self, model: Model, objective: Objective | None) -> None:
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch, rng: torch.Generator, turn: str) -> dict[str, Tensor]:
        if self.objective is None:
            return self.model.loss(batch, rng, turn)
        return self.objective.losses(self.model, batch, rng, turn)


@dataclass
class Turn:
    """Parameter groups that share a loss, a backward pass and an optimizer step.

    Attributes:
        name: What `Model.loss` is told.
        every: It comes in every so many steps.
        others: Parameters of the other turns, which are frozen meanwhile.
        prefix: Stands before the names of its losses in logs.
        module: Gives the losses; made anew for each epoch.
    """

    name: str
    every: int
    others: list[nn.Parameter]
    prefix: str
    module: nn.Module = field(default_factory=nn.Identity)


def turns_of(groups: Mapping[str, OptimizerGroup]) -> dict[str, list[OptimizerGroup]]:
    """Parameter groups by turn, in the order of the turns."""
    turns: dict[str, list[OptimizerGroup]] = {}
    for group in groups.values():
        turns.setdefault(group.turn, []).append(group)
    return turns


class Steps:
    """The steps of one training.

    Args:
        training: Gets an optimizer for each turn.

    Raises:
        UsageError: If there would be steps in which no group has its turn, or groups of one turn differ in
            `every`.
    """

    def __init__(self, training: Training) -> None:
        turns = turns_of(training.model.optimizer_groups())
        name = training.model.card.name
        for turn, groups in turns.items():
            if len({group.every for group in groups}) > 1:
                raise UsageError(f"Model '{name}': groups of the turn '{turn}' differ in `every`.")
        if all(groups[0].every > 1 for groups in turns.values()):
            raise UsageError(f"Model '{name}': one group at least must step every time.")
        scales = layer_scales(training)
        recipe = training.recipe
        training.optimizers = {name: optimizers.build(turns[name], recipe, scales) for name in turns}
        self.turns = [
            Turn(
                name,
                groups[0].every,
                [p for n in turns if n != name for group in turns[n] for p in group.parameters],
                f"{name}/" if len(turns) > 1 else "",
            )
            for name, groups in turns.items()
        ]

    def begin_epoch(self, training: Training) -> None:
        """Wrap the losses for DDP: processes average the gradients of the parameters of each turn."""
        for turn in self.turns:
            with frozen(turn.others):
                module = training.devices.wrap(_Loss(training.model, training.teacher or training.fair))
            turn.module = torch.compile(module) if training.recipe.compile else module  # type: ignore[assignment]

    def step(self, training: Training, batch: Batch, batches: int, boundary: bool) -> None:
        """Forward and backward of each turn and, at a boundary, the steps of their optimizers.

        Args:
            training: The training.
            batch: Images and targets, on the CPU.
            batches: Batches of an epoch.
            boundary: Whether the optimizers step after this batch (gradients may be added up over several).
        """
        recipe, devices = training.recipe, training.devices
        moved = batch.to(devices.device)
        if recipe.channels_last and moved.images.ndim == 4:
            images = moved.images.contiguous(memory_format=torch.channels_last)
            moved = moved.with_images(images)
        number = training.epoch * batches + training.batch
        devices.seed(_mixed(training.seed, number, devices.rank))
        rng = torch.Generator(devices.device).manual_seed(_mixed(training.seed + 1, number, devices.rank))
        progress = progress_of(training, batches)
        training.lr = (recipe.lr or 0.0) * factor(recipe, progress) * training.plateau.scale
        for turn in self.turns:
            if (training.step + 1) % turn.every == 0:
                with frozen(turn.others):
                    _take(turn, training, moved, rng, boundary)
        training.window = 0 if boundary else training.window + len(batch)
        training.sums["images"] = training.sums.get("images", 0.0) + len(batch)
        if boundary:
            devices.end_step()
            training.step += 1
            training.model.on_step_end(training.step, progress)
            if training.ema is not None:
                training.ema.update_parameters(training.model)


def _take(turn: Turn, training: Training, batch: Batch, rng: torch.Generator, boundary: bool) -> None:
    """One turn: its loss, its gradients and, at a boundary, its step."""
    recipe, devices, optimizer = training.recipe, training.devices, training.optimizers[turn.name]
    for group in optimizer.param_groups:
        group["lr"] = training.lr * group.get("lr_scale", 1.0)
    if training.attack is not None:
        batch = training.attack(training.model, batch, rng, turn.name)
    with devices.autocast():
        losses = turn.module(batch, rng, turn.name)
    loss = losses["loss"]
    if recipe.l1:
        loss = loss + recipe.l1 * optimizers.l1(training.model)
    devices.backward(loss * (len(batch) / _planned(recipe)) if recipe.grad_accum_steps != 1 else loss)
    for name, value in losses.items():
        key = turn.prefix + name
        training.sums[key] = training.sums.get(key, 0.0) + _number(value, devices) * len(batch)
    check_finite(training, loss, batch, turn.prefix + "loss")
    if boundary:
        _mean_over_window(training, optimizer, training.window + len(batch))
        devices.step(optimizer, recipe.clip_grad or 0.0)


def _mean_over_window(training: Training, optimizer: torch.optim.Optimizer, images: int) -> None:
    """Rescale accumulated gradients to the mean over the window: the last window of an epoch may have
    fewer batches, and its last batch fewer images.
    """
    if training.recipe.grad_accum_steps == 1 or images == _planned(training.recipe):
        return
    for parameter in (p for group in optimizer.param_groups for p in group["params"]):
        if parameter.grad is not None:
            parameter.grad.mul_(_planned(training.recipe) / images)


def _planned(recipe: Recipe) -> int:
    """Number of images in a full accumulation window."""
    return (recipe.batch_size or 32) * (recipe.grad_accum_steps or 1)


def _number(value: Tensor, devices: Devices) -> Any:
    """A loss as a number; on a GPU it stays there, so that the step need not wait for it."""
    return float(value.detach()) if devices.device.type == "cpu" else value.detach()


def _mixed(seed: int, number: int, rank: int) -> int:
    """Seed for (seed, number, rank), mixed with the multipliers of SplitMix64."""
    mixed = seed * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9 + rank * 0x94D049BB133111EB
    return (mixed ^ (mixed >> 31)) % 2**63
