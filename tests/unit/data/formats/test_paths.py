"""Images are found by what an annotation that was made elsewhere calls them."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from sightline.data.open import open_data
from sightline.data.parsing.paths import Lookup
from sightline.errors import DataError


def write_images(folder: Path, *names: str) -> None:
    """A small image of each name, each of another colour."""
    for n, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (n * 20, 90, 40)).save(folder / name)


@pytest.mark.parametrize(
    "said",
    [
        "images/1/a b.jpg",
        "images\\1/a b.jpg",
        r"..\..\media\upload\1\a b.jpg",
        "/home/other/project/images/1/a b.jpg",
        r"C:\Users\me\images\1\a b.jpg",
        "https://photos.example/images/1/a%20b.jpg?size=large",
        "IMAGES/1/A B.JPG",
        "1/a b",
        "0a1b2c3d-a b.jpg",
    ],
)
def test_a_path_of_another_machine_leads_to_the_one_image_of_that_name(tmp_path: Path, said: str) -> None:
    write_images(tmp_path, "images/1/a b.jpg", "images/1/c.jpg")
    lookup = Lookup(tmp_path)
    assert lookup.find(tmp_path / said) == tmp_path / "images/1/a b.jpg"
    message = [f for f in lookup.findings() if f.name == "files-found-elsewhere"]
    assert len(message) == (said != "images/1/a b.jpg")


def test_letters_with_accents_are_found_in_either_unicode_form(tmp_path: Path) -> None:
    write_images(tmp_path, "images/" + unicodedata.normalize("NFD", "köln.jpg"))
    assert Lookup(tmp_path).find(tmp_path / unicodedata.normalize("NFC", "images/köln.jpg")) is not None


def test_the_longest_end_decides_and_what_it_leaves_open_is_an_error_with_both_names(tmp_path: Path) -> None:
    write_images(tmp_path, "one/a.jpg", "two/a.jpg")
    lookup = Lookup(tmp_path)
    assert lookup.find(tmp_path / "/home/other/two/a.jpg") == tmp_path / "two/a.jpg"
    assert lookup.find(tmp_path / "/home/other/three/a.jpg") is None
    (doubt,) = [f for f in lookup.findings() if f.severity == "error"]
    assert "one/a.jpg or two/a.jpg" in doubt.message


def test_a_lost_image_is_not_replaced_by_one_of_another_part_or_folder(tmp_path: Path) -> None:
    write_images(tmp_path, "train/b.jpg", "val/a.jpg", "cam1/c.jpg")
    lookup = Lookup(tmp_path)
    assert lookup.find(tmp_path / "train/a.jpg") is None
    assert lookup.find(Path("/home/other/train/a.jpg")) is None
    assert lookup.find(tmp_path / "a.jpg", split="train") is None
    assert lookup.find(tmp_path / "train/c.jpg") is None


def test_two_names_never_share_an_image(tmp_path: Path) -> None:
    write_images(tmp_path, "images/a.jpg")
    lookup = Lookup(tmp_path)
    assert lookup.find(Path("/home/other/cam1/a.jpg")) is not None
    assert lookup.find(Path("/home/other/cam2/a.jpg")) is None
    assert "cam1" in lookup.several[0]
    assert "cam2" in lookup.several[0]


def test_an_empty_name_leads_nowhere(tmp_path: Path) -> None:
    write_images(tmp_path, "images/a.jpg")
    assert Lookup(tmp_path).find(tmp_path / "") is None


def coco(folder: Path, *names: str) -> Path:
    """A COCO file with a box on each of some images."""
    images = [{"id": n, "file_name": name, "width": 20, "height": 10} for n, name in enumerate(names)]
    boxes = [{"id": n, "image_id": n, "category_id": 1, "bbox": [1, 1, 5 + n, 5]} for n in range(len(images))]
    data = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "cat"}]}
    (folder / "result.json").write_text(json.dumps(data))
    return folder / "result.json"


def test_boxes_come_with_the_images_that_were_found(tmp_path: Path) -> None:
    write_images(tmp_path, "images/p0.jpg", "images/p1.jpg")
    dataset = open_data(coco(tmp_path, r"..\..\media\upload\4\p1.jpg", r"..\..\media\upload\4\P0.jpg"))
    assert dataset.ids == ["images/p1.jpg", "images/p0.jpg"]
    assert dataset.targets.boxes[:, 2].tolist() == [6.0, 7.0]
    (message,) = [f for f in dataset.read_findings if f.name == "files-found-elsewhere"]
    assert message.count == 2
    assert "images/p1.jpg" in message.message


def test_an_image_that_is_nowhere_is_an_error_that_says_where_it_was_looked_for(tmp_path: Path) -> None:
    write_images(tmp_path, "images/p0.jpg")
    with pytest.raises(DataError, match=r"q7\.jpg.*below"):
        open_data(coco(tmp_path, "/home/other/q7.jpg"))


def test_of_many_images_of_one_name_the_folders_decide_however_deep_they_differ(tmp_path: Path) -> None:
    sites = [f"site{n}" for n in range(12)]
    write_images(tmp_path, *(f"data/{site}/cam/{n}.jpg" for site in sites for n in range(2)))
    lookup = Lookup(tmp_path)
    for site in sites:
        assert lookup.find(tmp_path / f"C:\\other\\{site}\\cam\\1.jpg") == tmp_path / f"data/{site}/cam/1.jpg"
    assert lookup.find(tmp_path / "/other/site99/cam/1.jpg") is None  # twelve share as much with it
    assert "site0/cam/1.jpg" in lookup.several[0]


def test_a_likely_split_decides_between_images_and_excludes_none(tmp_path: Path) -> None:
    write_images(tmp_path, "train/1.png", "test/1.png", "test/2.png")
    lookup = Lookup(tmp_path)
    assert lookup.find(tmp_path / "1", likely="train") == tmp_path / "train/1.png"
    assert lookup.find(tmp_path / "2", likely="train") == tmp_path / "test/2.png"
    assert lookup.find(tmp_path / "1") is None
