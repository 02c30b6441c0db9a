"""A search that is stopped goes on as if it had not been."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sightline as sl
from sightline.core.run import Run
from tests.user.conftest import write_photos

pytest.importorskip("optuna")

ASKED: dict[str, Any] = {"model": "perceptron", "epochs": 4, "size": 8, "trials": 12, "seed": 3}
"""More trials than are drawn by chance: the last two are proposed from what the others said."""


def work(photos: str, out: str, resume: bool, killed_in: int, at: str) -> None:
    """What the child process does; it kills itself in a trial."""
    import torch

    from sightline.training import search

    torch.set_num_threads(1)
    os.environ["SIGHTLINE_QUIET"] = "1"
    owner, name = {"epoch 3": (search._Report, "epoch"), "its line": (search.Search, "add")}[at]
    usual = getattr(owner, name)

    def deadly(self: Any, *given: Any) -> Any:
        number = self.trial.number + 1 if at == "epoch 3" else given[0]["trial"]
        if number == killed_in and (at == "its line" or given[0].epoch == 3):
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(self, *given)

    setattr(owner, name, deadly)
    if resume:
        sl.tune(photos, resume=Path(out))
    else:
        sl.tune(photos, out=Path(out), **ASKED)


def lines(folder: Path) -> list[dict[str, Any]]:
    """The trials, but for where they lie."""
    result = json.loads((folder / "tune.json").read_text())["trials"]
    return [{k: v for k, v in row.items() if k != "run"} for row in result]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_killed_search_ends_as_an_unbroken_one(tmp_path: Path) -> None:
    photos = str(write_photos(tmp_path / "photos"))
    context = multiprocessing.get_context("spawn")
    broken = tmp_path / "broken"
    for resume, trial, at in ((False, 2, "epoch 3"), (True, 11, "its line")):
        child = context.Process(target=work, args=(photos, str(broken), resume, trial, at))
        child.start()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        assert len(lines(broken)) == trial - 1
    finished = {p: p.stat().st_mtime_ns for p in broken.glob("trial-?/checkpoints/*")}
    resumed = sl.tune(photos, resume=broken)
    whole = sl.tune(photos, out=tmp_path / "whole", **ASKED)
    assert resumed.rows == whole.rows
    assert resumed.best == whole.best
    assert lines(broken) == lines(tmp_path / "whole")
    assert len({row["lr"] for row in lines(broken)}) == 12
    again = {p: p.stat().st_mtime_ns for p in broken.glob("trial-?/checkpoints/*")}
    assert again == finished, "trials that are done are not trained again"


def test_ctrl_c_ranks_what_there_is_and_says_how_to_go_on(
    sightline: Callable, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightline.training import search

    quick = ("--model", "perceptron", "--epochs", 2, "--trials", 3)
    usual = search._Report.epoch

    def stopped(self: Any, training: Any, logs: Any) -> bool:
        if self.trial.number == 1 and training.epoch == 1:
            signal.raise_signal(signal.SIGINT)
        return usual(self, training, logs)

    with monkeypatch.context() as patch:
        patch.setattr(search._Report, "epoch", stopped)
        completed = sightline("--json", "tune", photos, *quick, "--out", "search")
    assert completed.code == 130
    assert len(completed.json()["rows"]) == 1
    assert "--resume search" in completed.json()["note"]
    assert Run.open(tmp_path / "search").record.status == "interrupted"
    for option in (
        ("--seed", 0),
        ("--trials", 20),
        ("--pretrained", "auto"),
        ("--epochs", 2),
        ("--out", "x"),
    ):
        refused = sightline("tune", photos, "--resume", "search", *option)
        assert refused.code == 2, option
        assert f"leave out {option[0]}" in refused.err
    for verb, place in (("train", "search"), ("train", "search/trial-1"), ("tune", "search/trial-1")):
        refused = sightline(verb, photos, "--resume", place)
        assert refused.code == 2
        assert "--resume search" in refused.err
    other = write_photos(tmp_path / "other", seed=1)
    assert sightline("tune", other, "--resume", "search").code == 3
    done = sightline("--json", "tune", photos, "--resume", "search")
    assert done.code == 0, done.err
    assert [row["trial"] for row in done.json()["trials"]] == [1, 2, 3]
    assert sightline("tune", photos, "--resume", "search").code == 2  # it is finished


def test_the_best_settings_are_taken_by_train_as_they_are(photos: Path, tmp_path: Path) -> None:
    """And trial 1 has the recommended ones; a fixed setting is not searched."""
    result = sl.tune(str(photos), model="perceptron", epochs=1, trials=2, augment="none", out=tmp_path / "s")
    first = Run.open(tmp_path / "s" / "trial-1").record.recipe
    assert {name: result.trials[0][name] for name in ("lr", "weight_decay", "batch_size")} == {
        name: first[name] for name in ("lr", "weight_decay", "batch_size")
    }
    assert "augment" not in result.best
    trained = sl.train(
        str(photos), model="perceptron", epochs=1, augment="none", out=tmp_path / "r", **result.best
    )
    assert trained.record.recipe["lr"] == result.best["lr"]
