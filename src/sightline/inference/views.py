"""Several views of a clip: a model sees different frames of it, and the mean of what it says counts."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.core.task import Task
from sightline.errors import UsageError

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
    """The model as it sees each clip in several views, with settings that ask for so many frames; itself for
    one view.

    Source: Wang et al., Temporal segment networks, ECCV 2016, section 3.3: scores of evenly spread samples
    are averaged.

    Args:
        model: A model of clips.
        task: Its task.
        views: Views of each clip.

    Raises:
        UsageError: If it takes no clips, or its predictions cannot be averaged.
    """
    if views == 1:
        return model
    spec = InputSpec.of(model.settings)
    if spec.frames is None or task.card.prediction_type not in MEANT:
        raise UsageError(
            f"--views {views} shows a model other frames of each clip and averages its scores; this model "
            f"takes items of kind '{spec.kind}' and gives '{task.card.prediction_type}'. Leave --views out."
        )
    return type("InViews", (_InViews,), {"kind": type(model)})(model, views)  # type: ignore[no-any-return]


def views_in_words(model: Model, views: int) -> list[str]:
    """A sentence on the views, where there are several.

    Args:
        model: See `in_views`.
        views: Views of each clip.
    """
    if views == 1:
        return []
    frames = model.settings["frames"] // views
    return [
        f"Scores are means of {views} views of each clip, of {frames} frames each, which takes {views} times "
        "as long. One view is the default."
    ]
