"""Several views of an item, of which the mean of what a model says counts: other frames of a clip, the mirror
image of an image."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.targets.keypoints import Keypoints
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.core.task import Task
from sightline.errors import UsageError
from sightline.inference.mirrored import InMirror

MEANT = (ClassLabels.kind, RegressionValues.kind)
"""Kinds of predictions whose numbers can be averaged over views."""


class _InViews(Model):
    """A model that sees each clip several times.

    Args:
        model: The model of one view.
        views: How many.
    """

    kind: ClassVar[type[Model]]

    def __init__(self, model: Model, views: int) -> None:
        super().__init__({**model.settings, "frames": views * model.settings["frames"]})
        self.model, self.views = model, views

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Means over the views of what `Model.postprocess` of the model gives, for clips (B, C, V T, H, W).

        View k has the frames k, k + V, k + 2 V, ...: each spans the clip.
        """
        clips, channels, _, *sides = images.shape
        views = images.reshape(clips, channels, -1, self.views, *sides).movedim(3, 1).flatten(0, 1)
        outputs = {name: value.float() for name, value in self.model(views.contiguous()).items()}
        answer = self.model.postprocess(outputs, self.model.settings)
        return {name: value.reshape(clips, self.views, -1).mean(1) for name, value in answer.items()}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        """Predictions as the model makes them."""
        return cls.kind.to_predictions(answer, settings)


def in_views(model: Model, task: Task, views: int) -> Model:
    """The model as it sees each clip in several views, with settings that ask for so many frames, or each
    image with keypoints and its mirror image; itself for one view.

    Source: Wang et al., Temporal segment networks, ECCV 2016, section 3.3: scores of evenly spread samples
    are averaged.

    Args:
        model: A model of clips or keypoints.
        task: Its task.
        views: Views of each item.

    Raises:
        UsageError: If it takes no clips, or its predictions cannot be averaged.
    """
    if views == 1:
        return model
    if task.card.prediction_type == Keypoints.kind:
        return _in_mirror(model, views)
    spec = InputSpec.of(model.settings)
    if spec.frames is None or task.card.prediction_type not in MEANT:
        raise UsageError(
            f"--views {views} shows a model other frames of each clip and averages its scores; this model "
            f"takes items of kind '{spec.kind}' and gives '{task.card.prediction_type}'. Leave --views out."
        )
    return type("InViews", (_InViews,), {"kind": type(model)})(model, views)  # type: ignore[no-any-return]


def _in_mirror(model: Model, views: int) -> Model:
    """The model with the mirror image as its second view.

    Raises:
        UsageError: If there are more views, or left and right are not known.
    """
    if views != 2:
        raise UsageError(
            f"--views {views}: an image with keypoints has 2 views, itself and its mirror image. Give "
            "--views 2."
        )
    if model.settings["skeleton"]["pairs"] is None:
        raise UsageError(
            "--views 2 shows the model mirror images, in which left and right points change places, and it "
            "is not known which are left and right. Name them in training, --pairs, or leave --views out."
        )
    return InMirror.of(model)


def views_in_words(model: Model, views: int) -> list[str]:
    """A sentence on the views, where there are several.

    Args:
        model: See `in_views`.
        views: Views of each item.
    """
    if views == 1:
        return []
    if isinstance(model, InMirror):
        return ["Points are means of each image and its mirror image, which takes twice as long."]
    frames = model.settings["frames"] // views
    return [
        f"Scores are means of {views} views of each clip, of {frames} frames each, which takes {views} times "
        "as long. One view is the default."
    ]
