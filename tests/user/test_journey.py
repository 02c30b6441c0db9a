"""From a folder to a believable model, as a user goes."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.core.report import Results
from sightline.core.run import Run
from sightline.errors import Interrupted
from sightline.storage import read_tensors
from sightline.training import session
from sightline.training.plan import Plan
from tests.user.conftest import draw_image, write_photos

QUICK = ("--model", "perceptron", "--epochs", "2", "--batch-size", "8")


def test_the_installed_command(installed: Callable, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos")
    outputs = installed("train", "photos", *QUICK, cwd=tmp_path)
    assert outputs.code == 0, outputs.err
    for word in ("data", "task", "split", "model", "input", "recipe", "baseline"):
        assert re.search(f"^{word} ", outputs.err, re.MULTILINE), word
    run = tmp_path / "runs" / "photos-1"
    for name in ("run.json", "splits.json", "events.jsonl", "results.json", "report.html", "ledger.jsonl"):
        assert (run / name).is_file(), name
    assert installed("predict", run, "photos", "--out", "p.csv", cwd=tmp_path).code == 0
    with (tmp_path / "p.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 40
    assert {r["label"] for r in rows} <= {"day", "night"}
    assert installed("--help", cwd=tmp_path).code == 0
    assert installed("--version", cwd=tmp_path).out.strip()


def test_evaluate_compare_and_the_ledger(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert sightline("train", photos, *QUICK).code == 0
    completed = sightline("--json", "evaluate", "runs/photos-1")
    assert completed.code == 0
    again = completed.json()["scores"]["accuracy"]
    assert again == json.loads((tmp_path / "runs/photos-1/results.json").read_text())["scores"]["accuracy"]
    ledger = (tmp_path / "runs/photos-1/ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["verb"] for line in ledger] == ["train", "evaluate"]
    assert (
        json.loads((tmp_path / "runs/photos-2/results.json").read_text())["metadata"]["test_access_count"]
        == 2
    )
    other = write_photos(tmp_path / "other", n=20, seed=5)
    completed = sightline("--json", "evaluate", "runs/photos-1", other)
    assert completed.json()["n"] == 20
    completed = sightline("compare", "runs/photos-1", "runs/photos-2")
    assert completed.code == 0
    assert "not" in completed.out


def test_other_data_are_matched_by_class_name(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, "--model", "perceptron", "--epochs", "30").code == 0
    only = write_photos(tmp_path / "nights", n=20, names=("x", "night"), seed=7)
    for file in (only / "x").iterdir():
        file.unlink()
    (only / "x").rmdir()
    completed = sightline("--json", "evaluate", "runs/photos-1", only)
    assert completed.json()["scores"]["accuracy"]["value"] > 0.9
    write_photos(tmp_path / "foreign", n=20, names=("dusk", "night"), seed=7)
    assert sightline("evaluate", "runs/photos-1", "foreign").code == 3


def test_same_seed_same_weights_other_seed_other_weights(
    sightline: Callable, photos: Path, tmp_path: Path
) -> None:
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert sightline("train", photos, *QUICK, "--seed", seed, "--out", out).code == 0
    a, b, c = (read_tensors(tmp_path / out / "model/model.safetensors") for out in "abc")
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert any(not torch.equal(a[k], c[k]) for k in a)


def test_a_split_is_replayed(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, *QUICK, "--out", "a").code == 0
    assert sightline("train", photos, *QUICK, "--out", "b", "--seed", 9, "--splits", "a").code == 0
    a, b = ((tmp_path / out / "splits.json").read_text() for out in "ab")
    assert a == b


def test_folds_test_every_image_once(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, *QUICK, "--folds", 4, "--out", "cv").code == 0
    ids, _, _ = Run.open(tmp_path / "cv").predictions()
    assert len(ids) == len(set(ids)) == 40
    results = json.loads((tmp_path / "cv/results.json").read_text())
    assert results["n"] == 40
    assert len(results["metadata"]["folds"]["accuracy"]) == 4


def test_folds_that_were_stopped_go_on(
    sightline: Callable, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []
    whole = session._tested

    def stopped(made: Plan, run: Run, *rest: Any) -> Results:
        begun.append(run.path)
        if len(begun) == 2:
            raise Interrupted("stopped")
        return whole(made, run, *rest)

    assert sightline("train", photos, *QUICK, "--folds", 3, "--out", "unbroken").code == 0
    monkeypatch.setattr(session, "_tested", stopped)
    assert sightline("train", photos, *QUICK, "--folds", 3, "--out", "cv").code == 130
    done = sightline("train", photos, "--resume", "cv")
    assert done.code == 0, done.err
    assert [path.name for path in begun] == ["fold-1", "fold-2", "fold-2", "fold-3"]
    a, b = (json.loads((tmp_path / out / "results.json").read_text()) for out in ("unbroken", "cv"))
    assert a["scores"] == b["scores"]
    assert a["metadata"]["folds"] == b["metadata"]["folds"]
    assert sightline("train", photos, "--resume", "cv").code == 2  # it is finished


def test_tune_leaves_the_test_set_closed(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    completed = sightline(
        "--json", "tune", photos, "--trials", 3, "--model", "perceptron", "--epochs", 2, "--out", "t"
    )
    assert completed.code == 0, completed.err
    assert len(completed.json()["rows"]) == 3
    assert not list(tmp_path.glob("t/*/ledger.jsonl"))
    assert not list(tmp_path.glob("t/*/predictions/test*"))


def test_weights_of_a_run_and_freezing(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, "--model", "lenet5", "--epochs", 2, "--out", "a").code == 0
    wide = write_photos(tmp_path / "wide", n=45, names=("day", "night", "dawn"), seed=3)
    same_net = ("--model", "lenet5", "--epochs", 2, "--weights", "a", "--freeze", "backbone")
    completed = sightline("train", wide, *same_net, "--out", "b")
    assert completed.code == 0, completed.err
    assert "weights" in completed.err
    a, b = (read_tensors(tmp_path / out / "model/model.safetensors") for out in "ab")
    same = [k for k in a if a[k].shape == b[k].shape and torch.equal(a[k], b[k])]
    assert same
    assert all("head" not in k for k in same)
    assert any("convolutions" in k for k in same)


def test_time_budget_is_kept(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, "--model", "perceptron", "--time", "3s", "--out", "a").code == 0
    events = list(Run.open(tmp_path / "a").events())
    assert len(events) > 3
    assert events[-1]["progress"] == pytest.approx(1, abs=0.25)


def test_early_stop_keeps_the_best_epoch(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    completed = sightline(
        "train", photos, "--model", "perceptron", "--epochs", 200, "--patience", 2, "--out", "a"
    )
    assert completed.code == 0
    assert "Stopped early" in completed.err
    assert len(list(Run.open(tmp_path / "a").events())) < 200


def test_a_run_that_stopped_early_and_was_broken_off_trains_no_further(
    sightline: Callable, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(session, "_tested", stopped)
        requested = ("--model", "perceptron", "--epochs", 200, "--patience", 2, "--out", "a")
        assert sightline("train", photos, *requested).code == 130
    before = len(list(Run.open(tmp_path / "a").events()))
    assert before < 200
    assert sightline("train", photos, "--resume", "a").code == 0
    assert len(list(Run.open(tmp_path / "a").events())) == before


def stopped(*_: Any) -> Results:
    raise Interrupted("stopped")


def test_regression_from_a_table(sightline: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["path,brightness"]
    for i in range(60):
        level = int(rng.integers(0, 200))
        Image.fromarray((level + rng.integers(0, 40, (10, 10, 3))).astype("uint8")).save(
            tmp_path / f"{i}.png"
        )
        lines.append(f"{i}.png,{level / 10}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    completed = sightline(
        "--json", "train", "labels.csv", "--target", "brightness", "--model", "mlp", "--epochs", 30
    )
    assert completed.code == 0, completed.err
    scores = completed.json()["results"]
    assert scores["task"] == "regress"
    assert scores["scores"]["MAE"]["high"] < scores["baselines"]["mean"]["MAE"]["low"]


def test_several_labels_an_image(sightline: Callable, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["path,labels"]
    for i in range(60):
        image, names = rng.integers(0, 60, (12, 12, 3), dtype=np.uint8), []
        for c, name in enumerate(("red", "green", "blue")):
            if rng.random() < 0.5:
                image[..., c] += 150
                names.append(name)
        Image.fromarray(image).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,{'|'.join(names) or 'dark'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    completed = sightline("--json", "train", "labels.csv", "--model", "mlp", "--epochs", 30)
    assert completed.code == 0, completed.err
    assert completed.json()["results"]["scores"]["hamming"]["value"] < 0.2


def test_python_as_in_the_readme(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sightline as sl

    monkeypatch.chdir(tmp_path)
    run = sl.train(str(photos), model="perceptron", epochs=30, label_smoothing=0.1)
    assert run.results.scores["accuracy"].n == 6
    model = sl.load(run.path)
    outcomes = list(
        model.predict([draw_image(0, np.random.default_rng(1)), draw_image(1, np.random.default_rng(2))])
    )
    assert [o.row["label"] for o in outcomes] == ["day", "night"]


def test_training_and_prediction_see_the_same_pixels(
    sightline: Callable, photos: Path, tmp_path: Path
) -> None:
    """The stored test predictions and those of `predict` on the same files are the same numbers."""
    import sightline as sl

    assert sightline("train", photos, *QUICK, "--size", 9, "--resize", "crop", "--out", "a").code == 0
    ids, prediction, _ = Run.open(tmp_path / "a").predictions()
    model = sl.load(tmp_path / "a")
    for i, outcome in enumerate(model.predict([photos / item for item in ids])):
        assert torch.allclose(outcome.prediction.scores[0], prediction.scores[i], atol=1e-6)


def test_the_range_of_deep_pixels_is_kept_from_training_on(sightline: Callable, tmp_path: Path) -> None:
    """What a camera of 12 bits writes into files of 16 is seen alike by all that has to do with a run."""
    import sightline as sl

    for label, low in (("dark", 500), ("bright", 2500)):
        (tmp_path / "deep" / label).mkdir(parents=True)
        for i in range(12):
            values = np.random.default_rng(low + i).integers(low, low + 1400, (12, 12)).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / "deep" / label / f"{i}.png")
    assert "levels-lost" in sightline("train", "deep", *QUICK, "--out", "a").err
    done = sightline("train", "deep", *QUICK, "--pixel-range", "0,4095", "--out", "a")
    assert done.code == 0, done.err
    assert "values 0 to 4095 scaled to 8 bits" in done.err
    ids, prediction, _ = Run.open(tmp_path / "a").predictions()
    model = sl.load(tmp_path / "a")
    for i, outcome in enumerate(model.predict([tmp_path / "deep" / item for item in ids])):
        assert torch.allclose(outcome.prediction.scores[0], prediction.scores[i], atol=1e-6)
    again, first = sl.evaluate(tmp_path / "a"), Run.open(tmp_path / "a").results
    assert repr(again.to_json()["scores"]) == repr(first.to_json()["scores"])  # NaN is not equal to itself


@pytest.mark.skipif(not hasattr(signal, "SIGINT"), reason="needs signals")
def test_ctrl_c_leaves_a_usable_run(photos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sightline", "train", str(photos), "--model", "perceptron"]
    command += ["--epochs", "100000", "--out", "a"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not list(tmp_path.glob("a/checkpoints/best-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "--resume" in err
    assert Run.open(tmp_path / "a").record.status == "interrupted"
    import sightline as sl

    assert len(list(sl.load(tmp_path / "a").predict(photos))) == 40


def test_resume_takes_no_other_settings(sightline: Callable, photos: Path) -> None:
    assert sightline("train", photos, *QUICK, "--out", "a").code == 0
    completed = sightline("train", photos, "--resume", "a", "--lr", "0.1")
    assert completed.code == 2
    assert "--lr" in completed.err
    assert sightline("train", photos, "--resume", "a").code == 2


def test_overwriting_a_run_does_not_clear_its_ledger(
    sightline: Callable, photos: Path, tmp_path: Path
) -> None:
    for _ in range(3):
        assert sightline("train", photos, *QUICK, "--out", "a", "--overwrite").code == 0
    assert json.loads((tmp_path / "a/results.json").read_text())["metadata"]["test_access_count"] == 3


def test_scoring_on_training_images_is_said(sightline: Callable, photos: Path) -> None:
    assert sightline("train", photos, *QUICK, "--out", "a").code == 0
    completed = sightline("evaluate", "a", photos)  # the run's own data, split as they were
    assert completed.code == 0
    assert "trained on" not in completed.out
    completed = sightline("evaluate", "a", photos, "--split", "all")
    assert completed.code == 0
    assert "trained on" in completed.out


def test_a_lone_last_image_does_not_break_batch_norm(sightline: Callable, tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", n=46)
    completed = sightline(
        "train", "photos", "--model", "cnn-tiny", "--epochs", 1, "--batch-size", 31, "--out", "a"
    )
    assert completed.code == 0, completed.err


def test_json_is_json_where_a_score_is_not_defined(sightline: Callable, photos: Path) -> None:
    completed = sightline("--json", "train", photos, *QUICK, "--out", "a")
    json.loads(completed.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_table_of_bad_files_lists_them_all(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, *QUICK, "--out", "a").code == 0
    for i in range(3):
        (tmp_path / f"bad{i}.png").write_bytes(b"nothing")
    assert sightline("predict", "a", *tmp_path.glob("bad*.png"), "--out", "p.csv").code == 1
    with (tmp_path / "p.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 3
    assert all(r["error"] for r in rows)


def test_the_command_in_the_report_repeats_the_run(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    import html
    import shlex

    assert (
        sightline("train", photos, *QUICK, "--no-channels-last", "--label-smoothing", 0.1, "--out", "a").code
        == 0
    )
    page = html.unescape((tmp_path / "a/report.html").read_text())
    command = re.search(r"sightline train [^<\n]+", page)
    assert command is not None
    completed = sightline(*shlex.split(command[0])[1:], "--out", "b")
    assert completed.code == 0, completed.err
    a, b = (read_tensors(tmp_path / out / "model/model.safetensors") for out in "ab")
    assert all(torch.equal(a[k], b[k]) for k in a)
