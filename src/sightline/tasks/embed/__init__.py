"""Embeddings: vectors in which images of one identity lie close, for verification and search."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="embed",
    summary="A vector for each image: verification and search of identities (faces, products).",
    input="image",
    target_type="label",
    prediction_type="vector",
    primary_metric="TAR@FAR",
    default_model="arcface",
    auto_detect=False,
    open_set=True,
)

MODELS = Folder(f"{__name__}.models", "model")
"""Ways to learn vectors: one file each."""
