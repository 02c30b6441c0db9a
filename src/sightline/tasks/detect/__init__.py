"""Object detection: a box and a class for each object in an image."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="detect",
    summary="Boxes around the objects in an image, each with its class.",
    input="image",
    truth="instances",
    prediction="instances",
    score="mAP50-95",
    default_model="yolo-n",
    defaults={"fit": "pad"},
)

MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
"""Ways to detect: one file each."""
