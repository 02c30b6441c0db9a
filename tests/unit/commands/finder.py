"""A detector without training: it finds the orange square of `tests/unit/data/films.py`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from sightline.core.model import Model
from sightline.core.targets.instances import Instances
from sightline.devices import Devices
from sightline.inference.predictor import ModelPredictor

NAMES = ["square", "anything"]


class Finder(Model):
    """A box of class 0 and score 0.9 about what is orange, or the box of `settings["says"]`; and always a
    weak one (0.1) of class 1 about the whole input."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        height, width = images.shape[2:]
        whole = torch.tensor([0.0, 0, width, height])
        result, present = [], []
        for image in images.float():
            ys, xs = torch.nonzero(image[0] - image[2] > 110, as_tuple=True)
            present.append(len(xs) > 0 or "says" in self.settings)
            box = torch.tensor(self.settings.get("says", [0.0] * 4))
            if len(xs) and "says" not in self.settings:
                box = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
            result.append(torch.stack([box, whole]))
        return {"boxes": torch.stack(result), "there": torch.tensor(present)}

    @classmethod
    def to_predictions(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> Instances:
        present = outputs["there"].bool()
        keep = torch.stack([present, torch.ones_like(present)], 1).flatten()
        n = len(present)
        return Instances(
            1 + present.long(),
            torch.tensor(settings["size"]).expand(n, 2),
            outputs["boxes"].view(-1, 4)[keep],
            torch.tensor([0, 1]).repeat(n)[keep],
            torch.tensor([0.9, 0.1]).repeat(n)[keep],
        )

    def loss(self, *arguments: Any, **keywords: Any) -> dict[str, Tensor]:
        raise NotImplementedError


def predictor(size: tuple[int, int] = (96, 128), fit: str = "letterbox", **settings: Any) -> ModelPredictor:
    """A predictor that needs no run folder."""
    given = {"size": size, "resize": fit, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3}
    result = ModelPredictor.__new__(ModelPredictor)
    result.settings = {**given, "classes": NAMES, "class_ids": [7, 3], "thresholds": [0.3, 0.3], **settings}
    result.model = Finder(result.settings).eval()
    result.devices = Devices(torch.device("cpu"))
    result.task = SimpleNamespace(  # type: ignore[assignment]
        card=SimpleNamespace(prediction_type="instances"),
        to_records=lambda prediction: [{"objects": n} for n in prediction.counts.tolist()],
    )
    return result
