"""One object, followed from its first box, as in `predict track:mosse film.mp4 --prompt "box ..."`."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from sightline.core.predictor import Outcome
from sightline.core.targets.instances import Instances
from sightline.errors import UsageError
from sightline.runtime.targets import records
from sightline.runtime.track.mosse import SURE, Mosse
from sightline.tasks.track import CARD

EXAMPLE = "box 10,20,80,120"


def predictor(weights: str, prompt: str, device: torch.device) -> OneObject:
    """The follower of the object in a box of the first frame.

    Raises:
        UsageError: If the prompt is no box.
    """
    del weights, device
    match = re.fullmatch(r"\s*box\s+([^;]+)", prompt)
    try:
        box = [float(v) for v in match[1].split(",")] if match else []
    except ValueError:
        box = []
    if len(box) != 4:
        raise UsageError(
            f"--prompt is one box x1,y1,x2,y2 in the first frame, such as '{EXAMPLE}'. Received '{prompt}'."
        )
    return OneObject(box)


class _Card:
    """What the command reads of a task's card."""

    name, prediction_type = CARD.name, "instances"


class _Boxes:
    """What the command reads of a task."""

    card = _Card

    @staticmethod
    def to_records(prediction: Any) -> list[dict[str, Any]]:
        """Rows of boxes."""
        return records(prediction, ("object",))


class OneObject:
    """Follows one object by MOSSE through each film or folder of frames.

    Args:
        box: x1, y1, x2, y2 in pixels of the first frame.
    """

    def __init__(self, box: list[float]) -> None:
        self.settings: dict[str, Any] = {"classes": ["object"], "thresholds": [0.0]}
        self.task = _Boxes
        self._box = box
        self._filter: Mosse | None = None

    def reset(self) -> None:
        """Forget the object: the next frame begins another film or folder, with the box that was given."""
        self._filter = None

    def outcome(self, name: str, image: np.ndarray) -> Outcome:
        """The box in the next frame; in the first one it is the box that was given.

        Its score, 1 at most, is the peak-to-sidelobe ratio over twice that below which the object counts as
        hidden.
        """
        if self._filter is None:
            try:
                self._filter = Mosse(image, self._box)
            except ValueError as error:
                raise UsageError(f"{name}: {error}") from error
        else:
            self._filter.update(image)
        height, width = image.shape[:2]
        prediction = Instances(
            torch.ones(1, dtype=torch.int64),
            torch.tensor([[height, width]]),
            torch.from_numpy(self._filter.box).float()[None],
            torch.zeros(1, dtype=torch.int64),
            torch.tensor([min(1.0, self._filter.ratio / (2 * SURE))]),
            ids=torch.ones(1, dtype=torch.int64),
        )
        return Outcome(name, prediction, self.task.to_records(prediction)[0])
