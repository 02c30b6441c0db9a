"""Keypoints: metrics, baselines and report items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch

from sightline.core.dataset import Dataset
from sightline.core.metric import Evaluation, Metric
from sightline.core.report import Figure, Finding
from sightline.core.skeleton import Skeleton
from sightline.core.targets.base import Targets
from sightline.core.targets.keypoints import Keypoints
from sightline.core.task import Augment, Baseline, DataInfo, Task
from sightline.data.one_class import in_one_class
from sightline.data.synthetic.tiny import tiny
from sightline.data.transforms.mosaic import mosaic
from sightline.data.transforms.steps import compose, random_affine
from sightline.errors import DataError, UsageError
from sightline.metrics.detections import best_thresholds
from sightline.metrics.functional.keypoints import named_pairs
from sightline.metrics.oks import OksPrecision, OksRecall
from sightline.metrics.pck import Pck
from sightline.metrics.point_error import MedianPointError, Nme, PointError, PointRmse
from sightline.runtime.targets import records
from sightline.tasks.keypoints import CARD
from sightline.tasks.keypoints._figures import figures
from sightline.tasks.keypoints._label_issues import FINDINGS, label_issues
from sightline.tasks.keypoints._objects import ORACLE, one_item_each, whole_images
from sightline.tasks.keypoints.baselines import baselines
from sightline.tasks.keypoints.options import KeypointOptions

TURNS = {"light": 5.0, "standard": 15.0, "strong": 30.0}
"""Degrees by which training images are rotated at most either way."""
LENGTHS = ("auto", "torso", "head", "box")
THRESHOLD = 0.25
"""Confidence from which objects are shown where none was chosen on validation."""


class KeypointTask(Task):
    """Keypoints of one object in each image or crop, or of all objects of whole images."""

    card = CARD
    Options: ClassVar[type] = KeypointOptions
    findings = FINDINGS

    def __init__(self, info: DataInfo, options: KeypointOptions) -> None:
        super().__init__(info, options)
        self.skeleton = Skeleton.from_json(info.statistics["skeleton"])
        self.whole = bool(info.statistics.get("whole"))
        self.several = self.whole and info.statistics.get("most_objects", 0) > 1
        if self.several:  # NME says nothing of objects that were not found
            self.card = replace(CARD, primary_metric=OksPrecision().card.name)
        reference = options.reference
        if reference in ("torso", "head") or "/" in reference:
            if not named_pairs(self.skeleton, reference):
                raise UsageError(
                    f"--reference {reference}: the points are {', '.join(self.skeleton.names)}. Name two of "
                    "them, NAME/NAME, or take box."
                )
        elif reference not in LENGTHS:
            raise UsageError(f"--reference is {', '.join(LENGTHS)} or NAME/NAME. Received {reference}.")

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """A figure with two arms, in images of four times the size."""
        return tiny(CARD.target_type, n, 4 * size, seed)

    @staticmethod
    def recast(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
        """The data as a model of whole images reads them (`whole_images`); for others the data as they are,
        or one item for each object; see `KeypointOptions.crop`.

        For those others objects of several classes count as those of one: they place points and tell no
        classes.

        Raises:
            DataError: If an image has several objects and is to be shown whole, or no object can be cut out.
            UsageError: If objects are to be cut out for a model of whole images.
        """
        if settings.get("reads") == "images":
            if settings.get("crop") == "box":
                raise UsageError(
                    "--crop box cuts each object out, and the model reads whole images. Leave it out, or "
                    "name another --model."
                )
            return whole_images(dataset)
        shown = {"box": "objects", "image": "images"}.get(settings.get("crop", ""), settings.get("items"))
        if settings.get("merged", dataset.classes is not None and len(dataset.classes) > 1):
            dataset = in_one_class(dataset)
        targets = dataset.targets_as(Keypoints)
        several = (targets.counts > 1).nonzero().flatten().tolist()
        if shown == "objects" or (shown is None and several):
            return one_item_each(dataset)
        if several:
            raise DataError(
                f"{dataset.name}: {len(several)} of {len(dataset)} images hold several objects "
                f"({dataset.ids[several[0]]} has {int(targets.counts[several[0]])}), and a model of whole "
                "images places the points of one object in each. Train with --model yolo-n, which finds all "
                "of them, or with --crop box, which cuts each object out by its box; or leave these images "
                "out."
            )
        return dataset

    def caveats(self) -> list[str]:
        """That the boxes are given, where the model is shown crops."""
        return [ORACLE] if self.info.statistics.get("items") == "objects" else []

    def metrics(self) -> Mapping[str, Metric]:
        """NME first, since PCK has no room above 100 %, but OKS AP first where an image has several objects
        that must be found; PCKh where the points of the head are named.
        """
        reference = self.options.reference
        chosen: list[Metric] = [Nme(), Pck(0.2, reference), Pck(0.1, reference)]
        if named_pairs(self.skeleton, "head") and reference != "head":
            chosen.append(Pck(0.5, "head"))
        chosen += [PointError(), MedianPointError(), PointRmse()]
        by_oks: list[Metric] = [OksPrecision(), OksPrecision(0.5), OksPrecision(0.75), OksRecall()]
        chosen = [*by_oks, *chosen] if self.several else [*chosen, *by_oks]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """Mean pose, nearest training image, and for one object in each image a linear model."""
        return baselines(self.skeleton, self.several)

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """Rotation and changes of size, then the standard augmentation. Of whole images in place of the
        former mosaic until near the end, since the box around a rotated box is larger than its object.
        """
        options = self.options
        if self.whole:
            share = options.mosaic if standard and progress < options.mosaic_until else 0.0
            return compose(mosaic(share) if share else None, standard)
        turn = random_affine(TURNS[strength], 0.1, 0.05) if strength in TURNS else None
        return compose(turn, standard)

    def calibrate(self, prediction: Any, target: Any) -> dict[str, Any]:
        """For whole images the score threshold of each class with the best F1 of boxes on validation, for
        display.
        """
        if not self.whole:
            return {}
        fitted = best_thresholds(Evaluation(prediction, target), len(self._names), THRESHOLD)
        return {"thresholds": [round(t, 4) for t in fitted]}

    def describe_targets(self, targets: Any) -> list[str]:
        """How many points of each image are labeled."""
        labeled = [(targets[i].visibility > 0).sum().item() for i in range(len(targets))]
        return [f"{n} points" for n in labeled]

    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """x, y and score of each point."""
        return records(prediction, self._names)

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Errors of each point, PCK curve, left and right, the worst images; of whole images those of objects
        from the score threshold on.
        """
        return figures(self._shown(prediction, settings), target, ids, self.options.reference)

    def label_issues(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Finding]:
        """Label issues: left and right that are probably exchanged, and points at a wrong place."""
        return label_issues(self._shown(prediction, settings), target, ids, settings["trained"])

    def _shown(self, prediction: Any, settings: Mapping[str, Any]) -> Any:
        """Of whole images the objects from the score threshold on; else all."""
        if not self.whole or prediction.scores is None:
            return prediction
        least = torch.tensor(settings.get("thresholds", [THRESHOLD] * len(self._names)))
        return prediction.select(prediction.scores >= least[prediction.labels])

    @property
    def _names(self) -> tuple[str, ...]:
        return self.info.classes.names if self.info.classes else ()


TASK = KeypointTask
