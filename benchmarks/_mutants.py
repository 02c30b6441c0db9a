"""Valid images of all formats, and what chance makes of them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image

SIDE = 48
LIMIT = 2**25  # pixels that the server decodes, unless told otherwise
_NUMBERS = (0, 1, 2, 3, 7, 8, 15, 16, 17, 32, 127, 128, 255, 256, 257, 4095, 32767, 32768, 65535, 65536,
            2**20, 2**24, 2**31 - 1, 2**31, 2**32 - 1)  # fmt: skip

_SEGMENTS = (0xC0, 0xC2, 0xC4, 0xDA, 0xDB, 0xDD, 0xE1)


def saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    out = io.BytesIO()
    image.copy().save(out, kind, **settings)  # a copy: what one format leaves in it is not for the next
    return out.getvalue()


def seeds() -> dict[str, bytes]:
    """Small valid images of every format that is read, and of their odd kinds."""
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    rgb = coarse.resize((SIDE, SIDE + 9))
    gray, clear, few = rgb.convert("L"), rgb.convert("RGBA"), rgb.quantize(16)
    clear.putalpha(gray)
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    real = Image.fromarray(np.asarray(gray, dtype=np.float32) / 255)
    exif = Image.Exif()
    exif[0x0112] = 6
    pages = {"save_all": True, "append_images": [rgb.rotate(90), gray]}
    return {
        "jpeg": saved(rgb, "JPEG", quality=85), "jpeg grey": saved(gray, "JPEG"),
        "jpeg progressive": saved(rgb, "JPEG", progressive=True, quality=60),
        "jpeg cmyk": saved(rgb.convert("CMYK"), "JPEG"), "jpeg turned": saved(rgb, "JPEG", exif=exif),
        "jpeg restarts": saved(rgb, "JPEG", restart_marker_rows=1),
        "png": saved(rgb, "PNG"), "png alpha": saved(clear, "PNG"), "png palette": saved(few, "PNG"),
        "png deep": saved(deep, "PNG"), "png bits": saved(gray.convert("1"), "PNG"),
        "png frames": saved(rgb, "PNG", **pages),
        "tiff": saved(rgb, "TIFF"), "tiff lzw": saved(rgb, "TIFF", compression="tiff_lzw"),
        "tiff deflate": saved(clear, "TIFF", compression="tiff_adobe_deflate"),
        "tiff jpeg": saved(rgb, "TIFF", compression="jpeg"), "tiff deep": saved(deep, "TIFF"),
        "tiff real": saved(real, "TIFF"), "tiff fax": saved(gray.convert("1"), "TIFF", compression="group4"),
        "tiff pages": saved(rgb, "TIFF", **pages), "tiff big": saved(rgb, "TIFF", big_tiff=True),
        "webp": saved(rgb, "WEBP"), "webp exact": saved(clear, "WEBP", lossless=True),
        "webp frames": saved(rgb, "WEBP", **pages),
        "gif": saved(few, "GIF"), "gif frames": saved(rgb, "GIF", **pages),
        "bmp": saved(rgb, "BMP"), "bmp palette": saved(few, "BMP"),
        "bmp bits": saved(gray.convert("1"), "BMP"),
        "ppm": saved(rgb, "PPM"), "pgm": saved(gray, "PPM"), "pgm deep": saved(deep, "PPM"),
    }  # fmt: skip


class Mutants:
    """Damaged images by number; each is a function of the seed and its number."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._seeds = list(seeds().values())
        self._changes: list[Callable[[np.random.Generator, bytes], bytes]] = [
            _bits, _bytes, _cut, self._spliced, _without, _doubled, _headed, _headed, _swapped, _chunks,
            _png_head, _tiff_tags, _segments,
        ]  # fmt: skip

    def __getitem__(self, number: int) -> bytes:
        rng = np.random.default_rng([self.seed, number])
        data = self._seeds[int(rng.integers(len(self._seeds)))]
        for _ in range(int(rng.integers(1, 4))):
            change = self._changes[int(rng.integers(len(self._changes)))]
            data = change(rng, data)
        return data

    def _spliced(self, rng: np.random.Generator, data: bytes) -> bytes:
        """The head of one and the tail of another."""
        other = self._seeds[int(rng.integers(len(self._seeds)))]
        return data[: _at(rng, data)] + other[_at(rng, other) :]


