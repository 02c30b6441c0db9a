"""Image classification: the class of an image, single-label or multi-label."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="classify",
    summary="The class of an image, or its classes (multi-label).",
    input="image",
    target_type="label",
    prediction_type="label",
    primary_metric="accuracy",
    default_model="net",
    tuned_options={"label_smoothing": 0.1},
)

MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
