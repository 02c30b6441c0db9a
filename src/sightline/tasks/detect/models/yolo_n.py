"""Our YOLO, size n."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.detection import yolo
from sightline.models.weights import embedded
from sightline.tasks.detect.models._yolo import Yolo

CARD = ModelCard(
    name="yolo-n",
    summary="Nano: the quickest, for a processor without a graphics card.",
    paper=yolo.PAPER,
    parameters=2_504_640,
    counted=yolo.COUNTED,
    stride=32,
    defaults=yolo.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=yolo.TUNED,
    tuned_gain=yolo.TUNED_GAIN,
)


class YoloNano(Yolo):
    """The detector of this size."""

    card = CARD
    scale = "n"


MODEL = YoloNano
