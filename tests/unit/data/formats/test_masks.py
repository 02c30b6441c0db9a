"""Images with class maps, as users have them: layouts, ways to say a class, and what goes wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.data.formats import masks
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data
from sightline.data.parsing import known_tables
from sightline.data.parsing.class_tables import read_table
from sightline.data.parsing.options import ReadOptions
from sightline.data.scan import scan
from sightline.errors import DataError

H, W = 12, 16
ANY = ReadOptions()


def put(path: Path, pixels: np.ndarray, mode: str | None = None, **save: Any) -> Path:
    """Write pixels as they are; a list of arrays is a stack."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if mode is not None:
        image = image.convert(mode)
    image.save(path, **save)
    return path


def photo(path: Path, value: int = 0, shape: tuple[int, int] = (H, W)) -> Path:
    rng = np.random.default_rng(value)
    return put(path, rng.integers(0, 255, (*shape, 3)).astype(np.uint8))


def halves(left: int, right: int, kind: Any = np.uint8, shape: tuple[int, int] = (H, W)) -> np.ndarray:
    """A map whose left half has one number and whose right half another."""
    result = np.full(shape, left, dtype=kind)
    result[:, shape[1] // 2 :] = right
    return result


def palette(path: Path, index: np.ndarray, colors: list[int]) -> Path:
    image = Image.fromarray(index)
    image.putpalette(colors)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def pair(root: Path, name: str, mask: np.ndarray, **save: Any) -> None:
    """images/NAME.png and masks/NAME.png."""
    photo(root / f"images/{name}.png", len(name))
    put(root / f"masks/{name}.png", mask, **save)


def opened(root: Path) -> Dataset:
    assert masks.sniff(str(root), ANY) > 0.95
    return masks.read(str(root), ANY)


def names(data: Dataset) -> tuple[str, ...]:
    assert data.classes is not None
    return data.classes.names


def problem(data: Dataset, name: str) -> Finding:
    result = {f.name: f for f in data.read_findings}
    assert name in result, f"{name} is not among {sorted(result)}"
    assert result[name].count == len(result[name].items)
    return result[name]


LAYOUTS = [
    ("images/a.png", "masks/a.png", ""),
    ("images/a.jpg", "labels/a.png", ""),
    ("Images/deep/a.png", "Masks/deep/a.png", ""),
    ("image/a.png", "annotations/a.tif", ""),
    ("images/a.png", "masks/a_mask.png", ""),
    ("images/a.png", "masks/mask_a.bmp", ""),
    ("images/train/a.png", "masks/training/a.png", "train"),
    ("train/images/a.png", "train/masks/a.png", "train"),
    ("valid/image/a.png", "valid/label/a.png", "val"),
    ("train/a.png", "trainannot/a.png", "train"),
    ("test/a.png", "test_labels/a_L.png", "test"),
    ("images_train/a.png", "masks_train/a.png", "train"),
    ("leftImg8bit/val/ulm/a_leftImg8bit.png", "gtFine/val/ulm/a_gtFine_labelIds.png", "val"),
]


@pytest.mark.parametrize(("image", "mask", "split"), LAYOUTS, ids=[f"{p}+{m}" for p, m, _ in LAYOUTS])
def test_layouts(tmp_path: Path, image: str, mask: str, split: str) -> None:
    photo(tmp_path / image)
    put(tmp_path / mask, halves(7, 8))
    data = open_data(tmp_path)
    assert data.format == "masks"
    assert list(data.ids) == [image]
    assert data.splits.tolist() == [split]
    assert not data.read_findings
    city = "leftImg8bit" in image
    assert names(data) == (tuple(known_tables._CITIES.values()) if city else ("7", "8"))
    np.testing.assert_array_equal(data.targets.map(0), halves(0, 1))


def test_folders_that_are_left_aside_are_named(tmp_path: Path) -> None:
    pair(tmp_path, "a", halves(0, 1))
    put(tmp_path / "gt/a.png", halves(3, 4))
    assert any("Not read: gt" in note for note in opened(tmp_path).messages)
    (tmp_path / "two").mkdir()
    photo(tmp_path / "two/train/a.png")
    put(tmp_path / "two/trainannot/a.png", halves(0, 1))
    photo(tmp_path / "two/test/b.png")
    data = opened(tmp_path / "two")
    assert any("Not read: test" in note for note in data.messages)


def test_folders_of_photographs_are_not_taken_for_masks(tmp_path: Path) -> None:
    for i in range(3):
        photo(tmp_path / f"images/{i}.png", i, (64, 64))
        photo(tmp_path / f"gt/{i}.png", i, (64, 64))
        put(
            tmp_path / f"labels/{i}.jpg", np.random.default_rng(i).integers(0, 255, (64, 64)).astype(np.uint8)
        )
    assert masks.sniff(str(tmp_path), ANY) == 0
    with pytest.raises(DataError, match="'gt', 'images', 'labels' would become classes"):
        open_data(tmp_path)


def test_other_truths_are_not_ours(tmp_path: Path) -> None:
    pair(tmp_path, "a", halves(0, 1))
    assert masks.sniff(str(tmp_path), ReadOptions(target_type="label")) == 0
    assert masks.sniff(str(tmp_path), ReadOptions(target_type="masks")) > 0.98


@pytest.mark.parametrize(
    "how", ["grey", "palette", "16 bits", "three times", "32 bits", "float", "alpha", "2 bits"]
)
def test_every_way_to_write_ids(tmp_path: Path, how: str) -> None:
    photo(tmp_path / "images/a.png")
    index, path = halves(1, 3), tmp_path / "masks/a.png"
    if how == "palette":
        palette(path, index, [9, 9, 9] * 256)
    elif how == "2 bits":
        palette(path, index, [0] * 12)
        image = Image.open(path)
        assert image.mode == "P"
        gray = bytearray(path.read_bytes())
        assert gray[24] == 2
    elif how == "three times":
        put(path, np.repeat(index[..., None], 3, 2))
    elif how == "alpha":
        put(path, np.concatenate([np.repeat(index[..., None], 3, 2), np.full((H, W, 1), 9, np.uint8)], 2))
    elif how in ("32 bits", "float"):
        put(path.with_suffix(".tif"), index.astype(np.int32 if how == "32 bits" else np.float32))
    else:
        put(path, index.astype(np.uint16 if how == "16 bits" else np.uint8))
    data = opened(tmp_path)
    assert data.classes == Classes(("1", "3"), (1, 3))
    np.testing.assert_array_equal(data.targets.map(0), halves(0, 1))
    assert not data.read_findings
    assert any("called by their numbers" in note for note in data.messages)


def test_16_bit_ids_beyond_255_are_classes_as_long_as_they_are_few(tmp_path: Path) -> None:
    pair(tmp_path, "a", halves(300, 40000, np.uint16))
    pair(tmp_path, "b", halves(300, 65535, np.uint16))
    data = opened(tmp_path)
    assert data.classes == Classes(("300", "40000"), (300, 40000))
    np.testing.assert_array_equal(data.targets.map(1), halves(0, IGNORE_INDEX))
    assert problem(data, "ignored-undeclared").items == (f"images/b.png: 65535 ({H * W // 2} px)",)


def test_more_numbers_than_classes_can_be_are_an_error(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png", shape=(20, 40))
    put(tmp_path / "masks/a.png", np.arange(800).reshape(20, 40).astype(np.uint16))
    with pytest.raises(DataError, match=r"799 different numbers|800 different numbers"):
        masks.read(str(tmp_path), ANY)


def test_0_and_255_are_background_and_foreground(tmp_path: Path) -> None:
    pair(tmp_path, "a", halves(0, 255))
    pair(tmp_path, "b", np.where(halves(0, 1) > 0, 255, 0).astype(np.uint8)[..., None].repeat(3, 2))
    data = opened(tmp_path)
    assert data.classes == Classes(("background", "foreground"), (0, 255))
    assert [data.targets.map(i).max() for i in range(2)] == [1, 1]
    assert not data.read_findings


@pytest.mark.parametrize(
    ("table", "expected"), [("cell\nrest\n", ("cell", "rest")), ("cell\n", ("background", "cell"))]
)
def test_0_and_255_with_names_for_them(tmp_path: Path, table: str, expected: tuple[str, ...]) -> None:
    pair(tmp_path, "a", halves(0, 255))
    (tmp_path / "classes.txt").write_text(table)
    data = opened(tmp_path)
    assert names(data) == expected
    np.testing.assert_array_equal(data.targets.map(0), halves(0, 1))
    assert any("255 is" in note for note in data.messages)


def test_255_that_no_table_declares_is_no_class_and_is_said(tmp_path: Path) -> None:
    pair(tmp_path, "a", halves(1, 255))
    (tmp_path / "classes.txt").write_text("0 sky\n1 road\n")
    data = opened(tmp_path)
    np.testing.assert_array_equal(data.targets.map(0), halves(1, IGNORE_INDEX))
    reported = problem(data, "ignored-undeclared")
    assert reported.severity == "info"
    assert f"255: {H * W // 2} pixels" in reported.message


def test_ids_that_the_table_has_not_are_counted_and_named(tmp_path: Path) -> None:
    pair(tmp_path, "a", halves(1, 9))
    pair(tmp_path, "bb", halves(0, 1))
    (tmp_path / "classes.txt").write_text("0 sky\n1 road\n2 void\n")
    data = opened(tmp_path)
    np.testing.assert_array_equal(data.targets.map(0), halves(1, IGNORE_INDEX))
    np.testing.assert_array_equal(data.targets.map(1), halves(0, 1))
    reported = problem(data, "mask-ids-unknown")
    assert (reported.severity, reported.items) == ("error", ("images/a.png: 9 (96 px)",))
    assert "classes.txt" in reported.message
    assert "9: 96 pixels" in reported.message


def test_a_palette_that_was_turned_into_gray_is_told(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    colors = [0, 0, 0, 128, 0, 0, 0, 128, 0] + [0] * 759
    lost = palette(tmp_path / "masks/a.png", halves(1, 2), colors)
    Image.open(lost).convert("L").save(lost)
    (tmp_path / "classes.txt").write_text("background\ncat\ndog\n")
    reported = problem(opened(tmp_path), "mask-ids-unknown")
    assert "38: 96 pixels" in reported.message
    assert "grey levels made of a palette" in reported.fix


TABLES = {
    "class_dict.csv": "name, r, g, b\ncat,128,0,0\ndog,0,128,0\nVoid,0,0,0\n",
    "classes.csv": "id;name;color\n0;cat;#800000\n1;dog;#008000\n2;unlabelled;#000000\n",
    "labelmap.txt": "# label:color_rgb:parts:actions\ncat:128,0,0::\ndog:0,128,0::\nignore:0,0,0::\n",
    "label_colors.txt": "128 0 0\tcat\n0 128 0\t\tdog\n0 0 0 Void\n",
    "classes.json": json.dumps({"cat": [128, 0, 0], "dog": [0, 128, 0], "void": [0, 0, 0]}),
}


def colored(*colors: tuple[int, int, int]) -> np.ndarray:
    """Stripes of colours."""
    result = np.zeros((H, W, 3), dtype=np.uint8)
    for k, color in enumerate(colors):
        result[:, k * W // len(colors) :] = color
    return result


@pytest.mark.parametrize("name", TABLES)
def test_colors_with_a_table(tmp_path: Path, name: str) -> None:
    pair(tmp_path, "a", colored((128, 0, 0), (0, 128, 0), (0, 0, 0), (0, 128, 0)))
    (tmp_path / name).write_text(TABLES[name])
    data = opened(tmp_path)
    assert names(data) == ("cat", "dog")
    assert data.targets.map(0)[0].tolist() == [0] * 4 + [1] * 4 + [IGNORE_INDEX] * 4 + [1] * 4
    assert not data.read_findings


def test_colors_that_are_not_in_the_table_are_shown_with_the_nearest(tmp_path: Path) -> None:
    pair(tmp_path, "a", colored((128, 0, 0), (120, 3, 0)))
    (tmp_path / "class_dict.csv").write_text(TABLES["class_dict.csv"])
    data = opened(tmp_path)
    reported = problem(data, "mask-colors-unknown")
    assert reported.items == ("images/a.png: (120, 3, 0) (96 px)",)
    assert "(120, 3, 0), nearest is (128, 0, 0) 'cat': 96 pixels" in reported.message
    np.testing.assert_array_equal(data.targets.map(0), halves(0, IGNORE_INDEX))


def test_colors_where_ids_are_expected_are_left_out(tmp_path: Path) -> None:
    pair(tmp_path, "a", halves(0, 1))
    pair(tmp_path, "bb", colored((128, 0, 0), (0, 128, 0)))
    data = opened(tmp_path)
    assert list(data.ids) == ["images/a.png"]
    reported = problem(data, "masks-in-color")
    assert (reported.severity, reported.items) == ("error", ("images/bb.png (2 colours)",))
    (tmp_path / "masks/a.png").unlink()
    with pytest.raises(DataError, match=r"none of the 1 masks can be used.*no table says.*name,r,g,b"):
        masks.read(str(tmp_path), ANY)


def test_colors_packed_into_a_palette_of_another_order_are_read_by_color(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    palette(tmp_path / "masks/a.png", halves(0, 1), [0, 128, 0, 128, 0, 0])
    (tmp_path / "class_dict.csv").write_text(TABLES["class_dict.csv"])
    data = opened(tmp_path)
    np.testing.assert_array_equal(data.targets.map(0), halves(1, 0))
    assert any("read by colour" in note for note in data.messages)


def test_the_index_counts_whatever_the_palette_shows(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    palette(tmp_path / "masks/a.png", halves(0, 1), [1, 2, 3, 4, 5, 6])
    (tmp_path / "class_dict.csv").write_text(TABLES["class_dict.csv"])
    np.testing.assert_array_equal(opened(tmp_path).targets.map(0), halves(0, 1))


def test_jpeg_masks_are_refused_unless_their_ids_are_exact(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    photo(tmp_path / "images/b.png", 1)
    photo(tmp_path / "images/c.png", 2)
    blots = (np.random.default_rng(0).random((H, W)) > 0.5).astype(np.uint8) * 255
    put(tmp_path / "masks/a.png", halves(0, 255))
    put(tmp_path / "masks/b.jpg", blots, quality=70)
    put(tmp_path / "masks/c.jpg", np.zeros((H, W), np.uint8))
    data = opened(tmp_path)
    assert list(data.ids) == ["images/a.png", "images/c.png"]
    reported = problem(data, "masks-lossy")
    assert reported.severity == "error"
    assert reported.items[0].startswith("images/b.png (")
    for name in "ac":
        next((tmp_path / "masks").glob(f"{name}.*")).unlink()
    with pytest.raises(DataError, match="hold values between those of the classes, as JPEG"):
        masks.read(str(tmp_path), ANY)


def test_one_mask_for_each_class(tmp_path: Path) -> None:
    for name in ("a", "b"):
        photo(tmp_path / f"images/{name}.png", ord(name))
    put(tmp_path / "masks/dog/a.png", halves(0, 255))
    put(tmp_path / "masks/cat/a.png", halves(1, 0))
    put(tmp_path / "masks/cat/b.png", halves(0, 255))
    data = opened(tmp_path)
    assert names(data) == ("background", "cat", "dog")
    np.testing.assert_array_equal(data.targets.map(0), halves(1, 2))
    np.testing.assert_array_equal(data.targets.map(1), halves(0, 1))


def test_one_mask_for_each_class_by_name_that_overlap_or_leave_gaps(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    everything = np.full((H, W), 255, np.uint8)
    put(tmp_path / "masks/a_cat.png", everything)
    put(tmp_path / "masks/a_mask_dog.png", halves(0, 255))
    data = opened(tmp_path)
    np.testing.assert_array_equal(data.targets.map(0), halves(1, IGNORE_INDEX))
    assert problem(data, "masks-overlap").items == ("images/a.png (96 pixels)",)
    put(tmp_path / "masks/a_cat.png", halves(255, 0))
    put(tmp_path / "masks/a_background.png", halves(0, 0))
    data = opened(tmp_path)
    assert names(data) == ("background", "cat", "dog")
    assert not data.read_findings
    put(tmp_path / "masks/a_mask_dog.png", halves(0, 0))
    data = opened(tmp_path)
    assert problem(data, "masks-with-gaps").items == ("images/a.png (96 pixels)",)
    np.testing.assert_array_equal(data.targets.map(0), halves(1, IGNORE_INDEX))


def test_masks_of_single_classes_must_be_such(tmp_path: Path) -> None:
    for name in ("a", "b"):
        photo(tmp_path / f"images/{name}.png", ord(name))
        put(tmp_path / f"masks/dog/{name}.png", halves(0, 255))
    put(tmp_path / "masks/cat/a.png", halves(1, 2))
    data = opened(tmp_path)
    assert list(data.ids) == ["images/b.png"]
    assert problem(data, "class-masks-not-binary").items == ("images/a.png (2 values)",)


def test_masks_of_many_objects_are_not_taken_for_classes(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    for k in range(3):
        put(tmp_path / f"masks/a_{k}.png", halves(0, 255))
    with pytest.raises(DataError, match="none of the 0 masks"):
        masks.read(str(tmp_path), ANY)


def test_missing_broken_and_lonely_masks(tmp_path: Path) -> None:
    pair(tmp_path, "a", halves(0, 1))
    photo(tmp_path / "images/no.png")
    photo(tmp_path / "images/cut.png")
    (tmp_path / "masks/cut.png").write_bytes((tmp_path / "masks/a.png").read_bytes()[:45])
    photo(tmp_path / "images/text.png")
    (tmp_path / "masks/text.png").write_text("text")
    put(tmp_path / "masks/other.png", halves(0, 1))
    data = opened(tmp_path)
    assert list(data.ids) == ["images/a.png"]
    assert problem(data, "masks-missing").items == ("images/no.png",)
    assert problem(data, "masks-without-image").items == ("masks/other.png",)
    broken = problem(data, "masks-broken")
    assert ["cut.png" in broken.items[0], "text.png" in broken.items[1]] == [True, True]


@pytest.mark.parametrize("strips", [None, 5])
def test_stacks_are_an_image_a_page(tmp_path: Path, strips: int | None) -> None:
    rng = np.random.default_rng(0)
    volume = [Image.fromarray(rng.integers(0, 255, (H, W)).astype(np.uint8)) for _ in range(11)]
    labels = [Image.fromarray(halves(0, 255) if k % 2 else halves(255, 0)) for k in range(11)]
    save: dict[str, Any] = {} if strips is None else {"tiffinfo": {278: strips}}
    volume[0].save(tmp_path / "train-volume.tif", save_all=True, append_images=volume[1:], **save)
    labels[0].save(tmp_path / "train-labels.tif", save_all=True, append_images=labels[1:], **save)
    data = open_data(tmp_path)
    assert data.format == "masks"
    assert data.ids[:2] == ["train-volume.tif@00", "train-volume.tif@01"]
    assert (len(data), set(data.splits)) == (11, {"train"})
    for k in (0, 7, 10):
        np.testing.assert_array_equal(data.pixels.read(k)[..., 0], np.asarray(volume[k]))
        np.testing.assert_array_equal(data.targets.map(k), halves(0, 1) if k % 2 else halves(1, 0))
    assert len({data.pixels.digest(k) for k in range(11)}) == 11
    part = data.subset([9, 2])
    np.testing.assert_array_equal(part.pixels.read(1)[..., 0], np.asarray(volume[2]))
    assert scan(data).readable.all()
    assert len(masks.read(str(masks.write(data, tmp_path / "out")), ANY)) == 11


def test_stacks_of_other_lengths_are_left_out(tmp_path: Path) -> None:
    pages = [Image.fromarray(halves(0, 1)) for _ in range(3)]
    for folder, count in (("images", 3), ("masks", 2)):
        (tmp_path / folder).mkdir()
        pages[0].save(tmp_path / folder / "a.tif", save_all=True, append_images=pages[1:count])
    photo(tmp_path / "images/b.png")
    put(tmp_path / "masks/b.png", halves(0, 1))
    data = opened(tmp_path)
    assert list(data.ids) == ["images/b.png"]
    assert problem(data, "pages-differ").items == ("images/a.tif (2 and 3 pages)",)


def test_lists_say_the_splits(tmp_path: Path) -> None:
    for name in ("a", "b", "c", "d"):
        pair(tmp_path, name, halves(0, 1))
    (tmp_path / "train.txt").write_text("images/a.png masks/a.png\nb\n")
    (tmp_path / "val.txt").write_text("/elsewhere/images/c.png /elsewhere/masks/c.png\nb\ngone.png\n")
    data = opened(tmp_path)
    assert dict(zip(data.ids, data.splits, strict=True)) == {
        "images/a.png": "train", "images/b.png": "train", "images/c.png": "val",
    }  # fmt: skip
    assert problem(data, "images-in-two-splits").items == ("b (train and val)",)
    assert problem(data, "files-missing").items == ("gone.png (val)",)
    assert problem(data, "images-not-listed").items == ("images/d.png",)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "0 sky\n0 road\n"),
        ("classes.txt", "0 sky\n1 road\nfog\n"),
        ("classes.txt", ""),
        ("classes.csv", "name,r,g,b\nsky,1,2,x\n"),
        ("classes.csv", "name,r,g,b\nsky,1,2,300\n"),
        ("classes.csv", "name,r,g,b\nsky,1,2,3\nroad,1,2,3\n"),
        ("classes.json", "[1, 2]"),
        ("classes.json", "{"),
        ("classes.json", '{"classes": 3}'),
    ],
)
def test_tables_that_cannot_be_understood_are_errors(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=name):
        read_table(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("classes.txt", "3 sky\n5: big road\n"),
        ("classes.txt", "id-free"),
        ("classes.json", '{"3": "sky", "5": "big road"}'),
        ("classes.json", '{"sky": 3, "big road": 5}'),
        (
            "classes.json",
            '{"classes": [{"id": 3, "name": "sky"}, {"id": 5, "name": "big road"}], "void": [0]}',
        ),
        ("classes.csv", "Name,ID\nsky,3\nbig road,5\n"),
        ("classes.csv", "3,sky\n5,big road\n"),
    ],
)
def test_tables_of_ids(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    expected = Classes(("id-free",)) if text == "id-free" else Classes(("sky", "big road"), (3, 5))
    assert read_table(tmp_path / name).classes == expected


def test_labelme_counts_after_what_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "class_names.txt").write_text("__ignore__\n_background_\ncat\n")
    table = read_table(tmp_path / "class_names.txt")
    assert table.classes == Classes(("_background_", "cat"), (0, 1))
    assert table.void == (-1,)


@st.composite
def data_sets(draw: st.DrawFn) -> Dataset:
    """Maps of any classes, with void, under odd names and ids, with splits or without."""
    texts = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=8)
    sound = texts.filter(lambda t: t.strip(" _-").lower() not in ("void", "ignore", ""))
    words = draw(st.lists(sound, min_size=1, max_size=5, unique=True))
    top = draw(st.sampled_from((255, 65535)))
    ids = draw(st.lists(st.integers(0, top), min_size=len(words), max_size=len(words), unique=True))
    n = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    maps = [rng.choice([*range(len(words)), IGNORE_INDEX], (3, 4)) for _ in range(n)]
    pixels = rng.integers(0, 255, (n, 3, 4, 3)).astype(np.uint8)
    parts = draw(st.sampled_from(([""] * n, ["train", "val", "test", "train"][:n])))
    return Dataset("made", "made", [f"p{i}" for i in range(n)], Arrays(pixels), SemanticMasks.of(maps),
                   Classes(tuple(words), tuple(ids)), np.array(parts, dtype=object))  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data_sets())
def test_what_is_written_is_read_back_whatever_the_classes(tmp_path_factory: Any, data: Dataset) -> None:
    folder = masks.write(data, tmp_path_factory.mktemp("round") / "out")
    again = masks.read(str(folder), ReadOptions())
    assert again.classes == data.classes
    assert not again.read_findings
    order = {Path(item).stem: i for i, item in enumerate(again.ids)}
    for i, item in enumerate(data.ids):
        k = order[item]
        np.testing.assert_array_equal(again.targets.map(k), data.targets.map(i))
        np.testing.assert_array_equal(again.pixels.read(k), data.pixels.read(i))
        assert again.splits[k] == data.splits[i]


def test_written_masks_hold_ids_and_show_colors(tmp_path: Path) -> None:
    data = Dataset(
        "t",
        "t",
        ["a"],
        Arrays(np.zeros((1, H, W, 3), np.uint8)),
        SemanticMasks.of([halves(0, IGNORE_INDEX)]),
        Classes(("cell",), (255,)),
    )
    folder = masks.write(data, tmp_path / "out")
    image = Image.open(folder / "masks/a.png")
    assert image.mode == "P"
    np.testing.assert_array_equal(np.asarray(image), halves(255, 254))
    assert image.convert("RGB").getpixel((0, 0)) == (230, 159, 0)
    with pytest.raises(DataError, match="not empty"):
        masks.write(data, folder)


def test_camvid(data_folder: Callable[[str], Path]) -> None:
    root = data_folder("camvid")
    data = open_data(root)
    assert data.format == "masks"
    assert (len(data), len(names(data)), names(data)[0]) == (701, 11, "sky")
    assert {s: int((data.splits == s).sum()) for s in set(data.splits)} == {
        "train": 367,
        "val": 101,
        "test": 233,
    }
    assert not data.read_findings
    with (root / "trainannot/0001TP_006690.png").open("rb") as file:
        stored = np.asarray(Image.open(io.BytesIO(file.read())))
    i = list(data.ids).index("train/0001TP_006690.jpg")
    np.testing.assert_array_equal(data.targets.map(i), np.where(stored == 11, IGNORE_INDEX, stored))


def test_membranes(data_folder: Callable[[str], Path]) -> None:
    data = open_data(data_folder("isbi2012_membrane"))
    assert data.format == "masks"
    assert data.classes == Classes(("background", "foreground"), (0, 255))
    assert (len(data), data.targets.sizes[0].tolist(), set(data.splits)) == (30, [512, 512], {"train"})
    assert not data.read_findings


def discs(i: int, values: tuple[int, ...] = (0, 255)) -> Image.Image:
    """A map of rings, drawn exactly."""
    y, x = np.mgrid[:64, :64]
    away = np.hypot(y - 30 - i, x - 32)
    index = np.digitize(-away, [-27 + 18 * k / len(values) for k in range(len(values) - 1)])
    return Image.fromarray(np.array(values, np.uint8)[index])


def smooth(image: Image.Image) -> np.ndarray:
    """A map that was scaled as photographs are."""
    return np.asarray(image.resize((48, 48), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("values", [(0, 255), (0, 1, 2, 200), (0, 40, 80, 120)])
def test_masks_that_were_smoothed_are_refused_as_jpeg_is(tmp_path: Path, values: tuple[int, ...]) -> None:
    for i in range(4):
        photo(tmp_path / f"images/{i}.png", i, (48, 48))
        put(tmp_path / f"masks/{i}.png", smooth(discs(i, values)))
    with pytest.raises(
        DataError, match=r"none of the 4 masks can be used.*scaling with mixing.*nearest pixel"
    ):
        masks.read(str(tmp_path), ANY)
    for i in range(4):
        exact = discs(i, values).resize((48, 48), Image.Resampling.NEAREST)
        put(tmp_path / f"masks/{i}.png", np.asarray(exact))
    data = opened(tmp_path)
    assert data.classes is not None
    assert (data.classes.ids, len(data), data.read_findings) == (values, 4, ())


def test_small_ids_that_were_smoothed_are_used_and_said(tmp_path: Path) -> None:
    for i in range(4):
        photo(tmp_path / f"images/{i}.png", i, (48, 48))
        put(tmp_path / f"masks/{i}.png", smooth(discs(i, (0, 9, 1, 7, 3))))
    data = opened(tmp_path)
    assert (len(data), problem(data, "masks-smoothed").severity) == (4, "warning")


@pytest.mark.parametrize("levels", [(0, 128, 255), (0, 85, 170, 255), (100, 255)])
def test_gray_levels_for_the_eye_need_a_table_before_255_is_no_class(
    tmp_path: Path, levels: tuple[int, ...]
) -> None:
    for i in range(4):
        photo(tmp_path / f"images/{i}.png", i, (64, 64))
        put(tmp_path / f"masks/{i}.png", np.asarray(discs(i, levels)))
    with pytest.raises(DataError, match=r"255: grey levels, .* classes.txt .*'255 void'"):
        masks.read(str(tmp_path), ANY)
    (tmp_path / "classes.txt").write_text("".join(f"{v} class-{v}\n" for v in levels))
    assert opened(tmp_path).classes == Classes(tuple(f"class-{v}" for v in levels), levels)


def test_objects_that_would_be_lost_as_void_are_an_error(tmp_path: Path) -> None:
    for i, value in enumerate((1, 255, 255, 255)):
        pair(tmp_path, str(i), halves(0, value))
    reported = problem(opened(tmp_path), "foreground-ignored")
    assert (reported.severity, reported.count) == ("error", 3)


def test_void_in_nearly_all_masks_is_a_warning_unless_a_table_says_so(tmp_path: Path) -> None:
    for i in range(4):
        mask = halves(0, 1 + i)
        mask[0] = 255
        pair(tmp_path, str(i), mask)
    assert problem(opened(tmp_path), "ignored-undeclared").severity == "warning"
    (tmp_path / "classes.txt").write_text("0 sky\n1 a\n2 b\n3 c\n4 d\n255 void\n")
    assert not opened(tmp_path).read_findings


def test_colored_masks_that_were_scaled_are_refused_with_a_table_too(tmp_path: Path) -> None:
    colors = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 64)], np.uint8)
    (tmp_path / "classes.csv").write_text("sep=;\nname;r;g;b\nground;0;0;0\ncat;128;0;0\ndog;0;128;64\n")
    for how in (Image.Resampling.BILINEAR, Image.Resampling.NEAREST):
        for i in range(4):
            photo(tmp_path / f"images/{i}.png", i, (48, 48))
            drawn = Image.fromarray(colors[np.asarray(discs(i, (0, 1, 2)))])
            put(tmp_path / f"masks/{i}.png", np.asarray(drawn.resize((48, 48), how)))
        if how == Image.Resampling.BILINEAR:
            with pytest.raises(DataError, match="scaling with mixing"):
                masks.read(str(tmp_path), ANY)
    data = opened(tmp_path)
    assert (data.classes, data.read_findings) == (Classes(("ground", "cat", "dog")), ())


def pets(root: Path) -> None:
    """As Oxford-IIIT Pet lies: trimaps of 1, 2 and 3, and lists of the images of each part."""
    for n in range(1, 5):
        photo(root / f"images/Beagle_{n}.jpg", n)
        put(
            root / f"annotations/trimaps/Beagle_{n}.png",
            np.repeat([[2, 3, 1, 1]], H, 0).astype(np.uint8).repeat(4, 1),
        )
        (root / f"annotations/trimaps/._Beagle_{n}.png").write_bytes(b"left behind by macOS")
    for name, some in {"list": "1234", "trainval": "123", "test": "4"}.items():
        lines = "".join(f"Beagle_{n} 1 2 1\n" for n in some)
        (root / f"annotations/{name}.txt").write_text(
            "#Image CLASS-ID SPECIES BREED\n"[: 40 * (name == "list")] + lines
        )


def test_trimaps_have_their_three_classes_and_the_border_is_told_and_can_be_void(tmp_path: Path) -> None:
    pets(tmp_path)
    data = open_data(tmp_path, target_type="masks")
    assert (data.format, names(data)) == ("masks", ("pet", "background", "border"))
    assert data.splits.tolist() == ["train"] * 3 + ["test"]
    assert np.bincount(data.targets.map(0).ravel()).tolist() == [96, 48, 48]
    note = next(note for note in data.messages if "border" in note)
    assert "'3 void'" in note
    (tmp_path / "annotations/trimaps/classes.txt").write_text("1 pet\n2 background\n3 void\n")
    void = masks.read(str(tmp_path), ANY)
    assert names(void) == ("pet", "background")
    assert (void.targets.map(0) == IGNORE_INDEX).sum() == 48


def test_a_manual_segmentation_is_meant_where_a_mask_of_the_field_of_view_lies_beside(tmp_path: Path) -> None:
    for n in range(21, 24):
        photo(tmp_path / f"training/images/{n}_training.png", n)
        put(tmp_path / f"training/1st_manual/{n}_manual1.png", halves(0, 255))
        put(tmp_path / f"training/mask/{n}_training_mask.png", halves(255, 255))
    data = opened(tmp_path)
    assert names(data) == ("background", "foreground")
    assert "Not read: training/mask." in data.messages


def test_maps_beside_their_images_with_a_table_of_pixel_values(tmp_path: Path) -> None:
    for part in ("train", "valid"):
        for n in range(3):
            photo(tmp_path / f"{part}/{part}{n}.jpg", n)
            put(tmp_path / f"{part}/{part}{n}_mask.png", halves(0, 1))
        (tmp_path / part / "_classes.csv").write_text("Pixel Value, Class\n0, sky\n1, car\n")
    data = opened(tmp_path)
    assert (names(data), data.splits.tolist()) == (("sky", "car"), ["train"] * 3 + ["val"] * 3)
    assert not any("Not read" in note for note in data.messages)


def test_two_folders_of_any_names_are_images_and_maps_where_maps_are_asked_for(tmp_path: Path) -> None:
    for n in range(4):
        photo(tmp_path / f"701_StillsRaw_full/{n}.png", n)
        put(tmp_path / f"LabeledApproved_full/{n}_L.png", halves(0, 1))
    assert masks.sniff(str(tmp_path), ANY) == 0
    assert open_data(tmp_path, target_type="masks").format == "masks"
    plain = open_data(tmp_path)
    doubt = problem(plain, "maps-as-class")
    assert doubt.severity == "error"
    assert "--task semantic" in doubt.fix


def test_number_0_of_ade20k_is_no_class(tmp_path: Path) -> None:
    for part in ("training", "validation"):
        photo(tmp_path / f"images/{part}/a.jpg")
        put(tmp_path / f"annotations/{part}/a.png", halves(0, 2))
    (tmp_path / "objectInfo150.txt").write_text(
        "Idx\tRatio\tTrain\tVal\tName\n1\t.2\t1\t1\twall\n2\t.1\t1\t1\tbuilding, edifice\n"
    )
    data = opened(tmp_path)
    assert names(data) == ("wall", "building")
    assert {*data.targets.map(0).ravel().tolist()} == {IGNORE_INDEX, 1}
