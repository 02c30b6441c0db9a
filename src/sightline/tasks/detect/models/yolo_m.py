"""Our YOLO, size m."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.tasks.detect.models import _yolo

CARD = ModelCard(
    name="yolo-m",
    summary="Medium.",
    paper=_yolo.PAPER,
    parameters=23_764_608,
    counted=_yolo.COUNTED,
    stride=32,
    defaults=_yolo.DEFAULTS,
)


class YoloMedium(_yolo.Yolo):
    """The detector of this size."""

    card = CARD
    scale = "m"


MODEL = YoloMedium
TOY: dict[str, str] = {}
