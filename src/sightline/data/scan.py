"""Scan: one pass over all images for digests, sizes, header facts, statistics and thumbnails.

All measurements of pixels for the checks, the split and the training are made here, once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace

import numpy as np

from sightline.console import track
from sightline.core.dataset import Dataset
from sightline.core.inputs import Dtype
from sightline.data.inputs import input_kind, item_frames
from sightline.data.inputs._kind import COVER_PLANES, StoredShape, cover
from sightline.data.io.clips import ClipFiles
from sightline.data.io.images import ImageFacts, probe
from sightline.data.io.items import ItemFiles
from sightline.data.io.levels import Span
from sightline.data.io.pixels import Arrays, Files, Pages
from sightline.data.io.raw_values import raw
from sightline.errors import UnreadableImage
from sightline.ops.near_duplicates import SIDE, gray, thumbnails

BLOCK = 2048
SHORT_CLIP = 64
"""A clip of up to so many frames is decoded whole, so that damage within it is found; of a longer one four
frames are looked at."""


@dataclass
class Scan:
    """Measurements of N images. Rows of unreadable images are zero and have a reason.

    Attributes:
        bytes: (N,) digest of the stored bytes.
        pixels: (N,) digest of shape and decoded pixels; "" where unreadable.
        width: (N,) pixels, after any EXIF rotation.
        height: (N,) pixels.
        depth: (N,) frames of a clip, slices of a volume; 1 of an image.
        channels: (N,) 3 or 1; of values of more than 8 bits the bands.
        low: (N,) smallest value, in [0, 255].
        high: (N,) largest value.
        raw: (N, 6) of files: lowest and highest value as stored, the value that becomes 255, least and most
            opacity, share of half opaque pixels; NaN where there is none. See `_raw.Raw`.
        mean: (N, 4) mean of red, green, blue and grey, in [0, 1]; a grey image has four equal ones. Of
            C bands of more than 8 bits (N, C + 1), the last being the mean of all.
        square: Of the same shape, mean of their squares.
        thumbs: (N, SIDE, SIDE) uint8 grey, stretched to a square.
        facts: What the header of each file says; None in memory and where unreadable.
        reasons: (N,) "" or the kind of trouble ("truncated").
        details: The trouble in a sentence, by index.
        lost: (N,) share of the frames of a clip that cannot be decoded.
        near: (P, 2) pairs of near-duplicates, once the check has looked for them.
    """

    bytes: np.ndarray
    pixels: np.ndarray
    width: np.ndarray
    height: np.ndarray
    depth: np.ndarray
    channels: np.ndarray
    low: np.ndarray
    high: np.ndarray
    raw: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    thumbs: np.ndarray
    facts: list[ImageFacts | None]
    reasons: np.ndarray
    lost: np.ndarray
    details: dict[int, str] = field(default_factory=dict)
    near: np.ndarray | None = None

    @classmethod
    def empty(cls, n: int) -> Scan:
        """An empty scan for n images."""
        return cls(
            bytes=np.full(n, "", dtype=object),
            pixels=np.full(n, "", dtype=object),
            width=np.zeros(n, np.int32),
            height=np.zeros(n, np.int32),
            depth=np.ones(n, np.int32),
            channels=np.zeros(n, np.int8),
            low=np.zeros(n, np.uint8),
            high=np.zeros(n, np.uint8),
            raw=np.full((n, 6), np.nan, np.float64),
            mean=np.zeros((n, 4), np.float32),
            square=np.zeros((n, 4), np.float32),
            thumbs=np.zeros((n, SIDE, SIDE), np.uint8),
            facts=[None] * n,
            reasons=np.full(n, "", dtype=object),
            lost=np.zeros(n, np.float32),
        )

    def __len__(self) -> int:
        """Number of images."""
        return len(self.width)

    @property
    def readable(self) -> np.ndarray:
        """(N,) bool: images that can be decoded."""
        return np.asarray(self.reasons == "")

    @property
    def std(self) -> np.ndarray:
        """(N,) standard deviation of the grey values of each image, in [0, 1]."""
        return np.asarray(np.sqrt(np.maximum(self.square[:, -1] - self.mean[:, -1] ** 2, 0)))

    def subset(self, indices: np.ndarray) -> Scan:
        """The rows of some images."""
        listed = ("facts", "details", "near")
        arrays = {f.name: getattr(self, f.name)[indices] for f in fields(self) if f.name not in listed}
        details = {n: self.details[i] for n, i in enumerate(indices.tolist()) if i in self.details}
        near = None
        if self.near is not None:
            place = np.full(len(self), -1)
            place[indices] = np.arange(len(indices))
            near = place[self.near]
            near = np.sort(near[(near >= 0).all(1)], 1)
        return Scan(**arrays, facts=[self.facts[i] for i in indices], details=details, near=near)

    def mean_std(self, indices: np.ndarray, channels: int = 3) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation of each channel over some images, in [0, 1].

        Every image counts alike, whatever its size. Unreadable ones are left out.

        Args:
            indices: Which images.
            channels: 3 for red, green, blue; 1 for grey; or all the bands that there are.
        """
        keep = np.asarray(indices)[self.readable[indices]]
        bands = self.mean.shape[1] - 1
        columns = slice(0, channels) if channels == bands else slice(bands, bands + 1)
        mean = self.mean[keep, columns].mean(0, dtype=np.float64)
        square = self.square[keep, columns].mean(0, dtype=np.float64)
        std = np.sqrt(np.maximum(square - mean**2, 0))
        return tuple(map(float, mean)), tuple(map(float, std))

    def typical(self, indices: np.ndarray, dtype: Dtype = "uint8") -> StoredShape:
        """What some items are like: the median along each axis, and the channels of most."""
        keep = np.asarray(indices)[self.readable[indices]]
        depth, height, width = (int(np.median(v[keep])) for v in (self.depth, self.height, self.width))
        return StoredShape(depth, height, width, int(self.channels[keep].max()), dtype)

    def rescaled(self, old: Span, new: Span) -> Scan:
        """The same, of values that were scaled so that `old` is [0, 1], as if `new` were."""
        gain = (old[1] - old[0]) / max(new[1] - new[0], 1e-12)
        shift = (old[0] - new[0]) / max(new[1] - new[0], 1e-12)
        mean, square = self.mean.astype(np.float64), self.square.astype(np.float64)
        return replace(
            self,
            mean=(gain * mean + shift).astype(np.float32),
            square=(gain**2 * square + 2 * gain * shift * mean + shift**2).astype(np.float32),
        )


