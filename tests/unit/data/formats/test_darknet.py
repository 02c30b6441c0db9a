"""YOLO's text files in Darknet's own layout: obj.data with lists, and label files beside images."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline.data.open import open_data
from tests.unit.data.box_samples import boxes, problems, write_image

LINE = "1 0.5 0.5 0.5 0.5\n"
BOX = ("pot", 10, 7.5, 30, 22.5)


def labeled(root: Path, *stems: str, text: str = LINE) -> None:
    for stem in stems:
        write_image(root / f"{stem}.png")
        (root / f"{stem}.txt").write_text(text)


def test_cvat_yolo_takes_classes_and_splits_from_obj_data_and_its_lists(tmp_path: Path) -> None:
    labeled(tmp_path / "obj_Train_data", "a", "b")
    labeled(tmp_path / "obj_Validation_data", "c", text="")
    for name, stems in {"Train": "ab", "Validation": "c"}.items():
        lines = "".join(f"data/obj_{name}_data/{stem}.png\n" for stem in stems)
        (tmp_path / f"{name}.txt").write_text(lines)
    (tmp_path / "obj.names").write_text("cup\npot\n")
    text = "classes = 2\ntrain = data/Train.txt\nvalid = data/Validation.txt\nnames = data/obj.names\n"
    (tmp_path / "obj.data").write_text(text)
    data = open_data(tmp_path)
    assert (data.format, data.classes.names) == ("yolo", ("cup", "pot"))
    assert boxes(data) == {"a": [BOX], "b": [BOX], "c": []}
    assert data.splits.tolist() == ["train", "train", "val"]
    assert all(p.severity == "info" for p in data.read_findings)


@pytest.mark.parametrize("place", ["", "images"])
def test_labels_beside_images_are_recognized(tmp_path: Path, place: str) -> None:
    labeled(tmp_path / place, "a", "b")
    (tmp_path / "classes.txt").write_text("cup\npot\n")
    data = open_data(tmp_path)
    assert (data.format, boxes(data)) == ("yolo", {"a": [BOX], "b": [BOX]})
    assert not problems(data)


def test_labels_beside_images_in_folders_of_splits(tmp_path: Path) -> None:
    labeled(tmp_path / "train", "a", "b")
    labeled(tmp_path / "valid", "c")
    (tmp_path / "train/classes.txt").write_text("cup\npot\n")
    data = open_data(tmp_path)
    assert data.splits.tolist() == ["train", "train", "val"]
    assert data.classes.names == ("cup", "pot")


def test_texts_that_are_no_boxes_are_not_taken_for_labels(tmp_path: Path) -> None:
    labeled(tmp_path / "cat", "a", "b", text="a cat on a chair\n")
    labeled(tmp_path / "dog", "c", "d", text="12 3\n")
    assert open_data(tmp_path).format == "folder"
