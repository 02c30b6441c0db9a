"""Tiling: large images as overlapping tiles for small objects, and merging of their predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.dataset import Dataset, Pixels
from sightline.core.inputs import InputSpec
from sightline.core.sample import Batch
from sightline.core.targets._windows import Window
from sightline.core.targets.base import Targets
from sightline.core.targets.instances import Instances
from sightline.data.io.levels import Span
from sightline.data.io.pixels import windows
from sightline.data.io.regions import Windows
from sightline.data.loading.loader import Loader
from sightline.data.loading.preprocess import PAD_GRAY, input_shapes
from sightline.data.loading.rect_loader import RectLoader
from sightline.ops import tiling
from sightline.ops.resize_shape import fixed

MIN_VISIBLE_SHARE = 0.2
"""Share of an object that must lie in a tile to be looked for there."""
CROP_SCALE = 1.25
"""Sides of a crop as a multiple of those of the box, since boxes often cut hands and feet off."""
_OPEN_IMAGES = 4  # images kept open while their tiles are read


@dataclass(frozen=True)
class Tiles:
    """Positions of T tiles in N images.

    Attributes:
        owner: (T,) int64 image of each tile, rising.
        corner: (T, 2) int64 x and y of its top left pixel.
        sizes: (T, 2) int64 its height and width.
        whole: (N, 2) int64 height and width of the images.
    """

    owner: Tensor
    corner: Tensor
    sizes: Tensor
    whole: Tensor

    def places(self) -> Tensor:
        """(T, 2, 3) affine matrices from pixels of the image to pixels of the tile."""
        places = torch.eye(2, 3, dtype=torch.float64).repeat(len(self.owner), 1, 1)
        places[:, :, 2] = -self.corner
        return places

    def windows(self, rows: Tensor) -> list[Window]:
        """x, y, width and height of some of the tiles, by index."""
        corners, sizes = self.corner[rows].tolist(), self.sizes[rows].tolist()
        return [(x, y, w, h) for (x, y), (h, w) in zip(corners, sizes, strict=True)]

    def join(self, predictions: Targets) -> Targets:
        """Merge predictions for T tiles to predictions for the N images."""
        everything = torch.arange(len(self.owner))
        return predictions.join_tiles(self.owner, self.windows(everything), self.whole)


def tile_windows(sizes: Tensor, side: int) -> Tiles:
    """Tiles of `side` pixels that cover images of (N, 2) heights and widths; a smaller image is one tile."""
    owner, corner, shape = [], [], []
    for i, (height, width) in enumerate(sizes.tolist()):
        for x, y, w, h in tiling.tile_windows(height, width, side):
            owner.append(i)
            corner.append([x, y])
            shape.append([h, w])
    return Tiles(torch.tensor(owner), torch.tensor(corner), torch.tensor(shape), sizes)


def object_crops(objects: Instances) -> Tiles:
    """The crop of each object: its box, `CROP_SCALE` times as large, rounded outward to whole pixels."""
    low, high = objects.boxes.double().view(-1, 2, 2).unbind(1)
    around = (high - low) * (CROP_SCALE - 1) / 2
    corner, end = (low - around).floor().long(), (high + around).ceil().long()
    return Tiles(objects.image, corner, (end - corner).flip(1), objects.sizes)


def tile_dataset(dataset: Dataset, side: int) -> tuple[Dataset, Tiles]:
    """A data set whose items are the tiles of another data set; objects are clipped to them."""
    tiles = tile_windows(dataset.targets.sizes, side)
    owner = tiles.owner.numpy()
    names = [f"{dataset.ids[i]}@{x},{y}" for i, (x, y) in zip(owner, tiles.corner.tolist(), strict=True)]
    targets = dataset.targets[tiles.owner].warp(tiles.places(), tiles.sizes, MIN_VISIBLE_SHARE)
    pixels = TilePixels(dataset.pixels, tiles)
    splits, further = dataset.splits[owner], dataset.of_items(owner)
    tiles_dataset = replace(dataset, ids=names, pixels=pixels, targets=targets, splits=splits, **further)
    return tiles_dataset, tiles


def batches(dataset: Dataset, settings: Mapping[str, Any], *, least: int = 0, **options: Any) -> AnyLoader:
    """Data loader with the preprocessing of a model's settings: whole images, or tiles.

    With rect, images of equal rectangles are batched. If those of all images are equal, it is letterbox.

    Args:
        dataset: The images.
        settings: Of the model: size, resize, channels, and perhaps tile_size.
        least: Smallest last batch of training that is kept.
        options: See `Loader`.
    """
    parts, tiles = dataset, None
    if settings.get("tile_size"):
        parts, tiles = tile_dataset(dataset, settings["tile_size"])
    spec, train = InputSpec.of(settings), bool(options.get("train"))
    if settings["resize"] == "rect":
        shapes = input_shapes(dataset.targets.sizes, spec.spatial_shape, "rect")
        equal = bool((shapes == shapes[:1]).all())
        if not equal and not train:
            return RectLoader(dataset, spec, **options)
        spec = replace(spec, spatial_shape=tuple(shapes.amax(0).tolist()))
        options |= {} if equal else {"rects": shapes.numpy()}
    options |= {"resize": fixed(settings["resize"]), "spec": spec}
    lone = 0 < len(parts) % options["batch_size"] < least < len(parts)
    loader = Loader(parts, size=spec.spatial_shape, drop_last=train and lone, **options)
    return loader if tiles is None or train else TileMergingLoader(dataset, tiles, loader)


class TileMergingLoader:
    """Data loader of tiles whose predictions are merged to whole images.

    Args:
        dataset: The whole images.
        tiles: Where the tiles lie.
        loader: Batches of tiles.
    """

    def __init__(self, dataset: Dataset, tiles: Tiles, loader: Loader) -> None:
        self.ids, self.targets = list(dataset.ids), dataset.targets
        self._tiles, self._loader = tiles, loader

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Batches of tiles."""
        return self._loader.epoch(epoch)

    def whole(self, prediction: Targets) -> Any:
        """Merge predictions for all tiles to predictions for the images."""
        return self._tiles.join(prediction)


