"""Digits by the nearest training images."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="pixel-knn",
    summary="Which class an image shows, by its pixels.",
    input="image",
    target_type="label",
    prediction_type="label",
    primary_metric="accuracy",
    default_model="knn",
    auto_detect=False,
)

MODELS = Folder(f"{__name__}.models", "model")
