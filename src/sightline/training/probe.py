"""Linear probing: fit the head of a model on the features of its frozen backbone, computed once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from sightline.console import say, track
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.devices import Devices
from sightline.errors import UsageError
from sightline.models.backbones._backbone import Backbone


class Batches(Protocol):
    """Interface of a loader with items in any order; see `data/loading/loader.py`."""

    def __len__(self) -> int: ...
    def epoch(self, epoch: int) -> Iterator[Batch]:
        """This process's share of them."""
        ...


def fit_probe(model: Model, views: Sequence[Batches], val: Batches, devices: Devices) -> None:
    """Fit the head on features of training images; the penalty is chosen on validation images.

    Args:
        model: On the device. Its head becomes the fitted one; all else stays.
        views: The training images, each time as another view (plain, mirrored, cropped ...).
        val: The validation images.
        devices: Where to run, and the other processes.

    Raises:
        UsageError: If the model has no head that can be fitted.
    """
    backbone = model.backbone()
    if not isinstance(backbone, Backbone):
        raise UsageError(f"Model '{model.card.name}' has no head for --probe. Use --no-probe.")
    parts = [extract(model, backbone, view, i, devices) for i, view in enumerate(views)]
    features = torch.cat([part[0] for part in parts])
    target = type(parts[0][1]).cat([part[1] for part in parts])
    text = ""
    if devices.first:
        text = model.fit_head(features, target, *extract(model, backbone, val, 0, devices))
    elif devices.world > 1:
        extract(model, backbone, val, 0, devices)
    head = devices.gather({n: t.cpu() for n, t in backbone.head.state_dict().items()})[0]
    backbone.head.load_state_dict(head)
    if devices.first:
        say(f"probe     {text}, on {features.shape[1]:,} features of {len(features):,} views")


@torch.no_grad()
def extract(
    model: Model, backbone: Backbone, batches: Batches, epoch: int, devices: Devices
) -> tuple[Tensor, Any]:
    """Features (N, D) float32 of all images, and their targets, on the CPU; from all processes."""
    was_training = model.training
    model.eval()
    features, targets = [], []
    for batch in track(batches.epoch(epoch), "features", len(batches)):
        images = batch.images.to(devices.device, non_blocking=True)
        with devices.autocast():
            features.append(backbone.features(model.normalize(images)).float().cpu())
        targets.append(batch.targets)
    model.train(was_training)
    shares = devices.gather((torch.cat(features), type(targets[0]).cat(targets)))
    return torch.cat([share[0] for share in shares]), type(targets[0]).cat([share[1] for share in shares])
