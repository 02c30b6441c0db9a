"""Early stopping: stop when validation has not improved for some epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sightline.console import say
from sightline.training.callbacks.base import Callback

if TYPE_CHECKING:
    from sightline.training.state import Training


class EarlyStop(Callback):
    """Stop after `patience` epochs without a new best.

    Args:
        patience: Epochs to wait; at least 1.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """Compare with the epoch of the best weights."""
        waited = training.epoch - training.best_epoch
        if waited >= self.patience:
            say(f"Stopped early: no improvement for {waited} epochs; epoch {training.best_epoch} is kept.")
        return waited >= self.patience
