from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sightline.core.run_record import RunRecord
from sightline.training.callbacks.energy import Energy


def counter(root: Path, value: int) -> None:
    folder = root / "intel-rapl:0"
    folder.mkdir(exist_ok=True)
    (folder / "energy_uj").write_text(str(value))
    (folder / "max_energy_range_uj").write_text("1000000000")


def test_sums_up_and_survives_a_counter_that_wraps(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(record=RunRecord())
    energy = Energy(run, tmp_path)
    counter(tmp_path, 900_000_000)
    energy.start(None)  # type: ignore[arg-type]
    counter(tmp_path, 950_000_000)
    energy.epoch(None, {})  # type: ignore[arg-type]
    counter(tmp_path, 20_000_000)
    energy.epoch(None, {})  # type: ignore[arg-type]
    energy.end(None)  # type: ignore[arg-type]
    assert run.record.joules == 50 + 70


def test_says_nothing_where_nothing_is_counted(tmp_path: Path) -> None:
    run: Any = SimpleNamespace(record=RunRecord())
    energy = Energy(run, tmp_path / "absent")
    energy.start(None)  # type: ignore[arg-type]
    energy.epoch(None, {})  # type: ignore[arg-type]
    energy.end(None)  # type: ignore[arg-type]
    assert run.record.joules is None
