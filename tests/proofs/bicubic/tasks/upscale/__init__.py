"""Images twice as large."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="upscale",
    summary="Images twice as large.",
    input="image",
    target_type="none",
    prediction_type="image",
    primary_metric="PSNR",
    default_model="bicubic",
    auto_detect=False,
)

MODELS = Folder(f"{__name__}.models", "model")
