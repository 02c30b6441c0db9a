"""Opening what a user names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.data.formats import torchvision
from sightline.data.io.encode import encode_png
from sightline.data.open import ReadOptions, list_named, open_data
from sightline.data.parsing.ties import difference
from sightline.errors import DataError, UnknownName, UsageError


def photos(root: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((4, 4, 3), 40 * i, np.uint8)))
    return root


def test_built_in_names() -> None:
    digits = open_data("digits")
    assert len(digits) == 1797
    assert digits.pixels.read(0).shape == (8, 8, 1)
    assert max(int(digits.pixels.read(i).max()) for i in range(20)) == 255
    assert {"digits", "shapes", "mnist", "cifar10"} <= set(list_named())


def test_what_was_recognized_is_said(tmp_path: Path) -> None:
    data = open_data(photos(tmp_path, "cat/1.png", "dog/1.png"))
    assert data.format == "folder"
    assert "Read as 'folder'" in data.messages[0]
    assert "as asked" in open_data(tmp_path, format="folder").messages[0]


def test_the_same_data_have_the_same_fingerprint_wherever_they_lie(tmp_path: Path) -> None:
    first = open_data(photos(tmp_path / "a", "cat/1.png", "dog/1.png"))
    other = open_data(photos(tmp_path / "b", "cat/1.png", "dog/1.png"))
    more = open_data(photos(tmp_path / "c", "cat/1.png", "dog/1.png", "dog/2.png"))
    assert first.fingerprint() == other.fingerprint() != more.fingerprint()


def test_a_missing_path_names_what_is_near(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match="Beside it lies: photos"):
        open_data(tmp_path / "fotos")
    with pytest.raises(DataError, match=r"no data set of that name.*'cifar10'"):
        open_data("cifar1O")


def test_an_empty_folder_and_an_unknown_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"folder is empty.*photos/cat/1.jpg"):
        open_data(tmp_path)
    (tmp_path / "notes.doc").write_text("x")
    with pytest.raises(DataError, match="no known format"):
        open_data(tmp_path)


def test_an_unknown_format_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="folder"):
        open_data("digits", format="foldr")


def test_two_equally_sure_formats_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sightline.data.formats import idx

    photos(tmp_path, "cat/1.png", "dog/1.png")
    monkeypatch.setattr(idx, "sniff", lambda source, options: 0.9)
    with pytest.raises(UsageError, match=r"folder or as idx.*--format"):
        open_data(tmp_path)


def test_a_folder_named_like_a_data_set_is_taken_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(tmp_path / "digits", "a/1.png", "b/1.png")
    monkeypatch.chdir(tmp_path)
    data = open_data("digits")
    assert len(data) == 2
    assert "It is the path" in data.messages[0]


def test_a_path_is_looked_for_below_the_data_folder(tmp_path: Path) -> None:
    photos(tmp_path / "birds", "a/1.png", "b/1.png")
    assert len(open_data("birds", data_dir=tmp_path)) == 2


def test_named_sets_are_read_from_local_copies(data_folder: Any) -> None:
    folder = data_folder("cifar10")
    place = torchvision.locate("cifar10", ReadOptions(data_dir=folder.parent))
    assert place is not None
    assert (place.folder, place.format) == (folder, "cifar")
    data = open_data("CIFAR-10", data_dir=folder)
    assert (data.name, data.format, len(data)) == ("cifar10", "cifar", 17_000)
    assert data.classes is not None
    assert data.classes.names[:2] == ("airplane", "automobile")
    assert any(str(folder) in note for note in data.messages)


def test_a_named_set_does_not_take_another_ones_files(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train-images-idx3-ubyte").write_bytes(b"x")
    with pytest.raises(DataError, match="fashionmnist"):
        open_data("fashion-mnist", data_dir=tmp_path / "mnist")


@pytest.mark.parametrize("name", ["mnist", "cifar10", "flowers102", "eurosat"])
def test_offline_says_what_to_put_where(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="SIGHTLINE_OFFLINE") as caught:
        open_data(name, data_dir=tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_failed_download_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import datasets

    def no_network(*args: Any, **kwargs: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.delenv("SIGHTLINE_OFFLINE")
    monkeypatch.setattr(datasets, "KMNIST", no_network)
    with pytest.raises(DataError, match=r"no route to host.*--data-dir"):
        open_data("kmnist", data_dir=tmp_path)


def write_image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))


def test_sets_that_torchvision_reads_itself(tmp_path: Path) -> None:
    """Three ways in which torchvision keeps files and labels, on copies of their layout."""
    for kind, name in (("Forest", "Forest_1.jpg"), ("River", "River_1.jpg"), ("River", "River_2.jpg")):
        write_image(tmp_path / "eurosat" / "2750" / kind / name)
    data = open_data("eurosat", data_dir=tmp_path)
    assert data.classes is not None
    assert (data.classes.names, data.targets.value.tolist()) == (("Forest", "River"), [0, 1, 1])
    assert set(data.splits) == {""}

    dtd = tmp_path / "dtd" / "dtd"
    (dtd / "labels").mkdir(parents=True)
    for part in ("train", "val", "test"):
        names = [f"{kind}/{kind}_{part}.jpg" for kind in ("dotted", "woven")]
        (dtd / "labels" / f"{part}1.txt").write_text("\n".join(names))
        for name in names:
            write_image(dtd / "images" / name)
    data = open_data("dtd", data_dir=tmp_path)
    assert data.splits.tolist() == ["train"] * 2 + ["val"] * 2 + ["test"] * 2
    assert data.targets.value.tolist() == [0, 1] * 3

    pets = tmp_path / "oxford-iiit-pet"
    (pets / "annotations").mkdir(parents=True)
    for part in ("trainval", "test"):
        (pets / "annotations" / f"{part}.txt").write_text("Abyssinian_1 1 1 1\npug_7 2 2 1\n")
    for name in ("Abyssinian_1", "pug_7"):
        write_image(pets / "images" / f"{name}.jpg")
    data = open_data("pets", data_dir=tmp_path)
    assert data.splits.tolist() == ["train"] * 2 + ["test"] * 2
    assert data.classes is not None
    assert [data.classes.names[k] for k in data.targets.value.tolist()][:2] == ["Abyssinian", "Pug"]
    assert data.pixels.read(3).shape == (4, 4, 3)


def boxes_twice(root: Path, right: int) -> Path:
    """An image with a box in Pascal VOC, and one in a table whose right edge lies at `right`."""
    photos(root, "a.png")
    corners = "<xmin>2</xmin><ymin>2</ymin><xmax>3</xmax><ymax>3</ymax>"
    (root / "a.xml").write_text(
        "<annotation><filename>a.png</filename><size><width>4</width><height>4</height></size>"
        f"<object><name>cup</name><bndbox>{corners}</bndbox></object></annotation>"
    )
    (root / "labels.csv").write_text(f"filename,class,xmin,ymin,xmax,ymax\na.png,cup,1,1,{right},3\n")
    return root


def test_two_formats_that_say_the_same_are_one_and_that_is_told(tmp_path: Path) -> None:
    data = open_data(boxes_twice(tmp_path, right=3))
    assert data.targets.boxes.tolist() == [[1.0, 1.0, 3.0, 3.0]]
    assert "which says the same" in data.messages[0]


def test_two_formats_that_differ_show_where(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.png shows cup 1 1 9 3 as boxes, cup 1 1 3 3 as voc.*--format"):
        open_data(boxes_twice(tmp_path, right=9))


def test_data_that_hold_another_truth_than_the_task_needs_say_what_was_looked_for(tmp_path: Path) -> None:
    photos(tmp_path, "cat/1.png", "dog/1.png")
    with pytest.raises(DataError, match=r"needs boxes around objects.*gives a class.*coco: annotations/inst"):
        open_data(tmp_path, target_type="instances")


def test_class_folders_with_boxes_beside_them_are_read_by_the_task(tmp_path: Path) -> None:
    photos(tmp_path, "cat/1.png", "dog/2.png")
    boxes = [{"id": k, "image_id": k, "category_id": 1, "bbox": [0, 0, 2, 2]} for k in (1, 2)]
    images = [{"id": 1, "file_name": "cat/1.png"}, {"id": 2, "file_name": "dog/2.png"}]
    text = json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "tail"}]})
    (tmp_path / "tails.json").write_text(text)
    labels = open_data(tmp_path, target_type="label")
    assert labels.classes is not None
    assert (labels.format, labels.classes.names) == ("folder", ("cat", "dog"))
    assert open_data(tmp_path, target_type="instances").format == "coco"
    assert open_data(tmp_path).format == "coco"


def test_two_formats_of_the_same_boxes_may_round_and_sort_them_otherwise(tmp_path: Path) -> None:
    Image.new("RGB", (301, 211)).save(tmp_path / "a.png")
    corners = [(0, y, 30 + y, y + 17) for y in (151, 3, 77, 40)]  # all begin at the left edge
    rows = [[x / 301, y / 211, a / 301, b / 211] for x, y, a, b in corners]
    lines = [f"0 {(x + a) / 2:.6f} {(y + b) / 2:.6f} {a - x:.6f} {b - y:.6f}\n" for x, y, a, b in rows]
    (tmp_path / "a.txt").write_text("".join(lines))
    (tmp_path / "classes.txt").write_text("cup\n")
    boxes = [{"id": k, "image_id": 1, "category_id": 1, "bbox": [x, y, a - x, b - y]}
             for k, (x, y, a, b) in enumerate(corners)]  # fmt: skip
    text = {"images": [{"id": 1, "file_name": "a.png"}], "categories": [{"id": 1, "name": "cup"}]}
    (tmp_path / "a.json").write_text(json.dumps({**text, "annotations": boxes}))
    first, other = open_data(tmp_path, format="coco"), open_data(tmp_path, format="yolo")
    assert not torch.equal(first.targets.boxes, other.targets.boxes)
    assert difference(first, other) == ""
    boxes[0]["bbox"][2] += 4
    (tmp_path / "a.json").write_text(json.dumps({**text, "annotations": boxes}))
    assert "a.png shows" in difference(open_data(tmp_path, format="coco"), other)


def test_labels_that_were_moved_after_a_look_are_found(tmp_path: Path) -> None:
    photos(tmp_path, "images/train/a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "data.yaml").write_text("names: [cup]\ntrain: images/train\n")
    assert len(open_data(tmp_path).targets.boxes) == 0
    (tmp_path / "labels/train").mkdir()
    (tmp_path / "labels/a.txt").rename(tmp_path / "labels/train/a.txt")
    assert len(open_data(tmp_path).targets.boxes) == 1
