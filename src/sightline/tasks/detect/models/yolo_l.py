"""Our YOLO, size l."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.tasks.detect.models import _yolo

CARD = ModelCard(
    name="yolo-l",
    summary="Large.",
    paper=_yolo.PAPER,
    parameters=41_622_816,
    counted=_yolo.COUNTED,
    stride=32,
    defaults=_yolo.DEFAULTS,
)


class YoloLarge(_yolo.Yolo):
    """The detector of this size."""

    card = CARD
    scale = "l"


MODEL = YoloLarge
TOY: dict[str, str] = {}
