"""load: a predictor from a run folder or a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.core.predictor import Predictor


@command
def load(
    path: Path | str, *, device: str = "auto", boxes: Path | str | None = None, views: int = 1
) -> Predictor:
    """Load a predictor from a run folder or a model folder. Loading runs no code from the file.

    Args:
        path: Run folder or model folder.
        device: auto, cpu, cuda, cuda:N or mps.
        boxes: Boxes for keypoints trained on crops of objects: run folder of the detector that finds them, or
            a file or folder of boxes in any format (COCO annotations or results, YOLO, CSV, ...).
        views: Views of each item whose answers are averaged: of a clip samples of other frames; for keypoints
            2, the image and its mirror image (flip test).
    """
    from sightline.inference.predictor import ModelPredictor

    if boxes is not None:
        from sightline.inference.top_down import TopDown

        return TopDown(Path(path), Path(boxes), device, views)
    return ModelPredictor(Path(path), device, views)
