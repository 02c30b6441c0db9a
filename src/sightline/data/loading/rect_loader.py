"""Batches of images with equal rectangles, for evaluation with `--resize rect`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec
from sightline.core.sample import Batch
from sightline.data.loading.loader import Loader
from sightline.data.loading.preprocess import input_shapes


class RectLoader:
    """Data loader of images that become inputs of several rectangles; those of one rectangle are batched.

    The batches are not in the order of the data set; `whole` puts the predictions for them into it.

    Args:
        dataset: The images.
        spec: What the model takes; the long side of its shape is that of every rectangle.
        rank: Number of this process among `world`.
        world: Processes that share the images: each takes a run of neighboring ones.
        cache: Bytes for decoded images, over all rectangles.
        options: See `Loader`.
    """

    def __init__(
        self,
        dataset: Dataset,
        spec: InputSpec,
        *,
        rank: int = 0,
        world: int = 1,
        cache: int = 2 * 1024**3,
        **options: Any,
    ) -> None:
        self.ids, self.targets = list(dataset.ids), dataset.targets
        distinct, group = _groups(dataset, spec)
        bounds = [n * len(dataset) // world for n in range(world + 1)]
        runs = list(pairwise(bounds))
        order = torch.cat([a + group[a:b].argsort(stable=True) for a, b in runs])
        self._place = order.argsort()
        self._loaders = []
        for number, shape in enumerate(distinct.tolist()):
            rows = np.arange(*runs[rank])[(group[slice(*runs[rank])] == number).numpy()]
            if len(rows):
                part = replace(spec, spatial_shape=tuple(shape))
                room = cache * len(rows) // len(dataset)
                self._loaders.append(
                    Loader(dataset.subset(rows), size=tuple(shape), resize="letterbox", spec=part,
                           cache=room, **options)
                )  # fmt: skip

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Batches of one rectangle after the other."""
        return chain.from_iterable(loader.epoch(epoch) for loader in self._loaders)

    def whole(self, prediction: Any) -> Any:
        """Predictions in the order of the data set, from predictions for the batches of all processes."""
        return prediction[self._place]


def in_order_of_rects(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
    """The images in the order in which `RectLoader` batches them; as they are where it is not used."""
    if settings["resize"] != "rect":
        return dataset
    _, group = _groups(dataset, InputSpec.of(settings))
    return dataset.subset(group.argsort(stable=True).numpy())


def _groups(dataset: Dataset, spec: InputSpec) -> tuple[Tensor, Tensor]:
    """(G, 2) distinct rectangles of the images, and (N,) which of them each has."""
    shapes = input_shapes(dataset.targets.sizes, spec.spatial_shape, "rect")
    distinct, group = torch.unique(shapes, dim=0, return_inverse=True)
    return distinct, group
