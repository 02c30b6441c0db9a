"""Images like those of the data, drawn from noise."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="drawing", summary="Images like those of the data.", input="image", target_type="none",
    prediction_type="number", primary_metric="Frechet distance", default_model="dcgan", auto_detect=False,
    defaults={"augment": "none", "flip": "no"},
)  # fmt: skip

MODELS = Folder(f"{__name__}.models", "model")
