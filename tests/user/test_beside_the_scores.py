"""What stands beside the scores fails: the scores and the report are there all the same, and it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightline.core.run import Run
from sightline.core.task import Baseline
from sightline.tasks.classify import task as classify
from tests.user.conftest import write_photos


def test_a_baseline_and_a_figure_that_fail(
    sightline: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ValueError("cannot reshape array of size 0")

    usual = classify.baselines
    odd = Baseline("odd", "one that fails", broken, uses_images=False)
    monkeypatch.setattr(classify, "baselines", lambda classes: [*usual(classes), odd])
    monkeypatch.setattr(classify.Classify, "figures", broken)
    monkeypatch.setattr("sightline.report.page.svg", broken)
    write_photos(tmp_path / "photos", 30)
    completed = sightline("train", "photos", "--model", "mlp", "--epochs", "1", "--out", "run")
    assert completed.code == 0, completed.err
    run = Run.open(tmp_path / "run")
    assert run.record.status == "done"
    assert set(run.results.baselines) == {"majority", "linear"}
    message = "\n".join(run.results.conclusions)
    assert "The baseline odd failed and is left out (ValueError in test_beside_the_scores.py" in message
    assert "The closer look failed" in message
    assert "cannot reshape array of size 0" in (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert sightline("evaluate", "run").code == 0
