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
        found, there = [], []
        for image in images.float():
            ys, xs = torch.nonzero(image[0] - image[2] > 110, as_tuple=True)
            there.append(len(xs) > 0 or "says" in self.settings)
            box = torch.tensor(self.settings.get("says", [0.0] * 4))
            if len(xs) and "says" not in self.settings:
                box = torch.stack([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]).float()
            found.append(torch.stack([box, whole]))
        return {"boxes": torch.stack(found), "there": torch.tensor(there)}

    @classmethod
    def read(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> Instances:
        there = outputs["there"].bool()
        keep = torch.stack([there, torch.ones_like(there)], 1).flatten()
        n = len(there)
        return Instances(
            1 + there.long(),
            torch.tensor(settings["size"]).expand(n, 2),
            outputs["boxes"].view(-1, 4)[keep],
            torch.tensor([0, 1]).repeat(n)[keep],
            torch.tensor([0.9, 0.1]).repeat(n)[keep],
        )

    def loss(self, *arguments: Any, **keywords: Any) -> dict[str, Tensor]:
        raise NotImplementedError


def predictor(size: tuple[int, int] = (96, 128), fit: str = "pad", **settings: Any) -> ModelPredictor:
    """A predictor that needs no run folder."""
    given = {"size": size, "fit": fit, "channels": 3, "mean": [0.5] * 3, "std": [0.5] * 3}
    made = ModelPredictor.__new__(ModelPredictor)
    made.settings = {**given, "classes": NAMES, "class_ids": [7, 3], "thresholds": [0.3, 0.3], **settings}
    made.model = Finder(made.settings).eval()
    made.devices = Devices(torch.device("cpu"))
    made.task = SimpleNamespace(  # type: ignore[assignment]
        card=SimpleNamespace(prediction="instances"),
        rows=lambda prediction: [{"objects": n} for n in prediction.counts.tolist()],
    )
    return made
