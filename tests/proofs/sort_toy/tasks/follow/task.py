"""The task: identities are scored over whole sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import linear_sum_assignment
from sightline.tasks.follow import CARD
from torchvision.ops import box_iou

from sightline.core.card import MetricCard
from sightline.core.dataset import Dataset
from sightline.core.metric import Metric, Statistics
from sightline.core.targets.tracks import Tracks
from sightline.core.task import Task
from sightline.runtime.targets import records


class Idf1(Metric):
    """F1 of boxes under the best one-to-one assignment of identities in each sequence.

    Source: Ristani et al., Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking,
    ECCV Workshops 2016.
    """

    card = MetricCard(
        "IDF1", "F1 of boxes of the right identity", True, 1.0, ("tracks",), percent=True, unit="sequence"
    )

    def sample_statistics(self, prediction: Any, target: Any) -> Statistics:
        hits = [_hits(prediction[i], target[i]) for i in range(len(target))]
        return {"hits": np.array(hits), "boxes": (prediction.counts + target.counts).numpy()}

    def compute_from(self, stats: Statistics, weights: np.ndarray | None = None) -> float:
        weights = np.ones(len(stats["hits"])) if weights is None else weights
        boxes = float(weights @ stats["boxes"])
        return 2 * float(weights @ stats["hits"]) / boxes if boxes else float("nan")


def _hits(predicted: Tracks, annotated: Tracks) -> int:
    """Boxes that agree (IoU at least 0.5) under the best assignment of identities."""
    agree = box_iou(predicted.boxes, annotated.boxes) >= 0.5
    agree &= predicted.frames[:, None] == annotated.frames
    ours, i = predicted.ids.unique(return_inverse=True)
    theirs, j = annotated.ids.unique(return_inverse=True)
    counts = np.zeros((len(ours), len(theirs)), dtype=int)
    a, b = agree.nonzero().T.numpy()
    np.add.at(counts, (i.numpy()[a], j.numpy()[b]), 1)
    return int(counts[linear_sum_assignment(counts, maximize=True)].sum())


@dataclass(frozen=True)
class Options:
    """Settings of tracking.

    Args:
        motion: Whether objects are expected to go on as they went.
    """

    motion: bool = True


class Follow(Task):
    """Objects in a clip."""

    card = CARD
    Options: ClassVar[type] = Options

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        from sightline.data.formats.moving import moving

        return moving(n, size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        return {"IDF1": Idf1()}

    def describe_targets(self, targets: Any) -> list[str]:
        return [f"{row['objects']} objects" for row in self.to_records(targets)]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        return records(prediction, ())


TASK = Follow
