"""Masks of objects as files: what is written as one file an object, or as maps of objects, is read again."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.data.formats import FORMATS
from sightline.data.formats import instance_masks as files
from sightline.data.formats import voc_objects as voc
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError
from tests.unit.data.box_samples import made as boxed

H, W = 9, 11
FORMATS_OF_MASKS = (files, voc)
OUTLINES = ReadOptions(target_type="outlines")

_stacks = arrays(np.uint8, st.tuples(st.integers(0, 4), st.just(H), st.just(W)), elements=st.integers(0, 1))


def data_of(*stacks: np.ndarray, labels: list[int] | None = None, names: tuple[str, ...] = ("object",),
            splits: tuple[str, ...] = (), ids: tuple[str, ...] = ()) -> Dataset:  # fmt: skip
    """A data set in memory: a stack (objects, H, W) of masks for each image."""
    total, (h, w) = sum(map(len, stacks)), stacks[0].shape[1:]
    kinds = torch.tensor([0] * total if labels is None else labels, dtype=torch.int64)
    counts = torch.tensor([len(stack) for stack in stacks])
    sizes = torch.tensor([[h, w]] * len(stacks))
    targets = InstanceMasks.of(sizes, counts, CroppedMasks.of(np.concatenate(stacks)), kinds)
    pixels = Arrays(np.random.default_rng(0).integers(0, 255, (len(stacks), h, w, 3)).astype(np.uint8))
    default = list(ids) or [f"p{i}" for i in range(len(stacks))]
    given = np.array(splits or [""] * len(stacks), dtype=object)
    return Dataset("made", "made", default, pixels, targets, Classes(names), given)


def empty(height: int = H, width: int = W) -> np.ndarray:
    return np.zeros((0, height, width), dtype=np.uint8)


def dense(data: Dataset, i: int) -> list[tuple[str, list[list[bool]]]]:
    """Class name and mask of each object of an image, in order."""
    assert data.classes is not None
    first = data.targets[i]
    masks = first.bitmaps.dense(*first.sizes[0].tolist()).tolist()
    return [(data.classes.names[k], mask) for k, mask in zip(first.labels.tolist(), masks, strict=True)]


def passed(module: ModuleType, data: Dataset, folder: Path) -> Dataset:
    """Written and read."""
    back: Dataset = module.read(str(module.write(data, folder / "new")), OUTLINES)
    return back


def shapes(module: ModuleType) -> Dataset:
    """Six scenes; of one class where a format has one."""
    data = open_data("shapes:outlines:6")
    if module is not files:
        return data
    targets = data.targets.map_classes(torch.zeros(len(data.classes or ()), dtype=torch.int64), 1)
    return replace(data, targets=targets, classes=Classes(("object",)))


@pytest.mark.parametrize("module", FORMATS_OF_MASKS)
@pytest.mark.parametrize("splits", [(), ("train", "train", "val", "val", "test", "train")])
def test_scenes_come_back_with_masks_images_classes_and_splits(
    module: ModuleType, splits: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shapes(module)
    if splits:
        data = data.with_splits(np.array(splits, dtype=object))
    back = passed(module, data, tmp_path)
    assert [Path(i).stem for i in back.ids] == [Path(i).name for i in data.ids]
    assert [dense(back, i) for i in range(6)] == [dense(data, i) for i in range(6)]
    assert all((back.pixels.read(i) == data.pixels.read(i)).all() for i in range(6))
    assert back.targets.boxes.tolist() == data.targets.boxes.tolist()
    assert back.splits.tolist() == data.splits.tolist()
    assert (back.classes or Classes(())).names == (data.classes or Classes(())).names
    assert not back.read_findings
    assert capsys.readouterr().err == ""
    again = module.read(str(module.write(back, tmp_path / "again")), OUTLINES)
    assert again.fingerprint() == back.fingerprint()
    assert again.classes == back.classes
    assert open_data(tmp_path / "new", target_type="outlines").format == module.CARD.name


@settings(max_examples=25, deadline=None)
@given(stacks=st.lists(_stacks, min_size=1, max_size=3))
def test_files_of_masks_keep_objects_that_overlap(stacks: list[np.ndarray]) -> None:
    for stack in stacks:
        stack[:, 4, 4] = 1  # each has a pixel, and all share one
    data = data_of(*stacks)
    with tempfile.TemporaryDirectory() as folder:
        back = passed(files, data, Path(folder))
    assert [dense(back, i) for i in range(len(data))] == [dense(data, i) for i in range(len(data))]
    assert not back.read_findings


@settings(max_examples=25, deadline=None)
@given(stack=_stacks, labels=st.lists(st.integers(0, 1), min_size=4, max_size=4))
def test_maps_give_what_objects_share_to_the_later_one(stack: np.ndarray, labels: list[int]) -> None:
    stack[:, 4, 4] = 1
    names = ("cat", "dog")
    owner = np.zeros((H, W), dtype=int)
    for k, mask in enumerate(stack, 1):
        owner[mask > 0] = k
    want = [
        (names[labels[k]], (owner == k + 1).tolist()) for k in range(len(stack)) if (owner == k + 1).any()
    ]
    with tempfile.TemporaryDirectory() as folder:
        back = passed(voc, data_of(stack, labels=labels[: len(stack)], names=names), Path(folder))
    assert dense(back, 0) == want


def test_how_much_maps_could_not_hold_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stack = np.zeros((3, H, W), dtype=np.uint8)
    stack[0, 2:4, 2:4], stack[1, 1:5, 1:5], stack[2, 4:6, 1:3] = 1, 1, 1
    back = passed(voc, data_of(stack, empty()), tmp_path)
    assert back.targets.bitmaps.areas().tolist() == [14, 4]
    outputs = capsys.readouterr().err
    assert "6 pixels in 1 images were given to the later" in outputs
    assert "1 objects, covered whole" in outputs


@pytest.mark.parametrize("module", FORMATS_OF_MASKS)
def test_images_without_objects_are_kept(module: ModuleType, tmp_path: Path) -> None:
    stack = np.zeros((1, H, W), dtype=np.uint8)
    stack[0, 2, 3:7] = 1
    back = passed(module, data_of(empty(), stack, empty()), tmp_path)
    assert back.targets.counts.tolist() == [0, 1, 0]
    assert not back.read_findings
    none = passed(module, data_of(empty(), empty()), tmp_path / "none")
    assert none.targets.counts.tolist() == [0, 0]


@pytest.mark.parametrize("module", FORMATS_OF_MASKS)
@pytest.mark.parametrize("count", [254, 255, 320])
def test_hundreds_of_objects(
    module: ModuleType, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stack = np.zeros((count, 34, 42), dtype=np.uint8)
    for k in range(count):
        y, x = divmod(k, 20)
        stack[k, 2 * y, 2 * x : 2 * x + 2] = 1
    back = passed(module, data_of(stack), tmp_path)
    assert back.targets.counts.tolist() == [count]
    assert (back.targets.bitmaps.dense(34, 42).numpy() == stack).all()
    assert not back.read_findings
    wide = module is voc and count > 254
    assert ("1 images" in capsys.readouterr().err) is wide
    if module is voc:
        with Image.open(tmp_path / "new/SegmentationObject/p0.png") as image:
            assert image.mode == ("I;16" if wide else "P")


@pytest.mark.parametrize("module", FORMATS_OF_MASKS)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(module: ModuleType, tmp_path: Path) -> None:
    name = module.CARD.name
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(DataError, match="not empty"):
        module.write(data_of(empty()), tmp_path / "full")
    with pytest.raises(DataError, match="1 items have no split"):
        module.write(data_of(empty(), empty(), splits=("train", "")), tmp_path / "new")
    with pytest.raises(DataError, match=f"'{name}' holds masks of objects, not a instances"):
        module.write(boxed([[(0, 1.0, 1.0, 5.0, 5.0)]], Classes(("cat",))), tmp_path / "new")
    with pytest.raises(DataError, match="Class names"):
        module.write(data_of(empty(), names=("a\nb",)), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_files_of_masks_have_one_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"one class. Received 2: cat, dog.*coco") as error:
        files.write(data_of(empty(), names=("cat", "dog")), tmp_path / "new")
    for word in ("coco", "cvat", "label-studio", "yolo", "voc-objects"):  # a way out that is there
        assert word in str(error.value)
        assert FORMATS.load(word).CARD.writes
    assert passed(files, data_of(empty(), names=("nucleus",)), tmp_path).classes == Classes(("object",))
    assert "'nucleus' is read as 'object'" in capsys.readouterr().err


@pytest.mark.parametrize("names", [("background", "cat"), ("#1",), tuple(f"c{k}" for k in range(255))])
def test_classes_that_maps_cannot_hold(names: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"background|254 classes"):
        voc.write(data_of(empty(), names=names), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("module", FORMATS_OF_MASKS)
@pytest.mark.parametrize(
    "ids", [("well 1 a", "b.2"), ("test", "Train"), ("x/masks.png", "y/images.png"), ("a.png.png", "a")]
)
def test_odd_names_keep_image_mask_and_split_together(
    module: ModuleType, ids: tuple[str, ...], tmp_path: Path
) -> None:
    stacks = np.zeros((2, 1, H, W), dtype=np.uint8)
    stacks[0, 0, 2:5, 2:5], stacks[1, 0, 1:2, 1:9] = 1, 1
    data = data_of(*stacks, splits=("val", "test"), ids=ids)
    back = passed(module, data, tmp_path)
    assert not back.read_findings
    result = {str(back.splits[i]): (dense(back, i), back.pixels.read(i).tobytes()) for i in range(len(back))}
    want = {str(data.splits[i]): (dense(data, i), data.pixels.read(i).tobytes()) for i in range(2)}
    assert result == want


def test_maps_of_classes_are_those_of_voc_segmentation(tmp_path: Path) -> None:
    stack = np.zeros((2, H, W), dtype=np.uint8)
    stack[0, 2:5, 2:5], stack[1, 6:8, 1:9] = 1, 1
    place = voc.write(
        data_of(stack, labels=[1, 0], names=("cat", "dog"), splits=("train",)), tmp_path / "new"
    )
    maps = open_data(place, target_type="masks")
    assert (maps.format, maps.splits.tolist()) == ("voc-segmentation", ["train"])
    assert maps.classes == Classes(("background", "cat", "dog"))
    assert (maps.targets.map(0) == 2 * stack[0] + stack[1]).all()
    assert (place / "ImageSets/Segmentation/trainval.txt").read_text() == "p0\n"
    with Image.open(place / "SegmentationObject/p0.png") as image:
        assert image.convert("RGB").getpixel((2, 2)) == (128, 0, 0)
