"""What else a table says of each image is kept by item; so are sequences with the order of their frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.core.dataset import Dataset
from sightline.data.formats import FORMATS
from sightline.data.open import open_data


def images(folder: Path, n: int) -> None:
    (folder / "images").mkdir()
    for i in range(n):
        Image.fromarray(np.full((8, 8), 9 * i, np.uint8)).save(folder / "images" / f"{i}.png")


def table(folder: Path, rows: list[str], header: str) -> Dataset:
    (folder / "labels.csv").write_text("\n".join([header, *rows]) + "\n")
    return open_data(folder / "labels.csv")


def test_columns_that_are_not_used_are_kept_by_item(tmp_path: Path) -> None:
    images(tmp_path, 4)
    rows = [f"images/{i}.png,{'ab'[i % 2]},{'mf'[i // 2]},site {i}" for i in range(4)]
    data = table(tmp_path, [*rows, "images/gone.png,a,m,nowhere"], "path,label,sex,site")
    assert data.columns["sex"].tolist() == ["m", "m", "f", "f"]
    part = data.subset([3, 0])
    assert part.columns["site"].tolist() == ["site 3", "site 0"]
    assert any("kept and not used 'sex', 'site'" in note for note in data.messages)
    assert data.sequences is None


def test_they_are_written_and_read_again(tmp_path: Path) -> None:
    images(tmp_path, 4)
    data = table(tmp_path, [f"images/{i}.png,{'ab'[i % 2]},{i}" for i in range(4)], "path,label,age")
    again = open_data(FORMATS.load("table").write(data, tmp_path / "out"))
    assert again.columns["age"].tolist() == ["0", "1", "2", "3"]


def test_columns_of_metadata_beside_images_are_kept(tmp_path: Path) -> None:
    images(tmp_path, 4)
    rows = [{"file_name": f"{i}.png", "label": "ab"[i % 2], "site": i, "tags": ["x"]} for i in range(4)]
    (tmp_path / "images" / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = open_data(tmp_path / "images")
    assert data.columns["site"].tolist() == ["0", "1", "2", "3"]
    assert data.columns["tags"].tolist() == ['["x"]'] * 4


def test_frames_of_a_sequence_keep_their_order_and_stay_together(tmp_path: Path) -> None:
    images(tmp_path, 6)
    rows = [f"images/{i}.png,{'ab'[i % 2]},film {i % 2},{10 - i}" for i in range(6)]
    data = table(tmp_path, rows, "path,label,video,frame")
    assert data.sequences is not None
    assert data.frames is not None
    assert data.sequences.tolist() == ["film 0", "film 1"] * 3
    assert data.frames.tolist() == [10, 9, 8, 7, 6, 5]
    assert data.groups is not None
    assert data.groups.tolist() == data.sequences.tolist()
    assert data.subset([5]).frames.tolist() == [5]  # type: ignore[union-attr]
    no_order = table(tmp_path, [row.rpartition(",")[0] + ",first" for row in rows], "path,label,video,frame")
    assert no_order.sequences is None


def test_columns_of_another_length_are_refused(tmp_path: Path) -> None:
    images(tmp_path, 4)
    data = table(tmp_path, [f"images/{i}.png,{'ab'[i % 2]},{i}" for i in range(4)], "path,label,age")
    with pytest.raises(ValueError, match="column 'age'"):
        Dataset("x", "x", ["a"], data.pixels.subset(np.array([0])), data.targets[[0]], columns=data.columns)
