"""Features and feature maps of the installed network, frozen: inputs of the third kind of baselines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.console import quiet, track
from sightline.core.dataset import Dataset
from sightline.data.loading.tiles import batches
from sightline.models import registry
from sightline.models.weights import embedded

BATCH, MAPPED = 32, 8
"""Images at once, for features and for maps."""
STRIDES = (4, 8, 16)
"""Of the maps."""


class Frozen:
    """The installed network without its classifier, frozen.

    Args:
        size: (height, width) that images are brought to for features.
        channels: 1 or 3.
        resize: How images of another shape are brought to size.
        device: Where it runs.
    """

    def __init__(
        self, size: tuple[int, int], channels: int, resize: str, device: torch.device | str = "cpu"
    ) -> None:
        self._settings: Mapping[str, Any] = {"size": size, "resize": resize, "channels": channels}
        self._device = device

    @cached_property
    def _net(self) -> Any:
        size, channels = self._settings["size"], self._settings["channels"]
        with quiet():  # its weights are known from the plan
            network = registry.create(
                embedded.DEFAULT, outputs=1, channels=channels, size=size, pretrained="yes"
            )
        return self._still(network)

    def _still(self, network: Any) -> Any:
        """The network in eval mode on the device; its mean and standard deviation are stored here."""
        assert network.pixels is not None
        self._mean, self._std = (
            torch.tensor(v, device=self._device).view(1, -1, 1, 1) for v in network.pixels
        )
        return network.eval().to(self._device, memory_format=torch.channels_last)

    @torch.no_grad()
    def features(self, dataset: Dataset) -> NDArray[np.float32]:
        """(N, D) features of all images of a data set, in its order."""
        net = self._net
        batches_of_images = self._seen(dataset, self._settings, BATCH, "features for the baselines")
        return np.concatenate([net.features(images).cpu().numpy() for images in batches_of_images])

    @torch.no_grad()
    def maps(self, dataset: Dataset, size: tuple[int, int]) -> Iterator[list[Tensor]]:
        """Feature maps (D, h, w) at `STRIDES` of each image of a data set, resized to one size."""
        from sightline.models.backbones import _timm  # slow to import

        channels = self._settings["channels"]
        net: Any = self._still(
            _timm.pyramid(embedded.DEFAULT, channels=channels, size=size, strides=STRIDES, pretrained=True)
        )
        for images in self._seen(dataset, {**self._settings, "size": size}, MAPPED, "maps for the baselines"):
            yield from ([m.cpu() for m in levels] for levels in zip(*net.maps(images), strict=True))

    def _seen(self, dataset: Dataset, settings: Any, batch: int, what: str) -> Iterator[Tensor]:
        """Normalized batches of a data set, in its order."""
        loader = batches(dataset, settings, batch_size=batch, workers=2 if dataset.root else 0)
        for batch_of_images in track(loader.epoch(0), what, -(-len(dataset) // batch)):
            yield (batch_of_images.images.to(self._device).float() / 255 - self._mean) / self._std
