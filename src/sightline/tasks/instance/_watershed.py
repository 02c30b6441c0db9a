"""Watershed segmentation: threshold, distance transform, watershed.

Only a few parameters are learned; `chosen` selects them on a few images.

Source: Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE Trans. SMC 1979; Vincent and
Soille, Watersheds in Digital Spaces, IEEE Trans. PAMI 1991; Grimaud, A New Measure of Contrast: the Dynamics,
SPIE 1769, 1992 (which basins are one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sightline.data.loading.preprocess import PAD_GRAY

ImageArray = NDArray[np.uint8]
Floats = NDArray[np.float32]
Labels = NDArray[np.int32]

IOU_GRID = (0.5, 0.65, 0.8)
"""Overlaps (IoU) at which objects count as found when parameters are chosen."""
FEW_PIXELS = 4
"""What is smaller is no object, whatever the targets."""
STEPS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


@dataclass(frozen=True)
class WatershedParams:
    """Parameters of the watershed.

    Attributes:
        side: What objects are: bright, dark, or what takes the smaller part of each image.
        power: Of grey levels in [0, 1] before the threshold is found; below 1 keeps faint objects.
        smooth: Width in pixels of the Gaussian over the image, and of that over distances, at least 1.
        local: Width in pixels of the Gaussian whose mean objects must exceed too, which parts those that lie
            close; 0 for none.
        neck: Parts are one object where the passage between them is wider than this share of the thinner
            one; 1 parts at any neck.
        least: Pixels that an object has at least.
    """

    side: Literal["bright", "dark", "rarer"] = "bright"
    power: float = 1.0
    smooth: float = 1.0
    local: int = 0
    neck: float = 0.8
    least: int = FEW_PIXELS


@dataclass(frozen=True)
class Hills:
    """Basins of an image: regions of the distance transform, and their saddles.

    Attributes:
        hill: (H, W) number of the hill that each pixel lies on, from 1; 0 is background.
        peak: (1 + hills,) height of each in pixels, after smoothing.
        pairs: (P, 2) neighbouring hills.
        saddle: (P,) height of the highest passage between them.
        height: (H, W) how clear each pixel is: its grey level beyond the threshold, in [-1, 1].
    """

    hill: Labels
    peak: Floats
    pairs: NDArray[np.int64]
    saddle: Floats
    height: Floats


def hills(image: ImageArray, way: WatershedParams) -> Hills:
    """Compute basins; they do not depend on the parameters `neck` and `least`."""
    place = _inner(image)
    foreground, clear = np.zeros(image.shape[:2], dtype=bool), np.zeros(image.shape[:2], dtype=np.float32)
    foreground[place], clear[place] = _foreground(image[place], way)
    far = np.zeros(image.shape[:2], dtype=np.float32)
    distance = ndimage.distance_transform_edt(foreground[place]).astype(np.float32)
    far[place] = np.where(foreground[place], ndimage.gaussian_filter(distance, max(way.smooth, 1.0)), 0)
    hill = _climbed(far, foreground)
    count = int(hill.max())
    peak = np.zeros(count + 1, dtype=np.float32)
    peak[1:] = ndimage.maximum(far, hill, np.arange(1, count + 1)) if count else 0
    return Hills(hill, peak, *_saddles(far, hill), clear)


def _inner(image: ImageArray) -> tuple[slice, slice]:
    """The image without its padding, if it has any."""
    gray = (image == PAD_GRAY).all(2)
    slices = []
    for axis in (1, 0):
        real = np.flatnonzero(~gray.all(axis))
        slices.append(slice(int(real[0]), int(real[-1]) + 1) if len(real) else slice(0, gray.shape[1 - axis]))
    return slices[0], slices[1]


def _foreground(image: ImageArray, way: WatershedParams) -> tuple[NDArray[np.bool_], Floats]:
    """Foreground pixels with holes filled, and their distance from the threshold."""
    gray = image.astype(np.float32).mean(2) / 255
    if way.side == "dark":
        gray = 1 - gray
    gray = ndimage.gaussian_filter(gray**way.power, way.smooth)
    threshold = _otsu(gray)
    foreground = gray > threshold
    if way.side == "rarer" and foreground.mean() > 0.5:
        foreground, gray, threshold = ~foreground, -gray, -threshold
    if way.local:
        foreground &= gray > ndimage.gaussian_filter(gray, way.local)
    foreground = ndimage.binary_fill_holes(ndimage.binary_opening(foreground))
    return np.asarray(foreground, dtype=bool), gray - np.float32(threshold)


def _otsu(gray: Floats) -> float:
    """Otsu's threshold (equation 18)."""
    low, high = float(gray.min()), float(gray.max())
    if high <= low:
        return high
    counts, edges = np.histogram(gray, 256, (low, high))
    share, middle = counts / gray.size, (edges[1:] + edges[:-1]) / 2
    below, mean = share.cumsum(), (share * middle).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mean[-1] * below - mean) ** 2 / (below * (1 - below))
    return float(edges[1 + int(np.nan_to_num(between, posinf=0).argmax())])


