"""Annotations that were drawn on stored pixels are turned with images that carry an EXIF rotation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.core.dataset import Dataset
from sightline.data.check import look
from sightline.data.open import open_data
from sightline.errors import DataError, UsageError

SPOT = (6, 4, 18, 10)  # x1, y1, x2, y2 of what is bright, in stored pixels


def photo(path: Path, way: int, size: tuple[int, int]) -> None:
    """A PNG with one bright spot, stored upright and with an EXIF orientation."""
    exif = Image.Exif()
    exif[274] = way
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[SPOT[1] : SPOT[3], SPOT[0] : SPOT[2]] = 255
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif)


def yolo(root: Path, way: int, size: tuple[int, int] = (40, 30)) -> Path:
    photo(root / "images/a.png", way, size)
    x1, y1, x2, y2 = SPOT
    shares = ((x1 + x2) / 2 / size[0], (y1 + y2) / 2 / size[1], (x2 - x1) / size[0], (y2 - y1) / size[1])
    (root / "labels").mkdir()
    (root / "labels/a.txt").write_text(" ".join(map(str, (0, *shares))))
    return root


def coco(root: Path, way: int, size: tuple[int, int] = (40, 30)) -> Path:
    photo(root / "images/a.png", way, size)
    x1, y1, x2, y2 = SPOT
    outline = [[x1, y1, x2, y1, x2, y2, x1, y2]]
    row = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "segmentation": outline,
    }
    image = {"id": 1, "file_name": "a.png", "width": size[0], "height": size[1]}
    data = {"images": [image], "annotations": [row], "categories": [{"id": 1, "name": "cup"}]}
    (root / "instances.json").write_text(json.dumps(data))
    return root


def bright(data: Dataset) -> np.ndarray:
    """Where the spot is seen."""
    return np.asarray(data.pixels.read(0)[..., 0] > 127)


def in_box(data: Dataset) -> np.ndarray:
    result = np.zeros(tuple(data.targets.sizes[0].tolist()), bool)
    x1, y1, x2, y2 = data.targets.boxes[0].round().int().tolist()
    result[y1:y2, x1:x2] = True
    return result


@pytest.mark.parametrize("make", [yolo, coco])
@pytest.mark.parametrize("way", range(1, 9))
def test_boxes_on_stored_pixels_come_to_lie_on_their_objects(tmp_path: Path, make: type, way: int) -> None:
    data = open_data(make(tmp_path, way), exif="ignore")
    assert np.array_equal(in_box(data), bright(data))


@pytest.mark.parametrize("way", [3, 5, 6, 8])
def test_masks_of_objects_are_turned_too(tmp_path: Path, way: int) -> None:
    data = open_data(coco(tmp_path, way), target_type="outlines", exif="ignore")
    ((x, y, crop),) = data.targets.bitmaps
    result = np.zeros(bright(data).shape, bool)
    result[y : y + crop.shape[0], x : x + crop.shape[1]] = crop > 0
    assert np.array_equal(result, bright(data))


@pytest.mark.parametrize("way", range(1, 9))
def test_class_maps_are_turned_too(tmp_path: Path, way: int) -> None:
    photo(tmp_path / "images/a.png", way, (40, 30))
    photo(tmp_path / "images/b.png", 1, (40, 30))
    stored = np.zeros((30, 40), np.uint8)
    stored[SPOT[1] : SPOT[3], SPOT[0] : SPOT[2]] = 1
    (tmp_path / "masks").mkdir()
    for name in "ab":
        Image.fromarray(stored).save(tmp_path / f"masks/{name}.png")
    data = open_data(tmp_path, exif="ignore")
    assert np.array_equal(data.targets.map(0) == 1, bright(data))


def doubts(data: Dataset, exif: str | None = None) -> list[str]:
    return [f.name for f in look(data, exif)[1] if f.name in ("exif-and-positions", "box-size-transposed")]


def test_where_sizes_cannot_tell_there_is_a_warning_until_it_is_said(tmp_path: Path) -> None:
    tall, square = yolo(tmp_path / "tall", 6), coco(tmp_path / "square", 6, (40, 40))
    upright, message = yolo(tmp_path / "upright", 1), coco(tmp_path / "told", 6)
    assert doubts(open_data(tall)) == ["exif-and-positions"]
    assert doubts(open_data(square)) == ["exif-and-positions"]
    assert doubts(open_data(square, exif="apply"), "apply") == []
    assert doubts(open_data(upright)) == []
    assert doubts(open_data(message)) == ["box-size-transposed"]  # the sizes tell
    assert doubts(open_data(message, exif="ignore"), "ignore") == []


def test_labels_have_no_place_in_the_image(tmp_path: Path) -> None:
    photo(tmp_path / "a/1.png", 6, (40, 30))
    photo(tmp_path / "b/2.png", 1, (40, 30))
    with pytest.raises(DataError, match="--exif says in which frame"):
        open_data(tmp_path, exif="ignore")


def test_a_frame_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--exif is apply or ignore\. Received 'aply'"):
        open_data(yolo(tmp_path, 6), exif="aply")
