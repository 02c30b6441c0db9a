"""Energy counters of the processor packages (Linux RAPL)."""

from __future__ import annotations

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Sum of the energy counters of the CPU packages, idle share and other programs included.

    Args:
        root: Folder of the counters.

    Attributes:
        joules: Used between the readings so far; a counter may wrap around once between two.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        self.joules = 0.0
        self._root = root
        self._last: dict[Path, int] = {}

    @property
    def is_measurable(self) -> bool:
        """Whether the last reading has found a counter."""
        return bool(self._last)

    def start(self) -> None:
        """Read the counters without adding."""
        self._last = self._read()

    def add(self) -> None:
        """Add the energy since the last reading."""
        now = self._read()
        for counter, value in now.items():
            before = self._last.get(counter, value)
            if value < before:
                try:
                    before -= int((counter.parent / "max_energy_range_uj").read_text())
                except (OSError, ValueError):
                    before = value
            self.joules += (value - before) / 1e6
        self._last = now

    def _read(self) -> dict[Path, int]:
        counters = {}
        for counter in sorted(self._root.glob("intel-rapl:?/energy_uj")):
            try:
                counters[counter] = int(counter.read_text())
            except (OSError, ValueError):
                continue
        return counters
