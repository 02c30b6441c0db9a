"""Images in memory are what files of the same content are; everything else is refused by its name."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.data.io.images import decode
from sightline.errors import UsageError
from sightline.inference.sources import Sources
from tests.unit.commands.finder import predictor

RGB = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
ALPHA = np.random.default_rng(1).integers(0, 256, (8, 6, 4), dtype=np.uint8)
GRAY = RGB[..., 0].copy()
DEEP = np.random.default_rng(2).integers(0, 65536, (8, 6), dtype=np.uint16)


def seen(value: Any) -> list[np.ndarray]:
    return [first.full() for first in Sources(value)]


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def deep_colors(array: np.ndarray) -> bytes:
    """A PNG of 16 bits a channel, which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, _ = array.shape
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in array)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*first) for first in ((b"IHDR", head), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    )


def test_a_range_of_values_holds_in_memory_as_in_a_file() -> None:
    low, high = 100, 4095
    content = png(DEEP // 16)
    wanted = decode(content, span=(low, high))
    assert not np.array_equal(wanted, decode(content))
    for value in (DEEP // 16, content, Image.fromarray(DEEP // 16)):
        (pixels,) = (first.full() for first in Sources(value, span=(low, high)))
        assert np.array_equal(pixels, wanted), type(value)


@pytest.mark.parametrize("array", [RGB, ALPHA, GRAY, DEEP], ids=["rgb", "rgba", "grey", "16 bits"])
def test_an_array_a_pillow_image_and_bytes_are_what_the_file_is(array: np.ndarray) -> None:
    content = png(array)
    wanted = decode(content)
    with Image.open(io.BytesIO(content)) as opened:
        for value in (array, content, bytearray(content), Image.fromarray(array), opened):
            (pixels,) = seen(value)
            assert np.array_equal(pixels, wanted), type(value)


def test_numbers_of_32_bits_in_pillow_are_scaled_as_in_a_tiff(tmp_path: Path) -> None:
    image = Image.fromarray(GRAY).convert("I")
    image.save(tmp_path / "a.tif")
    assert np.array_equal(seen(image)[0], decode(tmp_path / "a.tif"))


def test_colors_of_16_bits_are_what_the_file_is() -> None:
    array = np.random.default_rng(3).integers(0, 65536, (5, 4, 3), dtype=np.uint16)
    (pixels,) = seen(array)
    assert np.array_equal(pixels, decode(deep_colors(array)))


def test_tensors_have_their_channels_first() -> None:
    tensor = torch.from_numpy(RGB).permute(2, 0, 1)
    assert np.array_equal(seen(tensor)[0], RGB)
    assert len(seen(torch.stack([tensor, tensor]))) == 2
    assert np.array_equal(seen(tensor[:1])[0], RGB[..., :1])
    assert np.array_equal(seen(torch.from_numpy(GRAY))[0], GRAY[..., None])


def test_exif_of_a_pillow_image_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("a.jpg", "a.png", "a.tif"):
        Image.fromarray(RGB).save(tmp_path / name, exif=exif)
        with Image.open(tmp_path / name) as opened:
            (pixels,) = seen(opened)
        assert pixels.shape[:2] == (6, 8)
        assert np.array_equal(pixels, decode(tmp_path / name))


def test_a_list_may_hold_all_of_them_and_a_bad_one_costs_only_itself(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(RGB))
    mixed = [RGB, str(tmp_path / "a.png"), tmp_path / "a.png", png(RGB), b"no image", Image.fromarray(RGB)]
    result = list(predictor().predict(mixed))
    assert [bool(first.error) for first in result] == [False, False, False, False, True, False]
    assert [first.id for first in result] == [
        "0",
        str(tmp_path / "a.png"),
        str(tmp_path / "a.png"),
        "3",
        "4",
        "5",
    ]
    assert len(seen(np.stack([RGB, RGB]))) == len(seen(iter([RGB, RGB]))) == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (RGB / 255, r"array \(8, 6, 3\) of float64.*astype\('uint8'\)"),
        (GRAY > 9, "of bool.*Where True is white"),
        (RGB.astype(np.int64), "of int64"),
        (RGB.transpose(2, 0, 1), r"Received an array \(3, 8, 6\).*transpose\(1, 2, 0\)"),
        (RGB[..., :2], r"\(8, 6, 2\)"),
        (np.zeros((0, 6, 3), np.uint8), r"\(0, 6, 3\)"),
        (np.array(["a.jpg"]), "of <U5"),
        (torch.rand(3, 8, 6), "tensor.*of float32"),
        (torch.zeros(8, 6, 3, dtype=torch.uint8), r"tensor \(8, 6, 3\)"),
        (None, "type NoneType"),
        (True, "type bool"),
        (1.5, "type float"),
        ({"a": RGB}, "type dict"),
        ([[RGB]], "type list"),
        (io.BytesIO(png(RGB)), "type _io.BytesIO"),
        ([], "nothing to predict"),
    ],
)
def test_what_is_no_image_is_refused_by_its_name(value: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Sources(value)
