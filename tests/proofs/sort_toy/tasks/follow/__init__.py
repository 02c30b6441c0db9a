"""Which objects are in the frames of a clip, each with an identity that stays."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="follow", summary="Objects in a clip, each with an identity.", input="clip", target_type="tracks",
    prediction_type="tracks", primary_metric="IDF1", default_model="sort",
)  # fmt: skip

MODELS = Folder(f"{__name__}.models", "model")
