"""A classifier of clips costs one task folder: data are read, trained on, scored, predicted and exported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import sightline as sl
from sightline.errors import DataError, UsageError

pytestmark = pytest.mark.usefixtures("plugins")
SIDE = 16


@pytest.fixture(scope="module")
def data(plugins: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sightline.tasks.direction.task import NAMES, moving_square

    folder = tmp_path_factory.mktemp("clips")
    clips, value = moving_square(72, SIDE, seed=3)
    for i, (clip, way) in enumerate(zip(clips, value, strict=True)):
        place = folder / NAMES[way]
        place.mkdir(exist_ok=True)
        np.save(place / f"{i:03d}.npy", clip)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    sl.train(
        str(data), task="direction", out=out, epochs=12, lr=0.005, batch_size=16, device="cpu", workers=0
    )
    return out


def test_the_contracts_hold(tmp_path: Path) -> None:
    from sightline.testing import check_model, check_task

    check_task("direction")
    check_model("direction", "conv3d", tmp_path)


def test_the_order_of_the_frames_is_learnt(run: Path, data: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    assert results["scores"]["accuracy"]["value"] >= 0.9
    assert results["baselines"]["mean frame"]["accuracy"]["value"] <= 0.8
    clip = np.load(sorted((data / "left").iterdir())[0])
    forth, back = sl.load(run).predict([clip, clip[::-1].copy()])
    assert (forth.row["label"], back.row["label"]) == ("left", "right")
    assert (run / "report.html").is_file()


def test_it_is_evaluated_and_predicts_files_and_folders(run: Path, data: Path, tmp_path: Path) -> None:
    results = sl.evaluate(run, str(data), device="cpu")
    assert results.scores["accuracy"].value >= 0.9
    summary = sl.predict(run, [str(data / "right")], out=tmp_path / "it.csv", device="cpu")
    assert summary.total == 36
    assert not summary.errors
    assert "right" in (tmp_path / "it.csv").read_text()


def test_it_is_exported_and_the_light_runtime_answers_alike(run: Path, data: Path) -> None:
    from sightline.runtime.session import Session

    exported = sl.export(run)
    assert exported.gate is not None
    assert exported.gate.passed
    clip = str(next(iter(sorted((data / "left").iterdir()))))
    (answer,), (outcome,) = Session(exported.file).predict(clip), sl.load(run, device="cpu").predict(clip)
    assert answer.row == pytest.approx(outcome.row, abs=2e-5)
    with pytest.raises(UsageError, match="takes a clip"):
        sl.export(run, include="preprocess")


def test_a_baseline_is_a_model_of_clips(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    results = sl.train(str(data), task="direction", model="baseline:mean frame", out=out).results
    beside = results.baselines["mean frame"]["accuracy"].value
    assert results.scores["accuracy"].value == pytest.approx(beside)
    clip = next(iter(sorted((data / "left").iterdir())))
    assert next(iter(sl.load(out).predict(str(clip)))).row["label"] in ("left", "right", "up", "down")


def test_what_clips_have_not_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--tile-size 8 has no effect: the task takes a clip for each item"):
        sl.train(str(data), task="direction", tile_size=8, out=tmp_path / "run")


def test_a_copied_clip_is_found_in_another_split(data: Path, tmp_path: Path) -> None:
    for way in ("left", "right"):
        for part in ("train", "val", "test"):
            (tmp_path / part / way).mkdir(parents=True)
        for i, file in enumerate(sorted((data / way).iterdir())[:9]):
            part = ("train", "val", "test")[i % 3]
            np.save(tmp_path / part / way / file.name, np.load(file))
    copied = sorted((tmp_path / "train" / "left").iterdir())[0]
    np.save(tmp_path / "test" / "left" / "copy.npy", np.load(copied))
    findings = {f.name: f.items for f in sl.check(str(tmp_path), task="direction").findings}
    assert any("copy.npy" in item for item in findings["duplicates-across-splits"])


def test_a_file_that_is_no_clip_is_named(data: Path, tmp_path: Path) -> None:
    for way in ("left", "right"):
        (tmp_path / way).mkdir()
        for file in sorted((data / way).iterdir())[:4]:
            np.save(tmp_path / way / file.name, np.load(file))
    np.save(tmp_path / "left" / "flat.npy", np.zeros((SIDE, SIDE), np.uint8))
    with pytest.raises(DataError, match=r"flat\.npy"):
        sl.train(str(tmp_path), task="direction", out=tmp_path / "run", epochs=1, device="cpu")
