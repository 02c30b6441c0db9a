"""Shapes of other kinds among boxes: the box around each, said, or an error; never an image of nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sightline.data.open import open_data
from tests.unit.data.box_samples import boxes, problems, write_image

RING = [[4, 6], [20, 6], [20, 18], [4, 18]]


def cvat(root: Path, *shapes: str) -> Path:
    write_image(root / "a.png")
    image = f'<image name="a.png" width="40" height="30">{"".join(shapes)}</image>'
    (root / "annotations.xml").write_text(f"<annotations>{image}</annotations>")
    return root


def label_studio(root: Path, *values: dict[str, Any], name: str = "tasks.json") -> Path:
    """One task; x and width are per cent of 40 pixels, y and height of 30."""
    write_image(root / "a.png")
    results = [
        {"id": str(k), "type": next(t for t in v if t.endswith("labels")), "original_width": 40,
         "original_height": 30, "value": v}
        for k, v in enumerate(values)
    ]  # fmt: skip
    tasks = [{"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": results}]}]
    (root / name).write_text(json.dumps(tasks))
    return root


BOX = '<box label="cat" xtl="1" ytl="2" xbr="5" ybr="8"/>'


def test_cvat_ellipses_polygons_and_masks_among_boxes_become_the_boxes_around_them(tmp_path: Path) -> None:
    points = ";".join(f"{x},{y}" for x, y in RING)
    data = open_data(cvat(
        tmp_path, BOX, f'<polygon label="cat" points="{points}"/>',
        '<ellipse label="cat" cx="20" cy="15" rx="10" ry="5"/>',
        '<ellipse label="cat" cx="20" cy="15" rx="10" ry="5" rotation="90"/>',
        '<mask label="cat" rle="1, 2, 1, 2" left="30" top="20" width="3" height="2"/>',
    ))  # fmt: skip
    around = [(1, 2, 5, 8), (4, 6, 20, 18), (10, 10, 30, 20), (15, 5, 25, 25), (31, 20, 33, 22)]
    assert boxes(data) == {"a": [("cat", *box) for box in around]}
    assert (result := problems(data)["shapes-as-boxes"]).severity == "info"
    assert result.items[1] == "a.png ellipse 3 (cat)"
    assert result.count == 4


@pytest.mark.parametrize("shape", ["polyline", "points", "cuboid", "skeleton"])
def test_cvat_shapes_without_a_box_stop_the_training(tmp_path: Path, shape: str) -> None:
    reported = problems(open_data(cvat(tmp_path, BOX, f'<{shape} label="cat" points="1,2;9,9"/>')))
    assert (reported["shapes-not-boxes"].severity, reported["shapes-not-boxes"].count) == ("error", 1)


def test_outlines_alone_are_masks_unless_boxes_are_asked_for(tmp_path: Path) -> None:
    root = cvat(tmp_path, '<polygon label="cat" points="4,6;20,6;20,18;4,18"/>')
    data = open_data(root)
    assert data.target_type == "outlines"
    assert "--task detect" in data.messages[-1]
    assert open_data(root, target_type="instances").target_type == "instances"


def test_an_ellipse_is_a_mask_of_its_area_where_masks_are_wanted(tmp_path: Path) -> None:
    data = open_data(
        cvat(tmp_path, BOX, '<ellipse label="cat" cx="20" cy="15" rx="10" ry="5" rotation="30"/>'),
        target_type="outlines",
    )
    assert data.targets.areas.tolist() == pytest.approx([157], abs=4)  # 10 x 5 x pi
    reported = problems(data)
    assert reported["shapes-not-polygons"].severity == "error"
    assert reported["ellipses-as-polygons"].count == 1


@pytest.mark.parametrize(
    ("rotation", "x", "y", "w", "h"),
    [
        (0, 4, 6, 16, 12),
        (90, 20, 6, 12, 16),
        (180, 20, 18, 16, 12),
        (270, 4, 18, 12, 16),
        (-90, 4, 18, 12, 16),
    ],
)
def test_label_studio_turns_by_quarters_are_exact(
    tmp_path: Path, rotation: int, x: int, y: int, w: int, h: int
) -> None:
    value = {"x": x / 0.4, "y": y / 0.3, "width": w / 0.4, "height": h / 0.3, "rotation": rotation}
    data = open_data(label_studio(tmp_path, {**value, "rectanglelabels": ["cat"]}) / "tasks.json")
    assert boxes(data)["a"][0][1:] == pytest.approx((4, 6, 20, 18), abs=1e-4)
    assert not data.read_findings


def test_label_studio_slips_are_straightened_and_real_turns_refused(tmp_path: Path) -> None:
    value = {"x": 10, "y": 20, "width": 40, "height": 40, "rectanglelabels": ["cat"]}
    ellipse = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 20, "rotation": 90, "ellipselabels": ["dog"]}
    point = {"x": 50, "y": 50, "width": 1, "keypointlabels": ["dog"]}
    root = label_studio(tmp_path, {**value, "rotation": 0.3}, {**value, "rotation": 30}, ellipse, point)
    data = open_data(root / "tasks.json")
    slip, round_ = boxes(data)["a"]
    assert slip[1:] == pytest.approx((4, 6, 20, 18), abs=0.1)
    assert round_ == ("dog", 14, 5, 26, 25)
    reported = problems(data)
    assert reported["boxes-straightened"].severity == "info"
    assert reported["boxes-rotated"].severity == "error"
    assert reported["shapes-not-boxes"].items == ("a.png result 3: keypoint",)


def test_label_studio_choices_short_exports_and_folders(tmp_path: Path) -> None:
    value = {"x": 10, "y": 20, "width": 40, "height": 40, "rotation": 0}
    sized = {"original_width": 40, "original_height": 30}
    whole = label_studio(tmp_path / "folder", {**value, "labels": ["cat"]})
    assert boxes(open_data(whole)) == {"a": [("cat", 4, 6, 20, 18)]}
    short = whole / "min.json"
    short.write_text(json.dumps([{"id": 1, "image": "/data/upload/1/0a1b2c3d-a.png",
                                  "label": [{**value, **sized, "rectanglelabels": ["cat"]}]}]))  # fmt: skip
    assert boxes(open_data(short)) == {"a": [("cat", 4, 6, 20, 18)]}
    cell = json.dumps([{**value, **sized, "rectanglelabels": ["cat"]}]).replace('"', '""')
    (tmp_path / "folder/e.csv").write_text(f'annotation_id,image,label,rating\n1,a.png,"{cell}",\n')
    assert boxes(open_data(tmp_path / "folder/e.csv")) == {"a": [("cat", 4, 6, 20, 18)]}
    write_image(whole / "b.png")
    outputs = [[{"type": "choices", "value": {"choices": [c]}}] for c in ("sea", "wood")]
    tasks = [{"data": {"image": f"{n}.png"}, "annotations": [{"result": r}]}
             for n, r in zip("ab", outputs, strict=True)]  # fmt: skip
    short.write_text(json.dumps(tasks))
    data = open_data(short)
    assert data.target_type == "label"
    assert [data.classes.names[k] for k in data.targets.value] == ["sea", "wood"]
    several = {"image": "b.png", "choice": {"choices": ["sea", "wood"]}, "annotator": 1}
    short.write_text(json.dumps([{"image": "a.png", "choice": "sea", "annotator": 1}, several]))
    assert open_data(short).targets.value.tolist() == [[True, False], [True, True]]


def test_a_rectangle_and_its_labels_in_two_results_are_one_box(tmp_path: Path) -> None:
    value = {"x": 10, "y": 20, "width": 40, "height": 40, "rotation": 0}
    root = label_studio(tmp_path, {**value, "labels": ["cat"]})
    tasks = json.loads((root / "tasks.json").read_text())
    results = tasks[0]["annotations"][0]["result"]
    results.insert(0, {**results[0], "type": "rectangle", "value": value})
    (root / "tasks.json").write_text(json.dumps(tasks))
    data = open_data(root / "tasks.json")
    assert boxes(data) == {"a": [("cat", 4, 6, 20, 18)]}
    assert not data.read_findings


def test_yolo_lines_with_key_points_are_boxes_and_never_polygons(tmp_path: Path) -> None:
    write_image(tmp_path / "images/a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.4 0.5 0.5 2 0.6 0.6 0\n")
    data = open_data(tmp_path)
    assert boxes(data)["a"][0][1:] == pytest.approx((10, 9, 30, 21), abs=1e-4)
    assert problems(data)["keypoints-aside"].count == 1
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 0.5 0.4 0.5 0.5 0.6 0.6\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [hand]\nkpt_shape: [2, 2]\n")
    assert boxes(open_data(tmp_path))["a"][0][1:] == pytest.approx((10, 9, 30, 21), abs=1e-4)


def test_cvat_tags_are_labels_where_nothing_is_drawn(tmp_path: Path) -> None:
    data = open_data(cvat(tmp_path, '<tag label="sea"/><tag label="beach"/>'))
    assert (data.target_type, data.classes.names) == ("label", ("beach", "sea"))
    assert data.targets.value.tolist() == [[True, True]]
    assert open_data(cvat(tmp_path, '<tag label="sea"/>', BOX)).target_type == "instances"


def test_yolo_polygons_among_boxes_become_boxes_and_polygons_alone_masks(tmp_path: Path) -> None:
    for n in "ab":
        write_image(tmp_path / f"images/{n}.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.1 0.2 0.5 0.2 0.5 0.6 0.1 0.6\n")
    (tmp_path / "labels/b.txt").write_text("0 0.5 0.5 1 1\n")
    data = open_data(tmp_path)
    assert boxes(data)["a"][0][1:] == pytest.approx((4, 6, 20, 18), abs=1e-4)
    assert problems(data)["shapes-as-boxes"].items == ("labels/a.txt line 1",)
    (tmp_path / "labels/b.txt").write_text("")
    assert open_data(tmp_path).target_type == "outlines"