def _climbed(far: Floats, foreground: NDArray[np.bool_]) -> Labels:
    """(H, W) basin of each foreground pixel by steepest ascent; 0 elsewhere."""
    height, width = far.shape
    # A slope too small to matter, so that no two neighbours are level.
    sure = np.pad(far.astype(np.float64), 1, constant_values=-1)
    sure[1:-1, 1:-1] += 1e-9 * np.arange(far.size).reshape(far.shape)
    best, where = sure[1:-1, 1:-1].copy(), np.arange(far.size).reshape(far.shape)
    for dy, dx in STEPS:
        near = sure[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        higher = near > best
        best = np.where(higher, near, best)
        where = np.where(higher, np.arange(far.size).reshape(far.shape) + dy * width + dx, where)
    up = where.ravel()
    while not np.array_equal(further := up[up], up):
        up = further
    top = up[foreground.ravel()]
    labels = np.zeros(far.size, dtype=np.int32)
    labels[foreground.ravel()] = np.unique(top, return_inverse=True)[1] + 1
    return labels.reshape(far.shape)


def _saddles(far: Floats, hill: Labels) -> tuple[NDArray[np.int64], Floats]:
    """Pairs of adjacent basins, and the height of the saddle between them."""
    keys, heights = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
    count = int(hill.max()) + 1
    h, w = hill.shape
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, h - dy), slice(max(0, -dx), w - max(0, dx)))
        neighbor = (slice(dy, h), slice(max(0, dx), w - max(0, -dx)))
        a, b = hill[here], hill[neighbor]
        edge = (a != b) & (a > 0) & (b > 0)
        low, high = np.minimum(a, b)[edge].astype(np.int64), np.maximum(a, b)[edge]
        keys.append(low * count + high)
        heights.append(np.minimum(far[here], far[neighbor])[edge])
    key, place = np.unique(np.concatenate(keys), return_inverse=True)
    saddle = np.zeros(len(key), dtype=np.float32)
    np.maximum.at(saddle, place, np.concatenate(heights))
    return np.column_stack([key // count, key % count]), saddle


def objects(basins: Hills, way: WatershedParams) -> Labels:
    """(H, W) label map: number of the object of each pixel, from 1; 0 is background."""
    root = np.arange(len(basins.peak))
    peak = basins.peak.copy()

    def top(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = int(root[i])
        return i

    for p in np.argsort(-basins.saddle, kind="stable").tolist():
        a, b = (top(i) for i in basins.pairs[p].tolist())
        if a != b and basins.saddle[p] >= way.neck * min(peak[a], peak[b]):
            low, high = (a, b) if peak[a] < peak[b] else (b, a)
            root[low] = high
    whole = np.array([top(i) for i in range(len(root))])
    labels = whole[basins.hill]
    large = np.bincount(labels.ravel(), minlength=len(root)) >= max(way.least, FEW_PIXELS)
    large[0] = False
    number = np.where(large, large.cumsum(), 0).astype(np.int32)
    return np.asarray(number[labels])


def chosen(images: Sequence[ImageArray], targets: Sequence[Labels]) -> WatershedParams:
    """Fit the parameters one after the other, by the number of matched objects.

    Args:
        images: (H, W, C) uint8.
        targets: (H, W) numbers of the true objects, as `objects` gives them.
    """
    areas = np.concatenate([np.bincount(t.ravel())[1:] for t in targets])
    areas = areas[areas > 0]
    small = np.quantile(areas, [0.02, 0.05, 0.1]) if len(areas) else np.zeros(3)
    least = [int(a) for a in (small[0] / 2, *small)]
    way = WatershedParams(least=least[0])
    cache: dict[WatershedParams, list[Hills]] = {}
    grid: dict[str, list[Any]] = {
        "side": ["bright", "dark", "rarer"],
        "power": [1.0, 0.5],
        "smooth": [1.0, 0.5, 2.0, 3.0],
        "local": [0, 16],
        "neck": [0.8, 0.6, 0.7, 0.9, 0.95],
        "least": least,
    }
    for name, values in grid.items():
        tried = [replace(way, **{name: value}) for value in values]
        way = max(tried, key=lambda candidate: _f1(candidate, images, targets, cache))
    return way


def _f1(
    way: WatershedParams,
    images: Sequence[ImageArray],
    targets: Sequence[Labels],
    cache: dict[WatershedParams, list[Hills]],
) -> float:
    """F1 of objects over all images, mean over `IOU_GRID`."""
    base = replace(way, neck=WatershedParams.neck, least=WatershedParams.least)
    if base not in cache:
        cache[base] = [hills(image, base) for image in images]
    right, predicted, true = np.zeros(len(IOU_GRID)), 0, 0
    for basins, target in zip(cache[base], targets, strict=True):
        labels = objects(basins, way)
        overlap = ious(labels, target)
        right += [(overlap >= fit).sum() for fit in IOU_GRID]
        predicted, true = predicted + int(labels.max()), true + len(np.unique(target[target > 0]))
    return float((2 * right / max(predicted + true, 1)).mean())


def ious(labels1: Labels, labels2: Labels) -> NDArray[np.float64]:
    """(A, B) IoU of the objects of two label maps."""
    a, b = int(labels1.max()) + 1, int(labels2.max()) + 1
    both = np.bincount(labels1.ravel().astype(np.int64) * b + labels2.ravel(), minlength=a * b).reshape(a, b)
    either = both.sum(1, keepdims=True) + both.sum(0, keepdims=True) - both
    return np.asarray(both[1:, 1:] / np.maximum(either[1:, 1:], 1))
