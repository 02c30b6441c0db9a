"""A toy: images of one class close together, those of other classes apart."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="embed-toy",
    summary="A vector for each image, close to those of its class.",
    input="image",
    target_type="label",
    prediction_type="vector",
    primary_metric="recall@1",
    default_model="net",
    auto_detect=False,
)

MODELS = Folder(f"{__name__}.models", "model")
