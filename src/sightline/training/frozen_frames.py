"""Features of frames, computed once where their network is frozen and frames are not augmented."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from sightline.console import say, track
from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.data.io.pixels import Arrays
from sightline.data.loading.tiles import batches
from sightline.devices import Devices
from sightline.models.backbones._backbone import Backbone
from sightline.training.plan import Plan
from sightline.training.recipe import size_in_bytes


@runtime_checkable
class SeesFrames(Protocol):
    """Protocol of a model of clips that begins with features of each frame, by a backbone.

    Attributes:
        takes_features: Whether clips are such features already, (B, D, T, 1, 1).
    """

    takes_features: bool

    def frame_features(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) to (B, T, D)."""
        ...


def with_features(plan: Plan, model: Model, devices: Devices) -> Plan:
    """A plan whose train and val clips are the features of their frames; the plan itself where the backbone
    is trained, or sees other frames in each epoch, which is said.

    Args:
        plan: What is trained.
        model: With its initial weights, on the device.
        devices: Where to run, and the other processes.
    """
    recipe = plan.recipe
    for_good = recipe.freeze == "backbone" and (recipe.unfreeze is None or recipe.unfreeze >= 1)
    if not for_good or not isinstance(model, SeesFrames) or not isinstance(model.backbone(), Backbone):
        return plan
    if recipe.augment != "none" or recipe.robust is not None or plan.arguments.teacher is not None:
        say(
            "features  The backbone is frozen, but sees changed frames in each epoch. With --augment none, "
            "without --robust and --teacher, its features are computed once."
        )
        return plan
    started, dataset = time.monotonic(), plan.dataset
    where = np.concatenate([dataset.indices_of("train"), dataset.indices_of("val")])
    used = replace(plan, dataset=dataset.subset(where))
    features = _features(used, model, devices)
    if features is None:
        return plan
    clips, frames, width = features.shape
    say(
        f"features  of {clips} clips of {frames} frames, {width} numbers a frame, computed once "
        f"({time.monotonic() - started:.1f} s): the backbone is frozen and frames are not augmented"
    )
    pixels = Arrays(features[:, :, None, None, :], dataset.input)
    spec = replace(InputSpec.of(plan.settings), spatial_shape=(1, 1), channels=width, dtype="float32")
    settings = {**plan.settings, "channels": width, "size": [1, 1], "resize": "stretch", **spec.settings()}
    return replace(used, dataset=replace(used.dataset, pixels=pixels), settings=settings)


@contextmanager
def taking_features(model: Model, takes: bool) -> Iterator[None]:
    """Let a model take features of frames for clips inside this block, if `takes`."""
    if takes:
        model.takes_features = True  # type: ignore[assignment]
    try:
        yield
    finally:
        if takes:
            model.takes_features = False  # type: ignore[assignment]


@torch.no_grad()
def _features(plan: Plan, model: Model, devices: Devices) -> np.ndarray | None:
    """(N, T, D) float32 of all clips, from all processes; None, which is said, if the cache has no room."""
    assert isinstance(model, SeesFrames)
    room = size_in_bytes(plan.recipe.cache or "0")
    loader = batches(
        plan.dataset,
        plan.settings,
        batch_size=plan.recipe.batch_size or 32,
        workers=plan.recipe.workers or 0,
        cache=0,
        rank=devices.rank,
        world=devices.world,
    )
    was_training = model.training
    model.eval()
    parts: list[Tensor] = []
    try:
        for batch in track(
            loader.epoch(0), "features", -(-len(plan.dataset) // (plan.recipe.batch_size or 32))
        ):
            with devices.autocast():
                parts.append(model.frame_features(batch.images.to(devices.device)).float().cpu())
            if (needed := 4 * parts[0][0].numel() * len(plan.dataset)) > room:
                say(
                    f"features  need {needed:,} bytes, and --cache is {plan.recipe.cache}: they are computed "
                    "in each epoch."
                )
                return None
    finally:
        model.train(was_training)
    return torch.cat(devices.gather(torch.cat(parts))).numpy()
