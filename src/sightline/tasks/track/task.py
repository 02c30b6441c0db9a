"""Tracking: metrics, baselines and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure
from sightline.core.task import Augment, Baseline, Task
from sightline.metrics.clear import METRICS as CLEAR
from sightline.metrics.hota import METRICS as HOTA
from sightline.metrics.idf1 import Idf1
from sightline.runtime.targets import records
from sightline.tasks.track import CARD
from sightline.tasks.track._figures import figures
from sightline.tasks.track.baselines import baselines
from sightline.tasks.track.options import TrackTaskOptions
from sightline.tasks.track.synthetic import moving


class Track(Task):
    """Which detections of a sequence are the same object."""

    card = CARD
    Options: ClassVar[type] = TrackTaskOptions

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """Objects that move along rows of their own, with their boxes as detections."""
        return moving(n, size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        """HOTA first."""
        chosen: list[Metric] = [HOTA["hota"](), HOTA["deta"](), HOTA["assa"](), CLEAR["mota"](), Idf1()]
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """No association at all, and overlap without motion."""
        return baselines()

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """None: nothing is trained."""
        del strength, standard, progress
        return None

    def describe_targets(self, targets: Any) -> list[str]:
        """Number of objects and boxes."""
        return [f"{row['objects']} objects, {row['boxes']} boxes" for row in self.to_records(targets)]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        """Objects, boxes and frames of each sequence."""
        return records(prediction, self.info.classes.names if self.info.classes else ())

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Scores of each sequence between the floor and the ceiling of association."""
        del settings
        return figures(self.metrics(), prediction, target, ids)


TASK = Track