def _at(rng: np.random.Generator, data: bytes) -> int:
    return int(rng.integers(len(data) + 1))


def _bits(rng: np.random.Generator, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 16)) if data else 0):
        changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _bytes(rng: np.random.Generator, data: bytes) -> bytes:
    at, noise = _at(rng, data), rng.bytes(int(rng.integers(1, 64)))
    return data[:at] + noise + data[at + len(noise) :]


def _cut(rng: np.random.Generator, data: bytes) -> bytes:
    return data[: _at(rng, data)]


def _without(rng: np.random.Generator, data: bytes) -> bytes:
    first, last = sorted((_at(rng, data), _at(rng, data)))
    return data[:first] + data[last:]


def _doubled(rng: np.random.Generator, data: bytes) -> bytes:
    first, last = sorted((_at(rng, data), _at(rng, data)))
    return data[:last] + data[first:]


def _headed(rng: np.random.Generator, data: bytes) -> bytes:
    """A number near the beginning, where sizes, depths and lengths are, becomes one that is trouble."""
    value, width = int(_NUMBERS[int(rng.integers(len(_NUMBERS)))]), int(rng.choice([1, 2, 4]))
    raw = (value % 256**width).to_bytes(width, "little" if rng.integers(2) else "big")
    at = int(rng.integers(2, 200)) if rng.integers(2) else int(rng.integers(2, 48))
    return data[:at] + raw + data[at + width :]


def _swapped(rng: np.random.Generator, data: bytes) -> bytes:
    a, b, c = sorted(_at(rng, data) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _parts(data: bytes) -> list[bytes]:
    """The chunks of a PNG, each with a right checksum."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            break
        chunks.append(data[at:end])
        at = end
    return chunks


def _chunks(rng: np.random.Generator, data: bytes) -> bytes:
    """A PNG's chunks in another order, doubled or left out."""
    if not data.startswith(b"\x89PNG") or not (parts := _parts(data)):
        return _swapped(rng, data)
    order = rng.integers(len(parts), size=int(rng.integers(1, len(parts) + 3)))
    head = [parts[0]] if rng.integers(2) else []
    return data[:8] + b"".join([*head, *(parts[int(i)] for i in order)])


def _png_head(rng: np.random.Generator, data: bytes) -> bytes:
    """Another size, depth or kind in a PNG, with a right checksum."""
    if not data.startswith(b"\x89PNG") or len(data) < 33:
        return _headed(rng, data)
    head = bytearray(data[12:29])
    if rng.integers(2):
        at = 4 if rng.integers(2) else 8
        head[at : at + 4] = (int(_NUMBERS[int(rng.integers(len(_NUMBERS)))]) % 2**32).to_bytes(4, "big")
    else:
        head[int(rng.integers(12, 17))] = int(rng.choice([0, 1, 2, 3, 4, 6, 8, 16, 255]))
    return data[:12] + bytes(head) + zlib.crc32(head).to_bytes(4, "big") + data[33:]


def _tiff_tags(rng: np.random.Generator, data: bytes) -> bytes:
    """Another tag, type, count or value in a TIFF's table of contents."""
    if data[:4] != b"II*\0" or len(data) < 8:
        return _headed(rng, data)
    table = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[table : table + 2], "little")
    if not count or table + 2 + 12 * count > len(data):
        return _headed(rng, data)
    at = table + 2 + 12 * int(rng.integers(count))
    where, width = ((0, 2), (2, 2), (4, 4), (8, 4))[int(rng.integers(4))]
    value = int(_NUMBERS[int(rng.integers(len(_NUMBERS)))]) % 256**width
    return data[: at + where] + value.to_bytes(width, "little") + data[at + where + width :]


