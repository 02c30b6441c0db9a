"""Semantic segmentation: a class for each pixel; scene labeling is the same."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="semantic",
    summary="A class for each pixel of an image.",
    input="image",
    truth="masks",
    prediction="masks",
    score="mIoU",
    default_model="unet",
    side=512,
    defaults={"fit": "pad"},
)

MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
"""Ways to label pixels: one file each."""
