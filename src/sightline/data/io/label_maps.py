"""Label map files: the numbers or colors of class maps, read without loss."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sightline.core.targets.bitmaps import CompressedMaps
from sightline.core.targets.masks import IGNORE_INDEX
from sightline.data.io.file_types import Source
from sightline.data.io.images import Stored, stored

Keys = NDArray[np.int64]

LOSSY = ("jpeg", "webp", "avif", "jp2")
"""Formats that may change pixels when they are written."""
_ROWS = 64
"""Rows of a map, spread over it, whose edges are looked at."""
_GRADUAL = 0.3
"""Share of pixels in between, from which a map has no edges, but changes everywhere."""


@dataclass(frozen=True)
class LabelMap:
    """A label map as stored in a file.

    Attributes:
        shape: (height, width) in pixels.
        keys: (n,) what is in it, rising: numbers, or colours as 0xRRGGBB.
        counts: (n,) pixels of each.
        rows: Compressed (H, W) local numbers, uint8 or (where n is above 256) uint32.
        local: (n,) local number of each key.
        colored: Whether the keys are colours.
        lossy: Whether the file's format may have changed them.
        shown: (n,) the colour that a palette gives each number, or None: no palette.
        runs: Stretches of equal pixels along the rows; few in a map, many in a photograph.
        edges: Places along the rows (of some rows) where the numbers change.
        ramps: Those of them that go through numbers in between, as smoothing makes them.
        between: The numbers in between.
    """

    shape: tuple[int, int]
    keys: Keys
    counts: Keys
    rows: bytes
    local: Keys
    colored: bool = False
    lossy: bool = False
    shown: Keys | None = None
    runs: int = 0
    edges: int = 0
    ramps: int = 0
    between: frozenset[int] = frozenset()

    @property
    def gray(self) -> bool:
        """Whether all its colors are gray: a number stored in three channels."""
        red, green, blue = parts_of(self.keys)
        return self.colored and bool(((red == green) & (green == blue)).all())

    def mapped(self, numbers: NDArray[np.uint8]) -> CompressedMaps:
        """The map with its numbers replaced.

        Args:
            numbers: (n,) what each key becomes.
        """
        if np.array_equal(numbers, self.local):
            return CompressedMaps(self.shape, self.rows)
        wide = len(self.keys) > IGNORE_INDEX + 1
        rows = np.frombuffer(zlib.decompress(self.rows), dtype=np.uint32 if wide else np.uint8)
        table = np.zeros(int(self.local.max(initial=0)) + 1, dtype=np.uint8)
        table[self.local] = numbers
        return CompressedMaps.of(table[rows].reshape(self.shape))


def look(source: Source, page: int = 0) -> LabelMap:
    """Read the map in a file, or on one of its pages.

    Raises:
        UnreadableImage: If the file cannot be decoded, or holds no whole numbers or colours.
    """
    raw = stored(source, page)
    values = raw.values
    if values.ndim == 3:
        red, green, blue = (values[..., k].astype(np.int32) for k in range(3))
        label_map = _numbered((red << 16) | (green << 8) | blue, colored=True, lossy=raw.kind in LOSSY)
        return with_ramps(label_map, red + green + blue if not label_map.gray else red)
    if values.dtype == np.uint8:
        label_map = _small(raw)
    else:
        label_map = _numbered(values, colored=False, lossy=raw.kind in LOSSY)
    return label_map if raw.palette is not None else with_ramps(label_map, values)  # palettes are not scaled


def with_ramps(label_map: LabelMap, values: NDArray[np.integer]) -> LabelMap:
    """A map with statistics of its edges: how many there are, and how many are ramps (soft edges).

    Args:
        label_map: The map.
        values: (H, W) its numbers.
    """
    some = values[:: max(1, len(values) // _ROWS)].astype(np.int64)
    step = np.sign(np.diff(some, axis=1))
    ramp = (step[:, 1:] == step[:, :-1]) & (step[:, 1:] != 0)
    if not ramp.size or ramp.mean() > _GRADUAL:  # a photograph, or a measure of height
        return label_map
    first = ramp.copy()
    first[:, 1:] &= ~ramp[:, :-1]
    return replace(
        label_map,
        edges=int(np.count_nonzero(step)) - int(ramp.sum()),
        ramps=int(first.sum()),
        between=frozenset(np.unique(some[:, 1:-1][ramp]).tolist()),
    )


def _small(raw: Stored) -> LabelMap:
    """A map of numbers up to 255, which are the local numbers too."""
    values = np.ascontiguousarray(raw.values)
    counts = np.bincount(values.ravel(), minlength=IGNORE_INDEX + 1)
    keys = np.flatnonzero(counts)
    shown = None
    if raw.palette is not None:
        colors = np.full(IGNORE_INDEX + 1, -1, dtype=np.int64)
        colors[: len(raw.palette)] = codes_of(raw.palette)[: IGNORE_INDEX + 1]
        shown = colors[keys]
    # Counted on every eighth row: it is for the look of the map only.
    some = values[::8]
    runs = 8 * int((some[:, 1:] != some[:, :-1]).sum()) + values.shape[0]
    return LabelMap(
        shape=(values.shape[0], values.shape[1]),
        keys=keys,
        counts=counts[keys],
        rows=zlib.compress(values.data, 1),
        local=keys,
        lossy=raw.kind in LOSSY,
        shown=shown,
        runs=runs,
    )


def _numbered(values: NDArray[np.integer], colored: bool, lossy: bool) -> LabelMap:
    """A map of any integers, processed by runs of equal pixels."""
    flat = np.ascontiguousarray(values).ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])[: max(len(flat), 0)]
    lengths = np.diff(np.append(starts, len(flat)))
    keys, inverse = np.unique(flat[starts], return_inverse=True)
    counts = np.bincount(inverse, weights=lengths, minlength=len(keys)).astype(np.int64)
    rows = np.repeat(inverse, lengths).astype(np.uint8 if len(keys) <= IGNORE_INDEX + 1 else np.uint32)
    return LabelMap(
        shape=(values.shape[0], values.shape[1]),
        keys=keys.astype(np.int64),
        counts=counts,
        rows=zlib.compress(rows.data, 1),
        local=np.arange(len(keys)),
        colored=colored,
        lossy=lossy,
        runs=len(starts),
    )


def composed(
    parts: Sequence[tuple[int, LabelMap]], shape: tuple[int, int], rest: int
) -> tuple[LabelMap, int, int]:
    """Compose one map of several binary maps, one for each class.

    Args:
        parts: Number of each class, and its map: 0 where it is not.
        shape: (height, width) of all of them.
        rest: Number of the pixels that are in none of them.

    Returns:
        The map, VOID where several classes are; how many pixels these are; and how many are in no class.
    """
    whole = np.full(shape, rest, dtype=np.uint8)
    taken, several = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for number, part in parts:
        covered = part.mapped((part.keys != 0).astype(np.uint8)).read() > 0
        several |= covered & taken
        taken |= covered
        whole[covered] = number
    whole[several] = IGNORE_INDEX
    return _small(Stored(whole, "png")), int(several.sum()), int((~taken).sum())


def codes_of(colors: NDArray[np.uint8]) -> Keys:
    """Colours (n, 3) as 0xRRGGBB."""
    wide = colors.astype(np.int64)
    return (wide[:, 0] << 16) | (wide[:, 1] << 8) | wide[:, 2]


def parts_of(codes: Keys) -> tuple[Keys, Keys, Keys]:
    """Red, green and blue of colours as 0xRRGGBB."""
    return (codes >> 16) & 255, (codes >> 8) & 255, codes & 255


def nearest(code: int, codes: Sequence[int]) -> int:
    """Index of the nearest of some colors (city-block distance in RGB)."""
    parts, others = parts_of(np.array([code])), parts_of(np.array(codes, dtype=np.int64))
    apart = sum(np.abs(a - b) for a, b in zip(parts, others, strict=True))
    return int(np.argmin(apart))
