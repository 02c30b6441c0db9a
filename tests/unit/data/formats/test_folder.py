"""Folders of classes, as users have them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.formats import folder
from sightline.data.io.encode import encode_png
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError

ANY = ReadOptions()


def photos(root: Path, *names: str) -> Path:
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.full((4, 4, 3), 9 * i, np.uint8)))
    return root


def opened(root: Path) -> Dataset:
    return folder.read(str(root), ANY)


def problem(data: Dataset, name: str) -> Finding:
    return next(f for f in data.read_findings if f.name == name)


def test_classes_are_the_folders_in_order(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "b/1.png", "a/1.png", "a/deep/2.png", "B/x.png"))
    assert data.classes is not None
    assert data.classes.names == ("B", "a", "b")
    assert list(data.ids) == ["B/x.png", "a/1.png", "a/deep/2.png", "b/1.png"]
    assert data.targets.value.tolist() == [0, 1, 1, 2]
    assert set(data.splits) == {""}
    assert not data.read_findings


def test_split_folders_in_all_their_names(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "training/a/1.png", "valid/a/1.png", "Test/a/1.png", "training/b/1.png"))
    assert dict(zip(data.ids, data.splits.tolist(), strict=True)) == {
        "Test/a/1.png": "test",
        "training/a/1.png": "train",
        "training/b/1.png": "train",
        "valid/a/1.png": "val",
    }


def test_a_class_may_be_called_train_where_that_is_accepted(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "train/1.png", "car/1.png"))
    assert data.classes is not None
    assert data.classes.names == ("car", "train")
    reported = problem(data, "class-named-as-split")
    assert (reported.severity, reported.items) == ("error", ("train",))


def test_what_lies_beside_the_splits_is_left_aside_and_told(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "train/a/1.png", "val/b/1.png", "samples/3.png", "notebooks/look.ipynb"))
    assert set(data.splits) == {"train", "val"}
    assert data.classes is not None
    assert data.classes.names == ("a", "b")
    assert problem(data, "folders-left-aside").items == ("samples",)


def test_a_test_folder_without_classes_is_left_aside_as_unlabeled(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "train/ok/1.png", "train/nok/1.png", "test/7.png"))
    assert set(data.splits) == {"train"}
    assert problem(data, "images-unlabeled").items == ("test/7.png",)


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("training_set/training_set/cats/1.png", "test_set/test_set/dogs/2.png"), ["test", "train"]),
        (("seg_train/seg_train/cats/1.png", "seg_test/dogs/2.png"), ["test", "train"]),
        (("archive/data/train/cats/1.png", "archive/data/val/dogs/2.png"), ["train", "val"]),
        (("data/train/cats/1.png", "data/val/dogs/2.png", "runs/figure.png"), ["train", "val"]),
        (("images/cats/1.png", "images/dogs/2.png"), [""]),
        (("cats/train/1.png", "dogs/test/2.png"), ["test", "train"]),
    ],
)
def test_folders_that_only_wrap_the_classes_are_read_through(
    tmp_path: Path, names: tuple[str, ...], splits: list[str]
) -> None:
    data = opened(photos(tmp_path, *names))
    assert data.classes is not None
    assert data.classes.names == ("cats", "dogs")
    assert sorted(set(data.splits)) == splits


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("train/1.png", "test/2.png"), "test and train lie in no class folder"),
        (("train/1.png", "val/a/2.png"), "train lie in no class folder"),
        (("obj_Train_data/1.png", "obj_Validation_data/2.png"), "lie in no class folder"),
        (("images/img_1.png", "masks/mask_1.png"), "give each mask the name of its image"),
        (("train/images/1.png", "val/images/2.png"), "'images' would become a class"),
        (("one/train/a/1.png", "one/val/a/2.png", "two/train/a/3.png"), "one and two hold splits"),
        (("one/train/a/1.png", "two/train/a/3.png"), "one and two hold splits"),
    ],
)
def test_splits_and_kinds_of_files_never_become_classes(
    tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        opened(photos(tmp_path, *names))


def test_annotations_that_nobody_read_stop_and_are_named(tmp_path: Path) -> None:
    photos(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "1.json").write_text('{"shapes": [], "imagePath": "1.png"}')
    reported = problem(opened(tmp_path), "annotations-not-read")
    assert (reported.severity, reported.items) == ("error", ("a/1.json",))
    assert "labelme" in reported.fix


def test_one_split_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name one split twice"):
        opened(photos(tmp_path, "val/a/1.png", "validation/a/1.png", "train/a/1.png"))


def test_junk_is_counted_and_other_files_are_listed(tmp_path: Path) -> None:
    photos(tmp_path, "a/1.png", "b/1.png", "a/._1.png", "a/.hidden/2.png")
    for name in ("a/Thumbs.db", "a/.DS_Store", "a/notes.txt", "a/raw.heic", "README.md"):
        (tmp_path / name).write_bytes(b"x")
    data = opened(tmp_path)
    assert len(data) == 2
    assert "4 hidden or foreign entries were left out" in data.messages[0]
    reported = problem(data, "other-files")
    assert set(reported.items) == {"a/notes.txt", "a/raw.heic", "README.md"}
    assert reported.severity == "warning"


def test_a_class_without_images_stays_and_is_an_error(tmp_path: Path) -> None:
    (photos(tmp_path, "a/1.png", "b/1.png") / "empty").mkdir()
    data = opened(tmp_path)
    assert data.classes is not None
    assert data.classes.names == ("a", "b", "empty")
    reported = problem(data, "class-without-images")
    assert (reported.severity, reported.items) == ("error", ("empty",))


def test_a_class_that_train_never_saw_is_an_error(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/2.png", "test/c/1.png"))
    reported = problem(data, "class-missing-in-train")
    assert (reported.severity, reported.items) == ("error", ("c",))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "the folder is empty"),
        (("1.png", "2.png"), "2 images lie flat"),
        (("a/x.txt",), "no image in it"),
    ],
)
def test_without_classes_the_layout_is_explained(tmp_path: Path, names: Any, words: str) -> None:
    photos(tmp_path, *names)
    with pytest.raises(DataError, match=words) as caught:
        opened(tmp_path)
    assert "photos/cat/1.jpg" in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        opened(tmp_path / "gone")


def test_links_are_not_followed_out_of_the_folder(tmp_path: Path) -> None:
    outside = photos(tmp_path / "outside", "secret.png")
    root = photos(tmp_path / "photos", "a/1.png", "b/1.png")
    (root / "a" / "out.png").symlink_to(outside / "secret.png")
    (root / "a" / "in.png").symlink_to(root / "b" / "1.png")
    (root / "a" / "loop").symlink_to(root, target_is_directory=True)
    (root / "linked").symlink_to(outside, target_is_directory=True)
    data = opened(root)
    assert list(data.ids) == ["a/1.png", "a/in.png", "b/1.png"]
    assert set(problem(data, "links-not-followed").items) == {"a/out.png", "a/loop", "linked"}


def test_pipes_never_block(tmp_path: Path) -> None:
    photos(tmp_path, "a/1.png", "b/1.png")
    os.mkfifo(tmp_path / "a" / "pipe.png")
    assert problem(opened(tmp_path), "other-files").items == ("a/pipe.png",)


def test_names_of_all_kinds(tmp_path: Path) -> None:
    photos(tmp_path, "a/new\nline.png", "a/\N{GRINNING FACE} b.png", "b/1.png", "b/" + "x" * 200 + ".png")
    bad = tmp_path / "b" / os.fsdecode(b"\xff\xfe.png")
    bad.write_bytes(encode_png(np.zeros((2, 2, 1), np.uint8)))
    data = opened(tmp_path)
    assert len(set(data.ids)) == 5
    assert len(data.fingerprint()) == 32
    for i in range(5):
        assert data.pixels.read(i).dtype == np.uint8


def test_the_same_name_in_two_folders_is_two_items(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "a/1.png", "b/1.png"))
    assert [int(data.pixels.read(i)[0, 0, 0]) for i in range(2)] == [0, 9]


def test_unreadable_images_stay_for_the_check_to_find(tmp_path: Path) -> None:
    photos(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "2.jpg").write_bytes(b"")
    assert "a/2.jpg" in opened(tmp_path).ids


def test_sniffing(tmp_path: Path) -> None:
    assert folder.sniff(str(tmp_path / "gone"), ANY) == 0
    assert folder.sniff(str(photos(tmp_path / "flat", "1.png")), ANY) < 0.5
    assert folder.sniff(str(photos(tmp_path / "good", "a/1.png")), ANY) > 0.8


def test_faces(data_folder: Any) -> None:
    data = opened(data_folder("orl_faces"))
    assert (len(data), len(data.classes or ())) == (390, 39)


def test_writing_refuses_what_it_would_mix(tmp_path: Path) -> None:
    data = opened(photos(tmp_path / "a", "a/1.png", "b/1.png"))
    with pytest.raises(DataError, match="not empty"):
        folder.write(data, tmp_path)


@pytest.mark.parametrize(
    "layout",
    [
        ("sick/images/1.png", "sick/masks/1.png", "well/images/2.png", "well/masks/2.png"),
        ("sick/1.png", "sick/1_mask.png", "well/2.png", "well/2_mask.png", "well/2_mask_1.png"),
    ],
    ids=["in folders of their own", "beside their images"],
)
def test_masks_in_class_folders_are_no_images(tmp_path: Path, layout: tuple[str, ...]) -> None:
    data = opened(photos(tmp_path, *layout))
    assert data.ids == [name for name in layout if "mask" not in name]
    reported = problem(data, "masks-in-class")
    assert (reported.severity, reported.count) == ("error", len(layout) - 2)


def test_names_that_end_like_masks_are_images_where_nothing_lies_beside_them(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "worn/face_mask.png", "worn/2.png", "none/face.png"))
    assert len(data) == 3


def test_a_split_without_classes_is_left_aside_as_tiny_imagenet_has_it(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "train/n1/images/1.png", "train/n2/images/2.png", "val/images/3.png"))
    assert data.classes is not None
    assert data.classes.names == ("n1", "n2")
    assert problem(data, "images-unlabeled").count == 1


@pytest.mark.parametrize(("names", "splits"), [
    (("WIDER_train/images/a/1.png", "WIDER_val/images/a/2.png"), ["train", "val"]),
    (("Set2019-DET-train/a/1.png", "Set2019-DET-test/a/2.png"), ["test", "train"]),
])  # fmt: skip
def test_folders_that_differ_in_the_word_of_a_split_only_are_the_splits(
    tmp_path: Path, names: tuple[str, ...], splits: list[str]
) -> None:
    data = opened(photos(tmp_path, *names))
    assert data.classes is not None
    assert (data.classes.names, data.splits.tolist()) == (("a",), splits)


@pytest.mark.parametrize("names", [
    ("train-jpg/1.png", "test-jpg/2.png"), ("x_images_part_1/1.png", "x_images_part_2/2.png"),
    ("training/image_2/1.png", "training/label_2/1.txt"), ("HQ-img/1.png", "HQ-mask-anno/0/1_hair.png"),
])  # fmt: skip
def test_numbered_folders_of_images_and_kinds_of_files_are_no_classes(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    with pytest.raises(DataError, match=r"would become|lie in no class folder"):
        opened(photos(tmp_path, *names))


def test_classes_that_hold_several_folders_each_are_doubted(tmp_path: Path) -> None:
    data = opened(photos(tmp_path, "a/abbey/1.png", "a/alley/2.png", "b/barn/3.png", "b/bar/4.png"))
    doubt = problem(data, "classes-within-classes")
    assert (doubt.severity, doubt.items) == ("warning", ("a", "b"))


def test_variants_of_one_set_are_no_classes(tmp_path: Path) -> None:
    names = [f"{kind}/{leaf}/1.png" for kind in ("color", "grayscale") for leaf in ("scab", "healthy")]
    assert problem(opened(photos(tmp_path, *names)), "classes-within-classes").severity == "error"


def test_a_table_that_says_what_the_folders_say_stops_nothing(tmp_path: Path) -> None:
    photos(tmp_path, "cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
    (tmp_path / "sample_submission.csv").write_text("id,label\n9,cat\n")
    text = "path,label\ncat/1.png,cat\ncat/2.png,cat\ndog/3.png,dog\n"
    for same in (text, text.replace(",cat", ",0").replace(",dog", ",1")):
        (tmp_path / "labels.csv").write_text(same)
        result = {f.name: f.severity for f in opened(tmp_path).read_findings}
        assert result == {"tables-agree": "info", "forms-left-aside": "info"}


def test_a_table_that_contradicts_the_folders_is_named_with_what_it_says_and_both_ways_on(
    tmp_path: Path,
) -> None:
    photos(tmp_path, "cat/1.png", "cat/2.png", "dog/3.png", "dog/4.png")
    (tmp_path / "labels.csv").write_text("path,label\ncat/1.png,cat\ncat/2.png,dog\ndog/3.png,dog\n")
    reported = problem(opened(tmp_path), "annotations-not-read")
    assert reported.severity == "error"
    assert "labels.csv says 'dog' of cat/2.png" in reported.fix
    assert "Name the file itself: 'labels.csv'" in reported.fix
    assert "--accept annotations-not-read" in reported.fix


def test_lists_of_splits_without_endings_are_not_passed_over(tmp_path: Path) -> None:
    photos(tmp_path, "images/cat/1.png", "images/dog/2.png")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/train.txt").write_text("cat/1\n")
    assert problem(opened(tmp_path), "annotations-not-read").items == ("meta/train.txt",)
