"""Learning-rate schedule, as a share of the peak rate.

It is a function of progress in [0, 1], not of steps, so that the same curve fits a number of epochs
and a time budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sightline.training.recipe import Recipe

STEPS = (0.5, 0.75)
"""Where `step` divides the rate by ten (He et al., CVPR 2016, section 4.2)."""


def factor(recipe: Recipe, progress: float) -> float:
    """Learning-rate multiplier: share of the peak, in [0, 1].

    All schedules rise linearly during the warm-up. `onecycle` then falls linearly to zero
    (Smith, arXiv 1803.09820, without the momentum cycle); `cosine` falls along half a cosine
    (Loshchilov and Hutter, ICLR 2017); `step` divides by ten twice; `constant` and `plateau` stay.

    Args:
        recipe: Which schedule and how long a warm-up.
        progress: How much of training is done, in [0, 1].
    """
    warmup = recipe.warmup or 0.0
    if progress < warmup:
        return max(progress / warmup, 1e-3)
    rest = min((progress - warmup) / max(1 - warmup, 1e-9), 1.0)
    if recipe.schedule == "onecycle":
        return max(1 - rest, 1e-3)
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * rest))
    if recipe.schedule == "step":
        return 0.1 ** sum(progress >= s for s in STEPS)
    return 1.0


@dataclass
class Plateau:
    """Reduce on plateau: divides the rate by ten if the validation loss has not fallen for `patience`
    epochs.
    """

    patience: int = 5
    best: float = math.inf
    waited: int = 0
    scale: float = 1.0

    def see(self, loss: float) -> None:
        """Record an epoch's validation loss."""
        if loss < self.best * (1 - 1e-4):
            self.best, self.waited = loss, 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.scale, self.waited = self.scale / 10, 0
