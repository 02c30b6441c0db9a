"""Classification: metrics, baselines, mixup, calibration and report items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.report import Figure, Finding
from sightline.core.targets.base import Targets
from sightline.core.task import Augment, Baseline, Task
from sightline.data.synthetic.tiny import tiny
from sightline.data.transforms.mix import cutmix, mixup
from sightline.data.transforms.steps import compose, random_choice
from sightline.metrics.accuracy import Accuracy
from sightline.metrics.auroc import Auroc
from sightline.metrics.average_precision import AveragePrecision
from sightline.metrics.balanced_accuracy import BalancedAccuracy
from sightline.metrics.calibration import supported
from sightline.metrics.ece import Ece
from sightline.metrics.f1 import F1
from sightline.metrics.functional.confident_learning import FINDINGS, label_issues
from sightline.metrics.hamming import Hamming
from sightline.metrics.log_loss import LogLoss
from sightline.metrics.top_k import TopK
from sightline.report import label_figures
from sightline.runtime.targets import records
from sightline.tasks.classify import CARD
from sightline.tasks.classify.baselines import baselines
from sightline.tasks.classify.options import ClassifyOptions


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

    def to_records(self, prediction: Targets) -> list[dict[str, Any]]:
        """label, confidence, and the probability of every class."""
        return records(prediction, self.info.classes.names if self.info.classes else ())

    def figures(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Figure]:
        """Confusion matrix, per-class table, reliability diagram, most confident errors, right
        predictions.
        """
        names = self.info.classes.names if self.info.classes else ()
        if self.info.multilabel:
            return [label_figures.per_class(names, prediction.value, target.value)]
        return label_figures.figures(names, prediction, target, ids)

    def label_issues(
        self, prediction: Any, target: Any, ids: list[str], settings: Mapping[str, Any]
    ) -> list[Finding]:
        """Label issues by confident learning."""
        names = self.info.classes.names if self.info.classes else ()
        return label_issues(prediction, target, ids, names, settings.get("trained", ()))


TASK = Classify
