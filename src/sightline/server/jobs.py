"""Messages between the server and its worker processes. Standard library and numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from sightline.server.limits import Limits

Form = Literal["row", "jpeg", "png", "tensors"]
"""How an answer is wanted: a row of JSON, a drawn image, or the model's own outputs."""


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker process needs in order to start.

    Attributes:
        session: "module:Class" of the runtime, called with (file, threads=).
        file: The exported model.
        threads: Threads of the process.
        batch: Images predicted at a time, at most.
        max_pixels: Largest image that is decoded.
        draw: "module:function" from ((H, W, C) uint8, answer, card) to an image (H', W', 3) uint8.
    """

    session: str
    file: str
    threads: int = 0
    batch: int = Limits.batch
    max_pixels: int = 2**25
    draw: str = "sightline.server.drawing:draw"


@dataclass(frozen=True)
class Job:
    """One image or clip to predict.

    Attributes:
        content: Bytes of a file, or uint8 of the shape of the model's input.
        form: How the answer is wanted.
        min_score: Lowest score of an object, or None for the model's own thresholds.
    """

    content: bytes | np.ndarray
    form: Form = "row"
    min_score: float | None = None


@dataclass(frozen=True)
class JobResult:
    """Result of one image: a prediction or an error.

    Attributes:
        content: JSON text of a row, bytes of an image, or the model's outputs by name, each (1, ...).
        status: HTTP status: 200, or what kind of trouble there was.
        reason: One word for the trouble ("truncated").
        message: The trouble in a sentence, without any content of the image.
    """

    content: bytes | dict[str, np.ndarray] = b""
    status: int = 200
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Tensor:
    """Name, numpy type and shape (-1 for the number of images) of an input or output."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class WorkerReady:
    """Message of a worker: the model is loaded and has predicted once.

    Attributes:
        card: What the model file says of itself.
        shape: (C, H, W) of the model's input; of clips (C, T, H, W).
        outputs: What the model gives.
    """

    card: dict[str, Any]
    shape: tuple[int, ...]
    outputs: tuple[Tensor, ...] = field(default=())


@dataclass(frozen=True)
class JobFailed:
    """Message of a worker: it cannot start; with the reason and its exit code."""

    message: str
    exit_code: int
