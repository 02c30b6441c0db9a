"""Detection: metrics, baselines, mosaic, score threshold and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.metric import Metric
from sightline.core.report import Exhibit, Finding
from sightline.core.targets.instances import Instances
from sightline.core.task import Augment, Baseline, Task
from sightline.data.io.pixels import Arrays
from sightline.data.transforms.mosaic import blended, mosaic, rescaled
from sightline.data.transforms.steps import chain
from sightline.metrics.ap import Ap
from sightline.metrics.ap50 import Ap50
from sightline.metrics.ap75 import Ap75
from sightline.metrics.ap_large import ApLarge
from sightline.metrics.ap_medium import ApMedium
from sightline.metrics.ap_small import ApSmall
from sightline.metrics.ar100 import Ar100
from sightline.metrics.detections import best_thresholds
from sightline.metrics.voc_ap import VocAp
from sightline.ops.objects import rarest
from sightline.runtime import rows
from sightline.tasks.detect import CARD
from sightline.tasks.detect._doubts import FINDINGS, doubts
from sightline.tasks.detect._exhibits import exhibits
from sightline.tasks.detect.baselines import baselines
from sightline.tasks.detect.options import Options

STRIDE = 32
"""What input sides are multiples of."""
THRESHOLD = 0.25
"""Confidence from which boxes are shown where none was chosen on validation."""


class Detect(Task):
    """What is where in an image: a box, a class and a confidence for each object."""

    card = CARD
    Options: ClassVar[type] = Options
    findings = FINDINGS

    @staticmethod
    def toy(n: int, size: int, seed: int) -> Dataset:
        """Bright squares and bars on a dark ground, in pictures of six times the size."""
        rng, side = np.random.default_rng(seed), 6 * size
        images = rng.integers(0, 60, (n, side, side, 3), dtype=np.uint8)
        boxes, labels = [], np.arange(n) % 2
        for image, label in zip(images, labels, strict=True):
            h = side // 3
            w = h if label == 0 else h // 2
            y, x = int(rng.integers(0, side - h)), int(rng.integers(0, side - w))
            image[y : y + h, x : x + w] += 150
            boxes.append([x, y, x + w, y + h])
        truth = Instances(torch.ones(n, dtype=torch.int64), torch.full((n, 2), side),
                          torch.tensor(boxes).float(), torch.from_numpy(labels))  # fmt: skip
        ids = [f"toy/{i:03d}" for i in range(n)]
        return Dataset("toy", "toy", ids, Arrays(images), truth, Classes(("square", "bar")))

    def metrics(self) -> Mapping[str, Metric]:
        """COCO's AP first."""
        chosen: list[Metric] = [Ap(), Ap50(), Ap75(), ApSmall(), ApMedium(), ApLarge(), Ar100(), VocAp()]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """The commonest box, and sliding windows."""
        return baselines(len(self._names))

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """Mosaics until near the end, the standard changes, and another size for each batch."""
        options = self.options
        if standard is None:
            return None
        four = mosaic(options.mosaic) if options.mosaic and progress < options.mosaic_until else None
        mixup = blended(options.mixup) if options.mixup and progress < options.mosaic_until else None
        other = rescaled(options.multiscale, STRIDE) if options.multiscale else None
        return chain(four, standard, mixup, other)

    def calibrate(self, prediction: Any, truth: Any) -> dict[str, Any]:
        """For each class the confidence at which F1 is best on validation: people are shown these boxes."""
        fitted = best_thresholds(prediction, truth, len(self._names), THRESHOLD)
        return {"thresholds": [round(t, 4) for t in fitted]}

    @staticmethod
    def strata(targets: Any) -> np.ndarray | None:
        """The rarest class in each image; images without objects are a class of their own."""
        return rarest(targets)

    def captions(self, targets: Any) -> list[str]:
        """How many of each class."""
        return [row["found"] for row in self.rows(targets)]

    def rows(self, prediction: Any) -> list[dict[str, Any]]:
        """Number of objects, how many of each class, and the highest confidence."""
        scores = None if prediction.scores is None else prediction.scores.tolist()
        counts, labels = prediction.counts.tolist(), prediction.labels.tolist()
        return rows.objects_each(self._names, counts, labels, scores)

    def exhibits(
        self, prediction: Any, truth: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Exhibit]:
        """Curves, confusions, kinds of errors with their price, and the worst images."""
        return exhibits(prediction, truth, ids, self._names, self._thresholds(settings))

    def doubts(
        self, prediction: Any, truth: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Finding]:
        """Boxes that are probably missing, of a wrong class, or around nothing."""
        return doubts(prediction, truth, ids, self._names, self._thresholds(settings))

    @property
    def _names(self) -> tuple[str, ...]:
        return self.info.classes.names if self.info.classes else ()

    def _thresholds(self, settings: Mapping[str, Any]) -> list[float]:
        """Of each class, as chosen on validation."""
        thresholds: list[float] = settings.get("thresholds", [THRESHOLD] * len(self._names))
        return thresholds


TASK = Detect
