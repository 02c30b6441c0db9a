"""What is written in one format and read in another: boxes keep corners and the names of classes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.dataset import Classes, Dataset
from sightline.data.formats import FORMATS
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError
from tests.unit.data.box_samples import boxes, made

FORMAT_NAMES = ("boxes", "coco", "createml", "cvat", "label-studio", "labelme", "voc", "yolo")
SHARES = ("label-studio", "yolo")
"""Formats that write shares of the image, so that corners come back rounded."""

_sides = st.tuples(st.integers(-640, 3200), st.integers(1, 3200)).map(
    lambda ab: (ab[0] / 64, (ab[0] + ab[1]) / 64)
)
_names = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)


@st.composite
def data_sets(draw: st.DrawFn) -> Dataset:
    """Data sets of a few small images, with odd class names and ids, with splits or without."""
    names = draw(st.lists(_names, min_size=1, max_size=4, unique=True))
    ids = draw(st.lists(st.integers(0, 10**6), min_size=len(names), max_size=len(names), unique=True))
    box = st.tuples(st.integers(0, len(names) - 1), _sides, _sides)
    rows = draw(st.lists(st.lists(box, max_size=4), min_size=1, max_size=4))
    flat = [[(k, x[0], y[0], x[1], y[1]) for k, x, y in row] for row in rows]
    parts = st.sampled_from(("train", "val", "test"))
    n = len(flat)
    splits = draw(st.one_of(st.just([""] * n), st.lists(parts, min_size=n, max_size=n)))
    return made(flat, Classes(tuple(names), tuple(ids)), splits, size=(13, 17))


def passed_through(data: Dataset, *formats: str) -> Dataset:
    """What is left of a data set after writing and reading it in each format in turn."""
    with tempfile.TemporaryDirectory() as folder:
        for format in formats:
            module = FORMATS.load(format)
            place = module.write(data, Path(folder) / format)
            assert module.sniff(str(place), ReadOptions()) > 0.95
            data = module.read(str(place), ReadOptions())
        assert [data.pixels.read(i).tobytes() for i in range(len(data))]
    return data


def assert_same(first: Dataset, second: Dataset, exact: bool) -> None:
    """The same images with the same boxes in the same order, and the same splits."""
    a, b = boxes(first), boxes(second)
    assert a.keys() == b.keys()
    for item in a:
        assert [box[0] for box in a[item]] == [box[0] for box in b[item]]
        corners = [v for box in a[item] for v in box[1:]]
        given = [v for box in b[item] for v in box[1:]]
        assert given == (corners if exact else pytest.approx(corners, abs=1e-5))
    splits = [
        {Path(i).stem: s for i, s in zip(d.ids, d.splits.tolist(), strict=True)} for d in (first, second)
    ]
    assert splits[0] == splits[1]


@pytest.mark.parametrize("format", FORMAT_NAMES)
@settings(max_examples=25, deadline=None)
@given(data=data_sets())
def test_what_is_written_is_read_back(format: str, data: Dataset) -> None:
    back = passed_through(data, format)
    assert_same(data, back, exact=format not in SHARES)
    assert not back.read_findings
    assert back.targets.sizes.tolist() == [[13, 17]] * len(data)
    if format in ("coco", "yolo"):
        assert back.classes == data.classes
    if format in ("voc", "cvat"):
        assert back.classes == Classes(data.classes.names)  # type: ignore[union-attr]
    if format == "boxes":
        ids = dict(zip(data.classes.names, data.classes.ids, strict=True))  # type: ignore[union-attr]
        assert back.classes is not None
        assert back.classes.ids == tuple(ids[name] for name in back.classes.names)


@settings(max_examples=30, deadline=None)
@given(data=data_sets(), order=st.permutations(FORMAT_NAMES))
def test_names_of_classes_survive_any_chain_of_formats(data: Dataset, order: list[str]) -> None:
    assert_same(data, passed_through(data, *order), exact=False)


def test_reordered_tables_and_ids_with_holes_keep_each_box_with_its_name() -> None:
    rows = [[(0, 1.0, 2.0, 5.0, 6.0), (2, 3.0, 3.0, 9.0, 9.0)], [(1, 0.0, 0.0, 4.0, 4.0)]]
    want = {"p00": [("zebra", 1, 2, 5, 6), ("cat", 3, 3, 9, 9)], "p01": [("10", 0, 0, 4, 4)]}
    data = made(rows, Classes(("zebra", "10", "cat"), (90, 7, 0)), size=(16, 16))
    for format in FORMAT_NAMES:
        assert boxes(passed_through(data, format)) == want, format


@pytest.mark.parametrize("format", FORMAT_NAMES)
def test_what_cannot_be_written_without_loss_is_refused(format: str, tmp_path: Path) -> None:
    module = FORMATS.load(format)
    row = [[(0, 1.0, 1.0, 5.0, 5.0)]] * 2
    for names in (("cat", "cat "), ("a\nb", "c"), ("", "c"), ("x", "x")):
        with pytest.raises(DataError, match="Class names"):
            module.write(made(row, Classes(names)), tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(DataError, match="not empty"):
        module.write(made(row, Classes(("cat",))), tmp_path / "full")
    if format in ("coco", "voc", "yolo"):
        with pytest.raises(DataError, match="1 items have no split"):
            module.write(made(row, Classes(("cat",)), ["train", ""]), tmp_path / "new")
