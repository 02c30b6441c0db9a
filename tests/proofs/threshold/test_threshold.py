"""A model with nothing to train costs one task folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sightline as sl
from sightline.core.run import Run
from sightline.errors import UsageError

pytestmark = pytest.mark.usefixtures("plugins")


def test_a_threshold_is_tested_predicts_and_is_exported(tmp_path: Path) -> None:
    run = sl.train("shapes:area:200", task="coverage", out=tmp_path / "run")
    assert run.results.scores["MAE"].value < 15
    assert run.record.recipe["lr"] is None
    half = np.zeros((64, 64, 3), np.uint8)
    half[:24] = 255
    assert next(iter(sl.load(tmp_path / "run").predict(half))).row["cover"] == pytest.approx(37.5, abs=1)
    exported = sl.export(tmp_path / "run", to="onnx", accept=["unchecked"])
    assert exported.file.is_file()
    assert Run.open(tmp_path / "run").record.status == "done"


def test_a_learning_rate_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--lr 0\.1 has no effect: model 'otsu' has nothing to train"):
        sl.train("shapes:area:200", task="coverage", lr=0.1, out=tmp_path / "run")


def test_a_resumed_run_writes_its_epoch_once(tmp_path: Path) -> None:
    run = sl.train("shapes:area:60", task="coverage", out=tmp_path / "run")
    events = list(run.events())
    run.update(status="interrupted")
    resumed = sl.train("shapes:area:60", resume=tmp_path / "run")
    assert list(resumed.events()) == events
    assert [event["epoch"] for event in events] == [1]
    assert resumed.record.seconds == run.record.seconds
