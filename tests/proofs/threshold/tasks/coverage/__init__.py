"""How much of an image is not background, by a threshold."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="coverage", summary="The share of an image that objects cover.", input="image", truth="number",
    prediction="number", score="MAE", default_model="otsu", recognised=False,
)  # fmt: skip

MODELS = Folder(f"{__name__}.models", "model")
