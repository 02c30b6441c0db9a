"""Data with boxes, as users and tools have them: layouts, corners, class ids, splits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.core.dataset import Classes
from sightline.data.open import open_data
from sightline.errors import DataError
from tests.unit.data.box_samples import boxes, made, opened, problems, sure, write_image


def coco(path: Path, images: list[Any], annotations: list[Any], categories: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def image(number: int, name: str) -> dict[str, Any]:
    return {"id": number, "file_name": name, "height": 30, "width": 40}


def annotation(number: int, image: int, category: int, box: list[float], **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": box, **more}


CATS = [{"id": 3, "name": "cat"}, {"id": 90, "name": "dog"}, {"id": 17, "name": "emu"}]


def voc(
    path: Path, *objects: str, size: tuple[int, int] = (40, 30), source: str = "", name: str = ""
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"<annotation><filename>{path.stem}.png</filename>{source}"
        f"<size><width>40</width><height>30</height></size>{''.join(objects)}</annotation>"
    )
    return path


def thing(name: str, *corners: float, more: str = "") -> str:
    tags = "".join(f"<{t}>{v}</{t}>" for t, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True))
    return f"<object><name>{name}</name>{more}<bndbox>{tags}</bndbox></object>"


def test_coco_as_given_out(tmp_path: Path) -> None:
    for split, number in (("train2017", 5), ("val2017", 9)):
        write_image(tmp_path / split / "1.png")  # the same file names in both splits
        more = {"area": 12.5, "segmentation": [[2, 3, 11, 3, 11, 21]]}
        rows = [annotation(1, number, 17, [1.5, 2, 10.25, 20], **more)]
        rows += [annotation(2, number, 3, [0, 0, 40, 30], area=900, iscrowd=1,
                            segmentation={"counts": "abc", "size": [30, 40]})]  # fmt: skip
        coco(tmp_path / f"annotations/instances_{split}.json", [image(number, "1.png")], rows, CATS)
        coco(tmp_path / f"annotations/person_keypoints_{split}.json", [image(number, "1.png")], [], CATS)
    data = open_data(tmp_path)
    assert (data.format, list(data.ids)) == ("coco", ["train2017/1.png", "val2017/1.png"])
    assert data.splits.tolist() == ["train", "val"]
    assert data.classes == Classes(("cat", "dog", "emu"), (3, 90, 17))
    assert data.targets.labels.tolist() == [2, 0, 2, 0]
    assert data.targets.boxes[:2].tolist() == [[1.5, 2, 11.75, 22], [0, 0, 40, 30]]
    assert data.targets.areas.tolist() == [12.5, 900, 12.5, 900]
    assert data.targets.crowd.tolist() == [False, True, False, True]
    assert data.targets.sizes.tolist() == [[30, 40]] * 2
    assert not data.read_findings


def test_coco_with_the_file_in_each_split_folder_or_named_alone(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_image(tmp_path / split / f"{split}.png")
        rows = [annotation(1, 0, 0, [1, 1, 3, 3], area=9)]
        file = tmp_path / split / "_annotations.coco.json"
        coco(file, [image(0, f"{split}.png")], rows, [{"id": 0, "name": "cat"}])
    data = open_data(tmp_path)
    assert dict(zip(data.ids, data.splits.tolist(), strict=True)) == {
        "train/train.png": "train", "valid/valid.png": "val", "test/test.png": "test",
    }  # fmt: skip
    assert data.targets.areas is None, "areas of boxes are no areas of masks"
    alone = open_data(tmp_path / "valid/_annotations.coco.json")
    assert (list(alone.ids), alone.splits.tolist()) == (["valid.png"], [""])


def test_coco_takes_the_folder_that_the_file_is_named_after(tmp_path: Path) -> None:
    for folder in ("images", "train2017", "val2017"):
        write_image(tmp_path / folder / "1.png")
    file = coco(tmp_path / "annotations/instances_val2017.json", [image(1, "1.png")], [], CATS)
    assert list(open_data(file).ids) == ["../val2017/1.png"]
    assert any("val2017" in note for note in open_data(file).messages)


def test_voc_counts_from_1_as_its_kit_does(tmp_path: Path) -> None:
    for name, split in (("a", "train"), ("b", "val"), ("c", "test")):
        write_image(tmp_path / f"JPEGImages/{name}.png")
        box = thing("dog", 1, 1, 40, 30, more="<difficult>1</difficult><truncated>1</truncated>")
        part = "<part><name>head</name><bndbox><xmin>1</xmin></bndbox></part>"
        voc(tmp_path / f"Annotations/{name}.xml", thing("cat", 8, 9, 10, 12, more=part), box)
        sets = tmp_path / "ImageSets/Main"
        sets.mkdir(parents=True, exist_ok=True)
        (sets / f"{split}.txt").write_text(f"{name}\n")
        (sets / f"dog_{split}.txt").write_text(f"{name}  1\n")
    (tmp_path / "ImageSets/Main/trainval.txt").write_text("a\nb\n")
    data = open_data(tmp_path)
    assert (data.format, data.splits.tolist()) == ("voc", ["train", "val", "test"])
    assert boxes(data)["a"] == [("cat", 7, 8, 10, 12), ("dog", 0, 0, 40, 30)]
    assert data.targets.difficult.tolist() == [False, True] * 3
    assert any("counted from 1" in note for note in data.messages)
    assert not data.read_findings


def test_voc_with_a_coordinate_of_0_counts_from_0(tmp_path: Path) -> None:
    voc(write_image(tmp_path / "a.png").with_suffix(".xml"), thing("cat", 5, 6, 40, 30))
    voc(write_image(tmp_path / "b.png").with_suffix(".xml"), thing("cat", 3, 0, 9, 8))
    data = open_data(tmp_path)
    assert boxes(data) == {"a": [("cat", 5, 6, 40, 30)], "b": [("cat", 3, 0, 9, 8)]}
    assert any("counted from 0" in note for note in data.messages)
    outputs = "<source><annotation>PASCAL VOC2007</annotation></source>"
    for name in "ab":
        voc(tmp_path / f"{name}.xml", thing("cat", 0, 6, 9, 8), source=outputs)
    assert boxes(open_data(tmp_path))["a"] == [("cat", -1, 5, 9, 8)]


def test_voc_with_trainval_only_and_images_that_no_list_names(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / f"JPEGImages/{name}.png")
        voc(tmp_path / f"Annotations/{name}.xml", thing("cat", 2, 2, 9, 8))
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "ImageSets/Main/trainval.txt").write_text("a\n")
    (tmp_path / "ImageSets/Main/test.txt").write_text("b\n")
    data = open_data(tmp_path)
    assert dict(zip(data.ids, data.splits.tolist(), strict=True)) == {
        "JPEGImages/a.png": "train", "JPEGImages/b.png": "test",
    }  # fmt: skip
    result = problems(data)["images-not-listed"]
    assert (result.severity, result.items) == ("info", ("JPEGImages/c.png",))


@pytest.mark.parametrize("names", ["[cat, 'no']", "{0: cat, 1: 'no'}", "\n  0: cat\n  1: no"])
@pytest.mark.parametrize("layout", ["images/{}", "{}/images", "../{}/images"])
def test_yolo_with_data_yaml(tmp_path: Path, names: str, layout: str) -> None:
    for split in ("train", "valid"):
        path = tmp_path / layout.format(split).removeprefix("../")
        write_image(path / f"{split}.png")
        labels = Path(str(path).replace("images", "labels")) / f"{split}.txt"
        labels.parent.mkdir(parents=True)
        labels.write_text("1 0.5 0.5 0.25 0.2\n\n0 0.1 0.1 0.2 0.2\n")
    parts = "\n".join(f"{k}: {layout.format(v)}" for k, v in (("train", "train"), ("val", "valid")))
    (tmp_path / "data.yaml").write_text(f"{parts}\nnc: 2\nnames: {names}\n")
    for data in (open_data(tmp_path), open_data(tmp_path / "data.yaml")):
        assert data.format == "yolo"
        assert data.classes == Classes(("cat", "no"))
        assert boxes(data)["train"] == [("no", 15, 12, 25, 18), ("cat", 0, 0, 8, 6)]
        assert data.splits.tolist() == ["train", "val"]
        assert not data.read_findings


def test_yolo_with_holes_in_the_ids_lists_of_images_and_a_test_part(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / f"images/{name}.png")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / f"labels/{name}.txt").write_text("7 0.5 0.5 1 1\n")
    (tmp_path / "train.txt").write_text("./images/a.png\n")
    (tmp_path / "test.txt").write_text("images/b.png\nimages/c.png\n")
    (tmp_path / "set.yaml").write_text(
        "path: .\ntrain: train.txt\ntest: [test.txt]\nnames: {7: dog, 2: cat}\n"
    )
    data = open_data(tmp_path)
    assert data.classes == Classes(("dog", "cat"), (7, 2))
    assert data.splits.tolist() == ["train", "test", "test"]
    assert boxes(data)["c"] == [("dog", 0, 0, 40, 30)]


@pytest.mark.parametrize("folder", ["images", "."])
def test_yolo_without_data_yaml(tmp_path: Path, folder: str) -> None:
    write_image(tmp_path / folder / "a.png")
    (tmp_path / folder.replace("images", "labels")).mkdir(exist_ok=True)
    (tmp_path / folder.replace("images", "labels") / "a.txt").write_text("1 0.5 0.5 1 1\n")
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert boxes(opened("yolo", tmp_path)) == {"a": [("dog", 0, 0, 40, 30)]}
    (tmp_path / "classes.txt").unlink()
    assert boxes(opened("yolo", tmp_path)) == {"a": [("1", 0, 0, 40, 30)]}


def test_yolo_takes_the_size_of_the_image_as_it_is_seen(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new("RGB", (40, 30)).save(tmp_path / "images/a.jpg", exif=exif)
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 1 1\n")
    data = open_data(tmp_path)
    assert data.targets.sizes.tolist() == [[40, 30]]
    assert boxes(data)["a"] == [("0", 0, 0, 30, 40)]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("filename,width,height,class,xmin,ymin,xmax,ymax", "{},40,30,dog,1,2,11.5,22"),
        ("image;label;x1;y1;x2;y2", "{};dog;1;2;11.5;22"),
        ("path,x,y,width,height,label", "{},1,2,10.5,20,dog"),
        ("ImageID,XMin,YMin,XMax,YMax,Class,Image_ID", "x,1,2,11.5,22,dog,{}"),
    ],
)
def test_tables_of_boxes(tmp_path: Path, header: str, row: str) -> None:
    write_image(tmp_path / "images/a.png")
    (tmp_path / "t.csv").write_text(f"{header}\n{row.format('a.png')}\n{row.format('a.png')}\n")
    data = open_data(tmp_path / "t.csv")
    assert data.format == "boxes"
    assert boxes(data) == {"a": [("dog", 1, 2, 11.5, 22)] * 2}
    assert data.targets.sizes.tolist() == [[30, 40]]
    assert not data.read_findings


def test_tables_with_splits_groups_flags_ids_and_images_without_boxes(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / f"{name}.png")
    rows = "path,xmin,ymin,xmax,ymax,class,class_id,split,patient,difficult\n"
    rows += "a.png,1,1,5,5,dog,9,training,p1,0\na.png,2,2,6,6,cat,4,training,p1,1\n"
    rows += "b.png,1,1,5,5,cat,4,test,p2,0\nc.png,,,,,,,train,p3,\n"
    (tmp_path / "t.csv").write_text(rows)
    data = opened("boxes", tmp_path / "t.csv")
    assert data.classes == Classes(("cat", "dog"), (4, 9))
    assert boxes(data)["a"] == [("dog", 1, 1, 5, 5), ("cat", 2, 2, 6, 6)]
    assert data.targets.counts.tolist() == [2, 1, 0]
    assert data.targets.difficult.tolist() == [False, True, False]
    assert data.splits.tolist() == ["train", "test", "train"]
    assert data.groups is not None
    assert data.groups.tolist() == ["p1", "p2", "p3"]


def test_boxes_stay_in_the_order_of_their_rows_also_where_images_take_turns(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / f"{name}.png")
    rows = [f"{'ab'[i % 2]}.png,{i},0,{i + 1},9,cat\n" for i in range(200)]
    (tmp_path / "t.csv").write_text("path,xmin,ymin,xmax,ymax,class\n" + "".join(rows))
    result = boxes(open_data(tmp_path / "t.csv"))
    assert [box[1] for box in result["a"]] == list(range(0, 200, 2))
    assert [box[1] for box in result["b"]] == list(range(1, 200, 2))


def test_tables_in_split_folders_and_classes_by_number(tmp_path: Path) -> None:
    for split, label in (("train", 10), ("valid", 2)):
        write_image(tmp_path / split / f"{split}.png")
        rows = f"filename,width,height,class,xmin,ymin,xmax,ymax\n{split}.png,40,30,{label},1,1,5,5\n"
        (tmp_path / split / "_annotations.csv").write_text(rows)
    data = open_data(tmp_path)
    assert data.classes == Classes(("2", "10"), (2, 10))
    assert data.splits.tolist() == ["train", "val"]


def test_label_studio(tmp_path: Path) -> None:
    write_image(tmp_path / "images/0a1b2c3d-cat.png")
    write_image(tmp_path / "images/sub/dog.png")
    value = {"x": 25, "y": 50, "width": 50, "height": 10, "rotation": 0, "rectanglelabels": ["cat"]}
    result = {"type": "rectanglelabels", "original_width": 40, "original_height": 30, "value": value}
    old = {**result, "value": {**value, "rectanglelabels": ["wrong"]}}
    done = [{"result": [old], "was_cancelled": True}, {"result": [result]}]
    cat, dog = "/data/upload/1/0a1b2c3d-cat.png", "/data/local-files/?d=images/sub/dog.png"
    tasks = [
        {"id": 1, "data": {"image": cat}, "annotations": done, "predictions": [{"result": [old]}]},
        {"id": 2, "data": {"url": dog}, "annotations": [{"result": []}]},
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    data = open_data(tmp_path / "export.json")
    assert data.format == "label-studio"
    assert boxes(data) == {"0a1b2c3d-cat": [("cat", 10, 15, 30, 18)], "dog": []}
    assert data.targets.sizes.tolist() == [[30, 40], [30, 40]]
    assert not data.read_findings


def test_cvat(tmp_path: Path) -> None:
    write_image(tmp_path / "images/train/a.png")
    write_image(tmp_path / "images/b.png")
    box = '<box label="{}" occluded="1" xtl="1.5" ytl="2" xbr="11.25" ybr="22" z_order="0">{}</box>'
    hard = '<attribute name="difficult">true</attribute>'
    labels = "".join(f"<label><name>{n}</name></label>" for n in ("dog", "cat"))
    (tmp_path / "annotations.xml").write_text(
        '<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta><project>'
        f'<labels>{labels}</labels></project></meta><image id="0" name="a.png" subset="train" width="40" '
        f'height="30">{box.format("cat", hard)}</image><image id="1" name="b.png" width="40" height="30"/>'
        "</annotations>"
    )
    for data in (open_data(tmp_path), open_data(tmp_path / "annotations.xml")):
        assert (data.format, data.classes) == ("cvat", Classes(("dog", "cat")))
        assert boxes(data) == {"a": [("cat", 1.5, 2, 11.25, 22)], "b": []}
        assert data.targets.difficult.tolist() == [True]
        assert data.splits.tolist() == ["train", ""]
        assert not data.read_findings


def test_classification_data_are_left_to_their_formats(tmp_path: Path) -> None:
    for name in ("images/1.png", "labels/2.png", "train/3.png", "Annotations/4.png"):
        write_image(tmp_path / "photos" / name)
    (tmp_path / "photos/readme.txt").write_text("1 2 3 4 5\n")
    (tmp_path / "photos/settings.yaml").write_text("names: [a, b]\nepochs: 3\n")
    (tmp_path / "photos/report.json").write_text('{"images": [1], "scores": [2]}')
    (tmp_path / "photos/page.xml").write_text("<html></html>")
    (tmp_path / "labels.csv").write_text("path,label,x,y\na.png,cat,1,2\n")
    for format in ("coco", "voc", "yolo", "boxes", "cvat", "label_studio"):
        assert sure(format, tmp_path / "photos") == 0
        assert sure(format, tmp_path / "labels.csv") == 0
    with pytest.raises(DataError, match="'Annotations', 'images', 'labels' would become classes"):
        open_data(tmp_path / "photos")


def test_shapes_with_boxes() -> None:
    data = open_data("shapes:boxes:30")
    assert (data.target_type, len(data), data.pixels.read(0).shape) == ("instances", 30, (128, 128, 3))
    assert data.fingerprint() == open_data("shapes:30", target_type="instances").fingerprint()
    box = data.targets.boxes
    assert bool(((box[:, 2:] > box[:, :2]).all(1) & (box >= 0).all(1) & (box <= 128).all(1)).all())
    default = (box[:, 2:] - box[:, :2]).prod(1)
    assert bool(((data.targets.areas > 0) & (data.targets.areas <= default)).all())


def test_bccd_as_it_is_given_out(data_folder: Callable[[str], Path]) -> None:
    data = open_data(data_folder("bccd"))
    assert data.format == "voc"
    assert {s: len(data.indices_of(s)) for s in ("train", "val", "test")} == {
        "train": 205,
        "val": 87,
        "test": 72,
    }
    assert data.classes == Classes(("Platelets", "RBC", "WBC"))
    assert torch.bincount(data.targets.labels).tolist() == [361, 4155 - 2, 372]
    reported = problems(data)
    assert set(reported) == {"degenerate-boxes"}
    zero = reported["degenerate-boxes"]
    assert (zero.severity, zero.count) == ("warning", 2)
    assert [item.split(":")[0] for item in zero.items] == [
        "JPEGImages/BloodImage_00338.jpg", "JPEGImages/BloodImage_00343.jpg",
    ]  # fmt: skip
    assert any("counted from 1" in note for note in data.messages)
    assert float(data.targets.boxes.min()) == 0
    assert boxes(data)["BloodImage_00000"][0] == ("WBC", 259, 176, 491, 376)


def test_coco_mini_as_it_is_given_out(data_folder: Callable[[str], Path]) -> None:
    root = data_folder("coco_mini")
    data = open_data(root / "test_coco.json")
    assert (len(data), int(data.targets.counts.sum()), data.classes) == (4, 14, Classes(("person",), (1,)))
    assert not data.read_findings
    first = data.targets[data.ids.index("images/000000000785.jpg")]
    np.testing.assert_allclose(first.boxes[0], [280.79, 44.73, 280.79 + 218.7, 44.73 + 346.68], rtol=1e-6)
    np.testing.assert_allclose(first.areas, [27789.11055], rtol=1e-6)
    many = open_data(root / "panoptic/panoptic_coco_detection_format.json")
    assert many.classes is not None
    assert (len(many.classes), many.classes.ids[-1], int(many.targets.counts.sum())) == (133, 200, 50)
    assert int(many.targets.crowd.sum()) == 3


def test_written_files_keep_their_names_and_flags_that_cannot_be_held_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sightline.data.formats import coco as module
    from sightline.data.formats import voc as other

    flags = {"crowd": torch.tensor([True]), "areas": torch.tensor([5.0]), "difficult": torch.tensor([True])}
    data = made([[(0, 1, 2, 9, 8)], []], Classes(("cat",)), **flags)
    module.write(data, tmp_path / "coco")
    assert "difficult" in capsys.readouterr().err
    assert (tmp_path / "coco/images/p00.png").is_file()
    back = open_data(tmp_path / "coco")
    assert (back.targets.crowd.tolist(), back.targets.areas.tolist()) == ([True], [5.0])
    other.write(data, tmp_path / "voc")
    outputs = capsys.readouterr().err
    assert "crowd" in outputs
    assert "areas" in outputs
    assert open_data(tmp_path / "voc").targets.difficult.tolist() == [True]


def test_open_images_counts_by_parts_of_the_image_and_names_classes_by_codes(tmp_path: Path) -> None:
    write_image(tmp_path / "images/a1.png")
    rows = "a1,x,/m/0k4j,1,0.25,0.5,0.1,0.9,1\na1,x,/m/01,1,0,1,0,1,0\n"
    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\n"
    (tmp_path / "boxes.csv").write_text(header + rows)
    (tmp_path / "class-descriptions-boxable.csv").write_text("/m/0k4j,Car\n/m/01,Tree\n/m/02,Cup\n")
    data = open_data(tmp_path / "boxes.csv")
    assert boxes(data) == {"a1": [("Car", 10, 3, 20, 27), ("Tree", 0, 0, 40, 30)]}
    assert data.targets.crowd.tolist() == [True, False]
    assert any("width and height of an image as 1" in note for note in data.messages)


def test_a_box_in_one_cell_and_no_class(tmp_path: Path) -> None:
    write_image(tmp_path / "images/a.png")
    write_image(tmp_path / "images/b.png")
    (tmp_path / "train.csv").write_text(
        'image_id,width,height,bbox,source\na,40,30,"[1.5, 2, 10, 20]",farm\nb,40,30,,farm\n'
    )
    data = open_data(tmp_path / "train.csv")
    assert boxes(data) == {"a": [("object", 1.5, 2, 11.5, 22)], "b": []}
    (tmp_path / "train.csv").write_text('image_id,bbox,colour\na,"[1.5, 2, 10, 20]",red\n')
    assert boxes(opened("boxes", tmp_path / "train.csv", target="colour")) == {
        "a": [("red", 1.5, 2, 11.5, 22)]
    }


def test_boxes_with_decimal_commas_and_classes_with_leading_zeros(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    (tmp_path / "b.csv").write_text("path;xmin;ymin;xmax;ymax;class\na.png;1,5;2;11,25;22;001\n")
    assert boxes(open_data(tmp_path / "b.csv")) == {"a": [("001", 1.5, 2, 11.25, 22)]}


CORNERS = [(3, 4, 30, 25), (20, 1, 39, 20), (15, 10, 25, 29)]  # in images of 40 x 30


def test_corners_where_coco_has_sizes_are_an_error(tmp_path: Path) -> None:
    rows = [annotation(n, 1, 3, list(box)) for n, box in enumerate(CORNERS)]
    write_image(tmp_path / "1.png")
    coco(tmp_path / "a.json", [image(1, "1.png")], rows, CATS)
    result = problems(open_data(tmp_path))["boxes-in-another-manner"]
    assert result.severity == "error"
    assert "corners x1, y1, x2, y2" in result.message


def test_corners_that_stay_in_the_image_are_known_by_their_areas(tmp_path: Path) -> None:
    small = [(1, 1, 8, 9), (2, 3, 9, 10), (4, 2, 12, 11)]
    rows = [annotation(n, 1, 3, [x, y, a, b], area=(a - x) * (b - y)) for n, (x, y, a, b) in enumerate(small)]
    write_image(tmp_path / "1.png")
    coco(tmp_path / "a.json", [image(1, "1.png")], rows, CATS)
    assert "boxes-in-another-manner" in problems(open_data(tmp_path))


def test_corners_where_yolo_has_middle_and_size_are_an_error(tmp_path: Path) -> None:
    write_image(tmp_path / "images/1.png")
    lines = [f"0 {x / 40} {y / 30} {a / 40} {b / 30}\n" for x, y, a, b in CORNERS]
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/1.txt").write_text("".join(lines))
    assert "boxes-in-another-manner" in problems(open_data(tmp_path))


def test_sizes_where_voc_has_corners_are_an_error(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png")
    voc(tmp_path / "1.xml", *(thing("cat", x, y, a - x, b - y) for x, y, a, b in CORNERS[1:]))
    assert "x, y, width, height" in problems(open_data(tmp_path))["boxes-in-another-manner"].message


def test_right_boxes_at_the_edges_are_no_doubt(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png")
    rows = [annotation(n, 1, 3, [x, y, a - x, b - y]) for n, (x, y, a, b) in enumerate(CORNERS)]
    rows.append(annotation(9, 1, 3, [35, 20, 12, 20]))  # cut by the edge
    coco(tmp_path / "a.json", [image(1, "1.png")], rows, CATS)
    assert "boxes-in-another-manner" not in problems(open_data(tmp_path))


def test_boxes_that_are_not_around_their_polygons_are_an_error(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png")
    drawn = {"segmentation": [[2, 3, 11, 3, 11, 21]]}
    rows = [annotation(1, 1, 3, [2, 3, 9, 18], **drawn), annotation(2, 1, 3, [20, 3, 9, 18], **drawn)]
    coco(tmp_path / "a.json", [image(1, "1.png")], [*rows, annotation(3, 1, 3, [21, 3, 9, 9], **drawn)], CATS)
    result = problems(open_data(tmp_path))["boxes-not-around-masks"]
    assert result.items == ("a.json annotation 2", "a.json annotation 3")


def test_numbers_as_text_and_as_fractions_are_read_and_told(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png")
    row = {"id": 1, "image_id": "1", "category_id": "3", "bbox": ["1", "2", "10", "20.5"]}
    images = [{"id": 1, "file_name": "1.png", "width": 80.0, "height": "60"}]
    coco(tmp_path / "a.json", images, [row], [{"id": "3", "name": "cat"}])
    data = open_data(tmp_path)
    assert boxes(data) == {"1": [("cat", 1.0, 2.0, 11.0, 22.5)]}
    assert data.targets.sizes.tolist() == [[60, 80]]  # which the check compares with the image
    assert problems(data)["numbers-as-text"].severity == "info"


def test_lvis_names_images_by_their_address(tmp_path: Path) -> None:
    write_image(tmp_path / "train2017/1.png")
    images = [{"id": 1, "coco_url": "http://images.example/train2017/1.png", "width": 40, "height": 30}]
    coco(tmp_path / "lvis_v1_train.json", images, [annotation(1, 1, 3, [1, 2, 3, 4])], CATS)
    assert list(open_data(tmp_path).ids) == ["train2017/1.png"]


def test_images_without_a_file_are_named(tmp_path: Path) -> None:
    coco(tmp_path / "a.json", [{"id": 1, "path": "1.png"}], [annotation(1, 1, 3, [1, 2, 3, 4])], CATS)
    with pytest.raises(DataError, match=r"none of the 1 images has an id and a file_name.*'path': '1.png'"):
        open_data(tmp_path)


def test_an_xml_file_and_its_image_may_differ_in_case(tmp_path: Path) -> None:
    write_image(tmp_path / "JPEGImages/B.png")
    voc(tmp_path / "Annotations/b.xml", thing("cat", 1, 1, 10, 10))
    data = open_data(tmp_path)
    assert boxes(data) == {"B": [("cat", 0, 0, 10, 10)]}
    assert set(problems(data)) == {"files-found-elsewhere"}


def test_an_address_that_is_none_is_an_image_without_a_name(tmp_path: Path) -> None:
    write_image(tmp_path / "1.png")
    images = [image(1, "1.png"), {"id": 2, "coco_url": "http://[x", "width": 40, "height": 30}]
    coco(tmp_path / "a.json", images, [annotation(1, 1, 3, [2, 3, 9, 9])], CATS)
    assert problems(open_data(tmp_path))["entries-broken"].count == 1
