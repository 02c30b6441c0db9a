"""Runs over their life: data that move, weights that are taken on, options beside --resume."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from sightline.core.run import Run
from sightline.errors import UsageError
from tests.user.conftest import draw_image, write_photos

QUICK = ("--model", "perceptron", "--epochs", "1", "--size", "12")


def test_a_run_finds_its_data_from_anywhere_and_no_others(
    sightline: Callable, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    assert sightline("train", "photos", *QUICK, "--out", "run").code == 0
    default = sightline("--json", "evaluate", "run").json()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert sightline("--json", "evaluate", "../run").json()["scores"] == default["scores"]
    shutil.move(photos, tmp_path / "elsewhere/moved")
    lost = sightline("export", "../run")
    assert lost.code == 3
    assert "--data" in lost.err
    assert sightline("export", "../run", "--data", "moved", "--max-score-drop", 5).code == 0
    # The same data at another place are split as they were; the score is that of the test part.
    outputs = sightline("--json", "evaluate", "../run", "moved", "--split", "test").json()
    assert outputs["scores"] == default["scores"]
    assert outputs["split"] == "test"
    # Other images of the same names are not what the run knows.
    write_photos(tmp_path / "photos", seed=1)
    for verb in ("export", "benchmark"):
        other = sightline(verb, "../run")
        assert other.code == 3
        assert "is not what" in other.err
    refused = sightline("evaluate", "../run", "../photos", "--split", "test")
    assert refused.code == 3
    assert "names no parts" in refused.err
    assert sightline("--json", "evaluate", "../run", "../photos").json()["split"] == "all"


def test_a_run_and_its_data_move_together(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", "photos", *QUICK, "--out", "runs/run").code == 0
    (tmp_path / "disk").mkdir()
    for name in ("photos", "runs"):
        shutil.move(tmp_path / name, tmp_path / "disk" / name)
    completed = sightline("evaluate", "disk/runs/run")
    assert completed.code == 0, completed.err
    assert "not there any more; taken from" in completed.err


def test_options_beside_resume_are_obeyed_or_refused(
    sightline: Callable, photos: Path, tmp_path: Path
) -> None:
    assert sightline("train", photos, *QUICK, "--out", "run").code == 0
    Run.open(tmp_path / "run").update(status="interrupted")
    for option in (
        ("--seed", 5), ("--seed", 0), ("--pretrained", "auto"),
        ("--weights", "run"), ("--pretrained", "no"), ("--splits", "run"), ("--overwrite",),
        ("--accept", "class-few-images"), ("--format", "folder"), ("--target", "x"),
    ):  # fmt: skip
        completed = sightline("train", photos, "--resume", "run", *option)
        assert completed.code == 2, option
        assert f"leave out {option[0]}" in completed.err
    (tmp_path / "below").mkdir()
    shutil.move(photos, tmp_path / "below" / "photos")
    with pytest.raises(UsageError, match="leave out --seed"):  # its default is given all the same
        sl.train(photos, resume=tmp_path / "run", seed=0)
    assert sightline("train", "photos", "--resume", "run").code == 3
    assert sightline("train", "photos", "--resume", "run", "--data-dir", "below").code == 0


def test_images_that_the_weights_were_trained_on_are_no_test(
    sightline: Callable, photos: Path, tmp_path: Path
) -> None:
    assert sightline("train", photos, *QUICK, "--out", "first").code == 0
    rng = np.random.default_rng(7)
    for i in range(20):
        Image.fromarray(draw_image(i % 2, rng)).save(photos / ("day", "night")[i % 2] / f"new{i}.png")
    for more in (("--seed", 3), ("--seed", 3, "--folds", 3)):
        completed = sightline("train", photos, *QUICK, "--weights", "first", *more)
        assert completed.code == 2
        assert "was trained on" in completed.err
        assert "--splits" in completed.err
    completed = sightline(
        "train", photos, *QUICK, "--weights", "first", "--splits", "first", "--out", "second"
    )
    assert completed.code == 0, completed.err
    assert "20 images are not in that split and were put to train" in completed.err
    splits = [json.loads((tmp_path / name / "splits.json").read_text()) for name in ("first", "second")]
    assert splits[0]["test"] == splits[1]["test"]
    # What the second run began with counts too, for a third: by the images, whatever they are called.
    others = tmp_path / "others"
    for name in ("day", "night"):
        (others / name).mkdir(parents=True)
        for file in sorted((photos / name).glob("0*.png")):
            shutil.copy(file, others / name / f"copy-{file.name}")
    third = sightline("train", others, *QUICK, "--weights", "second/model/model.safetensors")
    assert third.code == 2
    assert "was trained on" in third.err


def test_classes_of_other_names_are_not_taken_by_number(sightline: Callable, photos: Path) -> None:
    assert sightline("train", photos, *QUICK, "--out", "first").code == 0
    others = write_photos(photos.parent / "others", names=("cat", "dog"), seed=3)
    completed = sightline("train", others, *QUICK, "--weights", "first", "--out", "second")
    assert completed.code == 0, completed.err
    assert "starts fresh" in completed.err
    assert "Loaded(" not in completed.err


def test_copies_across_the_split_that_were_accepted_do_not_close_the_way_on(
    sightline: Callable, photos: Path, tmp_path: Path
) -> None:
    for part, numbers in (("train", range(8)), ("test", range(8, 12))):
        for name in ("day", "night"):
            (tmp_path / "parts" / part / name).mkdir(parents=True)
            for i in numbers:
                shutil.copy(photos / name / f"{i:03d}.png", tmp_path / "parts" / part / name / f"{i}.png")
    shutil.copy(tmp_path / "parts/train/day/0.png", tmp_path / "parts/test/day/copy.png")
    first = ("train", "parts", *QUICK, "--accept", "duplicates-across-splits")
    assert sightline(*first, "--out", "one").code == 0
    completed = sightline(*first, "--weights", "one", "--splits", "one", "--out", "two")
    assert completed.code == 0, completed.err


def test_data_that_have_grown_are_scored_as_they_were_or_whole(
    sightline: Callable, photos: Path, tmp_path: Path
) -> None:
    assert sightline("train", photos, *QUICK, "--out", "run").code == 0
    before = sightline("--json", "evaluate", "run").json()
    rng = np.random.default_rng(5)
    for i in range(6):
        Image.fromarray(draw_image(i % 2, rng)).save(photos / ("day", "night")[i % 2] / f"new{i}.png")
    for again in (("evaluate", "run"), ("evaluate", "run", photos)):
        completed = sightline("--json", *again)
        assert completed.code == 0, completed.err
        assert completed.json()["scores"] == before["scores"]
        assert "6 images" in completed.err
    assert sightline("--json", "evaluate", "run", photos, "--split", "all").json()["n"] == 46


def test_the_folder_of_named_data_is_no_data(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    shutil.move(photos, tmp_path / "store" / "photos")
    assert sightline("train", "photos", *QUICK, "--data-dir", "store", "--out", "run").code == 0
    shutil.move(tmp_path / "store", tmp_path / "moved")
    completed = sightline("evaluate", "run", "--data-dir", "moved")
    assert completed.code == 0, completed.err


def test_images_that_the_weights_were_chosen_by_are_told_apart(
    sightline: Callable, photos: Path, tmp_path: Path
) -> None:
    assert sightline("train", photos, *QUICK, "--out", "first").code == 0
    parts = json.loads((tmp_path / "first/splits.json").read_text())
    # The same images, with those that the first run chose by in the test part, and the test part in val.
    few = parts["test"]
    turned = {"train": parts["train"], "val": few[1:], "test": [*parts["val"], few[0]]}
    (tmp_path / "turned.json").write_text(json.dumps(turned))
    completed = sightline(
        "train", photos, *QUICK, "--weights", "first", "--splits", "turned.json", "--out", "second"
    )
    assert completed.code == 0, completed.err
    n = len(parts["val"])
    assert f"{n} of the {n + 1} test images" in completed.err
    assert "--splits" in completed.err
    verdicts = Run.open(tmp_path / "second").results.conclusions
    assert any(f"{n} test images chose the weights that this run began with; without" in v for v in verdicts)
    same = sightline("train", photos, *QUICK, "--weights", "first", "--splits", "first", "--out", "third")
    assert "chosen by" not in same.err
    # What the first run chose by is known of the run after the next, too.
    (tmp_path / "again.json").write_text(json.dumps({**parts, "test": parts["val"], "val": parts["test"]}))
    more = sightline(
        "train", photos, *QUICK, "--weights", "third", "--splits", "again.json", "--out", "fourth"
    )
    assert more.code == 0, more.err
    assert f"{n} of the {n} test images" in more.err
    assert any(
        "All" in v and "chose the weights" in v for v in Run.open(tmp_path / "fourth").results.conclusions
    )
