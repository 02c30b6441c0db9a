"""`sightline check --run`: what a trained model says against the targets, as a user goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.tasks.classify.task import Classify
from tests.user.conftest import write_photos

NET = ("--model", "perceptron", "--batch-size", "8")


@pytest.fixture
def mislabeled(tmp_path: Path) -> Path:
    """Plain and less plain images with given parts; four plain ones of val and of test lie in the folder of
    the other class."""
    root, rng = tmp_path / "photos", np.random.default_rng(0)
    for part in ("train", "val", "test"):
        for k, name in enumerate(("day", "night")):
            (root / part / name).mkdir(parents=True)
            for i in range(24):
                image = rng.integers(0, 90, (12, 12, 3), dtype=np.uint8)
                image[6 * k : 6 * k + 6] += 120 if i < 8 else 10 + 4 * i
                Image.fromarray(image).save(root / part / name / f"{i:03d}.png")
    for part in ("val", "test"):
        for i in range(4):
            (root / part / "day" / f"{i:03d}.png").rename(root / part / "night" / f"wrong{i}.png")
    return root


def test_wrong_labels_are_found_and_the_test_part_stays_closed(
    sightline: Callable, mislabeled: Path, tmp_path: Path
) -> None:
    # Images so small and plain are alike; the check names pairs, which are shown to the model all the same.
    leaks = ("--accept", "near-duplicates-across-splits")
    assert sightline("train", mislabeled, *NET, "--epochs", "40", "--out", "run", *leaks).code == 0
    ledger = (tmp_path / "run/ledger.jsonl").read_text()
    completed = sightline("check", mislabeled, "--run", "run", "--out", "findings.json")
    assert completed.code == 1
    assert "label-issues" in completed.out
    assert "night, probably day (" in completed.out
    stored = json.loads((tmp_path / "findings.json").read_text())
    assert stored["label_issues"] == ["label-issues"]
    (result,) = [f for f in stored["findings"] if f["name"] == "label-issues"]
    wrong = {f"val/night/wrong{i}.png" for i in range(4)}
    named = [item.partition(":")[0] for item in result["items"]]
    assert named[0] in wrong
    assert len(wrong & set(named)) >= 2
    assert not any(item.startswith("test/") for item in named)
    assert "asked about 96 images; it was trained on 48" in stored["messages"][-1]
    assert "48 of the test part and 0 with errors" in stored["messages"][-1]
    assert (tmp_path / "run/ledger.jsonl").read_text() == ledger
    warnings = [f["name"] for f in stored["findings"] if f["severity"] != "info"]
    accepted = [word for name in warnings for word in ("--accept", name)]
    assert sightline("check", mislabeled, "--run", "run", *accepted).code == 0
    assert "label-issues" not in sightline("check", mislabeled).out


def test_names_of_doubts_can_be_accepted_where_nothing_is_doubted(sightline: Callable, photos: Path) -> None:
    assert sightline("check", photos, "--accept", "missing-boxes", "--accept", "label-issues").code == 0
    completed = sightline("check", photos, "--accept", "missing-box")
    assert completed.code == 2
    assert "missing-boxes" in completed.err


def test_images_that_the_run_tests_with_are_not_shown_even_if_the_data_have_changed(
    sightline: Callable, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sightline("train", photos, *NET, "--epochs", "1", "--out", "run").code == 0
    test = set(json.loads((tmp_path / "run/splits.json").read_text())["test"])
    (photos / "day" / "empty.png").write_bytes(b"")
    (photos / "day" / "000.png").rename(photos / "day" / "new.png")
    shown: list[str] = []
    monkeypatch.setattr(
        Classify, "label_issues", lambda self, said, target, ids, settings: shown.extend(ids) or []
    )
    said = sightline("check", photos, "--run", "run")
    assert said.code == 1
    assert "empty-files" in said.out
    assert "1 with errors" in said.out
    here = {p.relative_to(photos).as_posix() for p in photos.rglob("*.png")} - {"day/empty.png"}
    assert set(shown) == here - test
    assert "day/new.png" in shown


def test_a_run_that_does_not_fit_is_refused(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, *NET, "--epochs", "1", "--out", "run").code == 0
    completed = sightline("check", "shapes:boxes:20", "--run", "run")
    assert completed.code == 3
    assert all(word in completed.err for word in ("--run run", "classify", "label", "boxes around objects"))
    write_photos(tmp_path / "foreign", n=20, names=("dusk", "night"), seed=7)
    completed = sightline("check", "foreign", "--run", "run")
    assert completed.code == 3
    assert "dusk" in completed.err
    completed = sightline("check", photos, "--run", "nowhere")
    assert completed.code == 3
    assert "nowhere" in completed.err
    assert sightline("train", "shapes:count:40", *NET, "--epochs", "1", "--out", "count").code == 0
    completed = sightline("check", "shapes:count:40", "--run", "count")
    assert completed.code == 2
    assert all(word in completed.err for word in ("--run count", "regress", "classify, detect"))


def test_boxes(sightline: Callable, tmp_path: Path) -> None:
    assert sightline("train", "shapes:boxes:24", "--epochs", "1", "--size", "64", "--out", "run").code == 0
    completed = sightline("--json", "check", "shapes:boxes:24", "--run", "run", "--out", "findings.json")
    assert completed.code in (0, 1), completed.err
    assert completed.json() == json.loads((tmp_path / "findings.json").read_text())
    shown = 24 - len(json.loads((tmp_path / "run/splits.json").read_text())["test"])
    assert f"asked about {shown} images" in completed.json()["messages"][-1]
    # After one epoch it finds next to nothing, so that it supports few of the boxes.
    (result,) = [f for f in completed.json()["findings"] if f["name"] == "box-issues"]
    assert result["severity"] == "info"
    assert len(result["items"]) == len(set(result["items"])) == result["count"] > 0
