"""Promptable segmentation (Segment Anything), as in `sightline predict sam:FOLDER a.jpg`; it is not
trained.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sightline.core.predictor import Outcome
from sightline.devices import pick
from sightline.errors import UnreadableImage, UsageError
from sightline.inference import untrained
from sightline.inference.model_folder import holds_model
from sightline.inference.predictor import ModelPredictor
from sightline.inference.sources import Answer, Input, Sources
from sightline.inference.top_down import TopDown
from sightline.tasks import TASKS


def predictor(
    run: Path, prompt: str | None, device: str, boxes: Path | None = None, views: int = 1
) -> ModelPredictor | Prompted:
    """The predictor of a run, a promptable model, or a model with nothing to train by its name.

    Raises:
        UsageError: If a prompt is missing, or is none of this model's; if it has no views.
    """
    if views > 1 and not holds_model(run):
        raise UsageError(
            f"--views {views} is for runs of models of clips or keypoints. {run} is none: leave --views out."
        )
    if boxes is not None:
        if prompt is not None:
            raise UsageError("--boxes cannot be given with --prompt: leave one out.")
        return TopDown(run, boxes, device, views)
    promptable = {name: module for task in TASKS.names() for name, module in _prompted(task).items()}
    whole = str(run) in promptable
    kind, colon, weights = (str(run), ":", "") if whole else str(run).partition(":")
    if not colon or run.exists() or kind not in promptable:
        if prompt is not None:
            raise UsageError(
                f"--prompt is for {', '.join(promptable)}, as in sam:FOLDER. {run} answers without."
            )
        named = None if run.exists() else untrained.predictor(str(run), device)
        return named or ModelPredictor(run, device, views)
    if prompt is None:
        raise UsageError(f'{run} must be told what to look for: --prompt "box 10,20,110,220; point 40,50".')
    return Prompted(importlib.import_module(promptable[kind]).predictor(weights, prompt, pick(device)))


def _prompted(task: str) -> dict[str, str]:
    """Names of a task's promptable networks, and their modules."""
    models_by_name: dict[str, str] = getattr(TASKS.load(task), "PROMPTED", {})
    return models_by_name


class Prompted:
    """Predictor that applies one prompt to every image.

    Args:
        predictor: Has `settings`, `task` and `outcome(name, image)`; one that follows objects also `reset()`.
            It gets the frames of each film or folder in their order.
    """

    def __init__(self, predictor: Any) -> None:
        self.settings, self.task, self._one = predictor.settings, predictor.task, predictor

    def answers(self, sources: Sources, batch_size: int = 1) -> Iterator[Answer]:
        """Yield predictions, each with its image; a bad file gives an outcome with an error."""
        reset = getattr(self._one, "reset", None)
        if reset is not None:
            sources.sort_frames()
        sequence: object = None
        for batch in sources.batches(min(batch_size, 1)):
            for item in batch:
                if reset is not None and item.sequence != sequence:
                    reset()
                    sequence = item.sequence
                yield Answer(item, self._outcome(item))

    def _outcome(self, item: Input) -> Outcome:
        if item.error:
            return Outcome(item.id, None, {}, item.error)
        try:
            outcome: Outcome = self._one.outcome(item.id, item.full())
        except UnreadableImage as error:
            return Outcome(item.id, None, {}, error.detail)
        return outcome
