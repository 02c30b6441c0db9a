"""The model as users get it, from stored images to classes; and the same as a function with gradients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.attacks import Victim
from sightline.audits._case import Case, Part
from sightline.core.inputs import InputSpec
from sightline.core.sample import Batch
from sightline.data.inputs import input_kind
from sightline.data.loading.preprocess import PAD_GRAY
from sightline.ops.resize_shape import ResizeMode, resized_shape

PIXELS = 2**18
"""Pixels of an image up to which it is attacked as it is stored; larger ones at the size of the input."""
GRAY = (0.299, 0.587, 0.114)
"""Weights of the colors (ITU-R 601)."""


class Served:
    """A classifier of images of 8 bits, from the stored image on.

    Args:
        case: With a model.

    Attributes:
        victim: The attacked function: from (B, C, H, W) images in [0, 1] of any size to logits.
    """

    def __init__(self, case: Case) -> None:
        self.case, self.spec = case, InputSpec.of(case.settings)
        self.resize: ResizeMode = case.settings["resize"]
        self.device = case.devices.device
        self.victim = Victim(self._logits)

    def read(self, part: Part, row: int) -> np.ndarray:
        """(H, W, C) uint8 of an image: as stored, or brought to the input if it is large."""
        image = part.dataset.pixels.read(row)
        return self._view(image) if image.shape[0] * image.shape[1] > PIXELS else image

    @torch.no_grad()
    def classes(self, images: Tensor) -> Tensor:
        """(B,) classes of (B, C, H, W) uint8 images, by the code that every prediction is made with; on the
        device of the images."""
        kind = input_kind(self.spec.kind)
        views = [self._view(np.ascontiguousarray(image)) for image in images.cpu().movedim(1, -1).numpy()]
        batch = Batch(kind.tensors(kind.stack(views)), None, ())
        value: Tensor = self.case.answer(batch).value  # type: ignore[attr-defined]
        return value.to(images.device)

    def _view(self, image: np.ndarray) -> np.ndarray:
        return input_kind(self.spec.kind).view(image, self.spec, self.resize)

    def _logits(self, images: Tensor) -> Tensor:
        """(B, K); what `_view` does to bytes, done to numbers so that gradients come through."""
        assert self.case.model is not None
        channels, size = self.spec.channels, self.spec.spatial_shape
        if images.shape[1] == 3 and channels == 1:
            images = (images * torch.tensor(GRAY, device=images.device)[:, None, None]).sum(1, keepdim=True)
        stored = (images.shape[2], images.shape[3])
        if stored != size:
            inner, (top, left) = resized_shape(stored, (size[0], size[1]), self.resize)
            if inner != stored:
                images = F.interpolate(images, inner, mode="bilinear", antialias=True)
            below, right = size[0] - top - inner[0], size[1] - left - inner[1]
            images = F.pad(images, (left, right, top, below), value=PAD_GRAY / 255)  # below 0 it cuts
        if images.shape[1] == 1 and channels == 3:
            images = images.expand(-1, 3, -1, -1)
        logits: Tensor = self.case.model(images)["logits"]
        return logits
