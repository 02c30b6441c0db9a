"""Keypoints: where the named points of an object are (pose estimation, landmarks)."""

from sightline.core.card import TaskCard
from sightline.core.folder import Folder

CARD = TaskCard(
    name="keypoints",
    summary="Named points of an object: joints of people and animals, landmarks of faces.",
    input="image",
    target_type="keypoints",
    prediction_type="keypoints",
    primary_metric="NME",
    default_model="heatmap",
    default_max_size=256,
    defaults={"resize": "letterbox"},
)

MODELS = Folder(f"{__name__}.models", "model", table="MODELS")
"""Ways to find points: one file each."""
