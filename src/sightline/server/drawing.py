"""Drawing of predictions for worker processes; torch-free."""

from __future__ import annotations

from typing import Any

import numpy as np


def draw(image: np.ndarray, answer: Any, card: dict[str, Any]) -> np.ndarray:
    """Draw a prediction like `sightline predict --out FOLDER`: boxes, tinted pixels, or a caption.

    Args:
        image: (H, W, C) uint8.
        answer: Of the runtime: `row` and `prediction`.
        card: What the model file says of itself.

    Returns:
        (H', W', 3) uint8; small images are enlarged so that words fit.
    """
    drawn: np.ndarray = answer.prediction.annotate(
        image, answer.row, card.get("model_config", {}).get("classes") or []
    )
    return drawn
