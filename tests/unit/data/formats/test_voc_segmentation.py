"""Pascal VOC segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.core.targets.masks import IGNORE_INDEX
from sightline.data.formats import voc_segmentation as voc
from sightline.data.open import open_data
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError

H, W = 6, 8


def written(root: Path, names: str = "abc") -> Path:
    """Images with maps of cow (10), background and void."""
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    index = np.zeros((H, W), dtype=np.uint8)
    index[:, 2:5], index[:, 5:] = 10, 255
    for k, name in enumerate(names):
        Image.fromarray(np.full((H, W, 3), 20 * k, np.uint8)).save(root / f"JPEGImages/{name}.jpg")
        mask = Image.fromarray(index)
        mask.putpalette([v for n in range(256) for v in voc.color_of(n)])
        mask.save(root / f"SegmentationClass/{name}.png")
    return root


def test_the_palette_is_that_of_the_kit() -> None:
    shown = [voc.color_of(n) for n in (0, 1, 2, 3, 15, 20, 255)]
    assert shown == [
        (0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (192, 128, 128), (0, 64, 128), (224, 224, 192),
    ]  # fmt: skip


@pytest.mark.parametrize("colors", [False, True])
def test_lists_names_and_void(tmp_path: Path, colors: bool) -> None:
    written(tmp_path, "abcd")
    if colors:
        for path in (tmp_path / "SegmentationClass").iterdir():
            Image.open(path).convert("RGB").save(path)
    Image.new("RGB", (W, H)).save(tmp_path / "JPEGImages/boxes_only.jpg")
    (tmp_path / "ImageSets/Segmentation/train.txt").write_text("a\nc\n")
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text("b\n")
    (tmp_path / "ImageSets/Segmentation/trainval.txt").write_text("a\nb\nc\n")
    data = open_data(tmp_path)
    assert data.format == "voc-segmentation"
    assert data.classes is not None
    assert data.classes.names == voc.NAMES_OF_VOC
    assert dict(zip(data.ids, data.splits, strict=True)) == {
        "JPEGImages/a.jpg": "train", "JPEGImages/b.jpg": "val", "JPEGImages/c.jpg": "train",
    }  # fmt: skip
    assert data.targets.map(0)[0].tolist() == [0, 0, 10, 10, 10, IGNORE_INDEX, IGNORE_INDEX, IGNORE_INDEX]
    assert [f.name for f in data.read_findings] == ["images-not-listed"]


def test_without_lists_those_with_a_mask_are_meant(tmp_path: Path) -> None:
    written(tmp_path, "ab")
    Image.new("RGB", (W, H)).save(tmp_path / "JPEGImages/boxes_only.jpg")
    data = open_data(tmp_path)
    assert len(data) == 2
    assert [(f.name, f.severity) for f in data.read_findings] == [("images-without-mask", "info")]


def test_a_labelmap_goes_before_the_names_of_voc(tmp_path: Path) -> None:
    written(tmp_path, "a")
    index = np.zeros((H, W, 3), dtype=np.uint8)
    index[:, 3:] = 250, 50, 83
    Image.fromarray(index).save(tmp_path / "SegmentationClass/a.png")
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nbolt:250,50,83::\n"
    )
    data = open_data(tmp_path)
    assert data.classes is not None
    assert data.classes.names == ("background", "bolt")
    assert data.targets.map(0)[0].tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_boxes_are_read_unless_masks_are_asked_for(tmp_path: Path) -> None:
    written(tmp_path, "a")
    (tmp_path / "Annotations").mkdir()
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox>"
    (tmp_path / "Annotations/a.xml").write_text(
        f"<annotation><filename>a.jpg</filename><object><name>cow</name>{box}</object></annotation>"
    )
    assert open_data(tmp_path).target_type == "instances"
    assert open_data(tmp_path, target_type="masks").target_type == "masks"
    assert voc.sniff(str(tmp_path), ReadOptions(target_type="label")) == 0


def test_names_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    from sightline.core.dataset import Classes

    data = open_data(written(tmp_path / "in", "a"), target_type="masks")
    bad = replace(data, classes=Classes(("#x", *voc.NAMES_OF_VOC[1:])))
    with pytest.raises(DataError, match="#x"):
        voc.write(bad, tmp_path / "out")


def test_the_kit_around_the_years_folder_is_read_through(tmp_path: Path) -> None:
    written(tmp_path / "VOCdevkit/VOC2012")
    data = open_data(tmp_path, target_type="masks")
    assert (data.format, len(data)) == ("voc-segmentation", 3)
