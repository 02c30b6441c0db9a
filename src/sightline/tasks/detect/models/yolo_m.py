"""Our YOLO, size m."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.detection import yolo
from sightline.models.weights import embedded
from sightline.tasks.detect.models._yolo import Yolo

CARD = ModelCard(
    name="yolo-m",
    summary="Medium.",
    paper=yolo.PAPER,
    parameters=23_764_608,
    counted=yolo.COUNTED,
    stride=32,
    defaults=yolo.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=yolo.TUNED,
    tuned_gain=yolo.TUNED_GAIN,
)


class YoloMedium(Yolo):
    """The detector of this size."""

    card = CARD
    scale = "m"


MODEL = YoloMedium
TOY: dict[str, str] = {}
