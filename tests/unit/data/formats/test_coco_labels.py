"""JSON in COCO's form with labels of whole images: iNaturalist, camera traps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.data.formats import coco, coco_labels
from sightline.data.io.encode import encode_png
from sightline.data.open import open_data
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError


def written(root: Path, name: str, first: int, **more: Any) -> None:
    """Four images of two categories, as iNaturalist lists them."""
    images, annotations = [], []
    for i in range(first, first + 4):
        path = root / f"train_val2018/Aves/{7 + i % 2}/{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((4, 4, 3), i, np.uint8)))
        default = {key: value[i % len(value)] for key, value in more.items()}
        images.append({"id": i, "file_name": path.relative_to(root).as_posix(), **default})
        annotations.append({"id": i, "image_id": i, "category_id": 7 + i % 2})
    categories = [{"id": 7, "name": "wren"}, {"id": 8, "name": "tit"}]
    text = json.dumps({"images": images, "annotations": annotations, "categories": categories})
    (root / name).write_text(text)


def test_a_category_for_each_image_with_ids_and_splits(tmp_path: Path) -> None:
    written(tmp_path, "train2018.json", 0)
    written(tmp_path, "val2018.json", 4)
    data = open_data(tmp_path)
    assert data.format == "coco-labels"
    assert data.splits.tolist() == ["train"] * 4 + ["val"] * 4
    assert data.classes is not None
    assert (data.classes.names, data.classes.ids) == (("tit", "wren"), (8, 7))
    assert data.targets.value.tolist() == [1, 0] * 4
    with pytest.raises(DataError, match="--format coco-labels"):
        coco.read(str(tmp_path), ReadOptions())


def test_images_of_a_camera_are_one_group(tmp_path: Path) -> None:
    written(tmp_path, "traps.json", 0, location=["hill", "lake"])
    data = open_data(tmp_path / "traps.json")
    assert data.groups is not None
    assert data.groups.tolist() == ["hill", "lake"] * 2


def test_annotations_of_nothing_are_an_error_and_boxes_are_for_another_format(tmp_path: Path) -> None:
    written(tmp_path, "train.json", 0)
    given = json.loads((tmp_path / "train.json").read_text())
    given["annotations"].append({"id": 9, "image_id": 77, "category_id": 7})
    (tmp_path / "train.json").write_text(json.dumps(given))
    assert any(
        f.name == "annotations-lost" and f.severity == "error" for f in open_data(tmp_path).read_findings
    )
    given["annotations"][0]["bbox"] = [1, 1, 2, 2]
    (tmp_path / "train.json").write_text(json.dumps(given))
    with pytest.raises(DataError, match="--format coco"):
        coco_labels.read(str(tmp_path / "train.json"), ReadOptions())


def test_panoptic_segments_are_called_by_their_name(tmp_path: Path) -> None:
    given = {
        "images": [{"id": 1, "file_name": "1.png", "height": 4, "width": 4}],
        "annotations": [{"image_id": 1, "file_name": "1.png", "segments_info": []}],
        "categories": [{"id": 1, "name": "car", "isthing": 1}],
    }
    (tmp_path / "panoptic_train2017.json").write_text(json.dumps(given))
    with pytest.raises(DataError, match="panoptic segments, which are not read"):
        coco.read(str(tmp_path), ReadOptions())


def test_images_lie_beside_the_folder_of_annotations_and_none_is_dropped_silently(tmp_path: Path) -> None:
    written(tmp_path / "images", "train.json", 0)
    given = json.loads((tmp_path / "images" / "train.json").read_text())
    (tmp_path / "images" / "train.json").unlink()
    del given["images"][2]["file_name"]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "train.json").write_text(json.dumps(given))
    data = open_data(tmp_path)
    assert data.format == "coco-labels"
    assert len(data) == 3
    (lost,) = (f for f in data.read_findings if f.name == "annotations-lost")
    assert lost.severity == "error"
    assert list(lost.items) == ["train.json images[2]", "train.json annotations[2]"]
