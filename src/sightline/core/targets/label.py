"""Class labels of images, single-label or multi-label: the target of classification."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Label:
    """Class labels of N images.

    Attributes:
        value: (N,) int64 class index in [0, K), or (N, K) bool where an image may have several.
        scores: (N, K) float in [0, 1], or None. For a prediction the probabilities; for a truth
            the soft targets that mixing two images makes.
    """

    value: Tensor
    scores: Tensor | None = None
    kind = "label"

    def __post_init__(self) -> None:
        if self.value.ndim not in (1, 2):
            raise ValueError(f"Label.value must be (N,) or (N, K). Received {tuple(self.value.shape)}.")
        if self.scores is not None and self.scores.shape[:1] != self.value.shape[:1]:
            raise ValueError(
                f"Label.scores must have {len(self.value)} rows. Received {tuple(self.scores.shape)}."
            )

    @property
    def says(self) -> str:
        """Description of each image's labels, for people."""
        return "several classes an image" if self.multi else "a class for each image"

    @property
    def multi(self) -> bool:
        """Whether an image may have several labels."""
        return self.value.ndim == 2

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: Any) -> Label:
        """The labels of some images: a slice, a list, an index tensor, a mask or one number."""
        if isinstance(index, int):
            index = [index]
        return Label(self.value[index], None if self.scores is None else self.scores[index])

    def to(self, device: torch.device | str) -> Label:
        """The same on another device."""
        return Label(self.value.to(device), None if self.scores is None else self.scores.to(device))

    @staticmethod
    def cat(parts: Sequence[Label]) -> Label:
        """All images of several batches, in order."""
        scores = [p.scores for p in parts if p.scores is not None]
        return Label(
            torch.cat([p.value for p in parts]), torch.cat(scores) if len(scores) == len(parts) else None
        )

    def packed(self) -> Label:
        """No change: nothing can be compressed."""
        return self

    def moved(self, places: Tensor, sizes: Tensor, least: float = 0.0) -> Label:
        """No change: a label belongs to the whole image."""
        del places, sizes, least
        return self

    def present(self, classes: int) -> Tensor:
        """(N, K) bool: which classes are in each image; labels outside [0, K) are in none."""
        if self.multi:
            return self.value
        return self.value[:, None] == torch.arange(classes, device=self.value.device)

    def renumbered(self, to: Tensor, classes: int) -> Label:
        """Map class i to to[i], of `classes` in all; soft targets are left out."""
        if not self.multi:
            return Label(to[self.value])
        value = torch.zeros(len(self), classes, dtype=torch.bool)
        value[:, to] = self.value
        return Label(value)

    def summary(self, classes: int) -> dict[str, Any]:
        """Statistics for `DataInfo`: images of each class."""
        return {"multi": self.multi, "counts": tuple(self.present(classes).sum(0).tolist())}

    def to_json(self) -> list[Any]:
        """One entry an image: {"value": index or [indices], "scores": [...]}; scores only if there."""
        rows = []
        for i in range(len(self)):
            value = self.value[i].nonzero().flatten().tolist() if self.multi else int(self.value[i])
            row: dict[str, Any] = {"value": value}
            if self.scores is not None:
                row["scores"] = self.scores[i].tolist()
            rows.append(row)
        return rows

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Label:
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
