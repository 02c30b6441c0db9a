"""Class maps are read as they are stored: nothing is scaled, mixed, turned or guessed."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from sightline.data.io.encode import encode_png
from sightline.data.io.images import stored
from sightline.data.io.label_maps import codes_of, composed, look, nearest
from sightline.data.io.pages import full_pages
from sightline.data.io.pixels import Pages
from sightline.errors import UnreadableImage

INDEX = (np.arange(24, dtype=np.uint8) % 3).reshape(4, 6)


def saved(image: Image.Image, kind: str, **save: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **save)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def gray_png(pixels: np.ndarray, bits: int) -> bytes:
    """A grey PNG of 1, 2, 4 or 8 bits, written by hand."""
    rows = b""
    for row in pixels:
        flags = np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, -bits:].ravel()
        rows += b"\0" + np.packbits(flags).tobytes()
    head = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], bits, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_gray_levels_of_few_bits_are_not_spread(bits: int) -> None:
    pixels = (np.arange(60) % 2**bits).reshape(6, 10)
    np.testing.assert_array_equal(stored(gray_png(pixels, bits)).values, pixels)


def test_a_palette_is_not_resolved() -> None:
    data = encode_png(INDEX, [(9, 9, 9), (200, 0, 0), (9, 9, 9)])
    result = stored(data)
    np.testing.assert_array_equal(result.values, INDEX)
    assert result.palette is not None
    assert result.palette[:3].tolist() == [[9, 9, 9], [200, 0, 0], [9, 9, 9]]
    for kind in ("GIF", "BMP", "TIFF"):
        np.testing.assert_array_equal(stored(saved(Image.open(io.BytesIO(data)), kind)).values, INDEX)


def test_exif_rotation_and_alpha_are_left_aside() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    np.testing.assert_array_equal(stored(saved(Image.fromarray(INDEX), "PNG", exif=turned)).values, INDEX)
    clear = Image.merge("LA", [Image.fromarray(INDEX), Image.new("L", (6, 4), 0)])
    np.testing.assert_array_equal(stored(saved(clear, "PNG")).values, INDEX)


@pytest.mark.parametrize(
    "data",
    [
        saved(Image.fromarray(INDEX.astype(np.float32) + 0.5), "TIFF"),
        saved(Image.fromarray(np.full((4, 6), np.nan, np.float32)), "TIFF"),
        saved(Image.new("CMYK", (6, 4)), "TIFF"),
        b"P5 3 1 7\n\x01\x02\x07",
        b"P2 3 1 255\n1 2 7\n",
    ],
    ids=["fractions", "nan", "cmyk", "pgm of 3 bits", "plain pgm"],
)
def test_what_would_be_changed_on_the_way_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableImage, match="Save it as PNG") as caught:
        stored(data)
    assert caught.value.reason == "unsupported"


def test_three_channels_of_16_bits_are_refused() -> None:
    head, row = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0), b"\0" + bytes(12)
    data = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    )
    with pytest.raises(UnreadableImage, match="of 16 bits"):
        stored(data)


@settings(max_examples=60, deadline=None)
@given(arrays(np.uint16, st.tuples(st.integers(1, 9), st.integers(1, 40)), elements=st.integers(0, 65535)))
def test_numbers_come_back_whatever_they_are(values: np.ndarray) -> None:
    result = look(encode_png(values))
    keys, counts = np.unique(values, return_counts=True)
    np.testing.assert_array_equal(result.keys, keys)
    np.testing.assert_array_equal(result.counts, counts)
    assert result.runs >= 1
    for modulus in (2, 7):
        mapped = result.mapped((result.keys % modulus).astype(np.uint8))
        np.testing.assert_array_equal(mapped.read(), values % modulus)


@settings(max_examples=40, deadline=None)
@given(
    arrays(
        np.uint8, st.tuples(st.integers(1, 5), st.integers(1, 9), st.just(3)), elements=st.integers(0, 255)
    )
)
def test_colors_come_back(values: np.ndarray) -> None:
    result = look(encode_png(values))
    assert result.colored
    assert result.gray == bool((values == values[..., :1]).all())
    codes = codes_of(values.reshape(-1, 3))
    np.testing.assert_array_equal(result.keys, np.unique(codes))
    np.testing.assert_array_equal(result.mapped((result.keys % 5).astype(np.uint8)).read().ravel(), codes % 5)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 255)), st.data()
)
def test_small_numbers_come_back(values: np.ndarray, data: st.DataObject) -> None:
    result = look(encode_png(values))
    np.testing.assert_array_equal(result.mapped(result.keys.astype(np.uint8)).read(), values)
    step = data.draw(st.integers(1, 255))
    np.testing.assert_array_equal(
        result.mapped(((result.keys + step) % 256).astype(np.uint8)).read(), (values + np.uint8(step))
    )


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_damaged_files_give_our_errors_only(data: st.DataObject) -> None:
    kinds = {"PNG": {}, "TIFF": {"compression": "tiff_lzw"}, "BMP": {}, "GIF": {}}
    kind = data.draw(st.sampled_from(sorted(kinds)))
    whole = bytearray(saved(Image.fromarray(INDEX.repeat(5, 0).repeat(5, 1)), kind, **kinds[kind]))
    for _ in range(data.draw(st.integers(0, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    with contextlib.suppress(UnreadableImage):
        look(bytes(whole[:cut]))


def test_maps_of_single_classes_put_together() -> None:
    first, second = np.zeros((2, 4), np.uint8), np.zeros((2, 4), np.uint8)
    first[:, :2], second[:, 1:3] = 255, 1
    parts = [(1, look(encode_png(first))), (2, look(encode_png(second)))]
    whole, several, none = composed(parts, (2, 4), 0)
    assert whole.mapped(whole.keys.astype(np.uint8)).read()[0].tolist() == [1, 255, 2, 0]
    assert (several, none) == (2, 2)


def test_the_nearest_color() -> None:
    assert nearest(0x7F0102, [0x000000, 0x800000, 0xFFFFFF]) == 1


def test_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    pages = [Image.fromarray((INDEX + k).astype(np.uint16) * 1000) for k in range(3)]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    assert len(full_pages(path)) == 3
    for k in range(3):
        np.testing.assert_array_equal(stored(path, k).values, np.asarray(pages[k]))
    with pytest.raises(UnreadableImage, match=r"a\.tif"):
        stored(path, 3)
    both = Pages([(path, 2), (path, 0)])
    assert [len(both), both.read(0).shape] == [2, (4, 6, 1)]
    np.testing.assert_array_equal(both.subset(np.array([1])).read(0), both.read(1))
    assert both.digest(0) != both.digest(1) == both.subset(np.array([1])).digest(0)
