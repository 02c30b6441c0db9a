"""Large pictures as overlapping tiles, for what is small in them; and what was found there, joined again."""

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
from sightline.core.targets.bitmaps import Packed
from sightline.core.targets.instances import Instances
from sightline.core.targets.masks import Masks
from sightline.data.io.pixels import windows
from sightline.data.io.regions import Windows
from sightline.data.loading.loader import Loader
from sightline.data.loading.tile_voting import blended
from sightline.ops import tiling

LEAST = 0.2
"""Share of an object that must lie in a tile to be looked for there."""
_HELD = 4  # pictures kept open while their tiles are read


@dataclass(frozen=True)
class Tiles:
    """Where T tiles lie in N pictures.

    Attributes:
        owner: (T,) int64 picture of each tile, rising.
        corner: (T, 2) int64 x and y of its top left pixel.
        sizes: (T, 2) int64 its height and width.
        whole: (N, 2) int64 height and width of the pictures.
    """

    owner: Tensor
    corner: Tensor
    sizes: Tensor
    whole: Tensor

    def places(self) -> Tensor:
        """(T, 2, 3) matrices from the pixels of the picture to those of the tile."""
        places = torch.eye(2, 3, dtype=torch.float64).repeat(len(self.owner), 1, 1)
        places[:, :, 2] = -self.corner
        return places

    def windows(self, rows: Tensor) -> list[tiling.Window]:
        """x, y, width and height of some of the tiles, by their numbers."""
        corners, sizes = self.corner[rows].tolist(), self.sizes[rows].tolist()
        return [(x, y, w, h) for (x, y), (h, w) in zip(corners, sizes, strict=True)]

    def join(self, predictions: Any) -> Any:
        """Predictions for T tiles as predictions for the N pictures.

        Of boxes of one class from different tiles that are mostly one inside the other, the one with the
        higher score stays, so that an object on the border of a tile is not counted twice. Where class
        maps overlap, they vote; see `data/loading/tile_voting.py`.
        """
        return self._blended(predictions) if isinstance(predictions, Masks) else self._merged(predictions)

    def _blended(self, predictions: Masks) -> Masks:
        maps = []
        for i, (height, width) in enumerate(self.whole.tolist()):
            of_it = (self.owner == i).nonzero().flatten()
            rows = blended(predictions[of_it].map, self.windows(of_it), height, width)
            maps.append(Packed.of_rows((height, width), rows))
        return Masks(self.whole, tuple(maps))

    def _merged(self, predictions: Instances) -> Instances:
        back = self.places()
        back[:, :, 2] *= -1
        moved = predictions.moved(back, self.whole[self.owner])
        tile = moved.image
        image = self.owner[tile]
        assert moved.scores is not None
        keep = torch.zeros(len(tile), dtype=torch.bool)
        for i in sorted(set(image.tolist())):
            rows, of_it = (image == i).nonzero().flatten(), (self.owner == i).nonzero().flatten()
            boxes, labels, scores = (v[rows].numpy() for v in (moved.boxes, moved.labels, moved.scores))
            mine = (tile[rows] - of_it[0]).numpy()
            distinct_rows = tiling.distinct(boxes, labels, scores, mine, self.windows(of_it))
            keep[rows[torch.from_numpy(distinct_rows)]] = True
        return moved.only(keep).regrouped(image[keep], self.whole).ranked()


def cut(sizes: Tensor, side: int) -> Tiles:
    """Tiles of `side` pixels that cover pictures of (N, 2) heights and widths; smaller pictures are one."""
    owner, corner, shape = [], [], []
    for i, (height, width) in enumerate(sizes.tolist()):
        for x, y, w, h in tiling.cut(height, width, side):
            owner.append(i)
            corner.append([x, y])
            shape.append([h, w])
    return Tiles(torch.tensor(owner), torch.tensor(corner), torch.tensor(shape), sizes)


def tiled(dataset: Dataset, side: int) -> tuple[Dataset, Tiles]:
    """A data set whose items are the tiles of another one's pictures; objects are cut with them."""
    tiles = cut(dataset.targets.sizes, side)
    owner = tiles.owner.numpy()
    names = [f"{dataset.ids[i]}@{x},{y}" for i, (x, y) in zip(owner, tiles.corner.tolist(), strict=True)]
    targets = dataset.targets[tiles.owner].moved(tiles.places(), tiles.sizes, LEAST)
    pixels = _Parts(dataset.pixels, tiles)
    splits, further = dataset.splits[owner], dataset.of_items(owner)
    tiles_dataset = replace(dataset, ids=names, pixels=pixels, targets=targets, splits=splits, **further)
    return tiles_dataset, tiles


def batches(
    dataset: Dataset, settings: Mapping[str, Any], *, least: int = 0, **options: Any
) -> Loader | Joined:
    """Batches of a data set as a model's settings say it sees pictures: whole, or by tiles.

    Args:
        dataset: The pictures.
        settings: Of the model: size, fit, channels, and perhaps tile.
        least: Smallest last batch of training that is kept.
        options: See `Loader`.
    """
    parts, tiles = dataset, None
    if settings.get("tile"):
        parts, tiles = tiled(dataset, settings["tile"])
    options |= {"fit": settings["fit"], "spec": InputSpec.of(settings)}
    lone = 0 < len(parts) % options["batch_size"] < least < len(parts)
    train = bool(options.get("train"))
    loader = Loader(parts, size=tuple(settings["size"]), drop_last=train and lone, **options)
    return loader if tiles is None or train else Joined(dataset, tiles, loader)


class Joined:
    """Evaluates a data set by its tiles; what comes out is about whole pictures.

    Args:
        dataset: The whole pictures.
        tiles: Where the tiles lie.
        loader: Batches of tiles.
    """

    def __init__(self, dataset: Dataset, tiles: Tiles, loader: Loader) -> None:
        self.ids, self.targets = list(dataset.ids), dataset.targets
        self._tiles, self._loader = tiles, loader

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Batches of tiles."""
        return self._loader.epoch(epoch)

    def whole(self, prediction: Any) -> Any:
        """Predictions for all tiles as predictions for the pictures."""
        return self._tiles.join(prediction)


class _Parts:
    """Tiles as pixels. A picture is decoded once for neighbouring tiles."""

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
                while len(self._held) > _HELD:
                    self._held.pop(next(iter(self._held)))
        return image.read(x, y, width, height)

    def subset(self, indices: np.ndarray) -> _Parts:
        """Some of the tiles."""
        where = torch.from_numpy(np.asarray(indices, dtype=np.int64))
        parts = {k: getattr(self._tiles, k)[where] for k in ("owner", "corner", "sizes")}
        return _Parts(self._pixels, replace(self._tiles, **parts))

    def digest(self, i: int) -> str:
        """Digest of the picture and the place in it."""
        return f"{self._pixels.digest(int(self._tiles.owner[i]))}@{self._tiles.corner[i].tolist()}"
