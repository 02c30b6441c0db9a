"""Recipe: hyperparameters of training, declared once for Python, the command line and the run folder.

Standard library only, so that the command line can show it without importing torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

from sightline.config import Range
from sightline.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """Settings of training. None means the recommendation of the model's card, else of the task, else our
    default.

    Args:
        epochs: Passes over the training images.
        time: Time budget such as 90s, 10m or 2h; the schedule ends with it, whichever comes first.
        batch_size: Images a step.
        lr: Peak learning rate.
        optimizer: sgd, adam, adamw, adadelta, or any other class of torch.optim.
        momentum: Momentum of SGD, first beta of Adam.
        schedule: constant, step, cosine, onecycle or plateau.
        warmup: Share of training during which the learning rate rises, in [0, 1).
        weight_decay: L2 pull on weights (not on biases and norms).
        l1: L1 penalty on weights.
        clip: Largest gradient norm; 0 is off.
        accumulate: Batches whose gradients are added up for one step.
        ema: Decay of the running mean of the weights that is evaluated and kept; 0 is off.
        precision: fp32, bf16, fp16, or auto (bf16 on a GPU that has it, else fp32).
        compile: Compile the network with torch.compile.
        channels_last: Keep images with channels innermost, which convolutions like.
        freeze: backbone, all-but-N (last N blocks stay free) or none.
        unfreeze: Share of training after which frozen parts are freed one by one; 1 is never.
        probe: Fit the head on features of the frozen network first (linear probe); training has to beat it.
        layer_decay: Factor of the learning rate from each block of the network to the one below, in (0, 1].
        freeze_bn: Keep the running statistics of batch norms as they are, which small batches would spoil.
        patience: Stop when validation has not improved for this many epochs; 0 is never.
        monitor: score or loss: what decides on validation which weights are kept; the other breaks ties.
        sampler: shuffled or balanced (every class equally often).
        augment: none, light, standard or strong.
        flip: Mirror training images: yes, no, or auto (yes for colour photographs).
        size: Input side in pixels.
        tile: Side in pixels of overlapping tiles that pictures are cut into, for small objects; 0 is off.
        fit: How a picture of another shape is brought to size: squash, crop or pad.
        workers: Threads that decode files; 0 decodes in the main one.
        cache: Room for decoded images, in memory or on disk, such as 2GB; 0 is off.
        checkpoint_every: Time between checkpoints inside an epoch, such as 5m.
        tracker: none, tensorboard or mlflow.
        distill: Share of the loss that is the distance to the teacher, in [0, 1]; the rest is the task's.
    """

    epochs: Annotated[int | None, Range(1)] = None
    time: str | None = None
    batch_size: Annotated[int | None, Range(1)] = None
    lr: Annotated[float | None, Range(0, above=True)] = None
    optimizer: str | None = None
    momentum: Annotated[float | None, Range(0, 1, below=True)] = None
    schedule: Literal["constant", "step", "cosine", "onecycle", "plateau"] | None = None
    warmup: Annotated[float | None, Range(0, 1, below=True)] = None
    weight_decay: Annotated[float | None, Range()] = None
    l1: Annotated[float | None, Range()] = None
    clip: Annotated[float | None, Range()] = None
    accumulate: Annotated[int | None, Range(1)] = None
    ema: Annotated[float | None, Range(0, 1, below=True)] = None
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = None
    compile: bool | None = None
    channels_last: bool | None = None
    freeze: str | None = None
    unfreeze: Annotated[float | None, Range(0, 1)] = None
    probe: bool | None = None
    layer_decay: Annotated[float | None, Range(0, 1, above=True)] = None
    freeze_bn: bool | None = None
    patience: Annotated[int | None, Range()] = None
    monitor: Literal["loss", "score"] | None = None
    sampler: Literal["shuffled", "balanced"] | None = None
    augment: Literal["none", "light", "standard", "strong"] | None = None
    flip: Literal["yes", "no", "auto"] | None = None
    size: Annotated[int | None, Range(1)] = None
    tile: Annotated[int | None, Range()] = None
    fit: Literal["squash", "crop", "pad"] | None = None
    workers: Annotated[int | None, Range()] = None
    cache: str | None = None
    checkpoint_every: str | None = None
    tracker: Literal["none", "tensorboard", "mlflow"] | None = None
    distill: Annotated[float | None, Range(0, 1)] = None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all settings."""
        return tuple(f.name for f in fields(cls))

    def filled(self, *defaults: Mapping[str, Any]) -> Recipe:
        """This recipe with every None taken from the first of `defaults` that has it."""
        values: dict[str, Any] = {}
        for name in self.names():
            if getattr(self, name) is None:
                values_given = (d[name] for d in defaults if d.get(name) is not None)
                values[name] = next(values_given, None)
        return replace(self, **values)


DEFAULTS: dict[str, Any] = {
    "optimizer": "adamw",
    "momentum": 0.9,
    "schedule": "onecycle",
    "warmup": 0.15,
    "weight_decay": 0.01,
    "l1": 0.0,
    "clip": 1.0,
    "accumulate": 1,
    "ema": 0.0,
    "precision": "auto",
    "compile": False,
    "channels_last": True,
    "freeze": "none",
    "unfreeze": 1.0,
    "probe": False,
    "layer_decay": 1.0,
    "freeze_bn": False,
    "patience": 0,
    "monitor": "score",
    "sampler": "shuffled",
    "augment": "standard",
    "flip": "auto",
    "tile": 0,
    "fit": "squash",
    "cache": "2GB",
    "checkpoint_every": "5m",
    "tracker": "none",
}
"""What stands where neither the user nor a card says otherwise. `epochs`, `batch_size`, `lr`,
`size` and `workers` depend on the data and the machine and are worked out by `training/plan.py`."""


def seconds(text: str | None) -> float | None:
    """Seconds in a duration such as "90s", "10m", "1.5h" or "90"; None stays None.

    Raises:
        UsageError: If it is not a duration.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|h|)\s*", text.lower())
    if not match or float(match[1]) == 0:
        raise UsageError(f"A duration is a number with s, m or h, such as 10m. Received '{text}'.")
    return float(match[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[match[2]]


def size_in_bytes(text: str) -> int:
    """Bytes in a size such as "2GB", "500MB" or "0".

    Raises:
        UsageError: If it is not a size.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(k|m|g|t|)i?b?\s*", text.lower())
    if not match:
        raise UsageError(f"A size is a number with KB, MB or GB, such as 2GB. Received '{text}'.")
    return int(float(match[1]) * 1024 ** {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}[match[2]])
