"""Sizes, constant pictures and exact duplicates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from sightline.core.dataset import Dataset
from sightline.data.checks.duplicates import together
from sightline.data.scan import scan
from tests.unit.data.checks.conftest import findings, labelled, pictures


def test_constant_pictures() -> None:
    images = pictures(60)
    images[5], images[7] = 0, 90
    found = findings(labelled(images))
    assert (found["constant-images"].severity, found["constant-images"].items) == ("warning", ("005", "007"))


def test_sizes_and_channels_that_differ(in_files: Callable[..., Dataset]) -> None:
    scene = Image.fromarray(pictures(1, 64, seed=5)[0])
    found = findings(
        in_files(
            {
                "grey.png": scene.convert("L"),
                "long.png": scene.resize((160, 32)),
                "tiny.png": scene.resize((5, 6)),
            }
        )
    )
    assert set(found["sizes-differ"].items) == {"grey.png", "long.png", "tiny.png"}
    assert "5 to 160" in found["sizes-differ"].message
    assert found["channels-differ"].items == ("grey.png",)
    assert found["extreme-aspect"].items == ("long.png",)
    assert found["tiny-images"].items == ("tiny.png",)


def test_copies_inside_the_data_are_a_warning_and_stay_together() -> None:
    images = pictures(60)
    images[10] = images[11] = images[4]
    dataset = labelled(images, [0] * 30 + [1] * 30)
    found = findings(dataset)
    assert found["duplicates"].severity == "warning"
    assert found["duplicates"].items == ("004 = 010 = 011",)
    assert found["duplicates"].count == 2
    number = together(dataset, scan(dataset))
    assert number[4] == number[10] == number[11]
    assert len(set(number)) == 58


def test_copies_across_splits_are_an_error() -> None:
    images = pictures(60)
    images[55] = images[4]
    splits = np.array(["train"] * 40 + ["test"] * 20, dtype=object)
    found = findings(labelled(images, [0] * 30 + [1] * 30).with_splits(splits))
    assert found["duplicates-across-splits"].severity == "error"
    assert found["duplicates-across-splits"].items == ("004 = 055",)
    assert "5.00% of test" in found["duplicates-across-splits"].message
    assert "duplicates" not in found


def test_one_picture_with_two_truths() -> None:
    images = pictures(60)
    images[55] = images[4]
    found = findings(labelled(images, [0] * 30 + [1] * 30))
    assert (found["conflicting-truths"].severity, found["conflicting-truths"].items) == (
        "error",
        ("004 = 055",),
    )
    many = pictures(400)
    many[399] = many[0]
    assert findings(labelled(many))["conflicting-truths"].severity == "warning"


def test_same_pixels_in_other_bytes_are_duplicates(in_files: Callable[..., Dataset]) -> None:
    again = Image.fromarray(pictures(40)[7])
    found = findings(in_files({"again.bmp": again}))
    assert found["duplicates"].items == ("007.png = again.bmp",)
    assert "0 byte for byte, 1 pixel for pixel" in found["duplicates"].message


def test_unreadable_copies_stay_together(in_files: Callable[..., Dataset]) -> None:
    dataset = in_files({"a.png": b"nonsense", "b.png": b"nonsense", "c.png": b"other"})
    number = together(dataset, scan(dataset))
    assert number[40] == number[41] != number[42]
    assert "duplicates" not in findings(dataset)
