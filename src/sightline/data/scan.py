"""Scan: one pass over all images for digests, sizes, header facts, statistics and thumbnails.

All measurements of pixels for the checks, the split and the training are made here, once.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields

import numpy as np

from sightline.console import track
from sightline.core.dataset import Dataset
from sightline.data.io.images import ImageFacts, probe
from sightline.data.io.pixels import Arrays, Files, Pages
from sightline.data.io.raw_values import raw
from sightline.errors import UnreadableImage
from sightline.ops.similarity import SIDE, grey, thumbnails

BLOCK = 2048


@dataclass
class Scan:
    """Measurements of N images. Rows of unreadable images are zero and have a reason.

    Attributes:
        bytes: (N,) digest of the stored bytes.
        pixels: (N,) digest of shape and decoded pixels; "" where unreadable.
        width: (N,) pixels, after any EXIF rotation.
        height: (N,) pixels.
        channels: (N,) 3 or 1.
        low: (N,) smallest value, in [0, 255].
        high: (N,) largest value.
        raw: (N, 6) of files: lowest and highest value as stored, the value that becomes 255, least and most
            opacity, share of half opaque pixels; NaN where there is none. See `_raw.Raw`.
        mean: (N, 4) mean of red, green, blue and grey, in [0, 1]; a grey picture has four equal ones.
        square: (N, 4) mean of their squares.
        thumbs: (N, SIDE, SIDE) uint8 grey, stretched to a square.
        facts: What the header of each file says; None in memory and where unreadable.
        reasons: (N,) "" or the kind of trouble ("truncated").
        details: The trouble in a sentence, by index.
        near: (P, 2) pairs of near-duplicates, once the check has looked for them.
    """

    bytes: np.ndarray
    pixels: np.ndarray
    width: np.ndarray
    height: np.ndarray
    channels: np.ndarray
    low: np.ndarray
    high: np.ndarray
    raw: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    thumbs: np.ndarray
    facts: list[ImageFacts | None]
    reasons: np.ndarray
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
            channels=np.zeros(n, np.int8),
            low=np.zeros(n, np.uint8),
            high=np.zeros(n, np.uint8),
            raw=np.full((n, 6), np.nan, np.float64),
            mean=np.zeros((n, 4), np.float32),
            square=np.zeros((n, 4), np.float32),
            thumbs=np.zeros((n, SIDE, SIDE), np.uint8),
            facts=[None] * n,
            reasons=np.full(n, "", dtype=object),
        )

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.width)

    @property
    def readable(self) -> np.ndarray:
        """(N,) bool: images that can be decoded."""
        return np.asarray(self.reasons == "")

    @property
    def std(self) -> np.ndarray:
        """(N,) standard deviation of the grey values of each picture, in [0, 1]."""
        return np.asarray(np.sqrt(np.maximum(self.square[:, 3] - self.mean[:, 3] ** 2, 0)))

    def subset(self, indices: np.ndarray) -> Scan:
        """The rows of some pictures."""
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
        """Mean and standard deviation of each channel over some pictures, in [0, 1].

        Every picture counts alike, whatever its size. Unreadable ones are left out.

        Args:
            indices: Which pictures.
            channels: 3 for red, green, blue; 1 for grey.
        """
        keep = np.asarray(indices)[self.readable[indices]]
        columns = slice(0, 3) if channels == 3 else slice(3, 4)
        mean = self.mean[keep, columns].mean(0, dtype=np.float64)
        square = self.square[keep, columns].mean(0, dtype=np.float64)
        std = np.sqrt(np.maximum(square - mean**2, 0))
        return tuple(map(float, mean)), tuple(map(float, std))


def scan(dataset: Dataset, *, workers: int | None = None) -> Scan:
    """Measure every image once. Unreadable images are recorded and do not stop the scan.

    Memory: about 1.5 kB a picture, and one decoded picture a worker.

    Args:
        dataset: What to look at.
        workers: Threads that decode; as many as there are cores if left out.
    """
    result = Scan.empty(len(dataset))
    if isinstance(dataset.pixels, Arrays) and dataset.pixels.array.size:
        _array(dataset.pixels.array, result)
        return result

    def look(i: int) -> None:
        _picture(dataset, i, result)

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for block in track(list(_blocks(len(dataset), 64)), "looking at the pictures"):
            list(pool.map(look, block))
    return result


def _blocks(n: int, size: int) -> Iterator[range]:
    yield from (range(start, min(start + size, n)) for start in range(0, n, size))


def _picture(dataset: Dataset, i: int, result: Scan) -> None:
    """Fill row i from one picture."""
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
        result.reasons[i], result.details[i] = "zero-size", f"the picture has {image.shape[:2]} pixels"
        return
    result.pixels[i] = _digest(image)
    _measure(image[None], slice(i, i + 1), result)


def _array(array: np.ndarray, result: Scan) -> None:
    """Fill all rows from an array (N, H, W, C)."""
    result.height[:], result.width[:], result.channels[:] = array.shape[1:]
    for block in track(list(_blocks(len(array), BLOCK)), "looking at the pictures"):
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
    """Statistics and thumbnails of pictures of one size, (B, H, W, C) uint8."""
    result.low[rows], result.high[rows] = images.min((1, 2, 3)), images.max((1, 2, 3))
    greys = grey(images)
    flat = (
        [images[..., c].astype(np.float32) for c in range(images.shape[-1])] if images.shape[-1] == 3 else []
    )
    planes = [*flat, greys] if flat else [greys] * 4
    for c, plane in enumerate(planes):
        result.mean[rows, c] = plane.mean((1, 2), dtype=np.float64) / 255
        result.square[rows, c] = np.einsum("nhw,nhw->n", plane, plane) / (plane[0].size * 255.0**2)
    result.thumbs[rows] = np.rint(thumbnails(greys)).clip(0, 255).astype(np.uint8)
