"""Captions: metrics, baselines and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure
from sightline.core.targets.base import Targets
from sightline.core.task import Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.metrics.bleu import Bleu
from sightline.metrics.cider import Cider
from sightline.metrics.exact_match import ExactMatch
from sightline.metrics.rouge_l import RougeL
from sightline.runtime.targets import records
from sightline.tasks.caption import CARD
from sightline.tasks.caption._figures import figures
from sightline.tasks.caption.baselines import baselines
from sightline.tasks.caption.options import CaptionOptions


class CaptionTask(Task):
    """A sentence about each image."""

    card = CARD
    Options: ClassVar[type] = CaptionOptions

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """A bright square in a quarter of the image, in images of twice the size."""
        return tiny(CARD.target_type, n, 2 * size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        """CIDEr first: BLEU-1 of one sentence for all images comes near that of a person."""
        chosen: list[Metric] = [Cider(), *(Bleu(order) for order in (1, 2, 3, 4)), RougeL(), ExactMatch()]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """One sentence for all images, and captions of the nearest training images."""
        return baselines()

    def describe_targets(self, targets: Any) -> list[str]:
        """The first caption of each image."""
        return [row[0] if row else "" for row in targets.texts]

    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """caption, confidence, and whether it was ended."""
        return records(prediction, ())

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """What the captions are like, and the best, the worst and a sample of the images."""
        del settings
        return figures(prediction, target, ids, self.info.statistics.get("words", {}))


TASK = CaptionTask
