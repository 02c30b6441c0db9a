"""A toy: where the bright spot is."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="point-toy",
    summary="Where the bright spot is.",
    input="image",
    target_type="point",
    prediction_type="point",
    primary_metric="distance",
    default_model="net",
)

MODELS = Folder(f"{__name__}.models", "model")
