"""Multi-object tracking: which detected boxes in the frames of a sequence are the same object."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="track",
    summary="Objects in the frames of a sequence, each with an identity that stays.",
    input="sequence",
    target_type="tracks",
    prediction_type="tracks",
    primary_metric="HOTA",
    default_model="bytetrack",
)

PROMPTED = {"track:mosse": f"{__name__}.single"}
MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
