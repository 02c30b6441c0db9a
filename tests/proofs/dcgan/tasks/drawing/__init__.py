"""Images like those of the data, drawn from noise."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="drawing", summary="Images like those of the data.", input="image", truth="none",
    prediction="number", score="Frechet distance", default_model="dcgan", recognised=False,
    defaults={"augment": "none", "flip": "no"},
)  # fmt: skip

MODELS = Folder(f"{__name__}.models", "model")
