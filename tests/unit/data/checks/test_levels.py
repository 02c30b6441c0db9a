"""What is lost on the way to 8 bits is told, and can be kept by naming the range."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.check import run_checks
from sightline.data.open import open_data
from sightline.data.scan import scan
from sightline.errors import UsageError


def findings(dataset: Dataset) -> dict[str, Finding]:
    return {f.name: f for f in run_checks(dataset, scan(dataset))}


def write(root: Path, top: float, kind: type, low: float = 0, ending: str = "tif", n: int = 4) -> Path:
    """Images of two classes that hold values from low to top."""
    for label in ("dark", "bright"):
        (root / label).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            values = np.random.default_rng(i + 9 * (label == "dark")).uniform(low, top, (16, 16))
            values[0, :2] = low, top
            Image.fromarray(values.astype(kind)).save(root / label / f"{i}.{ending}")
    return root


def tiff(path: Path, pixels: np.ndarray, extra: int | None) -> None:
    """A plain TIFF of (H, W, C) uint8; what its further bands are said to be."""
    height, width, bands = pixels.shape
    tags = [(256, [width]), (257, [height]), (258, [8] * bands), (259, [1]), (262, [2]), (273, [0]),
            (277, [bands]), (278, [height]), (279, [pixels.size]), (284, [1])]  # fmt: skip
    tags += [] if extra is None else [(338, [extra] * (bands - 3))]
    start, blob, rows = 8 + 2 + 12 * len(tags) + 4, b"", b""
    for tag, values in tags:
        data = struct.pack(f"<{len(values)}H", *values)
        place = struct.pack("<I", start + len(blob)) if len(data) > 4 else data.ljust(4, b"\0")
        blob += data if len(data) > 4 else b""
        rows += struct.pack("<HHI", tag, 3, len(values)) + (b"HERE" if tag == 273 else place)
    rows = rows.replace(b"HERE", struct.pack("<I", start + len(blob)))
    head = b"II*\0" + struct.pack("<IH", 8, len(tags))
    path.write_bytes(head + rows + struct.pack("<I", 0) + blob + pixels.tobytes())


@pytest.mark.parametrize(
    ("top", "kind", "ending", "finding", "severity", "asked"),
    [
        (1023, np.uint16, "png", "levels-lost", "error", "0,1023"),
        (4000, np.uint16, "tif", "levels-lost", "error", "0,4095"),
        (16383, np.uint16, "png", "levels-fewer", "warning", "0,16383"),
        (0.125, np.float32, "tif", "levels-lost", "error", "0,0.125"),
        (70000, np.int32, "tif", "own-range", "warning", "0,131071"),
        (300.5, np.float32, "tif", "own-range", "warning", "0,300.5"),
    ],
)
def test_data_that_fill_a_part_of_their_range(
    tmp_path: Path, top: float, kind: type, ending: str, finding: str, severity: str, asked: str
) -> None:
    write(tmp_path, top, kind, ending=ending)
    result = findings(open_data(tmp_path))[finding]
    assert (result.severity, result.count) == (severity, 8)
    assert f"--pixel-range {asked}" in result.fix
    selected = open_data(tmp_path, pixel_range=asked)
    assert not {"levels-lost", "levels-fewer", "own-range", "beyond-range"} & {*findings(selected)}
    assert 120 <= int(selected.pixels.read(0).max()) <= 255


def test_data_that_fill_their_range_need_no_word(tmp_path: Path) -> None:
    write(tmp_path / "a", 60000, np.uint16)
    assert {*findings(open_data(tmp_path / "a"))} & {"levels-lost", "levels-fewer", "own-range"} == set()


def test_a_range_is_kept_exactly_and_what_lies_beyond_is_told(tmp_path: Path) -> None:
    write(tmp_path, 31000, np.uint16, low=29000)
    data = open_data(tmp_path, pixel_range="29000,31000")
    stored = np.asarray(Image.open(tmp_path / "bright/0.tif")).astype(float)
    expected = np.rint((stored - 29000) * 255 / 2000)
    np.testing.assert_array_equal(data.pixels.read(0)[..., 0], expected)
    assert "beyond-range" not in findings(data)
    narrow = findings(open_data(tmp_path, pixel_range=(29500, 30500)))
    assert (narrow["beyond-range"].severity, narrow["beyond-range"].count) == ("warning", 8)
    assert findings(open_data(tmp_path, pixel_range="0,60000"))["levels-lost"].severity == "error"


def test_files_of_8_bits_stay_as_they_are_beside_a_range(tmp_path: Path) -> None:
    write(tmp_path, 4095, np.uint16, n=1)
    for ending in ("png", "jpg"):
        Image.fromarray(np.full((9, 9), 200, np.uint8)).save(tmp_path / f"dark/8.{ending}")
    data = open_data(tmp_path, pixel_range="0,4095")
    for name in ("dark/8.png", "dark/8.jpg"):
        assert int(data.pixels.read(list(data.ids).index(name)).mean()) == 200
    assert "beyond-range" not in findings(data)


@pytest.mark.parametrize("given", ["4095", "4095,0", "0,a", "0,nan", "1,2,3"])
def test_ranges_that_are_none(tmp_path: Path, given: str) -> None:
    write(tmp_path, 4095, np.uint16, n=1)
    with pytest.raises(UsageError, match=r"--pixel-range is the lowest and the highest value"):
        open_data(tmp_path, pixel_range=given)


def test_a_range_for_pixels_of_8_bits_is_refused() -> None:
    with pytest.raises(UsageError, match=r"leave out --pixel-range"):
        open_data("shapes", pixel_range="0,4095")


@pytest.mark.parametrize("bands", [4, 5])
def test_further_bands_are_read(tmp_path: Path, bands: int) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for i in range(3):
            values = np.random.default_rng(i).integers(20, 200, (16, 16, bands)).astype(np.uint8)
            tiff(tmp_path / label / f"{i}.tif", values, 0)
    data = open_data(tmp_path)
    assert data.pixels.read(0).shape == (16, 16, bands)
    assert "extra-bands" not in findings(data)


@pytest.mark.parametrize(
    ("bands", "extra", "finding"), [(4, 0, "extra-bands"), (5, 0, "extra-bands"), (4, 2, "alpha-is-data")]
)
def test_further_bands_are_never_lost_without_a_word(
    tmp_path: Path, bands: int, extra: int, finding: str
) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for i in range(3):
            values = np.random.default_rng(i).integers(20, 200, (16, 16, bands)).astype(np.uint8)
            tiff(tmp_path / label / f"{i}.tif", values, extra)
    if extra == 0:  # the first file has three bands, and so the data are read as colors
        Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "a" / "0.tif")
    result = findings(open_data(tmp_path))[finding]
    assert (result.severity, result.count) == ("error", 6 if extra else 5)


def test_colors_of_12_bits_and_transparency_that_is_one(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        values = np.random.default_rng(0).integers(0, 255, (16, 16, 4)).astype(np.uint8)
        values[..., 3] = 255
        values[:4, :4, 3] = 0
        Image.fromarray(values).save(tmp_path / label / "cut-out.png")
    assert "alpha-is-data" not in findings(open_data(tmp_path))
    reported = findings(open_data(tmp_path))
    assert "extra-bands" not in reported


def test_an_image_that_cannot_be_read_does_not_cost_the_check(tmp_path: Path) -> None:
    write(tmp_path, 900.0, np.float32)
    values = np.full((16, 16), 5, np.float32)
    values[0, 0] = np.inf
    Image.fromarray(values).save(tmp_path / "dark" / "bad.tif")
    reported = findings(open_data(tmp_path))
    assert reported["own-range"].count == 8
    assert "900" in reported["own-range"].message
