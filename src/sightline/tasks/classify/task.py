"""Classification: metrics, baselines, mixup, calibration and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure, Finding, LinePlot, Matrix, PredictionGallery, Score, Table
from sightline.core.targets.label import ClassLabels
from sightline.core.task import Augment, Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.data.transforms.mix import cutmix, mixup
from sightline.data.transforms.steps import compose, random_choice
from sightline.metrics import intervals
from sightline.metrics.accuracy import Accuracy
from sightline.metrics.auroc import Auroc
from sightline.metrics.average_precision import AveragePrecision
from sightline.metrics.balanced_accuracy import BalancedAccuracy
from sightline.metrics.calibration import reliability, supported
from sightline.metrics.ece import Ece
from sightline.metrics.f1 import F1
from sightline.metrics.hamming import Hamming
from sightline.metrics.log_loss import LogLoss
from sightline.metrics.top_k import TopK
from sightline.runtime.targets import records
from sightline.tasks.classify import CARD
from sightline.tasks.classify._label_issues import FINDINGS, label_issues
from sightline.tasks.classify.baselines import baselines
from sightline.tasks.classify.options import ClassifyOptions

MAX_SHOWN = 12
"""Images in a gallery."""


class Classify(Task):
    """Image classification, single-label or multi-label."""

    card = CARD
    Options: ClassVar[type] = ClassifyOptions
    findings = FINDINGS

    @staticmethod
    def synthetic_dataset(n: int, size: int, seed: int) -> Dataset:
        """Grey squares: the class is which half is bright."""
        return tiny(CARD.target_type, n, size, seed)

    def metrics(self) -> Mapping[str, Metric]:
        """Accuracy first; metrics that are not defined for the data are left out."""
        chosen: list[Metric] = [Accuracy()]
        if self.info.multilabel:
            chosen += [Hamming(), F1("micro"), F1("macro"), F1("weighted")]
            chosen += [LogLoss(), Auroc(), AveragePrecision()]
        else:
            chosen += [BalancedAccuracy(), F1("macro"), F1("weighted")]
            chosen += [LogLoss(), Auroc(), AveragePrecision(), Ece()]
            if len(self.info.classes or ()) > 5:
                chosen.insert(2, TopK(5))
        return {m.card.name: m for m in chosen}

    def baselines(self) -> list[Baseline]:
        """Majority, and a linear model on small images."""
        return baselines(len(self.info.classes or ()))

    def augment(self, strength: str, standard: Augment | None, progress: float) -> Augment | None:
        """Standard augmentation, then mixup or CutMix if requested; with both, one of them at equal
        probability.
        """
        del strength, progress
        k, options = len(self.info.classes or ()), self.options
        mixes = [
            f(alpha, classes=k) for f, alpha in ((mixup, options.mixup), (cutmix, options.cutmix)) if alpha
        ]
        return compose(standard, random_choice(mixes))

    def calibrate(self, prediction: Any, target: Any) -> dict[str, Any]:
        """Temperature scaling on validation (Guo et al., ICML 2017)."""
        fitted, why = supported(prediction.scores.double().numpy(), target.value.numpy())
        return {"temperature": fitted, "calibration": why}

    def describe_targets(self, targets: Any) -> list[str]:
        """Names of the classes."""
        names = self.info.classes.names if self.info.classes else ()
        chosen = targets.class_presence(len(names)).tolist()
        return [
            ", ".join(name for name, is_there in zip(names, row, strict=True) if is_there) for row in chosen
        ]

    def to_records(self, prediction: Any) -> list[dict[str, Any]]:
        """label, confidence, and the probability of every class."""
        return records(prediction, self.info.classes.names if self.info.classes else ())

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Confusion matrix, per-class table, reliability diagram, most confident errors, right
        predictions.
        """
        if self.info.multilabel:
            return [self._per_class(prediction.value, target.value)]
        names = self.info.classes.names if self.info.classes else ()
        k = len(names)
        counts = np.zeros((k, k), dtype=int)
        np.add.at(counts, (target.value.numpy(), prediction.value.numpy()), 1)
        one_hot = [torch.nn.functional.one_hot(v, k).bool() for v in (prediction.value, target.value)]
        return [
            Matrix("Confusion matrix", names, counts.tolist(), "Rows: truth. Columns: prediction."),
            self._per_class(*one_hot),
            self._reliability(prediction, target),
            *self._galleries(prediction, target, ids, names),
        ]

    def label_issues(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Finding]:
        """Label issues by confident learning."""
        names = self.info.classes.names if self.info.classes else ()
        return label_issues(prediction, target, ids, names, settings.get("trained", ()))

    def _per_class(self, predicted: torch.Tensor, true: torch.Tensor) -> Table:
        """Precision, recall and F1 of each class, with exact intervals."""
        rows: list[list[Any]] = []
        for i, name in enumerate(self.info.classes.names if self.info.classes else ()):
            a, b = predicted[:, i].bool(), true[:, i].bool()
            hit, n_said, n_true = int((a & b).sum()), int(a.sum()), int(b.sum())
            rows.append([name, n_true, n_said, _share(hit, n_said), _share(hit, n_true),
                         2 * hit / (n_said + n_true) if n_said + n_true else float("nan")])  # fmt: skip
        columns = ["class", "images", "predicted", "precision", "recall", "F1"]
        return Table("Per class", columns, rows, "Precision and recall with exact 95 % intervals.")

    def _reliability(self, prediction: ClassLabels, target: ClassLabels) -> LinePlot:
        assert prediction.scores is not None
        points = reliability(prediction.scores.double().numpy(), target.value.numpy())
        share = {"share of images": [(p.confidence, p.count / len(target)) for p in points if p.count]}
        curve = [(p.confidence, p.accuracy) for p in points if p.count]
        return LinePlot("Reliability", "confidence", "accuracy", {"accuracy": curve, **share}, diagonal=True,
                     bars="share of images",
                     note="On the diagonal, a confidence of 80 % is right in 80 % of cases.")  # fmt: skip

    def _galleries(
        self, prediction: ClassLabels, target: ClassLabels, ids: list[str], names: Any
    ) -> list[Figure]:
        assert prediction.scores is not None
        sure = prediction.scores.max(1).values
        right = prediction.value == target.value
        items: list[Figure] = []
        for title, chosen in (("Most confident mistakes", ~right), ("Examples of right ones", right)):
            where = chosen.nonzero().flatten()
            if title.startswith("Most"):
                where = where[sure[where].argsort(descending=True, stable=True)][:MAX_SHOWN]
            else:
                where = where[torch.linspace(0, len(where) - 1, min(MAX_SHOWN, len(where))).long()]
            captions = [
                f"{names[int(prediction.value[i])]} {sure[i]:.0%}"
                + ("" if right[i] else f", is {names[int(target.value[i])]}")
                for i in where.tolist()
            ]
            note = "" if len(where) else "None on this split."
            items.append(PredictionGallery(title, [ids[i] for i in where.tolist()], captions, note))
        return items


def _share(hits: int, of: int) -> Any:
    if not of:
        return "-"
    low, high = intervals.exact(hits, of)
    return Score(hits / of, low, high, of, "exact binomial")


TASK = Classify
