"""Features of photographs from the network that is installed, frozen: what the third baseline looks at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.core.dataset import Dataset
from sightline.data.tiles import batches
from sightline.models import embedded, zoo
from sightline.models.backbones._backbone import Backbone
from sightline.talk import quiet, track

BATCH = 32


class Frozen:
    """The installed network without its classifier.

    Args:
        size: (height, width) that images are brought to.
        channels: 1 or 3.
        fit: How images of another shape are brought to size.
        device: Where it runs.
    """

    def __init__(
        self, size: tuple[int, int], channels: int, fit: str, device: torch.device | str = "cpu"
    ) -> None:
        with quiet():  # its weights are known from the plan
            made = zoo.create(embedded.DEFAULT, outputs=1, channels=channels, size=size, pretrained="yes")
        self._net: Backbone = made.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._settings: Mapping[str, Any] = {"size": size, "fit": fit, "channels": channels}
        self._device = device
        assert made.pixels is not None
        self._mean, self._std = (torch.tensor(v, device=device).view(1, -1, 1, 1) for v in made.pixels)

    @torch.no_grad()
    def features(self, dataset: Dataset) -> NDArray[np.float32]:
        """(N, D) features of all images of a data set, in its order."""
        loader = batches(dataset, self._settings, batch_size=BATCH, workers=2 if dataset.root else 0)
        parts = []
        for batch in track(loader.epoch(0), "features for the baselines", -(-len(dataset) // BATCH)):
            images = batch.images.to(self._device).float() / 255
            parts.append(self._net.features((images - self._mean) / self._std).cpu().numpy())
        return np.concatenate(parts)
