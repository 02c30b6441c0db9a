"""Semantic segmentation: a class for each pixel; scene labeling is the same."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="semantic",
    summary="A class for each pixel of an image.",
    input="image",
    target_type="masks",
    prediction_type="masks",
    primary_metric="mIoU",
    default_model="unet",
    default_max_size=512,
    defaults={"resize": "letterbox"},
)

MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
"""Ways to label pixels: one file each."""
