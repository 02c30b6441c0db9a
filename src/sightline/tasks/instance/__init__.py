"""Instance segmentation: a mask for each object in an image."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="instance",
    summary="A mask for each object in an image, with its class.",
    input="image",
    target_type="outlines",
    prediction_type="outlines",
    primary_metric="mask mAP50-95",
    default_model="yolo-n",
    default_max_size=512,
    defaults={"resize": "letterbox"},
)

MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
"""Ways to find objects and their pixels: one file each."""

PROMPTED = {"sam": f"{__name__}.sam"}
"""Networks that are not trained here and answer a prompt, by name, and their modules."""
