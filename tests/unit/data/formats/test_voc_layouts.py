"""Pascal VOC's XML as other tools lay it out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline.data.open import open_data
from tests.unit.data.box_samples import boxes, write_image

BOX = [("cat", 0, 6, 20, 18)]


def put(root: Path, images: str, xml: str, *stems: str, tag: str = "annotation") -> None:
    """Images and their XML files in two folders."""
    for stem in stems:
        write_image(root / images / f"{stem}.png")
        file = root / xml / f"{stem}.xml"
        file.parent.mkdir(parents=True, exist_ok=True)
        corners = "".join(
            f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), BOX[0][1:], strict=True)
        )
        thing = f"<object><name>cat</name><bndbox>{corners}</bndbox></object>"
        file.write_text(f"<{tag}><filename>{stem}.png</filename>{thing}</{tag}>")


@pytest.mark.parametrize(
    ("images", "xml", "tag"),
    [
        ("images", "images", "annotation"),
        ("data", "labels", "annotation"),
        ("JPEGImages/cam1", "Annotations/cam1", "annotation"),
        ("JPEGImages", "Annotations", "Annotation"),
        (".", "xmls", "annotation"),
        ("images", "annotations/xmls", "annotation"),
    ],
)
def test_images_and_xml_in_other_folders(tmp_path: Path, images: str, xml: str, tag: str) -> None:
    put(tmp_path, images, xml, "a", "b", tag=tag)
    data = open_data(tmp_path)
    assert (data.format, boxes(data)) == ("voc", {"a": BOX, "b": BOX})
    assert not data.read_findings


@pytest.mark.parametrize("layout", ["train/images train/annotations", "images/train labels/train"])
def test_splits_are_those_of_the_folders(tmp_path: Path, layout: str) -> None:
    for split, stems in {"train": "ab", "val": "c"}.items():
        put(tmp_path, *layout.replace("train", split).split(), *stems)
    data = open_data(tmp_path)
    assert boxes(data) == dict.fromkeys("abc", BOX)
    assert data.splits.tolist() == ["train", "train", "val"]


@pytest.mark.parametrize("line", ["{}.png", "JPEGImages/{}.png", "{}.jpg", "{}", "./JPEGImages\\{}.png"])
@pytest.mark.parametrize("place", ["ImageSets/Main", "ImageSets", "."])
def test_lists_with_endings_and_folders(tmp_path: Path, line: str, place: str) -> None:
    put(tmp_path, "JPEGImages", "Annotations", *"abc")
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / "train.txt").write_text(f"{line.format('a')}\n{line.format('b')}\n")
    (tmp_path / place / "val.txt").write_text(f"{line.format('c')}\n")
    data = open_data(tmp_path)
    assert boxes(data) == dict.fromkeys("abc", BOX)
    assert data.splits.tolist() == ["train", "train", "val"]
    assert not data.read_findings


def test_a_folder_around_it_is_looked_through(tmp_path: Path) -> None:
    put(tmp_path / "VOCdevkit/VOC2012", "JPEGImages", "Annotations", "a")
    for root in (tmp_path, tmp_path / "VOCdevkit"):
        assert boxes(open_data(root)) == {"a": BOX}
