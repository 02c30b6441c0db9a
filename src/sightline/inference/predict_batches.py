"""Prediction over a data loader, in order, gathered from all processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from sightline.core.inputs import InputSpec, batch_settings
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.base import Targets
from sightline.devices import Devices

PIXELS = 2**22
"""Pixels that are predicted at a time; a network's maps of them take a few GB at most."""


class Batches(Protocol):
    """Items in their order; see `data/loading/loader.py`."""

    @property
    def ids(self) -> list[str]:
        """Names of all of them."""

    @property
    def targets(self) -> Any:
        """Targets of all of them."""

    def whole(self, prediction: Targets) -> Any:
        """Predictions for the items, from predictions for what the batches hold."""

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """This process's share of them; the shares in order of rank are all."""
        ...


@dataclass(frozen=True)
class Predicted:
    """Predictions for a data set.

    Attributes:
        prediction: Predictions for all images, on the CPU, in the pixels of the stored images.
        target: Their targets.
        ids: Their names.
        loss: Mean loss over the images; None for a model without a loss.
    """

    prediction: Targets
    target: Targets
    ids: list[str]
    loss: float | None

    def in_order(self, ids: Sequence[str]) -> Predicted:
        """Reorder by `ids`: several processes return theirs one after the other."""
        where = {item: i for i, item in enumerate(self.ids)}
        order = torch.tensor([where[item] for item in ids], dtype=torch.int64)
        return Predicted(self.prediction[order], self.target[order], list(ids), self.loss)


def at_once(spec: InputSpec, most: int = 64) -> int:
    """Items that are predicted at a time: 4 million pixels or voxels, `most` at most."""
    return max(1, min(most, PIXELS // spec.cells))


@torch.no_grad()
def predict(model: Model, loader: Batches, devices: Devices) -> Predicted:
    """Run the model in evaluation mode over all batches.

    Args:
        model: The model, on the device.
        loader: Gives this process's share of the items.
        devices: Where to run, and the other processes.
    """
    was_training = model.training
    model.eval()
    rng = torch.Generator(devices.device).manual_seed(0)
    predictions: list[Any] = []
    count = 0
    total: float | None = 0.0
    for batch in loader.epoch(0):
        moved = batch.to(devices.device)
        with devices.autocast():
            outputs = model(*moved.inputs.values())
            loss = model.loss(moved, rng, outputs=outputs).get("loss")
            total = None if loss is None or total is None else total + float(loss) * len(batch)
        outputs = {name: value.float() for name, value in outputs.items()}
        settings = batch_settings(model.settings, batch.images)
        predictions.append(batch.back(model.predict_from_outputs(outputs, settings).to("cpu")).compressed())
        count += len(batch)
    model.train(was_training)
    parts = devices.gather((predictions, count, total))
    predictions = [p for part in parts for p in part[0]]
    totals = [part[2] for part in parts]
    mean = None if None in totals else sum(totals) / max(sum(part[1] for part in parts), 1)
    whole = loader.whole(type(predictions[0]).cat(predictions))
    return Predicted(whole, loader.targets, list(loader.ids), mean)
