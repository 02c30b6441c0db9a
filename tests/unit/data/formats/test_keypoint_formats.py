"""Keypoints in files of COCO, YOLO, DeepLabCut and LSP: what is read, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from sightline.core.dataset import Dataset
from sightline.core.targets.keypoints import Keypoints
from sightline.data.open import open_data
from sightline.errors import DataError, UsageError
from tests.unit.data.box_samples import opened, problems, sure, write_image

DLC_HEADER = "scorer,Ann,Ann,Ann,Ann\nbodyparts,leftear,leftear,rightear,rightear\ncoords,x,y,x,y\n"


def rows(data: Dataset) -> list[list[list[float]]]:
    """x, y and visibility of all points of all objects."""
    targets = data.targets_as(Keypoints)
    return [
        [[*xy, v] for xy, v in zip(points, visible, strict=True)]
        for points, visible in zip(targets.points.tolist(), targets.visibility.tolist(), strict=True)
    ]


def dlc(folder: Path, text: str, video: str = "mouse", frames: Sequence[str] = ("a.png",)) -> Path:
    """A project of DeepLabCut with one video; the folder."""
    place = folder / "labeled-data" / video
    for frame in frames:
        write_image(place / frame)
    (place / "CollectedData_Ann.csv").write_text(text)
    return folder


def coco(folder: Path, annotations: list[dict[str, Any]], **category: Any) -> Path:
    """A COCO file of one image of 40 x 30; its path."""
    write_image(folder / "a.png")
    person = {"id": 1, "name": "person", "keypoints": ["nose", "left_eye", "right_eye"], **category}
    base = {"image_id": 7, "category_id": 1, "bbox": [2, 3, 20, 10]}
    entries = [{"id": k, **base, **entry} for k, entry in enumerate(annotations)]
    images = [{"id": 7, "file_name": "a.png", "width": 40, "height": 30}]
    path = folder / "people.json"
    path.write_text(json.dumps({"images": images, "annotations": entries, "categories": [person]}))
    return path


def yolo(folder: Path, lines: str, more: str) -> Path:
    """A YOLO data set of one image of 40 x 30; its folder."""
    write_image(folder / "images" / "a.png")
    (folder / "labels").mkdir()
    (folder / "labels" / "a.txt").write_text(lines)
    (folder / "data.yaml").write_text(f"names: [mouse]\ntrain: images\n{more}")
    return folder


@pytest.mark.parametrize("place", ["labeled-data/mouse/a.png", "labeled-data\\mouse\\a.png", "a.png"])
def test_deeplabcut_finds_a_frame_however_its_path_is_written(place: str, tmp_path: Path) -> None:
    data = opened("deeplabcut", dlc(tmp_path, f"{DLC_HEADER}{place},1.5,2,3,4\n"))
    assert data.ids == ["labeled-data/mouse/a.png"]
    assert rows(data) == [[[1.5, 2, 2], [3, 4, 2]]]
    assert not data.read_findings


def test_deeplabcut_with_the_path_in_three_columns(tmp_path: Path) -> None:
    header = "\n".join(line.replace(",", ",,,", 1) for line in DLC_HEADER.splitlines())
    data = opened("deeplabcut", dlc(tmp_path, f"{header}\nlabeled-data,mouse,a.png,1,2,3,4\n"))
    assert rows(data) == [[[1, 2, 2], [3, 4, 2]]]


def test_deeplabcut_without_a_value_is_not_labeled(tmp_path: Path) -> None:
    text = f"{DLC_HEADER}a.png,1,2,,\nb.png,NaN,NaN,5,6\nc.png,,,,\nd.png,-1,-1,5,6\n"
    root = dlc(tmp_path, text, frames=("a.png", "b.png", "c.png", "d.png"))
    (root / "labeled-data/mouse/CollectedData_Ann.h5").write_bytes(b"")
    data = opened("deeplabcut", root)
    assert rows(data) == [
        [[1, 2, 2], [0, 0, 0]], [[0, 0, 0], [5, 6, 2]], [[0, 0, 0], [5, 6, 2]]
    ]  # fmt: skip
    assert data.targets_as(Keypoints).counts.tolist() == [1, 1, 0, 1]
    assert problems(data)["frames-not-labeled"].items == ("labeled-data/mouse/c.png",)
    assert problems(data)["keypoints-negative"].count == 1
    assert "CollectedData_Ann.h5" in " ".join(data.messages)


def test_deeplabcut_saved_again_with_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    text = f"{DLC_HEADER}a.png,1.5,2,3,4.25\n".replace(",", ";").replace("1.5", "1,5").replace("4.25", "4,25")
    assert rows(opened("deeplabcut", dlc(tmp_path, text))) == [[[1.5, 2, 2], [3, 4.25, 2]]]


def test_points_of_one_coordinate_or_in_the_corner_are_told(tmp_path: Path) -> None:
    data = opened("deeplabcut", dlc(tmp_path, f"{DLC_HEADER}a.png,1,,0,0\n"))
    assert rows(data) == [[[0, 0, 0], [0, 0, 2]]]
    for name, part in (("keypoints-half", "leftear"), ("keypoints-at-origin", "rightear")):
        finding = problems(data)[name]
        assert (finding.severity, finding.count) == ("warning", 1)
        assert part in finding.message


def test_deeplabcut_of_several_animals_has_an_object_for_each(tmp_path: Path) -> None:
    header = (
        "scorer" + ",Ann" * 6 + "\nindividuals,one,one,two,two,single,single\n"
        "bodyparts,snout,snout,snout,snout,corner,corner\ncoords,x,y,x,y,x,y\n"
    )
    data = opened("deeplabcut", dlc(tmp_path, f"{header}a.png,1,2,3,4,5,6\n"))
    assert data.targets_as(Keypoints).skeleton.names == ("snout", "corner")
    assert rows(data) == [[[1, 2, 2], [0, 0, 0]], [[3, 4, 2], [0, 0, 0]], [[0, 0, 0], [5, 6, 2]]]
    assert data.classes is not None
    assert [data.classes.names[k] for k in data.targets_as(Keypoints).labels] == [
        "animal",
        "animal",
        "single",
    ]


def test_deeplabcut_keeps_the_frames_of_a_video_together(tmp_path: Path) -> None:
    root = dlc(tmp_path, f"{DLC_HEADER}a.png,1,2,3,4\n")
    dlc(tmp_path, f"{DLC_HEADER}a.png,1,2,3,4\n", video="rat")
    data = opened("deeplabcut", root)
    assert data.groups is not None
    assert data.groups.tolist() == ["mouse", "rat"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (DLC_HEADER.replace("x,y,x,y", "x,y,likelihood,y") + "a.png,1,2,3,4\n", "predictions"),
        (DLC_HEADER.replace("Ann,Ann\n", "Ann,Bob\n") + "a.png,1,2,3,4\n", "two scorers"),
        (DLC_HEADER + "a.png,1,2,3\n", "4 cells"),
        (DLC_HEADER + "a.png,1,2,3,four\n", "'four'"),
        (DLC_HEADER.replace("x,y,x,y", "x,y,x,x") + "a.png,1,2,3,4\n", "one column x and one column y"),
    ],
)
def test_deeplabcut_refuses_with_a_sentence(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        opened("deeplabcut", dlc(tmp_path, text))


def test_deeplabcut_of_two_scorers_asks_which(tmp_path: Path) -> None:
    root = dlc(tmp_path, f"{DLC_HEADER}a.png,1,2,3,4\n")
    (root / "labeled-data/mouse/CollectedData_Bob.csv").write_text(f"{DLC_HEADER}a.png,1,2,3,4\n")
    with pytest.raises(DataError, match=r"CollectedData_Ann\.csv .* CollectedData_Bob\.csv"):
        open_data(root)


def test_box_of_an_object_without_one_is_its_extent_and_a_share(tmp_path: Path) -> None:
    text = f"{DLC_HEADER}a.png,10,10,20,14\nb.png,20,20,,\n"
    data = opened("deeplabcut", dlc(tmp_path, text, frames=("a.png", "b.png")))
    first, second = data.targets_as(Keypoints).boxes.tolist()
    assert first == pytest.approx([8.5, 8.5, 21.5, 15.5])
    assert second == pytest.approx([13.5, 13.5, 26.5, 26.5])
    assert problems(data)["boxes-of-one-point"].items == ("labeled-data/mouse/b.png",)


def test_coco_ignores_coordinates_of_points_that_are_not_labeled(tmp_path: Path) -> None:
    path = coco(tmp_path, [{"keypoints": [5, 6, 2, 7, 8, 1, 9, 9, 0], "num_keypoints": 2}], skeleton=[[1, 2]])
    data = open_data(path)
    assert rows(data) == [[[5, 6, 2], [7, 8, 1], [0, 0, 0]]]
    assert data.targets_as(Keypoints).boxes.tolist() == [[2, 3, 22, 13]]
    assert data.targets_as(Keypoints).skeleton.limbs == ((0, 1),)
    assert data.targets_as(Keypoints).skeleton.sigmas == (0.026, 0.025, 0.025)
    assert not data.read_findings
    assert "left_eye - right_eye" in " ".join(data.messages)


def test_coco_with_keypoints_is_read_as_the_task_asks(tmp_path: Path) -> None:
    path = coco(tmp_path, [{"keypoints": [5, 6, 2, 7, 8, 1, 0, 0, 0]}, {"keypoints": [0] * 9}])
    assert open_data(path).target_type == "keypoints"
    boxes = open_data(path, target_type="instances")
    assert boxes.target_type == "instances"
    assert boxes.targets.to_json()[0]["boxes"] == [[2, 3, 22, 13]] * 2


def test_coco_whose_objects_have_no_labeled_point_is_boxes(tmp_path: Path) -> None:
    path = coco(tmp_path, [{"keypoints": [0] * 9}, {}])
    assert open_data(path).target_type == "instances"
    data = open_data(path, target_type="keypoints")
    assert rows(data) == [[[0, 0, 0]] * 3] * 2


def test_coco_reports_what_does_not_fit(tmp_path: Path) -> None:
    path = coco(
        tmp_path,
        [
            {"keypoints": [5, 6, 2, 7, 8, 1, 0, 0, 0], "num_keypoints": 3},
            {"keypoints": [5, 6, 2, 7, 8, 1]},
            {"keypoints": [5, 6, 3, 7, 8, 1, 0, 0, 0]},
        ],
    )
    data = open_data(path)
    assert rows(data) == [[[5, 6, 2], [7, 8, 1], [0, 0, 0]]]
    assert problems(data)["num-keypoints-differ"].severity == "warning"
    broken = problems(data)["keypoints-broken"]
    assert (broken.severity, broken.count) == ("error", 2)
    assert "6 numbers, 3 keypoints" in broken.items[0]


def test_coco_of_two_skeletons_asks_which_category(tmp_path: Path) -> None:
    path = coco(tmp_path, [{"keypoints": [5, 6, 2] * 3}, {"keypoints": [1, 2, 2], "category_id": 2}])
    content = json.loads(path.read_text())
    content["categories"].append({"id": 2, "name": "dog", "keypoints": ["tail"]})
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="--target person"):
        open_data(path)
    data = open_data(path, target_type="keypoints", target="dog")
    assert data.classes is not None
    assert data.classes.names == ("dog",)
    assert rows(data) == [[[1, 2, 2]]]
    assert problems(data)["categories-without-keypoints"].count == 1


def test_yolo_of_two_columns_has_all_points_visible_but_those_at_zero(tmp_path: Path) -> None:
    root = yolo(tmp_path, "0 .5 .5 .5 .5 .25 .5 0 0\n", "kpt_shape: [2, 2]\nflip_idx: [1, 0]\n")
    data = open_data(root)
    assert rows(data) == [[[10, 15, 2], [0, 0, 0]]]
    skeleton = data.targets_as(Keypoints).skeleton
    assert skeleton.names == ("point 1", "point 2")
    assert skeleton.pairs == ((0, 1),)
    assert "point 1 - point 2" in " ".join(data.messages)


def test_yolo_with_visibility_names_and_another_number_of_points(tmp_path: Path) -> None:
    lines = "0 .5 .5 .5 .5 .25 .5 1 .5 .5 2\n0 .5 .5 .5 .5 .25 .5 1\n0 .5 .5 .5 .5 .1 .1 7 .2 .2 2\n"
    names = "kpt_names:\n  0: [head, tail]\n"
    data = open_data(yolo(tmp_path, lines, f"kpt_shape: [2, 3]\n{names}"))
    assert rows(data) == [[[10, 15, 1], [20, 15, 2]]]
    assert data.targets_as(Keypoints).skeleton.names == ("head", "tail")
    assert data.targets_as(Keypoints).skeleton.pairs is None
    assert "images will not be mirrored" in " ".join(data.messages)
    assert problems(data)["lines-broken"].count == 2
    assert open_data(tmp_path, target_type="instances").target_type == "instances"


def test_yolo_of_seventeen_points_with_the_pairs_of_coco_has_their_names(tmp_path: Path) -> None:
    flip = "[0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]"
    line = "0 .5 .5 .5 .5" + " .5 .5 2" * 17 + "\n"
    data = open_data(yolo(tmp_path, line, f"kpt_shape: [17, 3]\nflip_idx: {flip}\n"))
    assert data.targets_as(Keypoints).skeleton.names[:2] == ("nose", "left_eye")
    assert data.targets_as(Keypoints).skeleton.sigmas[0] == 0.026


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ("kpt_shape: [2, 4]\n", "kpt_shape"),
        ("kpt_shape: [2, 2]\nflip_idx: [1, 1]\n", "flip_idx"),
        ("kpt_shape: [2, 2]\nkpt_names: {0: [a, a]}\n", "kpt_names"),
    ],
)
def test_yolo_refuses_a_config_that_contradicts_itself(more: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        open_data(yolo(tmp_path, "0 .5 .5 .5 .5 .25 .5 0 0\n", more))


def lsp(folder: Path, joints: np.ndarray) -> Path:
    """joints.mat and two images of 40 x 30; the folder."""
    for name in ("im0001.png", "im0002.png"):
        write_image(folder / "images" / name)
    savemat(folder / "joints.mat", {"joints": joints})
    return folder


def test_lsp_counts_from_one_and_says_what_the_third_row_is(tmp_path: Path) -> None:
    joints = np.full((2, 14, 3), 10.0)  # image, joint, row
    joints[:, :, 2] = 1
    joints[0, 3] = (5, 6, 0)
    small = open_data(lsp(tmp_path / "lsp", joints.transpose(2, 1, 0)))
    assert rows(small)[0][2:4] == [[9, 9, 2], [4, 5, 1]]
    assert "the others are hidden" in " ".join(small.messages)
    extended = open_data(lsp(tmp_path / "lspet", joints.transpose(1, 2, 0)))
    assert rows(extended)[0][2:4] == [[9, 9, 2], [0, 0, 0]]
    joints[:, :, 2] = 1 - joints[:, :, 2]
    marked = open_data(lsp(tmp_path / "hidden", joints.transpose(2, 1, 0)))
    assert rows(marked)[0][2:4] == [[9, 9, 2], [4, 5, 1]]
    assert "hidden joints" in " ".join(marked.messages)


def test_lsp_refuses_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"files\.txt"):
        open_data(lsp(tmp_path / "few", np.ones((14, 3, 5))))
    with pytest.raises(DataError, match="14 x 2 x 2"):
        open_data(lsp(tmp_path / "shape", np.ones((14, 2, 2))))
    root = lsp(tmp_path / "new", np.ones((14, 3, 2)))
    (root / "joints.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + b" " * 500)
    with pytest.raises(DataError, match="-v7"):
        open_data(root)


def test_pairs_can_be_named_by_name_and_number(tmp_path: Path) -> None:
    root = dlc(tmp_path, f"{DLC_HEADER}a.png,1,2,3,4\n".replace("leftear", "a-b").replace("rightear", "c"))
    assert open_data(root).targets_as(Keypoints).skeleton.pairs is None
    for pairs in ("a-b-c", "1-2", "a-b:2"):
        assert open_data(root, pairs=pairs).targets_as(Keypoints).skeleton.pairs == ((0, 1),)
    assert open_data(root, pairs="none").targets_as(Keypoints).skeleton.pairs is None
    for pairs in ("1-3", "c", "1-2,2-1", ""):
        with pytest.raises(UsageError, match="--pairs"):
            open_data(root, pairs=pairs)
    with pytest.raises(UsageError, match="--pairs"):
        open_data("digits", pairs="1-2")


def test_the_real_mouse(data_folder: Callable[[str], Path]) -> None:
    root = data_folder("dlc_openfield")
    data = open_data(root)
    assert (data.format, len(data), data.groups) == ("deeplabcut", 58, None)
    assert data.targets_as(Keypoints).skeleton.names == ("snout", "leftear", "rightear", "tailbase")
    assert rows(data)[0][0] == pytest.approx([21.521, 265.428, 2])
    assert not data.read_findings


def test_the_real_sports_poses(data_folder: Callable[[str], Path]) -> None:
    data = open_data(data_folder("lspet_pose"))
    assert (data.format, len(data)) == ("lsp", 320)
    assert (data.splits == "test").sum() == 64
    visible = data.targets_as(Keypoints).visibility
    assert set(visible.unique().tolist()) == {0, 2}
    assert float((visible > 0).float().mean()) == pytest.approx(0.98, abs=0.01)
    assert not data.read_findings


def test_the_real_people_of_coco(data_folder: Callable[[str], Path]) -> None:
    path = data_folder("coco_mini") / "test_coco.json"
    content = json.loads(path.read_text())
    data = open_data(path)
    stated = sorted(entry["num_keypoints"] for entry in content["annotations"])
    assert sorted((data.targets_as(Keypoints).visibility > 0).sum(1).tolist()) == stated
    assert len(data.targets_as(Keypoints).skeleton.limbs) == 19
    assert not data.read_findings
    assert sure("coco", path) > 0.9


@pytest.mark.parametrize("broken", [None, 5, "x", ["a"] * 9, [None] * 9, {}, [1, 2, 2] * 3 + [[]]])
def test_coco_with_other_things_as_keypoints_is_a_finding_or_boxes(broken: Any, tmp_path: Path) -> None:
    good = {"keypoints": [5, 6, 2] * 3}
    data = open_data(coco(tmp_path, [good, {"keypoints": broken}, {**good, "category_id": [1]}]))
    assert "entries-broken" in problems(data)
    posed = open_data(tmp_path / "people.json", target_type="keypoints")
    assert rows(posed)[0] == [[5, 6, 2]] * 3
    assert broken is None or "keypoints-broken" in problems(posed)
