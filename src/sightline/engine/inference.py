"""Predictions of a model over a loader, in order, from all processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.engine.devices import Devices


@dataclass(frozen=True)
class Predicted:
    """What a model said of a data set.

    Attributes:
        prediction: Predictions for all images, on the CPU.
        truth: Their truths.
        ids: Their names.
        loss: Mean loss over the images.
    """

    prediction: Any
    truth: Any
    ids: list[str]
    loss: float

    def in_order(self, ids: Sequence[str]) -> Predicted:
        """The same in the order of `ids`: several processes hand theirs in one after the other."""
        where = {item: i for i, item in enumerate(self.ids)}
        order = torch.tensor([where[item] for item in ids], dtype=torch.int64)
        return Predicted(self.prediction[order], self.truth[order], list(ids), self.loss)


@torch.no_grad()
def predict(model: Model, batches: Iterable[Batch], devices: Devices, *, loss: bool = True) -> Predicted:
    """Run the model in evaluation mode over all batches.

    Args:
        model: The model, on the device.
        batches: Batches of this process's share.
        devices: Where to run, and the other processes.
        loss: Whether the truths are there to compute the loss.
    """
    was_training = model.training
    model.eval()
    rng = torch.Generator(devices.device).manual_seed(0)
    predictions: list[Any] = []
    truths: list[Any] = []
    ids: list[str] = []
    total = 0.0
    for batch in batches:
        there = batch.to(devices.device)
        with devices.autocast():
            outputs = model(there.images)
            if loss:
                total += float(model.loss(there, rng, outputs=outputs)["loss"]) * len(batch)
        outputs = {name: value.float() for name, value in outputs.items()}
        predictions.append(model.decode(outputs, model.settings).to("cpu"))
        truths.append(batch.targets)
        ids.extend(batch.ids)
    model.train(was_training)
    parts = devices.gather((predictions, truths, ids, total))
    predictions = [p for part in parts for p in part[0]]
    truths = [t for part in parts for t in part[1]]
    ids = [i for part in parts for i in part[2]]
    mean = sum(part[3] for part in parts) / max(len(ids), 1)
    return Predicted(type(predictions[0]).cat(predictions), type(truths[0]).cat(truths), ids, mean)
