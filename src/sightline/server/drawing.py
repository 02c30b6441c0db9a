"""Drawing of predictions by target type, for worker processes; torch-free."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.ops.draw import boxes, captioned, colour_of, enlarged, legend, objects, regions

VOID = 255


def draw(image: np.ndarray, answer: Any, card: dict[str, Any]) -> np.ndarray:
    """Draw a prediction like `sightline predict --out FOLDER`: boxes, tinted pixels, or a caption.

    Args:
        image: (H, W, C) uint8.
        answer: Of the runtime: `row` and `prediction`.
        card: What the model file says of itself.

    Returns:
        (H', W', 3) uint8; small pictures are enlarged so that words fit.
    """
    names = card.get("settings", {}).get("classes") or []
    kind, prediction = card.get("prediction", ""), answer.prediction
    if kind in ("instances", "outlines"):
        return _objects(image, prediction, names)
    if kind == "masks":
        large, _ = enlarged(regions(image, prediction.map, VOID))
        classes = [int(k) for k in np.unique(prediction.map) if k != VOID]
        return legend(large, [(names[k], colour_of(k)) for k in classes])
    values = {k: v for k, v in answer.row.items() if not k.startswith("p(")}
    return captioned(image, " ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in values.values()))


def _objects(image: np.ndarray, prediction: Any, names: list[str]) -> np.ndarray:
    tinted = objects(image, prediction.parts, np.arange(len(prediction.parts)))
    large, factor = enlarged(tinted)
    return boxes(large, factor * prediction.boxes, prediction.labels, prediction.scores, names)
