"""Tables of keypoints: pairs of columns by their names, one row for each point, and pixels in a cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.core.targets.keypoints import Keypoints
from sightline.data.open import open_data
from sightline.data.parsing.point_columns import like_points, point_columns
from sightline.errors import DataError, SightlineError
from tests.unit.data.box_samples import problems, write_image
from tests.unit.data.formats.test_keypoint_formats import rows


def table(folder: Path, text: str, images: tuple[str, ...] = ("a.png", "b.png")) -> Path:
    """A table beside images of 40 x 30; its path."""
    for name in images:
        write_image(folder / name)
    path = folder / "points.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("path,x1,y1,x2,y2,x3,y3", ("1", "2", "3")),
        ("path,nose_x,nose_y,tail_x,tail_y", ("nose", "tail")),
        ("file,nose.x,nose.y,tail.x,tail.y", ("nose", "tail")),
        ("image,part_0_x,part_0_y,part_1_x,part_1_y", ("part_0", "part_1")),
        ("image,noseX,noseY,tailX,tailY", ("nose", "tail")),
        ("image,x_nose,y_nose,x_tail,y_tail", ("nose", "tail")),
        ("image,nose (x),nose (y),tail (x),tail (y)", ("nose", "tail")),
        ("left_eye_x,left_eye_y,right_eye_x,right_eye_y,Image", ("left_eye", "right_eye")),
        ("frame,tail_y,tail_x,nose_x,nose_y", ("tail", "nose")),
    ],
)
def test_pairs_of_columns_are_points_whatever_their_names(header: str, names: tuple[str, ...]) -> None:
    columns = point_columns(header.split(","))
    assert columns is not None
    assert sorted(columns.names) == sorted(names)
    assert all("x" in x.lower() and "y" in y.lower() for x, y in zip(columns.x, columns.y, strict=True))
    assert like_points(header.split(","), requested=False)


@pytest.mark.parametrize(
    "header",
    [
        "path,label", "path,x,y", "path,xmin,ymin,xmax,ymax,class", "path,x1,y1,x2,y2", "path,x,y,w,h",
        "path,label,a_x,a_y", "path,max_x,max_y,min_x,min_y", "a_x,a_y,b_x,b_y",
    ],
)  # fmt: skip
def test_boxes_labels_and_single_numbers_are_no_points(header: str) -> None:
    assert not like_points(header.split(","), requested=False)


def test_a_wide_table_is_read_without_options(tmp_path: Path) -> None:
    text = (
        "path,left_x,left_y,right_x,right_y,left_visible,split,class\n"
        "a.png,1.5,2,3,4,1,train,cat\na.png,10,20,,,0,train,dog\nb.png,-1,-1,5,6,0,test,cat\n"
    )
    data = open_data(table(tmp_path, text))
    assert data.format == "keypoint-table"
    assert data.splits.tolist() == ["train", "test"]
    assert rows(data) == [[[1.5, 2, 2], [3, 4, 2]], [[10, 20, 1], [0, 0, 0]], [[0, 0, 0], [5, 6, 2]]]
    assert data.classes is not None
    assert data.classes.names == ("cat", "dog")
    assert "left_x and left_y, right_x and right_y" in " ".join(data.messages)
    assert "left - right" in " ".join(data.messages)


def test_visibility_as_in_coco_shares_and_boxes(tmp_path: Path) -> None:
    text = (
        "path,a_x,a_y,a_v,b_x,b_y,b_v,xmin,ymin,xmax,ymax\n"
        "a.png,.25,.5,2,.5,.5,1,.1,.1,.9,.9\nb.png,.1,.1,0,1,.5,2,.1,.1,.9,.9\n"
    )
    data = open_data(table(tmp_path, text))
    assert rows(data) == [[[10, 15, 2], [20, 15, 1]], [[0, 0, 0], [40, 15, 2]]]
    assert data.targets_as(Keypoints).boxes[0].tolist() == pytest.approx([4, 3, 36, 27])
    assert "shares" in " ".join(data.messages)


def test_a_table_of_confidences_says_so(tmp_path: Path) -> None:
    text = "path,a_x,a_y,a_likelihood,b_x,b_y\na.png,1,2,.9,3,4\n"
    assert problems(open_data(table(tmp_path, text)))["keypoints-with-confidence"].severity == "warning"


def test_one_row_for_each_point_of_numbered_frames(tmp_path: Path) -> None:
    text = "frame,track,node,x,y,visible\n0,1,head,1,2,1\n0,1,tail,3,4,1\n0,2,tail,9,8,1\n7,1,head,5,6,1\n"
    data = open_data(table(tmp_path, text, ("frames/f_000.png", "frames/f_007.png")))
    assert data.ids == ["frames/f_000.png", "frames/f_007.png"]
    assert data.targets_as(Keypoints).skeleton.names == ("head", "tail")
    assert rows(data) == [[[1, 2, 2], [3, 4, 2]], [[0, 0, 0], [9, 8, 2]], [[5, 6, 2], [0, 0, 0]]]


def test_two_images_of_one_frame_are_refused_by_name(tmp_path: Path) -> None:
    text = "frame,track,node,x,y,visible\n0,1,head,1,2,1\n0,1,tail,3,4,1\n7,1,head,5,6,1\n7,1,tail,5,6,1\n"
    path = table(tmp_path, text, ("frames/f_0.png", "frames/f_007.png", "frames/f_8.png", "img/f_8.png"))
    assert open_data(path).ids == ["frames/f_0.png", "frames/f_007.png"]
    table(tmp_path, text, ("img/left-7.png",))
    with pytest.raises(DataError, match=r"frame 7: frames/f_007\.png and img/left-7\.png"):
        open_data(path)


def test_a_visible_point_without_coordinates_is_not_labeled_and_stops_nothing(tmp_path: Path) -> None:
    head, names = "frame,track,node,x,y,visible\n", ("f_000.png", "f_001.png")
    path = table(tmp_path, head + "0,1,head,3,4,1\n0,1,tail,,,1\n1,1,head,5,6,1\n1,1,tail,7,8,1\n", names)
    data = open_data(path)
    assert data.targets_as(Keypoints).visibility.tolist() == [[2, 0], [2, 2]]
    assert problems(data)["keypoints-not-finite"].severity == "warning"


def test_a_point_twice_needs_a_column_of_objects(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="track or instance"):
        open_data(table(tmp_path, "path,joint,x,y\na.png,head,1,2\na.png,head,3,4\n"))


def test_pixels_in_a_column(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 9, 9))
    header = "left_eye_center_x,left_eye_center_y,right_eye_center_x,right_eye_center_y,Image"
    cells = ["6.5,3,2,3.5", "6.5,3,,", ",,,"]
    lines = [f"{cell},{' '.join(map(str, image.ravel()))}" for cell, image in zip(cells, images, strict=True)]
    data = open_data(table(tmp_path, "\n".join([header, *lines]), ()))
    assert rows(data) == [[[6.5, 3, 2], [2, 3.5, 2]], [[6.5, 3, 2], [0, 0, 0]]]
    assert data.targets_as(Keypoints).counts.tolist() == [1, 1, 0]
    assert all((data.pixels.read(i)[:, :, 0] == images[i]).all() for i in range(3))
    assert data.targets_as(Keypoints).skeleton.pairs == ((0, 1),)
    broken = "\n".join([header, *lines, lines[0] + " 7"])
    with pytest.raises(DataError, match="line 5"):
        open_data(table(tmp_path, broken, ()))


def test_what_is_asked_for_comes_first(tmp_path: Path) -> None:
    path = table(tmp_path, "path,label,a_x,a_y,b_x,b_y\na.png,cat,1,2,3,4\nb.png,dog,1,2,3,5\n")
    data = open_data(path)
    assert data.target_type == "keypoints"
    assert "--task classify takes the column 'label'" in " ".join(data.messages)
    assert open_data(path, target_type="label").target_type == "label"
    assert open_data(path, target="label").target_type == "label"
    assert open_data(path, target="a_x,b_y", target_type="number").target_type == "number"


def test_a_film_without_images_says_how_they_are_made(data_folder: Callable[[str], Path]) -> None:
    folder = data_folder("sleap_two_flies") / "TwoFlies"
    for name in ("keypoints.csv", "keypoints_coco.json"):
        with pytest.raises(SightlineError, match=r"ffmpeg -i TwoFlies\.mp4"):
            open_data(folder / name)
