"""Images like those of the data, drawn from noise."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="drawing", summary="Images like those of the data.", input="noise", target_type="none",
    prediction_type="image", primary_metric="Frechet distance", default_model="dcgan", auto_detect=False,
)  # fmt: skip

MODELS = Folder(f"{__name__}.models", "model")
