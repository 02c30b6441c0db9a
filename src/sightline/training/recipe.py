"""Recipe: hyperparameters of training, declared once for Python, the command line and the run folder.

Standard library only, so that the command line can show it without importing torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal

from sightline.config import Heading, Range
from sightline.errors import UsageError


@dataclass(frozen=True)
class Recipe:
    """Settings of training. None means the recommendation of the model's card, else of the task, else our
    default.

    Args:
        epochs: Passes over the training images.
        time: Time budget such as 90s, 10m or 2h; the schedule ends with it, whichever comes first.
        batch_size: Batch size.
        lr: Peak learning rate.
        size: Input side in pixels.
        augment: Strength of data augmentation.
        patience: Stop when validation has not improved for this many epochs; 0 is never.
        robust: Train against attacks of this ball, such as linf:8/255 or l2:0.5, in images from 0 to 1.
        fair: Treat groups of images alike: draw them equally often, let the worst count most (group DRO), or
            fit the last layer anew. The worst group on validation chooses the weights.
        group: Column of the data that names the groups of --fair.
        monitor: Validation criterion for the best weights; the other breaks ties.
        optimizer: sgd, adam, adamw, adadelta, or any other class of torch.optim.
        schedule: Learning-rate schedule.
        warmup: Warmup: share of training with a rising learning rate.
        weight_decay: Weight decay (not on biases and norms).
        momentum: Momentum of SGD, first beta of Adam.
        l1: L1 penalty on weights.
        clip_grad: Gradient clipping: maximum norm; 0 is off.
        grad_accum_steps: Gradient accumulation: batches per optimizer step.
        ema: Decay of the exponential moving average of weights, which is evaluated and kept; 0 is off.
        resize: How an image is resized to the input size when the aspect ratio differs.
        tile_size: Side in pixels of overlapping tiles, for small objects in large images; 0 is off.
        hflip: Random horizontal flip; auto: only for color images.
        sampler: balanced: draw every class equally often; m-per-class: several images a class and batch.
        freeze: Frozen layers: backbone, all-but-N (the last N blocks are trained) or none.
        unfreeze: Gradual unfreezing: share of training after which frozen blocks are trained; 1 is never.
        probe: Linear probe: fit the head on features of the frozen network first; training must beat it.
        layer_decay: Layer-wise learning-rate decay: factor from each block to the one below.
        freeze_bn: Freeze the running statistics of batch norms, which small batches would spoil.
        distill: Weight of the distillation loss; the rest is the task's loss.
        precision: Numeric precision; auto: bf16 on a GPU that supports it, else fp32.
        compile: Compile the network with torch.compile.
        channels_last: Use the channels-last memory format, which is faster for convolutions.
        workers: Threads for decoding; 0 decodes in the main thread.
        cache: Cache size for decoded images, in memory or on disk, such as 2GB; 0 is off.
        checkpoint_every: Time between checkpoints inside an epoch, such as 5m.
        tracker: Experiment tracker, in addition to the run folder.
    """

    epochs: Annotated[int | None, Range(1), Heading("Training")] = None
    time: str | None = None
    batch_size: Annotated[int | None, Range(1)] = None
    lr: Annotated[float | None, Range(0, above=True)] = None
    size: Annotated[int | None, Range(1)] = None
    augment: Literal["none", "light", "standard", "strong"] | None = None
    patience: Annotated[int | None, Range()] = None
    robust: str | None = None
    fair: Literal["balanced", "dro", "last-layer"] | None = None
    group: str | None = None
    monitor: Literal["loss", "score"] | None = None
    optimizer: Annotated[str | None, Heading("Optimizer")] = None
    schedule: Literal["constant", "step", "cosine", "onecycle", "plateau"] | None = None
    warmup: Annotated[float | None, Range(0, 1, below=True)] = None
    weight_decay: Annotated[float | None, Range()] = None
    momentum: Annotated[float | None, Range(0, 1, below=True)] = None
    l1: Annotated[float | None, Range()] = None
    clip_grad: Annotated[float | None, Range()] = None
    grad_accum_steps: Annotated[int | None, Range(1)] = None
    ema: Annotated[float | None, Range(0, 1, below=True)] = None
    resize: Annotated[Literal["stretch", "crop", "letterbox", "rect"] | None, Heading("Images")] = None
    tile_size: Annotated[int | None, Range()] = None
    hflip: Literal["yes", "no", "auto"] | None = None
    sampler: Literal["random", "balanced", "m-per-class"] | None = None
    freeze: Annotated[str | None, Heading("Fine-tuning")] = None
    unfreeze: Annotated[float | None, Range(0, 1)] = None
    probe: bool | None = None
    layer_decay: Annotated[float | None, Range(0, 1, above=True)] = None
    freeze_bn: bool | None = None
    distill: Annotated[float | None, Range(0, 1)] = None
    precision: Annotated[Literal["auto", "fp32", "bf16", "fp16"] | None, Heading("Machine")] = None
    compile: bool | None = None
    channels_last: bool | None = None
    workers: Annotated[int | None, Range()] = None
    cache: str | None = None
    checkpoint_every: str | None = None
    tracker: Literal["none", "tensorboard", "mlflow"] | None = None

    def __repr__(self) -> str:
        return f"Recipe({', '.join(f'{name}={value!r}' for name, value in self.given().items())})"

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all settings."""
        return tuple(f.name for f in fields(cls))

    def given(self) -> dict[str, Any]:
        """Settings that have a value."""
        return {name: value for name in self.names() if (value := getattr(self, name)) is not None}

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
    "clip_grad": 1.0,
    "grad_accum_steps": 1,
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
    "sampler": "random",
    "augment": "standard",
    "hflip": "auto",
    "tile_size": 0,
    "resize": "stretch",
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
