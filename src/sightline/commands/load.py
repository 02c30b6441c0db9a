"""load: a predictor from a run folder or a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.core.predictor import Predictor


@command
def load(path: Path | str, *, device: str = "auto") -> Predictor:
    """Load a predictor from a run folder or a model folder. Loading runs no code from the file.

    Args:
        path: Run folder or model folder.
        device: auto, cpu, cuda, cuda:N or mps.
    """
    from sightline.inference.predictor import ModelPredictor

    return ModelPredictor(Path(path), device)
