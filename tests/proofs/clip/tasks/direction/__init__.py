"""Which way a shape moves: a class for each clip."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="direction",
    summary="Which way a shape moves in a clip.",
    input="clip",
    target_type="label",
    prediction_type="label",
    primary_metric="accuracy",
    default_model="conv3d",
    defaults={"flip": "no"},  # a mirrored clip moves the other way
)

MODELS = Folder(f"{__name__}.models", "model")
