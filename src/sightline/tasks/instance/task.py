"""Instance segmentation: metrics, baselines, mosaic, score threshold and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.metric import Metric
from sightline.core.report import Exhibit
from sightline.core.targets.bitmaps import Bitmaps
from sightline.core.targets.outlines import Outlines
from sightline.core.task import Augment, Baseline, Task
from sightline.data.io.pixels import Arrays
from sightline.data.transforms.mosaic import mosaic, rescaled
from sightline.data.transforms.steps import chain
from sightline.metrics.aji import Aji
from sightline.metrics.ap import Ap
from sightline.metrics.cell_ap import CellAp
from sightline.metrics.detections import best_thresholds
from sightline.metrics.functional.masks import by_masks
from sightline.metrics.mask_ap import MaskAp
from sightline.metrics.mask_ap50 import MaskAp50
from sightline.metrics.mask_ap75 import MaskAp75
from sightline.metrics.object_f1 import ObjectF1
from sightline.metrics.panoptic import PanopticQuality
from sightline.ops.objects import rarest
from sightline.runtime import rows
from sightline.tasks.instance import CARD
from sightline.tasks.instance._exhibits import exhibits
from sightline.tasks.instance.baselines import baselines
from sightline.tasks.instance.options import Options

STRIDE = 32
"""What input sides are multiples of."""
THRESHOLD = 0.25
"""Confidence from which objects are shown where none was chosen on validation."""


class Instance(Task):
    """Which objects are in an image: the pixels, the class and a confidence of each."""

    card = CARD
    Options: ClassVar[type] = Options

    @property
    def _names(self) -> tuple[str, ...]:
        return self.info.classes.names if self.info.classes else ()

    @staticmethod
    def toy(n: int, size: int, seed: int) -> Dataset:
        """A bright square and a bright disc on a dark ground, in pictures of six times the size."""
        rng, side = np.random.default_rng(seed), 6 * size
        images = rng.integers(0, 60, (n, side, side, 3), dtype=np.uint8)
        rows, columns = np.mgrid[0:side, 0:side]
        masks, labels = [], []
        for image in images:
            length = side // 3
            for k, left in enumerate(rng.permutation([0, side // 2]).tolist()):
                y, x = int(rng.integers(0, side - length)), left + int(rng.integers(0, side // 2 - length))
                inside = (rows >= y) & (rows < y + length) & (columns >= x) & (columns < x + length)
                if k:
                    inside &= (rows - y - length / 2) ** 2 + (columns - x - length / 2) ** 2 < (
                        length / 2
                    ) ** 2
                image[inside] += 150
                masks.append(inside)
                labels.append(k)
        truth = Outlines.of(
            torch.full((n, 2), side), torch.full((n,), 2), Bitmaps.of(masks), torch.tensor(labels)
        )
        ids = [f"toy/{i:03d}" for i in range(n)]
        return Dataset("toy", "toy", ids, Arrays(images), truth, Classes(("square", "disc")))

    def metrics(self) -> Mapping[str, Metric]:
        """COCO's AP of masks first."""
        chosen: list[Metric] = [
            MaskAp(), MaskAp50(), MaskAp75(), Ap(), CellAp(), ObjectF1(), PanopticQuality(), Aji(),
        ]  # fmt: skip
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """The commonest object, and a watershed."""
        return baselines(len(self._names))

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """Mosaics until near the end, the standard changes, and another size for each batch."""
        options = self.options
        if standard is None:
            return None
        four = mosaic(options.mosaic) if options.mosaic and progress < options.mosaic_until else None
        other = rescaled(options.multiscale, STRIDE) if options.multiscale else None
        return chain(four, standard, other)

    def calibrate(self, prediction: Any, truth: Any) -> dict[str, Any]:
        """For each class the confidence at which F1 is best on validation; it becomes 0.5, from which on
        objects are shown and counted."""
        thresholds = best_thresholds(prediction, truth, len(self._names), THRESHOLD, by_masks)
        return {"cuts": [round(t, 4) for t in thresholds], "thresholds": [0.5] * len(thresholds)}

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
        """Scores a class, kinds of mistakes, and the worst images."""
        thresholds = settings.get("thresholds", [THRESHOLD] * len(self._names))
        return exhibits(prediction, truth, ids, self._names, thresholds)


TASK = Instance
