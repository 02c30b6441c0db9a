"""Image regression: one or several numbers that belong to an image."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="regress",
    summary="Numbers that belong to an image: a price, an age, a count.",
    input="image",
    target_type="number",
    prediction_type="number",
    primary_metric="MAE",
    default_model="net",
)

MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
