"""Action recognition: the class of a clip (a film, an animation, or a folder of frames)."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="action",
    summary="The class of a clip: what happens in a film.",
    input="clip",
    target_type="label",
    prediction_type="label",
    primary_metric="balanced accuracy",
    default_model="c3d",
)

MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
