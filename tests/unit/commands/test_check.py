"""The verb check, as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from sightline.core.report import Finding
from sightline.data.check import refuse
from sightline.errors import DataError, UnknownName, UsageError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(25):
            image = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
            Image.fromarray(image).save(tmp_path / "photos" / name / f"{i:02d}.png")
    return tmp_path / "photos"


def test_sound_folder(photos: Path) -> None:
    checked = sl.check(str(photos))
    assert checked.exit_code == 0
    assert checked.n == 50
    assert [(c["name"], c["images"]) for c in checked.classes] == [("cat", 25), ("dog", 25)]
    assert checked.figures()[0].rows[1][:3] == [1, 1, "dog"]  # type: ignore[union-attr]


def test_findings_are_written_whole_and_can_be_accepted(photos: Path, tmp_path: Path) -> None:
    (photos / "cat" / "void.png").write_bytes(b"")
    out = tmp_path / "new" / "findings.json"
    checked = sl.check(str(photos), out=out)
    assert checked.exit_code == 1
    stored = json.loads(out.read_text())
    assert stored == json.loads(json.dumps(checked.to_json()))
    assert [f["items"] for f in stored["findings"] if f["name"] == "empty-files"] == [["cat/void.png"]]
    accepted = sl.check(str(photos), accept=["empty-files"])
    assert accepted.exit_code == 0
    assert any("accepted" in row[0] for row in accepted.figures()[-1].rows)  # type: ignore[union-attr]


def test_unknown_finding_is_refused_with_the_nearest_name(photos: Path) -> None:
    with pytest.raises(UnknownName, match="empty-files"):
        sl.check(str(photos), accept=["empty-file"])


def test_unknown_task_is_refused(photos: Path) -> None:
    with pytest.raises(UnknownName, match="classify"):
        sl.check(str(photos), task="clasify")


def test_refuse_names_each_error_how_to_mend_it_and_how_to_accept_it() -> None:
    bad = Finding(
        "empty-files", "error", "2 of the files hold no byte", "Fetch them again.", 2, ("a.png", "b.png")
    )
    mild = Finding("imbalance", "warning", "uneven", "weigh", 1, ("dog",))
    with pytest.raises(DataError) as caught:
        refuse([bad, mild], ())
    text = str(caught.value)
    assert all(
        part in text for part in ("2 of the files", "a.png, b.png", "Fetch them", "--accept empty-files")
    )
    assert "imbalance" not in text
    refuse([bad, mild], ["empty-files"])
    refuse([mild], ())


def test_accepting_is_not_promised_as_a_way_on_where_nothing_is_left_to_train_on(photos: Path) -> None:
    findings = [
        Finding("no-boxes-to-train", "error", "none has a box.", "Look.", 3),
        Finding("truncated-files", "error", "3 files end too early.", "Fetch them.", 3),
    ]
    with pytest.raises(DataError) as caught:
        refuse(findings, [])
    lost, broken = (line for line in str(caught.value).splitlines() if "--accept" in line)
    assert "no way on by itself" in lost
    assert "--splits or --folds" in lost
    assert "Or, if it is known and meant: --accept truncated-files" in broken
    for file in photos.rglob("*.png"):
        file.write_bytes(b"")
    assert {"empty-files", "no-readable-images"} <= {f.name for f in sl.check(str(photos)).findings}


def test_a_data_set_is_written_in_another_format_and_read_again(tmp_path: Path) -> None:
    sl.check("shapes:boxes:30", to="coco", out=tmp_path / "coco")
    sl.check(str(tmp_path / "coco"), to="yolo", out=tmp_path / "yolo")
    coco, yolo = (sl.check(str(tmp_path / name)) for name in ("coco", "yolo"))
    assert (coco.format, yolo.format) == ("coco", "yolo")
    assert (coco.n, yolo.n) == (30, 30)
    assert [row["boxes"] for row in coco.classes] == [row["boxes"] for row in yolo.classes]


def test_nothing_is_written_where_the_check_finds_an_error(photos: Path, tmp_path: Path) -> None:
    (photos / "cat" / "void.png").write_bytes(b"")
    with pytest.raises(DataError, match="empty-files"):
        sl.check(str(photos), to="table", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("form", "out", "words"),
    [("coco", None, "name its folder with --out"), ("cifar", "out", "read only. These are written: .*coco")],
)
def test_a_data_set_cannot_be_written(
    form: str, out: str | None, words: str, photos: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        sl.check(str(photos), to=form, out=None if out is None else tmp_path / out)
