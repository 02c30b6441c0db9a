"""Data loader for training and evaluation: the same seed gives the same batches, whatever decodes them.

`data/io/images.py` decodes images. They are kept as uint8 (see `data/io/cache.py`) and batched by indexing.
Workers are threads: the decoder and the tensor operations release Python's lock, so threads are as
fast as processes here, and there is no fork, no pickling, and no shared memory.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec
from sightline.core.sample import Batch
from sightline.core.targets.base import Targets
from sightline.data.inputs import input_kind, view_item
from sightline.data.io.cache import DiskCache, MemoryCache, cache_folder, on_disk
from sightline.data.io.items import paths_of
from sightline.data.io.pixels import Arrays
from sightline.data.loading.preprocess import resize_targets
from sightline.data.loading.rect import cropped, grouped
from sightline.data.loading.samplers import per_class, single_labels
from sightline.errors import UsageError
from sightline.ops.resize_shape import ResizeMode

__all__ = ["Loader", "cache_folder"]

Augment = Callable[[Batch, torch.Generator], Batch]
Schedule = Callable[[float], Augment | None]


class Loader:
    """Data loader: batches of a data set.

    In training the order of an epoch follows from (seed, epoch) alone, and the random numbers of a batch's
    augmentation from (seed, epoch, number of the batch, rank): batches are the same, bit for bit, with any
    number of workers, with or without a cache, and when an epoch is taken up in the middle. In evaluation
    the order is the data set's and nothing is changed or left out.

    Args:
        dataset: What is batched.
        size: (height, width) in pixels.
        resize: stretch, crop or letterbox; see `preprocess.resize_to_input`.
        channels: 3 or 1.
        spec: What the model takes, where that is said in full; then `size` and `channels` are the spec's.
        batch_size: Images a batch, over all processes.
        train: Shuffle and augment.
        seed: Seed of all draws.
        sampler: random (each image once an epoch), balanced (each class equally often) or m-per-class (each
            image once, several of a class one after the other).
        weights: (N,) chance of each image to be drawn, with replacement; instead of `sampler`.
        workers: Threads that prepare batches ahead; 0 prepares each when it is asked for.
        cache: Bytes for decoded images: in memory for what lives in memory, else on disk. 0 keeps none.
        cache_dir: Where they are kept on disk; `cache_folder()` if left out.
        augment: From how much of training is done, in [0, 1], to what changes a training batch, with random
            numbers from the generator it is given.
        rank: Number of this process among `world`.
        world: Processes that share each batch. In evaluation each takes a run of neighbouring items, so
            that the shares in order of rank are the data set.
        drop_last: Leave out the last training batch if it is not full, unless it is the only one.
        rects: (N, 2) height and width of each item's own rectangle (`resize_shape.input_shape`), at most
            `size`, with letterbox. In training, items of one rectangle are batched as far as they fill
            batches, and a batch has the smallest rectangle that holds those of its items.

    Raises:
        UsageError: If an option cannot be right.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        size: tuple[int, ...],
        resize: ResizeMode = "stretch",
        channels: int = 3,
        spec: InputSpec | None = None,
        batch_size: int = 32,
        train: bool = False,
        seed: int = 0,
        sampler: Literal["random", "balanced", "m-per-class"] = "random",
        weights: np.ndarray | None = None,
        workers: int = 0,
        cache: int = 2 * 1024**3,
        cache_dir: Path | None = None,
        augment: Schedule | None = None,
        rank: int = 0,
        world: int = 1,
        drop_last: bool = False,
        rects: np.ndarray | None = None,
    ) -> None:
        if batch_size < world or workers < 0:
            raise UsageError(
                f"A batch needs an image for each of {world} processes, and workers cannot be negative. "
                f"Received a batch size of {batch_size} and {workers} workers."
            )
        self._spec = spec or InputSpec((int(size[0]), int(size[1])), 1 if channels == 1 else 3)
        self._kind = input_kind(self._spec.kind)
        self._shape = self._kind.view_shape(self._spec)
        self._dataset, self._size, self._resize = dataset, self._spec.spatial_shape, resize
        self._batch_size, self._train, self._seed, self._workers = batch_size, train, seed % 2**64, workers
        self._rank, self._world, self._drop_last = rank, world, drop_last
        self._augment = augment if train else None
        self._rects = rects if train else None
        self._weights = weights
        if train and sampler == "balanced" and weights is None:
            self._weights = _balance(dataset)
        self._labels = single_labels(dataset) if train and sampler == "m-per-class" else None
        self._stored = self._as_stored()
        self._cache = None if self._stored is not None else self._new_cache(cache, cache_dir)

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        if not self._train:
            return math.ceil(len(self._order(0)) / self._batch_size)
        batches = len(self._dataset) / self._batch_size
        return max(1, math.floor(batches)) if self._drop_last else math.ceil(batches)

    @property
    def ids(self) -> list[str]:
        """Names of all items of the data set, in its order."""
        return list(self._dataset.ids)

    def whole(self, prediction: Targets) -> Any:
        """Predictions for the items, from predictions for the batches; no change here."""
        return prediction

    @property
    def targets(self) -> Any:
        """Targets of all items of the data set, in its order, in pixels of the stored images."""
        return self._dataset.targets

    def epoch(self, epoch: int, start: int = 0, progress: float = 0.0) -> Iterator[Batch]:
        """Batches of an epoch, from number `start` on.

        Args:
            epoch: Which epoch; the same one gives the same batches.
            start: Batches to leave out at the beginning; they cost nothing.
            progress: How much of training is done as the epoch begins, in [0, 1].

        Yields:
            Batches with images (B, C, H, W), channels innermost in memory. They are the caller's own.

        Raises:
            UnreadableImage: If a file cannot be decoded.
        """
        order = self._order(epoch)
        augment = None if self._augment is None else self._augment(progress)
        numbers = range(start, len(self))
        if self._workers == 0:
            for number in numbers:
                yield self._batch(order, epoch, number, augment)
            return
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="sightline-loader")
        ahead: deque[Future[Batch]] = deque()
        try:
            waiting = iter(numbers)
            for number in islice(waiting, 2 * self._workers):
                ahead.append(pool.submit(self._batch, order, epoch, number, augment))
            while ahead:
                batch = ahead.popleft().result()
                for number in islice(waiting, 1):
                    ahead.append(pool.submit(self._batch, order, epoch, number, augment))
                yield batch
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _order(self, epoch: int) -> np.ndarray:
        """Order of the items in an epoch: of all processes in training, of this process in evaluation."""
        n = len(self._dataset)
        if not self._train:
            return np.arange(self._rank * n // self._world, (self._rank + 1) * n // self._world)
        rng = np.random.default_rng([self._seed, epoch])
        if self._labels is not None:
            order = per_class(self._labels, rng)
        else:
            order = rng.permutation(n) if self._weights is None else _draw(self._weights, n, rng)
        return order if self._rects is None else grouped(order, self._rects, self._batch_size, rng)

    def _batch(self, order: np.ndarray, epoch: int, number: int, augment: Augment | None) -> Batch:
        """One batch of an epoch, this process's share of it."""
        where = order[number * self._batch_size : (number + 1) * self._batch_size]
        if self._train and self._world > 1:
            # Equal shares, or gradients would be weighted wrongly: the first items fill up the last batch.
            short = -len(where) % self._world
            where = np.concatenate([where, np.resize(order, short)])
        size = self._size if self._rects is None else tuple(self._rects[where].max(0).tolist())
        if self._train:
            where = where[self._rank :: self._world]
        targets = self._dataset.targets[torch.from_numpy(where)]
        views = self._pixels(where)
        if size != self._size:
            views = cropped(views, targets.sizes.tolist(), (size[0], size[1]))
        inputs = self._kind.tensors(views)
        targets, *places = resize_targets(targets, size, self._resize)
        batch = Batch(inputs, targets, [self._dataset.ids[i] for i in where], *places)
        if augment is None:
            return batch
        entropy = np.random.SeedSequence([self._seed, epoch, number, self._rank])
        rng = torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0]))
        return augment(batch, rng)

    def _pixels(self, where: np.ndarray) -> np.ndarray:
        """(B, H, W, C) of some items, the caller's own."""
        if self._stored is not None:
            return np.asarray(self._stored[where])
        if self._kind.varies:  # nothing is cached
            source, spec = self._dataset.pixels, self._spec
            return self._kind.stack([view_item(source, int(i), spec, self._resize) for i in where])
        cached = np.zeros(len(where), dtype=bool) if self._cache is None else self._cache.has(where)
        if self._cache is not None and cached.all():
            return self._cache.get(where)
        pixels = np.empty((len(where), *self._shape), dtype=self._spec.dtype)
        if self._cache is not None and cached.any():
            pixels[cached] = self._cache.get(where[cached])
        for k in np.flatnonzero(~cached):
            i = int(where[k])
            pixels[k] = view_item(self._dataset.pixels, i, self._spec, self._resize)
            if self._cache is not None:
                self._cache.put(i, pixels[k])
        return pixels

    def _as_stored(self) -> np.ndarray | None:
        """All items, where they lie in memory just as the model sees them."""
        pixels = self._dataset.pixels
        if not isinstance(pixels, Arrays) or pixels.array.dtype != self._spec.dtype:
            return None
        return pixels.array if pixels.array.shape[1:] == self._shape else None

    def _new_cache(self, room: int, folder: Path | None) -> MemoryCache | DiskCache | None:
        """Where decoded items are kept, if there is room for any."""
        pixels, shape, dtype = self._dataset.pixels, self._shape, self._spec.dtype
        if self._kind.varies or room < int(np.prod(shape)) * np.dtype(dtype).itemsize or not len(pixels):
            return None
        paths = paths_of(pixels)
        if paths is None:
            return MemoryCache(len(pixels), shape, room, dtype)
        decoding = (
            f"{self._resize} {span}"
            if (span := getattr(self._dataset.pixels, "span", None))
            else self._resize
        )
        if self._spec.kind != "image":
            decoding = f"{self._spec.kind} {decoding}"
        return on_disk(paths, shape, decoding, room, folder or cache_folder(), dtype)


def _balance(dataset: Dataset) -> np.ndarray:
    """(N,) sampling weights with which every class is drawn equally often.

    An item with several labels goes by its rarest one, one without any by how many there are of those.
    """
    if dataset.classes is None:
        kind = dataset.targets.kind
        raise UsageError(f"--sampler balanced needs classes; the data have '{kind}'. Use --sampler random.")
    value = dataset.targets.class_presence(len(dataset.classes)).numpy()
    marked = np.column_stack([value, ~value.any(axis=1)])
    rarity = 1.0 / np.maximum(marked.sum(axis=0), 1)
    return np.asarray((marked * rarity).max(axis=1))


def _draw(weights: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw n items with replacement by weight, with systematic sampling, in random order.

    How often an item comes differs from its expectation by less than one.
    """
    edges = np.cumsum(np.asarray(weights, dtype=np.float64)[shuffled := rng.permutation(len(weights))])
    picks = np.searchsorted(edges / edges[-1], (np.arange(n) + rng.random()) / n, side="right")
    return rng.permutation(shuffled[np.minimum(picks, len(weights) - 1)])
