"""Embeddings of images, learnt without labels."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="views", summary="Embeddings that two views of an image share.", input="image", target_type="none",
    prediction_type="vector", primary_metric="agreement", default_model="simclr", auto_detect=False,
)  # fmt: skip

MODELS = Folder(f"{__name__}.models", "model")
