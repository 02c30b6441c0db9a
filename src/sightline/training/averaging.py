"""Weight averaging: exponential moving average (EMA), and interpolation with the initial weights."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sightline.core.model import Model
from sightline.training.state import Training

HEAD = "head"
"""Checkpoint of the model with a fitted head, before the first step."""


def running(training: Training) -> Callable[[Any, Any, Any], None]:
    """Exponential moving average (EMA) of weights. Its memory grows with the number of steps, so that a
    short run does not keep its initial weights, unless these come from a linear probe, which are good.
    """

    def update(means: list[Tensor], now: list[Tensor], steps: Any) -> None:
        del steps  # it may lie on a GPU, which would be waited for
        grown = 1.0 if training.recipe.probe else (1 + training.step) / (10 + training.step)
        share = 1 - min(training.recipe.ema or 0.0, grown)
        for mean, value in zip(means, now, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, share)
            else:
                mean.copy_(value)

    return update


def with_head(training: Training) -> Model | None:
    """Mean of the weights after the linear probe and after the last epoch.

    Where few images are learnt from it is often better than both, and surer of the right things (Wortsman et
    al., Robust fine-tuning of zero-shot models, CVPR 2022, section 4). None where nothing was trained.
    """
    run, devices = training.run, training.devices
    head = devices.gather(run.checkpoint(HEAD) if devices.first else None)[0]
    if head is None or training.epoch < 2:
        return None
    mean = copy.deepcopy(training.evaluated)
    with torch.no_grad():
        for name, value in mean.state_dict().items():
            if value.is_floating_point():
                value.lerp_(head[0]["model"][name].to(value), 0.5)
    return mean
