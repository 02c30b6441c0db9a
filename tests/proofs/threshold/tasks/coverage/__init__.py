"""How much of an image is not background, by a threshold."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="coverage", summary="The share of an image that objects cover.", input="image", target_type="number",
    prediction_type="number", primary_metric="MAE", default_model="otsu", auto_detect=False,
)  # fmt: skip

MODELS = Folder(f"{__name__}.models", "model")
