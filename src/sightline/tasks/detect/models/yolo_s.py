"""Our YOLO, size s."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.tasks.detect.models import _yolo

CARD = ModelCard(
    name="yolo-s",
    summary="Small.",
    paper=_yolo.PAPER,
    parameters=9_878_752,
    counted=_yolo.COUNTED,
    stride=32,
    defaults=_yolo.DEFAULTS,
)


class YoloSmall(_yolo.Yolo):
    """The detector of this size."""

    card = CARD
    scale = "s"


MODEL = YoloSmall
TOY: dict[str, str] = {}
