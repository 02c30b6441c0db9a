"""Our YOLO with masks, size l."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.detection import yolo
from sightline.models.weights import embedded
from sightline.tasks.instance.models._yolo import PAPER, Yolo

CARD = ModelCard(
    name="yolo-l",
    summary="Large.",
    paper=PAPER,
    parameters=42_898_976,
    counted=yolo.COUNTED,
    stride=32,
    defaults=yolo.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=yolo.TUNED,
    tuned_gain=yolo.TUNED_GAIN,
)


class YoloLarge(Yolo):
    """The detector of this size, with masks."""

    card = CARD
    scale = "l"


MODEL = YoloLarge
TOY: dict[str, str] = {}
