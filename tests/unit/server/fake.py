"""A session that says how bright an image is, and misbehaves where an image or its file says so."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sightline.data.io.images import decode
from sightline.errors import DataError
from sightline.runtime.inputs.base import Prepared
from sightline.runtime.targets.none import TARGET

CRASH, HANG = b"\0please crash", b"\0please hang"
SIDE = 8


class Answer(NamedTuple):
    row: dict[str, Any]
    prediction: Any = TARGET()
    error: str = ""


class Session:
    """`file` is made of words: slow (0.2 s a batch), broken (cannot be loaded), dies (while it is loaded),
    start:PATH (starts once PATH is there)."""

    def __init__(self, file: str, *, threads: int = 0) -> None:
        words = dict(word.partition(":")[::2] for word in file.split())
        if "broken" in words:
            raise DataError(f"{file} is cut off.")
        if "dies" in words:
            os._exit(7)
        while "start" in words and not Path(words["start"]).exists():
            time.sleep(0.02)
        self.pause = 0.2 if "slow" in words else 0.0
        self.card = {
            "task": "classify", "model": "fake", "prediction": "label", "license": "none",
            "metric": {"name": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6, "n": 100, "split": "test"},
            "model_config": {"classes": ["dark", "bright"], "size": [SIDE, SIDE], "channels": 3},
        }  # fmt: skip

    def prepare(self, source: bytes | np.ndarray) -> Prepared:
        if isinstance(source, bytes) and source.endswith(CRASH):
            os._exit(9)
        if isinstance(source, bytes) and source.endswith(HANG):
            time.sleep(3600)
        image = decode(source) if isinstance(source, bytes) else source
        mean = image.reshape(-1, image.shape[2]).mean(0).astype(np.uint8)
        return Prepared(np.broadcast_to(mean[:, None, None], (3, SIDE, SIDE)), image.shape[:2])

    def infer(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        time.sleep(self.pause)
        bright = pixels.mean((1, 2, 3), dtype=np.float32) / 255
        return {"scores": np.stack([1 - bright, bright], 1), "batch": np.full(len(pixels), len(pixels))}

    def read(self, outputs: dict[str, np.ndarray], stored: list[tuple[int, int]]) -> list[Answer]:
        return [
            Answer({"label": ["dark", "bright"][int(s.argmax())], "confidence": float(s.max()),
                    "height": h, "width": w, "together": int(n)})
            for s, n, (h, w) in zip(outputs["scores"], outputs["batch"], stored, strict=True)
        ]  # fmt: skip
