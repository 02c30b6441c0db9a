"""Embedding: metrics, baselines, the threshold, report items, identities that look wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure, Finding
from sightline.core.targets.base import Targets
from sightline.core.targets.label import ClassLabels
from sightline.core.task import Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.errors import DataError
from sightline.metrics.functional.accept_threshold import fit_threshold
from sightline.runtime.targets import records
from sightline.tasks.embed import CARD, _figures, _identities, _scores
from sightline.tasks.embed.baselines import baselines
from sightline.tasks.embed.options import EmbedOptions


class Embed(Task):
    """Vectors in which images of one identity lie close."""

    card = CARD
    Options: ClassVar[type] = EmbedOptions
    findings = _identities.FINDINGS

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """Grey squares: the identity is which half is bright."""
        return tiny(CARD.target_type, n, size, seed)

    @staticmethod
    def recast(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
        """The classes are identities: no part of a split shares one with another.

        Raises:
            DataError: If an image has several.
        """
        del settings
        targets = dataset.targets_as(ClassLabels)
        if targets.multilabel or dataset.classes is None:
            raise DataError(
                f"{dataset.name} has {targets.description}; embedding needs one identity for each image. "
                "Name "
                "the column of the identity with --target."
            )
        names = np.array(dataset.classes.names, dtype=object)
        note = f"The {len(names)} classes are identities; each is in one part of the split only (open-set)."
        return replace(dataset, groups=names[targets.value.numpy()], messages=(*dataset.messages, note))

    @staticmethod
    def stratify_labels(targets: Targets) -> np.ndarray | None:
        """None: no identity is in every part."""
        del targets
        return None

    def metrics(self) -> Mapping[str, Metric]:
        """True accepts at the rate of false accepts that was asked for; EER, AUC; scores of search."""
        return _scores.metrics(self.options.far)

    def baselines(self) -> list[Baseline]:
        """Chance, pixels, eigenfaces, gradients, features of the installed network."""
        return baselines()

    def caveats(self) -> list[str]:
        """How the scores were made."""
        return [
            "Protocol: open-set. All pairs of test images; no identity of the test is in training or "
            "validation. "
            f"TAR@FAR is at a false accept rate of {self.options.far:.3g}, which the test pairs "
            "themselves set; "
            "at the threshold of validation the rate is another, see the table. Intervals count identities."
        ]

    def calibrate(self, prediction: Any, target: Any) -> dict[str, Any]:
        """The threshold, on the pairs of the validation identities."""
        fitted = fit_threshold(prediction, target, self.options.far)
        return {"threshold": fitted.cosine, "calibration": fitted.text}

    def describe_targets(self, targets: Any) -> list[str]:
        """Names of the identities."""
        names = self.info.classes.names if self.info.classes else ()
        return [names[k] if 0 <= k < len(names) else str(k) for k in targets.value.tolist()]

    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """A column for each number of the vector."""
        return records(prediction, ())

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Scores of pairs, the ROC curve, what the threshold does, the worst pairs."""
        return _figures.figures(prediction, target, ids, settings, self.options.far)

    def label_issues(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Finding]:
        """Identities that look like one, and images that look like none of their identity."""
        return _identities.issues(prediction, target, ids, settings)


TASK = Embed
