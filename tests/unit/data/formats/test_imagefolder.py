"""Hugging Face's image folder: metadata beside the images of each split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sightline.data.open import open_data
from sightline.errors import DataError
from tests.unit.data.box_samples import boxes, problems, write_image

CARD = """---
dataset_info:
  features:
  - name: label
    dtype:
      class_label:
        names:
          '0': sea
          '1': wood
---
# Images
"""


def jsonl(root: Path, **rows: dict[str, Any]) -> None:
    for name in rows:
        write_image(root / f"{name}.png")
    text = "".join(json.dumps({"file_name": f"{name}.png", **row}) + "\n" for name, row in rows.items())
    (root / "metadata.jsonl").write_text(text)


def test_labels_in_folders_of_splits(tmp_path: Path) -> None:
    for split, stems in {"train": "ab", "test": "cd"}.items():
        for stem in stems:
            write_image(tmp_path / split / f"{stem}.png")
        rows = "".join(f"{stem}.png,{label}\n" for stem, label in zip(stems, ("sea", "wood"), strict=True))
        (tmp_path / split / "metadata.csv").write_text("file_name,label\n" + rows)
    data = open_data(tmp_path)
    assert (data.format, data.target_type, data.classes.names) == ("imagefolder", "label", ("sea", "wood"))
    assert list(data.ids) == ["test/c.png", "test/d.png", "train/a.png", "train/b.png"]
    assert data.targets.value.tolist() == [0, 1, 0, 1]
    assert data.splits.tolist() == ["test", "test", "train", "train"]
    assert not data.read_findings


def test_numbers_are_called_by_the_card_and_by_id_without_one(tmp_path: Path) -> None:
    jsonl(tmp_path, a={"label": 0}, b={"label": 1}, c={"label": 0}, d={"label": 1})
    data = open_data(tmp_path)
    assert data.classes.names == ("0", "1")
    assert any("called by id" in note for note in data.messages)
    (tmp_path / "README.md").write_text(CARD)
    data = open_data(tmp_path)
    assert (data.classes.names, data.classes.ids) == (("sea", "wood"), (0, 1))


def test_objects_are_boxes_of_x_y_width_and_height(tmp_path: Path) -> None:
    objects = {"bbox": [[4, 6, 16, 12], [0, 0, 5, 5]], "categories": [3, 1]}
    jsonl(tmp_path / "train", a={"objects": objects}, b={"objects": {"bbox": [], "categories": []}})
    jsonl(tmp_path / "validation", c={"objects": {"bbox": [[1, 2, 3, 4]], "categories": []}})
    data = open_data(tmp_path)
    assert boxes(data) == {"a": [("3", 4, 6, 20, 18), ("1", 0, 0, 5, 5)], "b": [], "c": []}
    assert data.classes.ids == (1, 3)
    assert data.splits.tolist() == ["train", "train", "val"]
    assert (result := problems(data)["boxes-missing"]).severity == "error"
    assert result.items == ("c.png",)


def test_captions_are_no_classes_and_lost_images_are_named(tmp_path: Path) -> None:
    jsonl(tmp_path, a={"text": "a cat on a chair"}, b={"text": "the sea"})
    assert open_data(tmp_path).target_type == "text"
    with pytest.raises(DataError, match="captions"):
        open_data(tmp_path, format="imagefolder")
    jsonl(tmp_path, a={"label": "sea"}, b={"label": "wood"}, c={"label": "wood"})
    (tmp_path / "c.png").unlink()
    assert problems(open_data(tmp_path))["files-missing"].items == ("c.png",)
