"""Windows into a TIFF show what the whole image shows, however it is stored."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline.data.io import regions as module
from sightline.data.io.clip_frames import is_clip
from sightline.data.io.images import decode
from sightline.data.io.pages import frame_pages, full_pages
from sightline.data.io.pixels import Files, Pages, windows
from sightline.data.io.regions import Parts, Whole
from sightline.errors import UnreadableImage

HEIGHT, WIDTH = 83, 131
STRIPS = 131 * 3 * 8  # bytes; 8 rows of an RGB image


def noise(mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(0)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 2**16, (HEIGHT, WIDTH), dtype=np.uint16))
    bands = {"L": 1, "1": 1, "P": 1, "RGB": 3, "RGBA": 4, "CMYK": 4, "YCbCr": 3}[mode]
    image = Image.fromarray(rng.integers(0, 256, (HEIGHT, WIDTH, bands), dtype=np.uint8).squeeze())
    return (
        image if mode in ("L", "RGB", "RGBA") else image.convert("L" if bands == 1 else "RGB").convert(mode)
    )


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 1)


WAYS: list[tuple[str, dict[str, Any]]] = [
    ("RGB", {}),
    ("RGB", {"compression": "tiff_lzw"}),
    ("RGB", {"compression": "tiff_lzw", "tiffinfo": {317: 2}}),
    ("RGB", {"compression": "tiff_adobe_deflate"}),
    ("RGB", {"compression": "jpeg", "quality": 90}),
    ("YCbCr", {"compression": "jpeg", "quality": 90}),
    ("RGBA", {"compression": "packbits"}),
    ("CMYK", {"compression": "tiff_lzw"}),
    ("L", {"compression": "zstd"}),
    ("L", {"big_tiff": True}),
    ("P", {"compression": "tiff_lzw"}),
    ("1", {"compression": "group4"}),
    ("I;16", {"compression": "tiff_lzw"}),
    ("I;16", {}),
]


@pytest.mark.parametrize(("mode", "how"), WAYS)
def test_windows_show_what_the_whole_image_shows(
    mode: str, how: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PIL.TiffImagePlugin.STRIP_SIZE", STRIPS // 4)
    monkeypatch.setattr("sightline.data.io.tiff._BAND", 1000)
    file = tmp_path / "a.tif"
    noise(mode).save(file, **how)
    whole, result = decode(file), windows(Files([file]), 0)
    assert isinstance(result, Parts)
    assert result.size == (HEIGHT, WIDTH)
    rng = np.random.default_rng(1)
    for _ in range(12):
        x, y = int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT))
        w, h = int(rng.integers(1, WIDTH - x + 1)), int(rng.integers(1, HEIGHT - y + 1))
        assert np.array_equal(result.read(x, y, w, h), whole[y : y + h, x : x + w])


def tiles(image: np.ndarray, side: int) -> bytes:
    """A TIFF in tiles, which are of one size and so lie beyond the edge (TIFF 6.0, section 15)."""
    height, width = image.shape[:2]
    across, down = -(-width // side), -(-height // side)
    filled = np.full((down * side, across * side, 3), 7, np.uint8)
    filled[:height, :width] = image
    parts = [
        filled[r * side : (r + 1) * side, c * side : (c + 1) * side].tobytes()
        for r in range(down)
        for c in range(across)
    ]
    n = len(parts)
    entries = [
        (256, 4, [width]), (257, 4, [height]), (258, 3, [8, 8, 8]), (259, 3, [1]), (262, 3, [2]),
        (277, 3, [3]), (322, 4, [side]), (323, 4, [side]), (324, 4, []), (325, 4, [len(parts[0])] * n),
    ]  # fmt: skip
    beyond = 8 + 2 + 12 * len(entries) + 4
    more, table = io.BytesIO(), io.BytesIO()
    start = beyond + 6 + 4 * n + 4 * n
    offsets = [start + k * len(parts[0]) for k in range(n)]
    for tag, kind, values in entries:
        data = np.array(offsets if tag == 324 else values, dtype="<u2" if kind == 3 else "<u4").tobytes()
        count = len(data) // (2 if kind == 3 else 4)
        where = data.ljust(4, b"\0")
        if len(data) > 4:
            where = (beyond + more.tell()).to_bytes(4, "little")
            more.write(data)
        table.write(
            tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + count.to_bytes(4, "little") + where
        )
    head = b"II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little")
    return head + table.getvalue() + bytes(4) + more.getvalue() + b"".join(parts)


@given(st.integers(0, WIDTH - 1), st.integers(0, HEIGHT - 1), st.integers(1, WIDTH), st.integers(1, HEIGHT))
@settings(max_examples=30, deadline=None)
def test_windows_of_a_tiff_in_tiles(tmp_path_factory: Any, x: int, y: int, w: int, h: int) -> None:
    image = np.asarray(noise())
    file = tmp_path_factory.mktemp("t") / "a.tif"
    file.write_bytes(tiles(image, 32))
    assert np.array_equal(decode(file), image)
    w, h = min(w, WIDTH - x), min(h, HEIGHT - y)
    result = windows(Files([file]), 0)
    assert isinstance(result, Parts)
    assert np.array_equal(result.read(x, y, w, h), image[y : y + h, x : x + w])


def test_images_whose_parts_depend_on_the_whole_are_read_whole(tmp_path: Path) -> None:
    turned, fractions, png = tmp_path / "turned.tif", tmp_path / "f.tif", tmp_path / "p.png"
    noise().save(turned, tiffinfo={274: 6})
    Image.fromarray(np.linspace(0, 9, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)).save(
        fractions
    )
    noise().save(png)
    for file in (turned, fractions, png):
        result = windows(Files([file]), 0)
        assert isinstance(result, Whole)
        assert result.size == decode(file).shape[:2]
        assert np.array_equal(result.read(3, 5, 20, 30), decode(file)[5:35, 3:23])


def test_the_limit_on_pixels_is_one_on_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.tif"
    noise().save(file, compression="tiff_lzw", strip_size=STRIPS)
    whole = decode(file)
    monkeypatch.setenv("SIGHTLINE_MAX_PIXELS", "5000")
    with pytest.raises(UnreadableImage, match="more than the limit"):
        decode(file)
    assert np.array_equal(windows(Files([file]), 0).read(0, 0, WIDTH, HEIGHT), whole)


def test_memory_of_windows_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.tif"
    noise().save(file, compression="tiff_lzw", strip_size=STRIPS)
    monkeypatch.setattr(module, "READ_BUFFER_BYTES", 3 * STRIPS)
    result = windows(Files([file]), 0)
    assert isinstance(result, Parts)
    for y in (0, 60, 20, 0):
        assert np.array_equal(result.read(0, y, WIDTH, 23), decode(file)[y : y + 23])
        assert sum(block.nbytes for block in result._held.values()) <= 4 * STRIPS  # what one window touches


def test_a_damaged_block_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    noise().save(file, compression="tiff_adobe_deflate", strip_size=STRIPS)
    result = windows(Files([file]), 0)
    assert isinstance(result, Parts)
    data = bytearray(file.read_bytes())
    offset = result._blocks.offsets[3]
    data[offset : offset + 40] = b"\xff" * 40
    file.write_bytes(data)
    whole = windows(Files([file]), 0)
    whole.read(0, 0, WIDTH, 8)
    with pytest.raises(UnreadableImage, match=r"a\.tif: has a damaged block 3 of 11"):
        whole.read(0, 20, WIDTH, 20)


def test_smaller_copies_are_no_pages(tmp_path: Path) -> None:
    file = tmp_path / "a.tif"
    small = noise().resize((30, 20))
    small.encoderinfo = {"tiffinfo": {254: 1}}  # type: ignore[attr-defined]
    noise().save(file, save_all=True, append_images=[small, noise("L")])
    assert full_pages(file) == [0, 2]
    assert windows(Pages([(file, 2)]), 0).read(0, 0, 5, 5).shape == (5, 5, 1)
    noise().save(file, save_all=True, append_images=[small])
    assert frame_pages(file) == [0]
    assert not is_clip(file)
