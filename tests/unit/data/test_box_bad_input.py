"""What is wrong with data with boxes is said, with the file and the way out; nothing is dropped silently."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sightline.core.dataset import Classes
from sightline.core.report import Finding
from sightline.data.open import open_data
from sightline.errors import DataError, SightlineError
from tests.unit.data.box_samples import boxes, opened, problems, sure, write_image

BOMB = '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;">]>'
FETCH = '<!DOCTYPE a SYSTEM "file:///etc/hostname">'
CATS = [{"id": 0, "name": "cat"}, {"id": 7, "name": "dog"}]


def said(finding: Finding) -> tuple[str, tuple[str, ...]]:
    """Severity and items, once the finding is whole."""
    assert finding.message
    assert finding.fix
    assert finding.count == len(finding.items)
    return finding.severity, finding.items


def coco(root: Path, images: list[Any], annotations: list[Any], categories: list[Any] = CATS) -> Path:
    path = root / "boxes.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


def image(number: Any, name: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name, "height": 30, "width": 40, **more}


def box(image: Any, corners: Any, category: Any = 7, number: int = 1) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": corners}


def yolo(root: Path, text: str | bytes, names: str = "[cat, dog]") -> Path:
    write_image(root / "images/a.png")
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels/a.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    (root / "data.yaml").write_text(f"train: images\nnames: {names}\n")
    return root


def test_boxes_that_cannot_be_used_are_left_out_and_named(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    bad = [[1, 1, 0, 5], [1, 1, 5, -5], [1, float("nan"), 5, 5], [1, 1, 1e300, 5], [1, 1, 10**400, 5]]
    rows = [box(1, corners) for corners in [[2, 2, 5, 5], *bad]]
    data = opened("coco", coco(tmp_path, [image(1, "a.png")], rows))
    assert boxes(data) == {"a": [("dog", 2, 2, 7, 7)]}
    reported = problems(data)
    assert said(reported["degenerate-boxes"]) == ("warning", ("a.png: 7 1 1 1 6",))
    assert said(reported["boxes-inverted-corners"]) == ("error", ("a.png: 7 1 1 6 -4",))
    assert reported["boxes-not-finite"].severity == "error"
    assert reported["boxes-not-finite"].count == 3
    assert all("a.png" in item for item in reported["boxes-not-finite"].items)


def test_images_that_are_not_there_and_boxes_of_images_that_are_not_listed(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "sub/b.png")
    images = [image(1, "a.png"), image(2, "gone.png")]
    rows = [box(1, [1, 1, 5, 5]), box(2, [1, 1, 5, 5]), box(2, [2, 2, 5, 5]), box(99, [1, 1, 5, 5], number=4)]
    path = coco(tmp_path, images, rows)
    data = opened("coco", path)
    assert list(data.ids) == ["a.png"]
    reported = problems(data)
    assert said(reported["files-missing"]) == ("error", ("gone.png",))
    assert "2 boxes" in reported["files-missing"].message
    assert said(reported["boxes-without-image"]) == ("error", ("boxes.json annotation 4 (image 99)",))
    assert "images-not-listed" not in reported
    beside = problems(opened("coco", tmp_path))["images-not-listed"]
    assert said(beside) == ("info", ("sub/b.png",))
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"none of the 2 images .* is there .*a\.png"):
        opened("coco", path)


def test_coco_ids_that_repeat_or_are_unknown(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / f"{name}.png")
    images = [image(1, "a.png"), image(1, "b.png"), image(3, "c.png"), image(4, "c.png")]
    images += [{"id": 5}, "no image", image(3, "c.png")]
    rows = [box(1, [1, 1, 5, 5]), box(3, [1, 1, 5, 5]), box(4, [2, 2, 5, 5]), box(3, [1, 1, 5, 5], 8)]
    rows += [box(3, [1, 2, 3]), box(3, None), box(3, [1, 2, 3, "x"]), box(3, [1, 2, 3, True])]
    data = opened("coco", coco(tmp_path, images, rows))
    assert boxes(data) == {"a": [("dog", 1, 1, 6, 6)], "c": [("dog", 1, 1, 6, 6), ("dog", 2, 2, 7, 7)]}
    reported = problems(data)
    assert said(reported["image-ids-repeated"]) == ("error", ("b.png (id 1)",))
    assert said(reported["images-listed-twice"]) == ("warning", ("c.png", "c.png"))
    assert said(reported["boxes-of-no-class"]) == ("error", ("c.png: 8 1 1 6 6",))
    assert (reported["boxes-missing"].severity, reported["boxes-missing"].count) == ("error", 4)
    assert said(reported["entries-broken"]) == ("error", ("boxes.json images[4]", "boxes.json images[5]"))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"images": [{"id": 1, "file_name": "a.p', "cut off"),
        ('{"images": [{"id": 1}], "annotations": [', "cut off"),
        ('{"images": [,], "annotations": [], "categories": []}', "no sound JSON"),
        ("[" * 100_000, "no sound JSON"),
        ('{"images": [{"id": ' + "1" * 5000 + "}]}", "no sound JSON"),
        ('[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]', "holds a list"),
        ('{"images": [], "annotations": []}', "no list categories"),
        ("7", "no list images"),
        ('{"images": [], "annotations": [], "categories": [{"name": "a"}]}', "whole number as id"),
        ('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}',
         "one id"),
        ('{"images": [], "annotations": [{"id": 1, "caption": "a dog"}], "categories": []}', "captions"),
    ],
)  # fmt: skip
def test_json_that_is_no_coco_is_refused_by_name(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=match) as error:
        opened("coco", tmp_path / "x.json")
    assert "x.json" in str(error.value)
    sure("coco", tmp_path / "x.json")
    with pytest.raises(SightlineError):
        opened("label_studio", tmp_path / "x.json")


def test_an_image_in_two_splits_is_told_and_used_once(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "b.png")
    for split, name in (("train", "a.png"), ("val", "a.png"), ("test", "b.png")):
        coco(tmp_path, [image(1, name)], [box(1, [1, 1, 5, 5])]).rename(tmp_path / f"{split}.json")
    data = opened("coco", tmp_path)
    assert dict(zip(data.ids, data.splits.tolist(), strict=True)) == {"a.png": "train", "b.png": "test"}
    assert said(problems(data)["images-in-two-splits"]) == ("error", ("a.png (train and val)",))


def test_of_several_files_none_is_taken_by_guess(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        coco(tmp_path, [], []).rename(tmp_path / name)
    with pytest.raises(DataError, match=r"one\.json, two\.json.*Name the file"):
        opened("coco", tmp_path)
    for name in ("train", "test"):
        write_image(tmp_path / f"images/{name}/a.png")
        write_image(tmp_path / f"{name}/a.png")
    with pytest.raises(DataError, match="lie in"):
        opened("coco", coco(tmp_path, [image(1, "a.png")], []))


def test_names_of_classes_must_agree_between_splits(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    for split, name in (("train", "cat"), ("val", "dog")):
        coco(tmp_path, [], [], [{"id": 1, "name": name}]).rename(tmp_path / f"{split}.json")
    with pytest.raises(DataError, match="category 1 is called 'dog' and, before that, 'cat'"):
        opened("coco", tmp_path)


@pytest.mark.parametrize(("head", "text"), [(BOMB, "&y;"), (FETCH, "")])
@pytest.mark.parametrize("format", ["voc", "cvat"])
def test_xml_bombs_are_refused(tmp_path: Path, format: str, head: str, text: str) -> None:
    write_image(tmp_path / "a.png")
    root = "annotation" if format == "voc" else "annotations"
    name = "a.xml" if format == "voc" else "annotations.xml"
    (tmp_path / name).write_text(f"<?xml version='1.0'?>{head}<{root}>{text}</{root}>")
    assert sure(format, tmp_path) > 0.9
    with pytest.raises(DataError, match=rf"{name}: line 1 declares .*DOCTYPE"):
        opened(format, tmp_path)


def test_voc_files_that_are_cut_or_point_nowhere(tmp_path: Path) -> None:
    whole = (
        "<annotation><size><width>40</width><height>30</height></size><object><name>cat</name><bndbox>"
        "<xmin>{}</xmin><ymin>2</ymin><xmax>{}</xmax><ymax>9</ymax></bndbox></object></annotation>"
    )
    good = whole.format(1, 8)
    texts = {"good": good, "cut": good[:60], "other": "<html/>", "alone": good}
    texts |= {"text": whole.format("x", 8), "none": whole.format("", 8)}
    for name, text in texts.items():
        if name != "alone":
            write_image(tmp_path / f"JPEGImages/{name}.png")
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        (tmp_path / f"Annotations/{name}.xml").write_text(text)
    write_image(tmp_path / "JPEGImages/bare.png")
    data = open_data(tmp_path)
    assert boxes(data) == {"good": [("cat", 0, 1, 8, 9)], "text": [], "none": [], "bare": []}
    reported = problems(data)
    assert reported["annotations-broken"].count == 2
    assert "cut.xml: the file is cut off" in reported["annotations-broken"].items[0]
    assert said(reported["files-missing"]) == ("error", ("JPEGImages/alone.jpg",))
    assert said(reported["annotations-missing"]) == ("warning", ("JPEGImages/bare.png",))
    assert said(reported["boxes-missing"]) == ("error", ("Annotations/none.xml: cat",))
    assert reported["boxes-not-finite"].count == 1


@pytest.mark.parametrize(
    ("line", "finding", "item"),
    [
        ("0 0.5 0.5 0.1", "lines-broken", "labels/a.txt line 2 (0 0.5 0.5 0.1)"),
        ("0 0.5 0.5 0.1 x", "lines-broken", "labels/a.txt line 2 (0 0.5 0.5 0.1 x)"),
        ("0.5 0.5 0.5 0.1 0.1", "lines-broken", "labels/a.txt line 2 (0.5 0.5 0.5 0.1 0.1)"),
        ("-1 0.5 0.5 0.1 0.1", "lines-broken", "labels/a.txt line 2 (-1 0.5 0.5 0.1 0.1)"),
        ("0 0.5 0.5 0.1 0.1 0.9", "lines-with-confidence", "labels/a.txt line 2"),
        (
            "0 0.1 0.1 0.5 0.5 0.1 0.5 0.9",
            "lines-broken",
            "labels/a.txt line 2 (0 0.1 0.1 0.5 0.5 0.1 0.5 0.9)",
        ),
        ("0 20 15 10 10", "lines-in-pixels", "labels/a.txt line 2 (0 20 15 10 10)"),
        ("0 nan 0.5 0.1 0.1", "boxes-not-finite", "images/a.png: 0 nan 0.45 nan 0.55"),
        ("5 0.5 0.5 0.1 0.1", "boxes-of-no-class", "images/a.png: 5 0.45 0.45 0.55 0.55"),
        ("0 0.5 0.5 -0.1 0.1", "boxes-inverted-corners", "images/a.png: 0 0.55 0.45 0.45 0.55"),
    ],
)
def test_yolo_lines_that_cannot_be_used(tmp_path: Path, line: str, finding: str, item: str) -> None:
    data = open_data(yolo(tmp_path, f"1 0.5 0.5 1 1\n{line}\n"))
    assert boxes(data) == {"a": [("dog", 0, 0, 40, 30)]}
    assert said(problems(data)[finding]) == ("error", (item,))
    assert len(data.read_findings) == 1


def test_yolo_labels_without_images_and_images_without_labels(tmp_path: Path) -> None:
    yolo(tmp_path, "1 0.5 0.5 1 1\n")
    write_image(tmp_path / "images/b.png")
    write_image(tmp_path / "images/c.png")
    write_image(tmp_path / "more/d.png")
    (tmp_path / "labels/b.txt").write_text("")
    (tmp_path / "labels/x.txt").write_text("1 0.5 0.5 1 1\n")
    data = open_data(tmp_path)
    assert data.targets.counts.tolist() == [1, 0, 0]
    reported = problems(data)
    assert said(reported["labels-without-image"]) == ("error", ("labels/x.txt",))
    # An empty file is the way to say "nothing" here, so that c's was lost.
    assert said(reported["annotations-missing"]) == ("error", ("images/c.png",))
    assert said(reported["images-not-listed"]) == ("info", ("more/d.png",))


def test_yolo_files_that_are_no_text_and_images_that_cannot_be_read(tmp_path: Path) -> None:
    yolo(tmp_path, b"\xff\xfe\x00")
    (tmp_path / "images/b.png").write_bytes(b"no image")
    (tmp_path / "labels/b.txt").write_text("1 0.5 0.5 1 1\n")
    data = open_data(tmp_path)
    reported = problems(data)
    assert reported["lines-broken"].items[0].startswith("labels/a.txt (")
    assert said(reported["sizes-unknown"])[0] == "error"
    assert boxes(data) == {"a": [], "b": []}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("train: images\nnames: 5\n", "neither a list nor a mapping"),
        ("train: images\nnames: {cat: 0}\n", "each whole number a text"),
        ("train: images\nnames: {0: cat, 00: dog}\n", "a class id twice"),
        ("train: images\nnames: [cat]\nnc: 3\n", "nc is 3, but 1 classes"),
        ("train: gone\nval: [gone/too]\nnames: [cat]\n", "nothing is at the places"),
        ("epochs: 3\n", "does not describe"),
        ("names: [a\n", "does not describe"),
        ("names: &a [x, x]\nnc: [*a, *a, *a]\nepochs: 1\n", "does not describe"),
    ],
)
def test_data_yaml_that_cannot_be_understood(tmp_path: Path, text: str, match: str) -> None:
    write_image(tmp_path / "images/a.png")
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match=match):
        opened("yolo", tmp_path / "data.yaml")


def test_a_part_of_data_yaml_that_is_not_there(tmp_path: Path) -> None:
    yolo(tmp_path, "1 0.5 0.5 1 1\n")
    with (tmp_path / "data.yaml").open("a") as file:
        file.write("val: images/val\n")
    assert said(problems(open_data(tmp_path))["parts-missing"]) == ("error", ("val: images/val",))


def test_a_test_part_that_was_never_exported_stops_nothing(tmp_path: Path) -> None:
    yolo(tmp_path, "1 0.5 0.5 1 1\n")
    write_image(tmp_path / "valid/images/b.png")
    (tmp_path / "valid/labels").mkdir()
    (tmp_path / "valid/labels/b.txt").write_text("1 0.5 0.5 1 1\n")
    text = "names: [cat, dog]\ntrain: images\nval: valid/images\ntest: ../test/images\n"
    (tmp_path / "data.yaml").write_text(text)
    assert said(problems(open_data(tmp_path))["parts-missing"]) == ("warning", ("test: ../test/images",))


def test_lost_label_files_are_a_warning_and_those_of_a_whole_part_an_error(tmp_path: Path) -> None:
    for name in ("train/a", "train/b", "val/c"):
        write_image(tmp_path / f"images/{name}.png")
        (tmp_path / f"labels/{name}.txt").parent.mkdir(parents=True, exist_ok=True)
    for name in ("train/a", "val/c"):
        (tmp_path / f"labels/{name}.txt").write_text("0 0.5 0.5 1 1\n")
    reported = problems(open_data(tmp_path))
    assert said(reported["annotations-missing"]) == ("warning", ("images/train/b.png",))
    (tmp_path / "labels/val/c.txt").unlink()
    reported = problems(open_data(tmp_path))
    assert said(reported["annotations-missing"])[0] == "error"
    assert "no image of val has one" in reported["annotations-missing"].message


def test_yolo_folders_are_found_in_any_case_and_hidden_ones_are_not_read(tmp_path: Path) -> None:
    write_image(tmp_path / "Images/train/a.png")
    write_image(tmp_path / "Images/train/.ipynb_checkpoints/a-checkpoint.png")
    (tmp_path / "Labels/Train").mkdir(parents=True)
    (tmp_path / "Labels/Train/a.txt").write_text("1 0.5 0.5 1 1\n")
    (tmp_path / "data.yaml").write_text("names: [cat, dog]\ntrain: images/train\n")
    data = open_data(tmp_path)
    assert boxes(data) == {"a": [("dog", 0, 0, 40, 30)]}
    assert not data.read_findings


def test_rows_of_a_table_that_cannot_be_used(tmp_path: Path) -> None:
    for name in "ab":
        write_image(tmp_path / f"{name}.png")
    rows = ["a.png,1,1,5,5,cat,train", "a.png,1,1,5,5,,train", "a.png,1,x,5,5,cat,train", "b.png,1,1,5,5",
            "gone.png,1,1,5,5,dog,test", "b.png,9,1,5,5,cat,holdout", "a.png,1,1,6,6,cat,test"]  # fmt: skip
    (tmp_path / "t.csv").write_text("path,xmin,ymin,xmax,ymax,class,split\n" + "\n".join(rows) + "\n")
    data = open_data(tmp_path / "t.csv")
    reported = problems(data)
    assert boxes(data) == {"a": [("cat", 1, 1, 5, 5), ("cat", 1, 1, 6, 6)], "b": []}
    assert said(reported["rows-broken"]) == ("error", ("t.csv line 5",))
    assert said(reported["target-missing"]) == ("error", ("t.csv line 3",))
    assert said(reported["split-unknown"]) == ("error", ("t.csv line 7 (holdout)",))
    assert said(reported["files-missing"]) == ("error", ("gone.png",))
    assert said(reported["images-in-two-splits"])[0] == "error"
    assert reported["boxes-not-finite"].count == reported["boxes-inverted-corners"].count == 1


def test_tables_that_contradict_themselves_or_hold_no_boxes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    head = "path,xmin,ymin,xmax,ymax,class,class_id\n"
    (tmp_path / "t.csv").write_text(head + "a.png,1,1,5,5,cat,1\na.png,1,1,5,5,cat,2\n")
    with pytest.raises(DataError, match=r"t\.csv line 3: class 'cat' has the id 2"):
        open_data(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text(head + "a.png,1,1,5,5,cat,1\na.png,1,1,5,5,dog,1\n")
    with pytest.raises(DataError, match="two classes have one id"):
        open_data(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("path,label\na.png,cat\n")
    with pytest.raises(DataError, match="hold no boxes"):
        opened("boxes", tmp_path / "t.csv")
    assert sure("boxes", tmp_path / "t.csv") == 0


def test_label_studio_tasks_that_cannot_be_used(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / f"{name}.png")

    def rectangle(labels: list[str], **more: Any) -> dict[str, Any]:
        value = {"x": 0, "y": 0, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": labels, **more}
        return {"type": "rectanglelabels", "value": value}

    results = [rectangle(["cat"]), rectangle(["dog"], rotation=30), rectangle([]), rectangle(["cat"], x=None),
               {"type": "polygonlabels", "value": {}}]  # fmt: skip
    tasks = [
        {"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": results}, {"result": []}]},
        {"id": 2, "data": {"image": "b.png"}, "annotations": []},
        {"id": 3, "data": {"text": "hello"}, "annotations": [{"result": []}]},
        {"id": 4, "data": {"image": "s3://bucket/gone.png"}, "annotations": [{"result": results[:1]}]},
        "no task",
    ]
    (tmp_path / "t.json").write_text(json.dumps(tasks))
    data = open_data(tmp_path / "t.json")
    assert boxes(data) == {"a": [("cat", 0, 0, 20, 15)]}
    reported = problems(data)
    assert said(reported["boxes-rotated"]) == ("error", ("a.png result 1",))
    bare = ("a.png result 2: rectanglelabels without a label", "a.png result 3: cat")
    assert said(reported["boxes-missing"]) == (
        "error",
        (*bare, "a.png result 4: polygonlabels without a label"),
    )
    assert said(reported["tasks-not-annotated"]) == ("warning", ("b.png",))
    assert said(reported["annotations-several"]) == ("warning", ("a.png",))
    assert said(reported["entries-broken"]) == ("error", ("task 3", "task 4"))
    assert said(reported["files-missing"])[0] == "error"
    (tmp_path / "t.json").write_text(json.dumps([{"picture": "a.png", "label": []}]))
    with pytest.raises(DataError, match="JSON-MIN"):
        opened("label_studio", tmp_path / "t.json")


def test_cvat_shapes_that_are_no_boxes_and_videos(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    corners = 'xtl="1" ytl="1" xbr="5" ybr="5"'
    shapes = f'<box label="cat" {corners}/><box label="cat" rotation="30" {corners}/><polygon points=""/>'
    shapes += f'<box label="emu" {corners}/>'
    label = "<meta><task><labels><label><name>cat</name></label></labels></task></meta>"
    text = f'<annotations>{label}<image name="a.png">{shapes}</image></annotations>'
    (tmp_path / "annotations.xml").write_text(text)
    data = open_data(tmp_path)
    assert boxes(data) == {"a": [("cat", 1, 1, 5, 5)]}
    reported = problems(data)
    assert said(reported["boxes-rotated"]) == ("error", ("a.png box 2 (cat)",))
    assert reported["polygons-broken"].items == ("a.png polygon 3 (): a polygon of fewer than three points",)
    assert said(reported["boxes-of-no-class"]) == ("error", ("a.png: emu 1 1 5 5",))
    (tmp_path / "annotations.xml").write_text("<annotations><track id='0'/></annotations>")
    with pytest.raises(DataError, match="tracks of a video"):
        open_data(tmp_path)
    (tmp_path / "annotations.xml").write_text(text[:-40])
    with pytest.raises(DataError, match="cut off"):
        open_data(tmp_path)


def test_an_image_with_5000_boxes(tmp_path: Path) -> None:
    lines = [f"{i % 2} {(i % 100 + 0.5) / 100} {(i // 100 + 0.5) / 50} 0.01 0.02\n" for i in range(5000)]
    data = open_data(yolo(tmp_path, "".join(lines)))
    assert data.targets.counts.tolist() == [5000]
    assert torch.bincount(data.targets.labels).tolist() == [2500, 2500]
    assert not data.read_findings


def test_no_box_at_all(tmp_path: Path) -> None:
    data = open_data(yolo(tmp_path, ""))
    assert (data.targets.counts.tolist(), tuple(data.targets.boxes.shape)) == ([0], (0, 4))
    assert data.classes == Classes(("cat", "dog"))
    assert data.targets.class_presence(2).tolist() == [[False, False]]
