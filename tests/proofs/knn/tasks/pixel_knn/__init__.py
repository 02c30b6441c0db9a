"""Digits by the nearest training images."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="pixel-knn", summary="Which class an image shows, by its pixels.", input="image", truth="label",
    prediction="label", score="accuracy", default_model="knn", recognised=False,
)  # fmt: skip

MODELS = Folder(f"{__name__}.models", "model")