AnyLoader = Loader | TileMergingLoader | RectLoader


class TilePixels:
    """Tiles as an image source. An image is decoded once for neighboring tiles.

    Args:
        pixels: Source of the images.
        tiles: Where the tiles lie. What of one lies outside of its image is gray 114; a part is inside.
    """

    def __init__(self, pixels: Pixels, tiles: Tiles) -> None:
        self._pixels, self._tiles = pixels, tiles
        self._held: dict[int, Windows] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._tiles.owner)

    def read(self, i: int) -> np.ndarray:
        """Tile i, (H, W, C) uint8."""
        owner, (x, y) = int(self._tiles.owner[i]), self._tiles.corner[i].tolist()
        height, width = self._tiles.sizes[i].tolist()
        image = self._held.get(owner)
        if image is None:
            image = windows(self._pixels, owner)
            with self._lock:
                self._held[owner] = image
                while len(self._held) > _OPEN_IMAGES:
                    self._held.pop(next(iter(self._held)))
        (high, wide), left, top = image.size, max(x, 0), max(y, 0)
        right, bottom = min(x + width, wide), min(y + height, high)
        part = image.read(left, top, right - left, bottom - top)
        if part.shape[:2] == (height, width):
            return part
        around = ((top - y, y + height - bottom), (left - x, x + width - right), (0, 0))
        return np.pad(part, around, constant_values=PAD_GRAY)

    @property
    def span(self) -> Span | None:
        """See `images.decode`."""
        span: Span | None = getattr(self._pixels, "span", None)
        return span

    def subset(self, indices: np.ndarray) -> TilePixels:
        """Some of the tiles."""
        where = torch.from_numpy(np.asarray(indices, dtype=np.int64))
        parts = {k: getattr(self._tiles, k)[where] for k in ("owner", "corner", "sizes")}
        return TilePixels(self._pixels, replace(self._tiles, **parts))

    def digest(self, i: int) -> str:
        """Digest of the image and the place in it."""
        return f"{self._pixels.digest(int(self._tiles.owner[i]))}@{self._tiles.corner[i].tolist()}"
