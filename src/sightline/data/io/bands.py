"""Images of up to 32 bands, and of more than 8 bits in several bands, with all their numbers: TIFF and NumPy.

Pillow reads grey, RGB and RGBA. Of other TIFFs it is given each block as a grey image that is as many times
as wide, so that its decoder (libtiff) does the decompressing and the bands are taken apart here. No torch.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import UnreadableImage
from .file_types import Source, name_of, open_file
from .numpy_files import array_facts, is_array_file, read_array
from .tiff import Directory, Tiff

MAX_BANDS = 32
_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL = 256, 257, 258, 259, 262, 266
_OFFSETS, _SAMPLES, _ROWS, _COUNTS, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS, _EXTRA, _FORMAT = 322, 323, 324, 325, 338, 339
_PLAIN, _RGB, _HORIZONTAL = 1, 2, 2
_LOSSY = (6, 7)  # JPEG, whose blocks are colors
_STARTS = (b"II*\0", b"MM\0*")
_TYPES = {(1, 8): "u1", (1, 16): "u2", (2, 16): "i2", (3, 32): "f4", (1, 32): "u4", (2, 32): "i4"}
"""Types of numbers by sample format (unsigned, signed, fraction) and bits."""


@dataclass(frozen=True)
class BandFacts:
    """What the header says.

    Attributes:
        height: Pixels.
        width: Pixels.
        bands: How many.
        dtype: Type of the numbers, as NumPy calls it ("uint16").
        file_size: Bytes.
        format: tiff or npy.
    """

    height: int
    width: int
    bands: int
    dtype: str
    file_size: int
    format: str


def band_facts(source: Source) -> BandFacts | None:
    """What the header of an array of NumPy says, or of a TIFF that has more than three bands (but for a
    transparency), or two of more than 8 bits; None for all others, which `images.decode` reads.

    Raises:
        UnreadableImage: If it is such a file, and cannot be read.
    """
    with open_file(source) as (file, size):
        head = file.read(8)
        file.seek(0)
        if is_array_file(head):
            facts = array_facts(source)
            height, width, bands = _image_shape(source, facts.shape)
            return BandFacts(height, width, bands, facts.dtype.name, size, "npy")
        if not head.startswith(_STARTS):
            return None
        tags = _tags(file)
    if tags is None or not _is_banded(tags):
        return None
    return BandFacts(
        int(tags[_LENGTH]), int(tags[_WIDTH]), int(tags[_SAMPLES]), _dtype(source, tags).name, size, "tiff"
    )


def read_bands(source: Source, limit: int) -> np.ndarray:
    """(H, W, C) of uint8, uint16 or float32: all bands, with their numbers as stored.

    Args:
        source: A file of which `band_facts` says something, or its bytes.
        limit: Pixels that it may have at most.

    Raises:
        UnreadableImage: If it is damaged, too large, packed in a way that is not read, or holds NaN.
    """
    facts = band_facts(source)
    if facts is None:
        raise UnreadableImage(name_of(source), "unsupported", "is cut off, or no image of many bands")
    if facts.height * facts.width > limit:
        text = f"is {facts.width} x {facts.height} pixels, more than the limit of {limit:,}. "
        raise UnreadableImage(name_of(source), "bomb", text + "Set SIGHTLINE_MAX_PIXELS if it is meant")
    if facts.format == "npy":
        array = read_array(source, limit * MAX_BANDS)
        return array if array.ndim == 3 else array[..., None]
    with open_file(source) as (file, size):
        tags = _tags(file)
        assert tags is not None
        try:
            array = _decoded(source, file, tags)
        except UnreadableImage:
            raise
        except Exception as error:  # decoders raise nearly anything on damaged files
            text = f"cannot be decoded: tiff, {size:,} bytes ({error})"
            raise UnreadableImage(name_of(source), "unreadable", text) from error
    if array.dtype.kind == "f" and (bad := int(np.count_nonzero(~np.isfinite(array)))):
        text = f"holds {bad:,} values of {array.size:,} that are NaN or infinite"
        raise UnreadableImage(name_of(source), "not-finite", text)
    return array if array.dtype in (np.uint8, np.uint16) else array.astype(np.float32)


def _image_shape(source: Source, shape: tuple[int, ...]) -> tuple[int, int, int]:
    full = (*shape, 1) if len(shape) == 2 else shape
    if len(full) != 3 or full[2] > MAX_BANDS:
        text = (
            f"holds an array of shape {shape}. Expected (height, width), or (height, width, channels) with "
        )
        raise UnreadableImage(name_of(source), "unsupported", f"{text}up to {MAX_BANDS} channels")
    return full[0], full[1], full[2]


def _tags(file: Any) -> Any:
    """The table of the first page; None where it cannot be read, which Pillow will say better."""
    file.seek(0)
    try:
        table = Directory(file.read(8))
        file.seek(table.next)
        table.load(file)
        return table if _WIDTH in table and _LENGTH in table else None
    except Exception:  # a damaged table may raise anything
        return None


def _is_banded(tags: Any) -> bool:
    samples, bits = int(tags.get(_SAMPLES, 1)), max(tags.get(_BITS, (1,)))
    extra = tags.get(_EXTRA, ())
    if samples > 4 or (samples == 4 and extra and not any(extra)):  # a fourth band that is no transparency
        return True
    colors = samples == 3 or (samples == 4 and any(extra))  # three colors, or with a transparency
    return samples > 1 and bits > 8 and not (tags.get(_PHOTOMETRIC) == _RGB and colors)


def _dtype(source: Source, tags: Any) -> np.dtype[Any]:
    bits, formats = {*tags.get(_BITS, (1,))}, {*tags.get(_FORMAT, (1,))}
    kind = _TYPES.get((formats.pop(), bits.pop())) if len(bits) == len(formats) == 1 else None
    samples = int(tags[_SAMPLES])
    if kind is None or samples > MAX_BANDS or tags.get(_COMPRESSION, 1) in _LOSSY:
        text = f"holds {samples} bands in a form that is not read. Write up to {MAX_BANDS} bands of 8 or 16 "
        raise UnreadableImage(name_of(source), "unsupported", text + "bits, or float32, without JPEG")
    return np.dtype(kind)


def _decoded(source: Source, file: Any, tags: Any) -> np.ndarray:
    """(H, W, C) from the blocks."""
    height, width, samples = int(tags[_LENGTH]), int(tags[_WIDTH]), int(tags[_SAMPLES])
    dtype = _dtype(source, tags)
    tiled = _TILE_OFFSETS in tags
    names = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_OFFSETS, _COUNTS)
    offsets, counts = (tuple(map(int, tags[name])) for name in names)
    high, wide = min(int(tags.get(_ROWS, height)), height), width
    if tiled:
        high, wide = int(tags[_TILE_LENGTH]), int(tags[_TILE_WIDTH])
    apart = tags.get(_PLANAR, 1) == 2
    across, down, planes = -(-width // wide), -(-height // high), samples if apart else 1
    if len(offsets) != across * down * planes or len(counts) != len(offsets):
        raise UnreadableImage(name_of(source), "unreadable", "has a table of blocks that does not add up")
    out = np.empty((height, width, samples), dtype)
    inner = 1 if apart else samples
    for n, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
        plane, place = divmod(n, across * down)
        top, left = place // across * high, place % across * wide
        rows = high if tiled else min(high, height - top)
        file.seek(offset)
        values = _block(file.read(count), tags, dtype, (rows, wide, inner))
        part = values[: height - top, : width - left]
        where = slice(plane, plane + 1) if apart else slice(None)
        out[top : top + part.shape[0], left : left + part.shape[1], where] = part
    return out


def _block(data: bytes, tags: Any, dtype: np.dtype[Any], shape: tuple[int, int, int]) -> np.ndarray:
    """(rows, wide, bands) of one block."""
    rows, wide, inner = shape
    predictor, compression = int(tags.get(_PREDICTOR, 1)), int(tags.get(_COMPRESSION, _PLAIN))
    if compression == _PLAIN:
        stored_type = dtype.newbyteorder("<" if tags.prefix == b"II" else ">")
        return np.frombuffer(data, stored_type, rows * wide * inner).reshape(shape)
    if predictor not in (1, _HORIZONTAL):
        raise ValueError("fractions are packed by differences (predictor 3). Write them without a predictor")
    table = Directory(prefix=tags.prefix)
    entries = {
        _WIDTH: wide * inner, _LENGTH: rows, _BITS: dtype.itemsize * 8, _COMPRESSION: compression,
        _PHOTOMETRIC: 1, _OFFSETS: 0, _SAMPLES: 1, _ROWS: rows, _COUNTS: len(data), _PLANAR: 1,
        _FORMAT: int(tags.get(_FORMAT, (1,))[0]), _FILL: int(tags.get(_FILL, 1)),
    }  # fmt: skip
    for tag, value in entries.items():
        table.tagtype[tag] = 4 if tag in (_WIDTH, _LENGTH, _OFFSETS, _ROWS, _COUNTS) else 3
        table[tag] = value
    packed = io.BytesIO()
    table.save(packed)  # an offset of 0 becomes the end of the table
    image = Tiff(io.BytesIO(packed.getvalue() + data))
    image.load()
    values = np.asarray(image).astype(dtype).reshape(shape)
    return np.cumsum(values, 1, dtype=dtype) if predictor == _HORIZONTAL else values


def is_banded(source: Source) -> bool:
    """Whether a file is for `read_bands`, which also says why it cannot be read."""
    try:
        return band_facts(source) is not None
    except UnreadableImage:
        return True
