"""Class maps of well-known data sets, opened as downloaded: tiny trees with their folders and tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.core.dataset import Dataset
from sightline.core.targets.masks import IGNORE_INDEX
from sightline.data.open import open_data
from sightline.errors import DataError

H, W = 12, 16


def photo(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(len(path.name)).integers(0, 255, (H, W, 3))
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def stripes(path: Path, numbers: Sequence[int], colors: Sequence[Sequence[int]] = ()) -> None:
    """A map of upright stripes, one for each number; with a palette if colors are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.repeat([numbers], H, 0).repeat(W // len(numbers), 1).astype(np.uint8))
    if colors:
        image.putpalette([part for color in colors for part in color])
    image.save(path)


def present(data: Dataset, i: int) -> list[str]:
    """Names along the first row of a map, "-" for no class."""
    assert data.classes is not None
    row = data.targets.map(i)[0]
    runs = row[np.flatnonzero(np.diff(row, prepend=-1))].tolist()
    return ["-" if k == IGNORE_INDEX else data.classes.names[k] for k in runs]


def test_loveda(tmp_path: Path) -> None:
    for place, numbers in {"Train/Rural/{}/0": (0, 1, 7, 6), "Train/Urban/{}/1366": (2, 3, 4, 5),
                           "Val/Urban/{}/3514": (7, 0, 7, 1)}.items():  # fmt: skip
        photo(tmp_path / f"{place.format('images_png')}.png")
        stripes(tmp_path / f"{place.format('masks_png')}.png", numbers)
    photo(tmp_path / "Test/Rural/images_png/4191.png")
    data = open_data(tmp_path)
    assert (data.format, data.read_findings) == ("masks", ())
    assert data.classes is not None
    assert data.classes.names == (
        "background",
        "building",
        "road",
        "water",
        "barren",
        "forest",
        "agriculture",
    )
    assert data.classes.ids == (1, 2, 3, 4, 5, 6, 7)
    by_id = {name: (data.splits[i], present(data, i)) for i, name in enumerate(data.ids)}
    assert by_id == {
        "Train/Rural/images_png/0.png": ("train", ["-", "background", "agriculture", "forest"]),
        "Train/Urban/images_png/1366.png": ("train", ["building", "road", "water", "barren"]),
        "Val/Urban/images_png/3514.png": ("val", ["agriculture", "-", "agriculture", "background"]),
    }
    assert "Not read: Test/Rural/images_png." in data.messages
    assert any("7 of LoveDA" in note and "0 (no data) is no class" in note for note in data.messages)
    train = open_data(tmp_path / "Train")
    assert (train.classes, train.splits.tolist()) == (data.classes, ["train", "train"])
    urban = open_data(tmp_path / "Train/Urban")
    assert urban.classes == data.classes, "a part alone has the same classes"
    assert present(urban, 0) == ["building", "road", "water", "barren"]


LABELS: list[dict[str, Any]] = [
    {"name": "animal--bird", "readable": "Bird", "color": [165, 42, 42], "evaluate": True},
    {"name": "nature--snow", "readable": "Snow", "color": [255, 255, 255], "evaluate": True},
    {"name": "marking--general", "readable": "Marking", "color": [255, 255, 255], "evaluate": True},
    {"name": "void--unlabeled", "readable": "Unlabeled", "color": [0, 0, 0], "evaluate": False},
]
FINER = [LABELS[0], {**LABELS[1], "name": "nature--ice", "readable": "Ice"}, *LABELS[1:]]
"""As in version 2.0, where numbers stand for other classes."""


def vistas(root: Path, versions: dict[str, list[dict[str, Any]]]) -> Path:
    """Mapillary Vistas; the name of a version is "" in the first release."""
    for part in ("training", "validation", "testing"):
        photo(root / f"{part}/images/{part}.jpg")
    for version, labels in versions.items():
        name = f"config_{version}.json" if version else "config.json"
        (root / name).write_text(json.dumps({"labels": labels, "version": version, "folder_structure": {}}))
        colors = [label["color"] for label in labels]
        for part in ("training", "validation"):
            for kind in ("labels", "instances"):
                stripes(root / part / version / kind / f"{part}.png", (3, 0, 2, 1), colors)
    return root


@pytest.mark.parametrize(
    ("versions", "expected", "aside"),
    [
        ({"": LABELS}, ["-", "Bird", "Marking", "Snow"], {"testing", "training/instances"}),
        ({"v1.2": LABELS}, ["-", "Bird", "Marking", "Snow"], {"testing/images"}),
        (
            {"v1.2": LABELS, "v2.0": FINER},
            ["Marking", "Bird", "Snow", "Ice"],
            {"testing/images", "training/v1.2/labels", "validation/v1.2/labels"},
        ),
    ],
    ids=["1", "1.2", "2.0"],
)
def test_mapillary_vistas(
    tmp_path: Path, versions: dict[str, Any], expected: list[str], aside: set[str]
) -> None:
    data = open_data(vistas(tmp_path, versions))
    assert (data.format, data.read_findings) == ("masks", ())
    assert data.ids == ["training/images/training.jpg", "validation/images/validation.jpg"]
    assert data.splits.tolist() == ["train", "val"]
    assert present(data, 0) == present(data, 1) == expected
    assert data.classes is not None
    assert "Unlabeled" not in data.classes.names
    newest = max(versions)
    file = f"config_{newest}.json" if newest else "config.json"
    void = len(versions[newest]) - 1
    assert f"Classes are from {file}. No class, as it is not evaluated: Unlabeled ({void})." in data.messages
    (note,) = [note for note in data.messages if note.startswith("Not read: ")]
    assert aside <= {*note.removeprefix("Not read: ").removesuffix(".").split(", ")}


def test_names_of_mapillary_vistas_that_stand_for_two_classes_are_spelled_out(tmp_path: Path) -> None:
    alike = [{**label, "readable": "Snow"} if label["evaluate"] else label for label in LABELS]
    data = open_data(vistas(tmp_path, {"": alike}))
    assert data.classes is not None
    assert data.classes.names == ("animal--bird", "nature--snow", "marking--general")


@pytest.mark.parametrize(
    "text",
    ['{"labels": ["a", "b"]}', '{"labels": [{"name": "a"}], "evaluate": 1}', '{"labels": [], "evaluate": 1}',
     '["evaluate"]', "{lr: 0.1}"],
)  # fmt: skip
def test_a_config_of_something_else_is_no_class_table(tmp_path: Path, text: str) -> None:
    vistas(tmp_path, {"": LABELS})
    (tmp_path / "config.json").write_text(text)
    data = open_data(tmp_path)
    assert data.classes is not None
    assert data.classes.names == ("0", "1", "2", "3")
    assert any("called by their numbers" in note for note in data.messages)


def test_a_config_that_is_cut_off_is_an_error_that_names_it(tmp_path: Path) -> None:
    file = vistas(tmp_path, {"": LABELS}) / "config.json"
    file.write_text(file.read_text()[:-20])
    with pytest.raises(DataError, match=r"config\.json: the file is cut off"):
        open_data(tmp_path)


def test_a_split_of_cityscapes_without_maps_is_named(tmp_path: Path) -> None:
    for part in ("train", "test"):
        photo(tmp_path / f"leftImg8bit/{part}/ulm/a_leftImg8bit.png")
    stripes(tmp_path / "gtFine/train/ulm/a_gtFine_labelIds.png", (7, 8))
    data = open_data(tmp_path)
    assert data.ids == ["leftImg8bit/train/ulm/a_leftImg8bit.png"]
    assert "Not read: leftImg8bit/test." in data.messages
