"""Our YOLO with masks, size n."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.detection import yolo
from sightline.models.weights import embedded
from sightline.tasks.instance.models._yolo import PAPER, Yolo

CARD = ModelCard(
    name="yolo-n",
    summary="Nano: the quickest, for a processor without a graphics card.",
    paper=PAPER,
    parameters=2_603_648,
    counted=yolo.COUNTED,
    stride=32,
    defaults=yolo.DEFAULTS,
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=yolo.TUNED,
    tuned_gain=yolo.TUNED_GAIN,
)


class YoloNano(Yolo):
    """The detector of this size, with masks."""

    card = CARD
    scale = "n"


MODEL = YoloNano
