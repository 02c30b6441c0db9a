"""A model that is fitted once costs one task folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sightline as sl
from sightline.core.run import Run
from sightline.errors import UsageError

pytestmark = pytest.mark.usefixtures("plugins")


def test_neighbors_are_trained_resumed_and_predict(tmp_path: Path) -> None:
    run = sl.train("digits", task="pixel-knn", k=1, out=tmp_path / "run")
    assert run.results.scores["accuracy"].value > 0.97
    assert (tmp_path / "run" / "report.html").is_file()
    assert [(e["epoch"], "val_loss" in e) for e in run.events()] == [(1, False)]
    image = np.zeros((8, 8), np.uint8)
    image[1:7, 3:5] = 255
    assert next(iter(sl.load(tmp_path / "run").predict(image))).row == {"label": "1"}
    again = sl.evaluate(str(tmp_path / "run"), "digits", out=tmp_path / "report.html")
    assert again.scores["accuracy"].n > 0

    before = run.results.to_json()
    run.update(status="interrupted")
    (tmp_path / "run" / "checkpoints").rename(tmp_path / "gone")
    resumed = sl.train("digits", resume=tmp_path / "run")
    assert resumed.results.to_json()["scores"] == before["scores"]
    assert [e["epoch"] for e in resumed.events()] == [1]


def test_a_run_that_was_fitted_is_resumed_with_what_it_has(tmp_path: Path) -> None:
    run = sl.train("digits", task="pixel-knn", k=1, out=tmp_path / "run")
    (event,) = run.events()
    run.update(status="interrupted")
    resumed = sl.train("digits", resume=tmp_path / "run")
    assert list(resumed.events()) == [event]
    assert resumed.results.metadata["cost"]["seconds"] == round(event["seconds"], 1)
    assert resumed.results.to_json()["scores"] == run.results.to_json()["scores"]


@pytest.mark.parametrize(("option", "text"), [
    ({"epochs": 3}, "--epochs 3 has no effect: model 'knn' is fitted once"),
    ({"time": "5m"}, "--time 5m has no effect"), ({"pretrained": "yes"}, "--pretrained yes has no effect"),
])  # fmt: skip
def test_what_would_have_no_effect_is_refused(option: dict[str, str], text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=text):
        sl.train("digits", task="pixel-knn", out=tmp_path / "run", **option)
    assert not (tmp_path / "run").exists()


def test_folds_work_and_a_search_is_refused(tmp_path: Path) -> None:
    run = sl.train("digits", task="pixel-knn", folds=2, out=tmp_path / "folds")
    assert run.results.n == 1797
    assert isinstance(run, Run)
    with pytest.raises(UsageError, match="no learning rate and no batch size to search for"):
        sl.tune("digits", task="pixel-knn", trials=2, out=tmp_path / "tune")
