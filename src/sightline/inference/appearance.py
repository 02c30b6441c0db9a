"""What detected objects look like, by the features of a network, so that a tracker tells them apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.core.targets.vector import Vector
from sightline.data.inputs import input_kind
from sightline.data.loading.preprocess import resize_to_input
from sightline.errors import UsageError
from sightline.inference.model_folder import restore
from sightline.inference.predict_batches import at_once
from sightline.inference.predictor import ModelPredictor
from sightline.models.backbones._backbone import Backbone
from sightline.ops.resize_shape import ResizeMode

_BATCH = 32


class Appearance(ModelPredictor):
    """Features of objects from a run: its vectors, or what its classifier is given.

    Args:
        path: Run or model folder of a model that gives a vector of an image, or has a backbone
            (classification, regression, detection by our networks).
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        UsageError: If the model has no such features, or takes no whole images.
    """

    def __init__(self, path: Path, device: str) -> None:
        model, task, card = restore(path)
        self._hold(model, task, card["model_config"], device)
        plain = self.spec.is_plain and not self.settings.get("tile_size")
        if not plain or not (self._embeds or isinstance(model.backbone(), Backbone)):
            raise UsageError(
                f"--appearance {path} is of {task.card.name}, which has no features of a whole image. Name a "
                "run that classifies images, or gives a vector of each."
            )

    @property
    def _embeds(self) -> bool:
        """Whether the model's prediction is a vector."""
        return self.task.card.prediction_type == Vector.kind

    @torch.no_grad()
    def features(self, image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """(M, D) features of length 1 of the objects in boxes.

        Args:
            image: (H, W, C) uint8.
            boxes: (M, 4) x1, y1, x2, y2 in pixels; each is widened to whole pixels, and to one at least.
        """
        size, channels = tuple(self.settings["size"]), self.settings["channels"]
        resize: ResizeMode = self.settings["resize"]
        resize = "letterbox" if resize == "rect" else resize  # crops of one frame are one batch
        views = [resize_to_input(crop, size, resize, channels) for crop in _crops(image, boxes)]
        kind, most, parts = input_kind(self.spec.kind), at_once(self.spec, _BATCH), []
        for start in range(0, len(views), most):
            inputs = kind.tensors(kind.stack(views[start : start + most]))
            inputs = {name: value.contiguous() for name, value in inputs.items()}
            parts.append(self._features(inputs).double().cpu())
        result = torch.cat(parts)
        unit: NDArray[np.float64] = torch.nn.functional.normalize(result, dim=1).numpy()
        return unit

    def _features(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """(B, D) features of the one input of the model, (B, C, H, W) uint8."""
        (images,) = inputs.values()
        if self._embeds:
            stored = torch.tensor([images.shape[2:]] * len(images))
            vectors: torch.Tensor = self._forward(inputs, stored).embedding
            return vectors
        backbone = self.model.backbone()
        assert isinstance(backbone, Backbone)
        return backbone.features(self.model.normalize(images.to(self.devices.device)))


def _crops(image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> list[NDArray[np.uint8]]:
    """The pixels in each box."""
    height, width = image.shape[:2]
    near = np.floor(boxes[:, :2]).clip(0, [width - 1, height - 1]).astype(int)
    far = np.maximum(np.ceil(boxes[:, 2:]).clip(0, [width, height]).astype(int), near + 1)
    return [image[y1:y2, x1:x2] for (x1, y1), (x2, y2) in zip(near.tolist(), far.tolist(), strict=True)]
