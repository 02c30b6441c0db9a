"""Our YOLO, size n."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.tasks.detect.models import _yolo

CARD = ModelCard(
    name="yolo-n",
    summary="Nano: the quickest, for a processor without a graphics card.",
    paper=_yolo.PAPER,
    parameters=2_504_640,
    counted=_yolo.COUNTED,
    stride=32,
    defaults=_yolo.DEFAULTS,
)


class YoloNano(_yolo.Yolo):
    """The detector of this size."""

    card = CARD
    scale = "n"


MODEL = YoloNano
