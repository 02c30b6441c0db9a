"""Embeddings of images, learnt without labels."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="views", summary="Embeddings that two views of an image share.", input="image", truth="none",
    prediction="number", score="agreement", default_model="simclr", recognised=False,
)  # fmt: skip

MODELS = Folder(f"{__name__}.models", "model")
