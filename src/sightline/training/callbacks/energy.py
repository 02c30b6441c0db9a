"""Energy use of training, where the machine measures it (Linux RAPL); otherwise reported as unknown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.core.run import Run
from sightline.training.callbacks.base import Callback

if TYPE_CHECKING:
    from sightline.training.state import Training


class Energy(Callback):
    """Sum of the energy counters of the CPU packages.

    The boundary is the whole package, idle share and other programs included.

    Args:
        run: Its record gets `joules`, or None where nothing can be measured.
    """

    def __init__(self, run: Run, root: Path = Path("/sys/class/powercap")) -> None:
        self.run, self.root, self.joules = run, root, 0.0
        self.last: dict[Path, int] = {}

    def _read(self) -> dict[Path, int]:
        counters = {}
        for counter in sorted(self.root.glob("intel-rapl:?/energy_uj")):
            try:
                counters[counter] = int(counter.read_text())
            except (OSError, ValueError):
                continue
        return counters

    def _add(self) -> None:
        now = self._read()
        for counter, value in now.items():
            before = self.last.get(counter, value)
            if value < before:
                try:
                    before -= int((counter.parent / "max_energy_range_uj").read_text())
                except (OSError, ValueError):
                    before = value
            self.joules += (value - before) / 1e6
        self.last = now

    def start(self, training: Training) -> None:
        """Read the counters."""
        self.last = self._read()

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """Add the energy since the last reading; a counter may have wrapped around once."""
        self._add()
        return False

    def end(self, training: Training) -> None:
        """Store the sum."""
        joules = round(self.joules, 1) if self.last else None
        self.run.record = replace(self.run.record, joules=joules)

    def state(self) -> dict[str, Any]:
        """The sum so far."""
        return {"joules": self.joules}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.joules = state["joules"]