def scan(dataset: Dataset, *, workers: int | None = None) -> Scan:
    """Measure every image once. Unreadable images are recorded and do not stop the scan.

    Memory: about 1.5 kB an image, and one decoded image a worker.

    Args:
        dataset: What to look at.
        workers: Threads that decode; as many as there are cores if left out.
    """
    result = Scan.empty(len(dataset))
    array = dataset.pixels.array if isinstance(dataset.pixels, Arrays) else np.empty(0)
    plain = dataset.input == "image" and array.dtype == np.uint8 and array.shape[-1] in (1, 3)
    if plain and array.size:
        _array(array, result)
        return result

    if dataset.input != "image" or isinstance(dataset.pixels, ItemFiles) or (array.size and not plain):
        _widen(dataset, result)

        def look(i: int) -> None:
            _item(dataset, i, result)

    else:

        def look(i: int) -> None:
            _scan_image(dataset, i, result)

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for block in track(list(_blocks(len(dataset), 64)), "looking at the images"):
            list(pool.map(look, block))
    return result


def _blocks(n: int, size: int) -> Iterator[range]:
    yield from (range(start, min(start + size, n)) for start in range(0, n, size))


def _scan_image(dataset: Dataset, i: int, result: Scan) -> None:
    """Fill row i from one image."""
    try:
        result.bytes[i] = dataset.pixels.digest(i)
        if isinstance(dataset.pixels, Files):
            result.facts[i] = probe(dataset.pixels.path(i))
        if isinstance(dataset.pixels, Files | Pages):
            raw_image = raw(*dataset.pixels.place(i))
            result.raw[i] = raw_image.low, raw_image.high, raw_image.top, *raw_image.alpha
        image = dataset.pixels.read(i)
    except UnreadableImage as error:
        result.reasons[i], result.details[i] = error.reason, error.detail
        return
    result.height[i], result.width[i], result.channels[i] = image.shape
    if image.size == 0:
        result.reasons[i], result.details[i] = "zero-size", f"the image has {image.shape[:2]} pixels"
        return
    result.pixels[i] = _digest(image)
    _measure(image[None], slice(i, i + 1), result)