def _segments(rng: np.random.Generator, data: bytes) -> bytes:
    """Another number within a segment of a JPEG: size, factors of sampling, tables."""
    if data[:2] != b"\xff\xd8":
        return _bytes(rng, data)
    starts = [i for i in range(2, len(data) - 4) if data[i] == 255 and data[i + 1] in _SEGMENTS]
    if not starts:
        return _bytes(rng, data)
    at = starts[int(rng.integers(len(starts)))] + int(rng.integers(2, 20))
    width = int(rng.choice([1, 2]))
    value = int(_NUMBERS[int(rng.integers(len(_NUMBERS)))]) % 256**width
    return data[:at] + value.to_bytes(width, "big") + data[at + width :]


def largest() -> Iterator[tuple[str, bytes]]:
    """Valid images of nearly as many pixels as are decoded, of the kinds that cost most."""
    side = int(LIMIT**0.5)
    makers: dict[str, Callable[[], bytes]] = {
        "png rgb": lambda: saved(Image.new("RGB", (side, side), (9, 99, 199)), "PNG"),
        "png rgba": lambda: saved(Image.new("RGBA", (side, side), (9, 99, 199, 99)), "PNG"),
        "png 16 bits": lambda: saved(Image.new("I;16", (side, side), 999), "PNG"),
        "png palette with transparency": lambda: saved(
            Image.new("P", (side, side), 3), "PNG", transparency=3
        ),
        "png frames": lambda: _apng(side),
        "gif of a million frames": _many_frames,
        "tiff of a million pages": _many_pages,
        "tiff float": lambda: saved(Image.new("F", (side, side), 0.5), "TIFF", compression="tiff_lzw"),
        "tiff 32 bits": lambda: saved(Image.new("I", (side, side), 70000), "TIFF", compression="tiff_lzw"),
        "tiff cmyk": lambda: saved(Image.new("CMYK", (side, side)), "TIFF", compression="tiff_lzw"),
        "jpeg": lambda: saved(Image.new("RGB", (side, side), (9, 99, 199)), "JPEG", quality=20),
        "jpeg cmyk": lambda: saved(Image.new("CMYK", (side, side)), "JPEG", quality=20),
        "jpeg progressive": lambda: saved(Image.new("RGB", (side, side)), "JPEG", progressive=True),
        "jpeg that is turned": lambda: _turned(side),
        "webp": lambda: saved(Image.new("RGBA", (16383, LIMIT // 16384)), "WEBP", lossless=True, method=0),
        "gif": lambda: saved(Image.new("P", (side, side), 3), "GIF", transparency=3),
        "bmp rle": lambda: _rle(side),
        "png long and thin": lambda: saved(Image.new("L", (LIMIT, 1)), "PNG"),
        "png high and thin": lambda: saved(Image.new("RGBA", (1, LIMIT)), "PNG"),
    }
    for name, make in makers.items():
        yield name, make()


def _turned(side: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 7
    return saved(Image.new("RGB", (side, side), (9, 99, 199)), "JPEG", exif=exif)


def _apng(side: int) -> bytes:
    """Frames that lie on each other with transparency."""
    frames = [Image.new("RGBA", (side, side), (9, 99, 199, k)) for k in (90, 130)]
    return saved(frames[0], "PNG", save_all=True, append_images=frames[1:])


def _many_frames() -> bytes:
    """A GIF of 20 MB, the most that the server takes."""
    first = saved(Image.new("P", (8, 8), 3), "GIF")
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x4c\1\0"
    return first[:-1] + frame * (19_900_000 // len(frame)) + b";"


def _many_pages() -> bytes:
    """A TIFF whose table of contents is followed by empty ones."""
    first = saved(Image.new("L", (8, 8), 3), "TIFF")
    table = int.from_bytes(first[4:8], "little")
    end = table + 2 + 12 * int.from_bytes(first[table : table + 2], "little")
    at = len(first) + len(first) % 2
    rows = [struct.pack("<HHHIII", 1, 256, 3, 1, 8, at + 18 * (k + 1)) for k in range(1_000_000)]
    rows[-1] = rows[-1][:-4] + bytes(4)
    return first[:end] + struct.pack("<I", at) + first[end + 4 :].ljust(at - end - 4, b"\0") + b"".join(rows)


def _rle(side: int) -> bytes:
    """A BMP of run lengths that are never given."""
    palette = bytes(1024)
    data = b"\0\1"
    head = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, len(data), 0, 0, 256, 0)
    start = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + palette + data
