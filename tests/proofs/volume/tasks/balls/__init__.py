"""A class for each voxel of a volume."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="balls",
    summary="Where balls are in a volume.",
    input="volume",
    target_type="volumes",
    prediction_type="volumes",
    primary_metric="mIoU",
    default_model="unet3d",
)

MODELS = Folder(f"{__name__}.models", "model")
