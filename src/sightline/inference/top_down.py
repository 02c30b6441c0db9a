"""Top-down prediction: boxes from a detector or a file, and a model of crops that places points in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from sightline.console import say
from sightline.core.predictor import Outcome
from sightline.core.skeleton import Skeleton
from sightline.core.targets import target_type
from sightline.core.targets.instances import Instances
from sightline.core.targets.keypoints import Keypoints
from sightline.data.io.pixels import Arrays, Files, Pages
from sightline.data.loading.tiles import TilePixels, object_crops
from sightline.errors import UnreadableImage, UsageError
from sightline.inference.filters import least_of
from sightline.inference.given_boxes import GivenBoxes
from sightline.inference.model_folder import holds_model, restore
from sightline.inference.predictor import ModelPredictor
from sightline.inference.sources import Answer, Input, Sources
from sightline.inference.views import in_views

_SHOWN = 3


class TopDown(ModelPredictor):
    """Predictor with a model of crops, and the boxes of objects, from a detector or a file.

    The score of an object is that of its box times that of its points; its box is the given one.

    Args:
        path: Run or model folder of keypoints, trained on crops of objects.
        boxes: Run or model folder of the detector; its boxes count from the scores on that were chosen for
            each class on its validation images. Or a file or folder of boxes, which all count.
        device: auto, cpu, cuda, cuda:N or mps.
        views: 2 for each crop and its mirror image.

    Raises:
        UsageError: If the first needs no boxes, the second finds none, or they share no class.
        DataError: If the boxes cannot be read.
    """

    def __init__(self, path: Path, boxes: Path, device: str, views: int = 1) -> None:
        model, task, _ = restore(path)
        self._hold(in_views(model, task, views), task, model.settings, device)
        if self.settings.get("items") != "objects":
            raise UsageError(f"--boxes: {path} is shown whole images and takes no boxes. Leave it out.")
        least: float | list[float] = 0.0
        if holds_model(boxes):
            self.detector: ModelPredictor | GivenBoxes = _detector(boxes, device)
            least = least_of(self.detector.settings, None)
            theirs: list[str] = self.detector.settings["classes"]
        else:
            self.detector = GivenBoxes(boxes)
            theirs = self.detector.names
        mine = self.settings["merged"] or self.settings["classes"]
        if len(theirs) > 1 and not set(mine) & set(theirs):
            raise UsageError(
                f"--boxes {boxes} has {len(theirs)} classes ({', '.join(theirs[:5])}), but the points "
                f"are those of {', '.join(mine)}. Name boxes of such objects, or of one class."
            )
        wanted = [len(theirs) == 1 or name in mine for name in theirs]
        if others := [name for name, use in zip(theirs, wanted, strict=True) if not use]:
            say(f"--boxes {boxes}: those of {', '.join(others[:5])} are left out, which have no such points.")
        floor = torch.as_tensor(least).expand(len(theirs))
        self._least = floor.masked_fill(~torch.tensor(wanted, dtype=torch.bool), torch.inf)

    def answers(self, sources: Sources, batch_size: int) -> Iterator[Answer]:
        """All predictions, each with its image; an image without a box has no object, which is printed."""
        bare: list[str] = []
        for answer in self.detector.answers(sources, batch_size):
            outcome = answer.outcome
            if not outcome.error:
                try:
                    prediction = self._placed(answer.input, outcome.prediction, batch_size)
                    outcome = Outcome(outcome.id, prediction, self.task.to_records(prediction)[0])
                    bare += [] if len(prediction.labels) else [answer.input.name]
                except UnreadableImage as error:
                    outcome = Outcome(outcome.id, None, {}, error.detail)
            yield Answer(answer.input, outcome)
        if bare:
            some = ", ".join(bare[:_SHOWN]) + (", ..." if len(bare) > _SHOWN else "")
            say(f"{len(bare):,} images without a box have no object: {some}.")

    def _placed(self, item: Input, detected: Any, batch_size: int) -> Keypoints:
        """The points of all objects of an image, in its pixels."""
        wide, high = (detected.boxes[:, 2:] - detected.boxes[:, :2]).unbind(1)
        objects = detected.select((detected.scores >= self._least[detected.labels]) & (wide > 0) & (high > 0))
        tiles = object_crops(objects)
        span, pixels = self.settings.get("pixel_range"), item.pixels
        if span and isinstance(pixels, Files | Pages) and pixels.span is None:
            pixels = pixels.spanned((span[0], span[1]))
        crops = TilePixels(pixels, tiles)
        images = (Arrays(crops.read(k)[None]) for k in range(len(crops)))
        inputs = [Input(f"{item.id}@{k + 1}", item.name, image) for k, image in enumerate(images)]
        if not inputs:
            return _nothing(objects, Skeleton.from_json(self.settings["skeleton"]))
        answers = self._batch(inputs, batch_size)
        parts: list[Keypoints] = [answer.outcome.prediction for answer in answers]
        back = torch.eye(2, 3, dtype=torch.float64).repeat(len(parts), 1, 1)
        back[:, :, 2] = tiles.corner
        placed = Keypoints.cat(parts).turned(back, objects.sizes[tiles.owner])
        assert placed.scores is not None
        assert objects.scores is not None
        scored = replace(placed, boxes=objects.boxes, scores=placed.scores * objects.scores)
        return scored.reassign_images(tiles.owner, objects.sizes).sorted_by_score()


def _detector(path: Path, device: str) -> ModelPredictor:
    """The predictor of a run that finds boxes."""
    detector = ModelPredictor(path, device)
    kind = target_type(detector.task.card.prediction_type)
    if not issubclass(kind, Instances) or issubclass(kind, Keypoints):
        name = detector.task.card.name
        raise UsageError(f"--boxes {path} is of {name}, which finds no boxes. Name a run of detect.")
    return detector


def _nothing(objects: Instances, skeleton: Skeleton) -> Keypoints:
    """No object in an image, as in `objects`."""
    empty = torch.zeros(0, len(skeleton))
    return Keypoints(
        counts=objects.counts, sizes=objects.sizes, boxes=objects.boxes, labels=objects.labels,
        scores=objects.scores, points=empty[:, :, None].expand(0, len(skeleton), 2),
        visibility=empty.to(torch.int8),
        skeleton=skeleton, point_scores=empty,
    )  # fmt: skip
