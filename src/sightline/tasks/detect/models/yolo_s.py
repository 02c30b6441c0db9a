"""Our YOLO, size s."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.detection import yolo
from sightline.models.weights import embedded
from sightline.tasks.detect.models._yolo import Yolo

CARD = ModelCard(
    name="yolo-s",
    summary="Small.",
    paper=yolo.PAPER,
    parameters=9_878_752,
    counted=yolo.COUNTED,
    stride=32,
    defaults=yolo.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=yolo.TUNED,
    tuned_gain=yolo.TUNED_GAIN,
)


class YoloSmall(Yolo):
    """The detector of this size."""

    card = CARD
    scale = "s"


MODEL = YoloSmall
TOY: dict[str, str] = {}
