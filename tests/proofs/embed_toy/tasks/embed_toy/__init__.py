"""A toy: images of one class close together, those of other classes apart."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="embed-toy",
    summary="A vector for each image, close to those of its class.",
    input="image",
    truth="label",
    prediction="vector",
    score="recall@1",
    default_model="net",
    recognised=False,
)

MODELS = Folder(f"{__name__}.models", "model")
