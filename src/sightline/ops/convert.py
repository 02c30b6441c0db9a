"""Conversion of predictions to types of other libraries (supervision)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sightline.core.targets.instances import Instances
from sightline.errors import MissingExtra


def to_supervision(instances: Instances, names: Sequence[str] = ()) -> Any:
    """Convert the objects of one image to `supervision.Detections`, for its annotators, trackers and zones.

    Masks go along where there are any, as an array (M, H, W) of bool.

    For example `to_supervision(outcome.prediction, model.settings["classes"])`.

    Args:
        instances: Objects of one image; boxes stay in its pixels, (x1, y1, x2, y2).
        names: Name of each class, kept as `data["class_name"]`; none is kept if left out.

    Raises:
        ValueError: If there is more than one image.
        MissingExtra: If supervision (MIT licence, Roboflow) is not installed.
    """
    if len(instances) != 1:
        raise ValueError(f"to_supervision takes the objects of one image. Received {len(instances)} images.")
    try:
        from supervision import Detections
    except ImportError:
        raise MissingExtra("supervision.Detections", "supervision") from None
    height, width = instances.sizes[0].tolist()
    labels = instances.labels.cpu().numpy().astype(int)
    return Detections(
        xyxy=instances.boxes.cpu().numpy().astype(np.float32),
        mask=None if instances.masks is None else instances.masks.dense(height, width).numpy(),
        confidence=None if instances.scores is None else instances.scores.cpu().numpy(),
        class_id=labels,
        data={"class_name": np.array([names[i] for i in labels], dtype=str)} if names else {},
    )
