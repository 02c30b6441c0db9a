"""Sizes, constant images and exact duplicates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from sightline.core.dataset import Dataset
from sightline.data.checks.duplicates import group_duplicates
from sightline.data.scan import scan
from tests.unit.data.checks.conftest import findings, labeled, random_images


def test_constant_images() -> None:
    images = random_images(60)
    images[5], images[7] = 0, 90
    reported = findings(labeled(images))
    assert (reported["constant-images"].severity, reported["constant-images"].items) == (
        "warning",
        ("005", "007"),
    )


def test_sizes_and_channels_that_differ(in_files: Callable[..., Dataset]) -> None:
    scene = Image.fromarray(random_images(1, 64, seed=5)[0])
    reported = findings(
        in_files(
            {
                "grey.png": scene.convert("L"),
                "long.png": scene.resize((160, 32)),
                "tiny.png": scene.resize((5, 6)),
            }
        )
    )
    assert set(reported["sizes-differ"].items) == {"grey.png", "long.png", "tiny.png"}
    assert "5 to 160" in reported["sizes-differ"].message
    assert reported["channels-differ"].items == ("grey.png",)
    assert reported["extreme-aspect"].items == ("long.png",)
    assert reported["tiny-images"].items == ("tiny.png",)


def test_copies_inside_the_data_are_a_warning_and_stay_together() -> None:
    images = random_images(60)
    images[10] = images[11] = images[4]
    dataset = labeled(images, [0] * 30 + [1] * 30)
    reported = findings(dataset)
    assert reported["duplicates"].severity == "warning"
    assert reported["duplicates"].items == ("004 = 010 = 011",)
    assert reported["duplicates"].count == 2
    number = group_duplicates(dataset, scan(dataset))
    assert number[4] == number[10] == number[11]
    assert len(set(number)) == 58


def test_copies_across_splits_are_an_error() -> None:
    images = random_images(60)
    images[55] = images[4]
    splits = np.array(["train"] * 40 + ["test"] * 20, dtype=object)
    reported = findings(labeled(images, [0] * 30 + [1] * 30).with_splits(splits))
    assert reported["duplicates-across-splits"].severity == "error"
    assert reported["duplicates-across-splits"].items == ("004 = 055",)
    assert "5.00% of test" in reported["duplicates-across-splits"].message
    assert "duplicates" not in reported


def test_one_image_with_two_truths() -> None:
    images = random_images(60)
    images[55] = images[4]
    reported = findings(labeled(images, [0] * 30 + [1] * 30))
    assert (reported["conflicting-labels"].severity, reported["conflicting-labels"].items) == (
        "error",
        ("004 = 055",),
    )
    many = random_images(400)
    many[399] = many[0]
    assert findings(labeled(many))["conflicting-labels"].severity == "warning"


def test_same_pixels_in_other_bytes_are_duplicates(in_files: Callable[..., Dataset]) -> None:
    again = Image.fromarray(random_images(40)[7])
    reported = findings(in_files({"again.bmp": again}))
    assert reported["duplicates"].items == ("007.png = again.bmp",)
    assert "0 byte for byte, 1 pixel for pixel" in reported["duplicates"].message


def test_unreadable_copies_stay_together(in_files: Callable[..., Dataset]) -> None:
    dataset = in_files({"a.png": b"nonsense", "b.png": b"nonsense", "c.png": b"other"})
    number = group_duplicates(dataset, scan(dataset))
    assert number[40] == number[41] != number[42]
    assert "duplicates" not in findings(dataset)
