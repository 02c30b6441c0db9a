"""load: a predictor from a run folder or a model folder."""

from __future__ import annotations

from pathlib import Path

from sightline.inference.predictor import ModelPredictor


def run(path: Path, *, device: str = "auto") -> ModelPredictor:
    """See `sightline.api.load`."""
    return ModelPredictor(Path(path), device)
