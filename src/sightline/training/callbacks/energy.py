"""Energy use of training, where the machine measures it (Linux RAPL); otherwise reported as unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.core.run import Run
from sightline.evaluation.energy import POWERCAP, EnergyMeter
from sightline.training.callbacks.base import Callback

if TYPE_CHECKING:
    from sightline.training.state import Training


class Energy(Callback):
    """Sum of the energy counters of the CPU packages.

    The boundary is the whole package, idle share and other programs included.

    Args:
        run: Its record gets `joules`, or None where nothing can be measured.
    """

    def __init__(self, run: Run, root: Path = POWERCAP) -> None:
        self.run, self.meter = run, EnergyMeter(root)

    def start(self, training: Training) -> None:
        """Read the counters."""
        self.meter.start()

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """Add the energy since the last reading; a counter may have wrapped around once."""
        self.meter.add()
        return False

    def end(self, training: Training) -> None:
        """Store the sum."""
        joules = round(self.meter.joules, 1) if self.meter.is_measurable else None
        self.run.record = replace(self.run.record, joules=joules)

    def state(self) -> dict[str, Any]:
        """The sum so far."""
        return {"joules": self.meter.joules}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.meter.joules = state["joules"]
