"""Object detection: a box and a class for each object in an image."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="detect",
    summary="Boxes around the objects in an image, each with its class.",
    input="image",
    target_type="instances",
    prediction_type="instances",
    primary_metric="mAP50-95",
    default_model="yolo-n",
    defaults={"resize": "letterbox"},
)

MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
"""Ways to detect: one file each."""
