"""Log of one line per epoch: for people on stderr, for programs in events.jsonl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sightline.console import say
from sightline.core.run import Run
from sightline.training.callbacks.base import Callback

if TYPE_CHECKING:
    from sightline.training.state import Training


class Events(Callback):
    """Write every epoch's numbers.

    Args:
        run: Where they go.
    """

    def __init__(self, run: Run) -> None:
        self.run = run

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """Log and print the epoch."""
        if training.devices.first:
            self.run.log(**logs)
        numbers = [
            f"{name.replace('_', ' ')} {value:.4f}"
            for name, value in logs.items()
            if isinstance(value, float) and name not in ("lr", "seconds", "progress", "val_score")
        ]
        mark = " *" if training.best_epoch == training.epoch else ""
        of = f"/{training.recipe.epochs}" if not training.recipe.time else f" ({logs['progress']:.0%})"
        say(f"epoch {training.epoch}{of}  {'  '.join(numbers)}  {logs['seconds']:.1f} s{mark}")
        return False
