"""Class labels of images, single-label or multi-label: the target of classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sightline.core.targets.base import Index, Statement, Synthetic, Targets, rarest_class


@dataclass(frozen=True)
class ClassLabels(Targets):
    """Class labels of N images.

    Attributes:
        value: (N,) int64 class index in [0, K), or (N, K) bool where an image may have several.
        scores: (N, K) float in [0, 1], or None. For a prediction the probabilities; for a target
            the soft targets that mixing two images makes.
    """

    value: Tensor
    scores: Tensor | None = None
    kind = "label"
    needs = "a class for each image"

    def __post_init__(self) -> None:
        if self.value.ndim not in (1, 2):
            raise ValueError(f"Label.value must be (N,) or (N, K). Received {tuple(self.value.shape)}.")
        if self.scores is not None and self.scores.shape[:1] != self.value.shape[:1]:
            raise ValueError(
                f"Label.scores must have {len(self.value)} rows. Received {tuple(self.scores.shape)}."
            )

    @property
    def description(self) -> str:
        """Description of each image's labels, for people."""
        return "several classes an image" if self.multilabel else "a class for each image"

    @property
    def exclusive(self) -> bool:
        """Whether each image has exactly one class."""
        return not self.multilabel

    @property
    def multilabel(self) -> bool:
        """Whether an image may have several labels."""
        return self.value.ndim == 2

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Index) -> ClassLabels:
        """The labels of some images: a slice, a list, an index tensor, a mask or one number."""
        if isinstance(index, int):
            index = [index]
        return ClassLabels(self.value[index], None if self.scores is None else self.scores[index])

    def to(self, device: torch.device | str) -> ClassLabels:
        """The same on another device."""
        return ClassLabels(self.value.to(device), None if self.scores is None else self.scores.to(device))

    @classmethod
    def cat(cls, parts: Sequence[ClassLabels]) -> ClassLabels:
        """All images of several batches, in order."""
        scores = [p.scores for p in parts if p.scores is not None]
        return ClassLabels(
            torch.cat([p.value for p in parts]), torch.cat(scores) if len(scores) == len(parts) else None
        )

    def mix(self, other: Tensor, share: Tensor, classes: int) -> ClassLabels:
        """The labels with soft targets in `scores`; `value` stays that of the first image."""
        scores = self.scores
        if scores is None:
            scores = self.value.float() if self.multilabel else F.one_hot(self.value, classes).float()
        return ClassLabels(self.value, torch.lerp(scores[other], scores, share[:, None]))

    def class_presence(self, classes: int) -> Tensor:
        """(N, K) bool: which classes are in each image; labels outside [0, K) are in none."""
        if self.multilabel:
            return self.value
        return self.value[:, None] == torch.arange(classes, device=self.value.device)

    def map_classes(self, to: Tensor, classes: int) -> ClassLabels:
        """Map class i to to[i], of `classes` in all; soft targets are left out."""
        if not self.multilabel:
            return ClassLabels(to[self.value])
        value = torch.zeros(len(self), classes, dtype=torch.bool)
        value[:, to] = self.value
        return ClassLabels(value)

    def summary(self, classes: int) -> dict[str, Any]:
        """Statistics for `DataInfo`: images of each class."""
        return {
            "multilabel": self.multilabel,
            "class_counts": tuple(self.class_presence(classes).sum(0).tolist()),
        }

    def stratify_labels(self) -> NDArray[np.int64]:
        """(N,) class; for several labels its rarest one, or -1."""
        return rarest_class(self.value) if self.multilabel else np.asarray(self.value.numpy())

    def differs(self, other: ClassLabels) -> Tensor:
        """(N,) bool: which images have another class, or other classes."""
        return (self.value != other.value).view(len(self), -1).any(1)

    def statements(self) -> list[Statement]:
        """Each class, the most probable first; of several labels those that are given come first."""
        scores = (
            self.class_presence(int(self.value.max()) + 1)[0].float()
            if self.scores is None
            else self.scores[0]
        )
        ranked = (scores + self.value[0].float() if self.multilabel else scores).argsort(descending=True)
        width = len(scores)
        return [
            Statement(ClassLabels(F.one_hot(k, width).bool()[None] if self.multilabel else k[None]), int(k),
                      float(scores[k]))
            for k in ranked
        ]  # fmt: skip

    def likeness(self, prediction: ClassLabels) -> Tensor:
        """(N,) the probability of the class; of several classes the mean of theirs."""
        if prediction.scores is None:
            return (~self.differs(prediction)).float()
        wanted = self.class_presence(prediction.scores.shape[1]).float()
        return (prediction.scores * wanted).sum(1) / wanted.sum(1).clamp(min=1)

    def evidence(self, outputs: dict[str, Tensor]) -> Tensor:
        """(N,) the logit of the class; of several classes the sum of theirs."""
        logits = outputs["logits"] if "logits" in outputs else outputs["scores"].logit(eps=1e-6)
        return (logits * self.class_presence(logits.shape[1])).sum(1)

    def as_prediction(self, classes: int) -> ClassLabels:
        """The same with probabilities of 1 and 0."""
        return ClassLabels(self.value, self.class_presence(classes).double())

    def as_target(self) -> ClassLabels:
        """The same without probabilities."""
        return ClassLabels(self.value)

    def arrays(self, i: int) -> dict[str, Any]:
        """ "value" and "scores" of image i."""
        value = self.value[i].numpy() if self.multilabel else int(self.value[i])
        return {"value": value, "scores": None if self.scores is None else self.scores[i].numpy()}

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """Gray squares: the class is which half is bright."""
        rng, value = np.random.default_rng(seed), np.arange(n) % 2
        images = rng.integers(0, 60, (n, size, size, 1), dtype=np.uint8)
        for image, label in zip(images, value, strict=True):
            image[slice(size // 2, size) if label else slice(0, size // 2)] += 150
        return Synthetic(images, cls(torch.from_numpy(value)), ("top", "bottom"))

    def to_json(self) -> list[Any]:
        """One entry an image: {"value": index or [indices], "scores": [...]}; scores only if there."""
        rows = []
        for i in range(len(self)):
            value = self.value[i].nonzero().flatten().tolist() if self.multilabel else int(self.value[i])
            row: dict[str, Any] = {"value": value}
            if self.scores is not None:
                row["scores"] = self.scores[i].tolist()
            rows.append(row)
        return rows

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> ClassLabels:
        """Inverse of `to_json`.

        Args:
            rows: What `to_json` gave.
            classes: Number of classes; needed for multi-label rows.
        """
        if rows and isinstance(rows[0]["value"], list):
            value = torch.zeros(len(rows), classes, dtype=torch.bool)
            for i, row in enumerate(rows):
                value[i, row["value"]] = True
        else:
            value = torch.tensor([r["value"] for r in rows], dtype=torch.int64)
        has_scores = bool(rows) and "scores" in rows[0]
        return cls(value, torch.tensor([r["scores"] for r in rows]) if has_scores else None)


TARGET = ClassLabels
