"""Captions: a sentence about each image."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="caption",
    summary="A sentence about each image.",
    input="image",
    target_type="text",
    prediction_type="text",
    primary_metric="CIDEr",
    default_model="show-attend-tell",
    default_max_size=224,
    defaults={"augment": "light"},
)

MODELS = Folder(f"{__name__}.models", "model")