def _widen(dataset: Dataset, result: Scan) -> None:
    """Room for the statistics of as many bands as the first readable item has."""
    for i in range(len(dataset)):
        try:
            bands = input_kind(dataset.input).planes(item_frames(dataset.pixels, i, 1)).shape[-1]
        except UnreadableImage:
            continue
        if bands not in (1, 3):
            result.mean, result.square = (np.zeros((len(dataset), bands + 1), np.float32) for _ in range(2))
        return


def _item(dataset: Dataset, i: int, result: Scan) -> None:
    """Fill row i from one item of any kind and type."""
    pixels = dataset.pixels
    try:
        result.bytes[i] = pixels.digest(i)
        if isinstance(pixels, ClipFiles):
            stored, result.depth[i], result.lost[i] = pixels.glance(i, COVER_PLANES, SHORT_CLIP)
        else:
            stored = pixels.read_stored(i) if isinstance(pixels, ItemFiles) else pixels.read(i)
    except UnreadableImage as error:
        result.reasons[i], result.details[i] = error.reason, error.detail
        return
    if isinstance(pixels, ItemFiles) and stored.dtype.name != pixels.stored_dtype:
        text = f"holds numbers of type {stored.dtype}; those of the first file are {pixels.stored_dtype}"
        result.reasons[i], result.details[i] = "mismatched", text
        return
    item = pixels.scaled(stored) if isinstance(pixels, ItemFiles) else stored
    planes = input_kind(dataset.input).planes(item)
    bands, room = planes.shape[-1], result.mean.shape[1] - 1
    if bands != room and not (bands == 1 and room == 3):
        result.reasons[i], result.details[i] = "mismatched", f"has {bands} bands; the others have {room}"
        return
    depth, result.height[i], result.width[i], result.channels[i] = planes.shape
    result.depth[i] = max(depth, result.depth[i])
    result.raw[i, :2] = float(stored.min()), float(stored.max())
    result.pixels[i] = _digest(stored)
    unit = planes.astype(np.float32) / 255 if planes.dtype == np.uint8 else planes
    mean = unit.mean((0, 1, 2), dtype=np.float64)
    square = np.einsum("fhwc,fhwc->c", unit, unit, dtype=np.float64) / (unit.size / bands)
    result.mean[i], result.square[i] = (
        np.append(v, v.mean()) if bands == room else v for v in (mean, square)
    )
    low, high = float(unit.min()), float(unit.max())
    result.low[i], result.high[i] = 0, 255 * (high > low)
    gray_cover = cover(unit).mean(2)
    stretched = (gray_cover - low) * (255 / max(high - low, 1e-12))
    result.thumbs[i] = np.rint(thumbnails(stretched[None]))[0].clip(0, 255).astype(np.uint8)


def _array(array: np.ndarray, result: Scan) -> None:
    """Fill all rows from an array (N, H, W, C)."""
    result.height[:], result.width[:], result.channels[:] = array.shape[1:]
    for block in track(list(_blocks(len(array), BLOCK)), "looking at the images"):
        rows = slice(block.start, block.stop)
        images = np.ascontiguousarray(array[rows])
        for i in block:
            result.pixels[i] = _digest(images[i - block.start])
            result.bytes[i] = result.pixels[i]
        _measure(images, rows, result)


def _digest(image: np.ndarray) -> str:
    whole = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    whole.update(np.ascontiguousarray(image).data)
    return whole.hexdigest()


def _measure(images: np.ndarray, rows: slice, result: Scan) -> None:
    """Statistics and thumbnails of images of one size, (B, H, W, C) uint8."""
    result.low[rows], result.high[rows] = images.min((1, 2, 3)), images.max((1, 2, 3))
    grays = gray(images)
    flat = (
        [images[..., c].astype(np.float32) for c in range(images.shape[-1])] if images.shape[-1] == 3 else []
    )
    planes = [*flat, grays] if flat else [grays] * 4
    for c, plane in enumerate(planes):
        result.mean[rows, c] = plane.mean((1, 2), dtype=np.float64) / 255
        result.square[rows, c] = np.einsum("nhw,nhw->n", plane, plane) / (plane[0].size * 255.0**2)
    result.thumbs[rows] = np.rint(thumbnails(grays)).clip(0, 255).astype(np.uint8)
