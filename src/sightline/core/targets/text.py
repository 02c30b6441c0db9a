"""Captions of an image: the target of captioning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.targets.base import Index, Synthetic, Targets
from sightline.core.word_pieces import words_of

MAX_WORDS = 30_000
"""Words of the statistics, the commonest first."""


@dataclass(frozen=True)
class Captions(Targets):
    """Texts of N images: an annotation has one or several for each image, a prediction has one.

    Attributes:
        texts: The texts of each image.
        scores: (N,) float in [0, 1], how sure a prediction is: the mean probability of its word pieces. None
            for annotations.
        ended: (N,) bool, whether a prediction was ended by the model; False where it was cut off at the
            greatest length. None for annotations.
    """

    texts: tuple[tuple[str, ...], ...]
    scores: Tensor | None = None
    ended: Tensor | None = None
    kind = "text"
    needs = "captions"
    description = "captions"

    @property
    def mirrors(self) -> bool:
        """A mirrored image may have another caption: left becomes right."""
        return not any({"left", "right"} & set(words_of(text)) for row in self.texts for text in row)

    @property
    def mirror_reason(self) -> str:
        """What mirroring does to captions."""
        return "captions say left and right, which a mirrored image exchanges"

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: Index) -> Captions:
        """The captions of some images: a slice, a list, an index tensor, a mask or one number."""
        chosen = np.arange(len(self.texts))[[index] if isinstance(index, int) else _plain(index)].tolist()
        texts = tuple(self.texts[i] for i in chosen)
        return Captions(texts, *(None if v is None else v[chosen] for v in (self.scores, self.ended)))

    def to(self, device: torch.device | str) -> Captions:
        """The same on another device."""
        scores, ended = (None if v is None else v.to(device) for v in (self.scores, self.ended))
        return Captions(self.texts, scores, ended)

    @classmethod
    def cat(cls, parts: Sequence[Captions]) -> Captions:
        """All images of several batches, in order."""
        texts = tuple(row for part in parts for row in part.texts)
        return cls(texts, _joined([p.scores for p in parts]), _joined([p.ended for p in parts]))

    def scorable(self) -> Tensor:
        """(N,) bool: images with a caption that has a word."""
        return torch.tensor([any(map(words_of, row)) for row in self.texts], dtype=torch.bool)

    def summary(self, classes: int) -> dict[str, Any]:
        """Statistics for `DataInfo`: how often each word occurs, and how many words captions have."""
        del classes
        counts: Counter[str] = Counter()
        lengths = []
        for text in (text for row in self.texts for text in row):
            words = words_of(text)
            lengths.append(len(words))
            counts.update(words)
        some = sorted(counts, key=lambda word: (-counts[word], word))[:MAX_WORDS]
        usual = int(np.quantile(lengths, 0.99, method="higher")) if lengths else 0
        statistics = {
            "words": {word: counts[word] for word in some},
            "captions": len(lengths),
            "usual_length": usual,
            "longest": max(lengths, default=0),
        }
        return {"statistics": statistics}

    def differs(self, other: Captions) -> Tensor:
        """(N,) bool: images whose captions have other words."""
        rows = zip(self.texts, other.texts, strict=True)
        unlike = [[*map(words_of, a)] != [*map(words_of, b)] for a, b in rows]
        return torch.tensor(unlike, dtype=torch.bool)

    def likeness(self, prediction: Captions) -> Tensor:
        """(N,) share of the words that two captions have in common (Dice), whatever their order."""
        return torch.tensor([_common(a, b) for a, b in zip(self.texts, prediction.texts, strict=True)])

    def as_prediction(self, classes: int) -> Captions:
        """The first caption of each image, with full confidence."""
        del classes
        n = len(self)
        return Captions(tuple(row[:1] for row in self.texts), torch.ones(n), torch.ones(n, dtype=torch.bool))

    def as_target(self) -> Captions:
        """The same without scores."""
        return Captions(self.texts)

    def arrays(self, i: int) -> dict[str, Any]:
        """ "texts", "score" and "ended" of image i."""
        score, ended = (None if v is None else v[i].item() for v in (self.scores, self.ended))
        return {"texts": self.texts[i], "score": score, "ended": ended}

    @classmethod
    def synthetic(cls, n: int, size: int, seed: int) -> Synthetic:
        """A bright square in a quarter of the image; the caption says in which."""
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 60, (n, size, size, 1), dtype=np.uint8)
        texts = []
        for i, image in enumerate(images):
            low, right = (i // 2) % 2, i % 2
            image[low * size // 2 :][: size // 2, right * size // 2 :][:, : size // 2] += 150
            words = "bottom" if low else "top", "right" if right else "left"
            texts.append((f"a bright square at the {words[0]} {words[1]}",))
        return Synthetic(images, cls(tuple(texts)))

    def to_json(self) -> list[Any]:
        """One entry an image: {"texts": [...], "score": ..., "ended": ...}; the last two of predictions."""
        rows = []
        for i in range(len(self)):
            values = {"texts": list(self.texts[i]), **self.arrays(i)}
            rows.append({k: list(v) if k == "texts" else v for k, v in values.items() if v is not None})
        return rows

    @classmethod
    def from_json(cls, rows: Sequence[Any], classes: int = 0) -> Captions:
        """Inverse of `to_json`."""
        del classes
        scores = [row["score"] for row in rows if "score" in row]
        ended = [row["ended"] for row in rows if "ended" in row]
        return cls(
            tuple(tuple(row["texts"]) for row in rows),
            torch.tensor(scores) if scores else None,
            torch.tensor(ended, dtype=torch.bool) if ended else None,
        )


def _plain(index: Any) -> Any:
    return index.cpu().numpy() if isinstance(index, Tensor) else index


def _joined(parts: Sequence[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present) if present and len(present) == len(parts) else None


def _common(first: Sequence[str], second: Sequence[str]) -> float:
    a, b = (Counter(word for text in row for word in words_of(text)) for row in (first, second))
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 1.0


TARGET = Captions
