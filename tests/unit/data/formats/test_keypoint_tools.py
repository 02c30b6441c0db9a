"""Keypoints of annotation tools: Label Studio's points with a parent, CVAT's skeletons and points."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sightline.core.targets.keypoints import Keypoints
from sightline.data.open import open_data
from sightline.errors import DataError
from tests.unit.data.box_samples import problems, write_image
from tests.unit.data.formats.test_keypoint_formats import rows


def point(name: str, x: float, y: float, parent: str | None = None) -> dict[str, Any]:
    """A point in per cent of an image of 40 x 30."""
    value = {"x": x, "y": y, "width": 0.4, "keypointlabels": [name]}
    more = {} if parent is None else {"parentID": parent}
    return {"id": f"{name}{x}", "type": "keypointlabels", "value": value, **more}


def box(key: str, label: str, x: float, y: float, w: float, h: float) -> dict[str, Any]:
    """A rectangle in per cent."""
    value = {"x": x, "y": y, "width": w, "height": h, "rotation": 0, "rectanglelabels": [label]}
    return {"id": key, "type": "rectanglelabels", "value": value}


def label_studio(folder: Path, results: list[dict[str, Any]]) -> Path:
    """An export of one task; its path."""
    write_image(folder / "a.png")
    sized = [{"original_width": 40, "original_height": 30, **result} for result in results]
    path = folder / "tasks.json"
    path.write_text(json.dumps([{"id": 1, "data": {"image": "a.png"}, "annotations": [{"result": sized}]}]))
    return path


def cvat(folder: Path, shapes: str) -> Path:
    """annotations.xml with one image; the folder."""
    write_image(folder / "a.png")
    labels = "<label><name>cow</name></label>" + "".join(
        f"<label><name>{name}</name><parent>cow</parent></label>"
        for name in ("left_eye", "right_eye", "tail")
    )
    (folder / "annotations.xml").write_text(
        f"<annotations><meta><task><labels>{labels}</labels></task></meta>"
        f'<image id="0" name="a.png" width="40" height="30">{shapes}</image></annotations>'
    )
    return folder


def test_label_studio_points_belong_to_the_box_that_is_their_parent(tmp_path: Path) -> None:
    results = [
        box("b1", "cow", 0, 0, 50, 100), box("b2", "dog", 50, 0, 50, 100),
        point("nose", 75, 50, "b2"), point("nose", 25, 50, "b1"), point("tail", 30, 60, "b1"),
    ]  # fmt: skip
    data = open_data(label_studio(tmp_path, results))
    targets = data.targets_as(Keypoints)
    assert targets.skeleton.names == ("nose", "tail")
    assert rows(data) == [[[10, 15, 2], [12, 18, 2]], [[30, 15, 2], [0, 0, 0]]]
    assert targets.boxes.tolist() == [[0, 0, 20, 30], [20, 0, 40, 30]]
    assert data.classes is not None
    assert [data.classes.names[k] for k in targets.labels] == ["cow", "dog"]


def test_label_studio_points_without_a_box_are_one_object(tmp_path: Path) -> None:
    data = open_data(label_studio(tmp_path, [point("nose", 25, 50), point("tail", 50, 50)]))
    assert rows(data) == [[[10, 15, 2], [20, 15, 2]]]


def test_label_studio_points_of_nobody_are_an_error(tmp_path: Path) -> None:
    results = [box("b1", "cow", 0, 0, 50, 100), box("b2", "cow", 50, 0, 50, 100), point("nose", 25, 50)]
    path = label_studio(tmp_path, results)
    finding = problems(open_data(path, target_type="keypoints"))["keypoints-without-object"]
    assert (finding.severity, finding.count) == ("error", 1)
    boxes = open_data(path)  # one point among two boxes is a slip
    assert boxes.target_type == "instances"
    assert problems(boxes)["shapes-not-boxes"].count == 1


def test_label_studio_is_read_as_the_task_asks(tmp_path: Path) -> None:
    path = label_studio(tmp_path, [box("b1", "cow", 0, 0, 50, 100), point("nose", 25, 50, "b1")])
    assert open_data(path).target_type == "keypoints"
    boxes = open_data(path, target_type="instances")
    assert boxes.targets.to_json()[0]["boxes"] == [[0, 0, 20, 30]]
    assert "--task keypoints" in problems(boxes)["shapes-not-boxes"].fix


def test_cvat_skeletons_with_points_outside_and_occluded(tmp_path: Path) -> None:
    shapes = (
        '<skeleton label="cow"><points label="tail" outside="1" occluded="0" points="1,2"/>'
        '<points label="right_eye" outside="0" occluded="1" points="5.5,6"/>'
        '<points label="left_eye" outside="0" occluded="0" points="7,8"/></skeleton>'
        '<skeleton label="cow"><points label="tail" outside="0" occluded="0" points="20,10"/>'
        '<points label="left_eye" outside="0" occluded="0" points="30,20"/></skeleton>'
    )
    data = open_data(cvat(tmp_path, shapes))
    assert data.targets_as(Keypoints).skeleton.names == ("left_eye", "right_eye", "tail")
    assert data.targets_as(Keypoints).skeleton.pairs == ((0, 1),)
    assert rows(data) == [[[7, 8, 2], [5.5, 6, 1], [0, 0, 0]], [[30, 20, 2], [0, 0, 0], [20, 10, 2]]]


def test_cvat_points_of_one_group_are_an_object(tmp_path: Path) -> None:
    shapes = "".join(
        f'<points label="{name}" occluded="0" points="{x},{y}" group_id="{group}"/>'
        for name, x, y, group in (("tail", 1, 2, 1), ("left_eye", 3, 4, 1), ("tail", 20, 10, 2))
    )
    assert rows(open_data(cvat(tmp_path, shapes))) == [[[3, 4, 2], [1, 2, 2]], [[0, 0, 0], [20, 10, 2]]]
    with pytest.raises(DataError, match="group"):
        open_data(cvat(tmp_path, shapes.replace('group_id="2"', 'group_id="1"')))


def test_cvat_lists_of_points_are_numbered(tmp_path: Path) -> None:
    data = open_data(cvat(tmp_path, '<points label="cow" occluded="0" points="1,2;3,4;5,6"/>'))
    assert data.targets_as(Keypoints).skeleton.names == ("point 1", "point 2", "point 3")
    assert rows(data) == [[[1, 2, 2], [3, 4, 2], [5, 6, 2]]]


def test_cvat_with_boxes_beside_skeletons_is_read_as_the_task_asks(tmp_path: Path) -> None:
    shapes = (
        '<box label="cow" xtl="1" ytl="2" xbr="9" ybr="9"/><skeleton label="cow">'
        '<points label="tail" outside="0" occluded="0" points="20,10"/></skeleton>'
    )
    data = open_data(cvat(tmp_path, shapes))
    assert data.target_type == "instances"
    assert problems(data)["shapes-not-boxes"].severity == "error"
    posed = open_data(tmp_path, target_type="keypoints")
    assert rows(posed) == [[[20, 10, 2]]]
    assert problems(posed)["shapes-not-keypoints"].count == 1
