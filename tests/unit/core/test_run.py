"""Checkpoints of a run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sightline import storage
from sightline.core.run import Run
from sightline.core.run_record import RunRecord
from sightline.errors import SightlineError


def test_a_checkpoint_stays_until_the_next_of_its_step_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / "run", RunRecord())
    run.save_checkpoint("best", 7, {"model": {"w": torch.zeros(2)}}, {"epoch": 1}, keep=1)
    with monkeypatch.context() as patch:
        patch.setattr(storage, "save", full)
        with pytest.raises(SightlineError):
            run.save_checkpoint("best", 7, {"model": {"w": torch.ones(2)}}, {"epoch": 2}, keep=1)
    selected = run.checkpoint("best")
    assert selected is not None
    assert selected[1] == {"epoch": 1}
    for epoch in (2, 3):
        run.save_checkpoint("best", 7, {"model": {"w": torch.ones(2)}}, {"epoch": epoch}, keep=1)
        selected = run.checkpoint("best")
        assert selected is not None
        assert selected[1] == {"epoch": epoch}
        assert len(list((run.path / "checkpoints").iterdir())) == 1


def full(*_: object) -> None:
    raise SightlineError("No space left on the disk.")
