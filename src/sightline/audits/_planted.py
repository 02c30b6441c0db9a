"""Cases with a planted trouble, or with none: what the checks of an audit are tested on.

Most are predictions alone, made so that a calibrated model of a given accuracy could have given them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sightline.audits._case import Case, Part
from sightline.core.card import ModelCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.model import Model
from sightline.core.targets.label import ClassLabels
from sightline.core.task import DataInfo
from sightline.data.io.pixels import Arrays
from sightline.tasks import task_type

Array = np.ndarray
CLASSES = ("ant", "bee", "wasp")
SIDE = 16


def probabilities(
    n: int, classes: int, rng: np.random.Generator, sharpness: float = 1.0
) -> tuple[Array, Array]:
    """(N, K) calibrated probabilities and (N,) classes drawn from them: about 85 % are right with a sharpness
    of 1, more with more."""
    logits = rng.normal(0, 3 * sharpness, (n, classes))
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return p, (p.cumsum(1) > rng.random((n, 1))).argmax(1)


def case_of(
    scores: Array, labels: Array, *, images: Array | None = None, columns: Mapping[str, Array] | None = None,
    **more: Any,
) -> Case:  # fmt: skip
    """A case of classification from probabilities and labels; `more` are fields of `Case`."""
    names = tuple(CLASSES[: scores.shape[1]])
    part = Part("val", dataset_of(labels, images, columns), predicted(scores))
    info = DataInfo(Classes(names), (), 3, (SIDE, SIDE), (0.5,) * 3, (0.25,) * 3, len(labels))
    kind = task_type("classify")
    settings: dict[str, Any] = {
        "classes": list(names),
        "size": [SIDE, SIDE],
        "channels": 3,
        "resize": "stretch",
    }
    settings |= {"mean": info.mean, "std": info.std}
    return Case(kind(info, kind.Options()), part, settings, **more)


def dataset_of(
    labels: Array,
    images: Array | None = None,
    columns: Mapping[str, Array] | None = None,
    prefix: str = "val",
) -> Dataset:
    """Images in memory with labels; black ones where none are given."""
    n = len(labels)
    pixels = np.zeros((n, 2, 2, 3), np.uint8) if images is None else images
    ids = [f"{prefix}/{i:04d}" for i in range(n)]
    target = ClassLabels(torch.from_numpy(labels.astype(np.int64)))
    return Dataset(
        "planted", "toy", ids, Arrays(pixels), target, Classes(CLASSES), columns=dict(columns or {})
    )


def predicted(scores: Array) -> ClassLabels:
    """Probabilities as a prediction."""
    tensor = torch.from_numpy(scores)
    return ClassLabels(tensor.argmax(1), tensor)


class Rule(Model):
    """A model that is a function of its images, for planted cases: (B, C, H, W) in [0, 1] to (B, K) logits.

    Args:
        settings: As of any model.
        rule: The function.
        features: From the same images to (B, D) features; None: the logits.
    """

    card: ClassVar[ModelCard] = ModelCard("rule", "A function of the images.", "")

    def __init__(
        self,
        settings: dict[str, Any],
        rule: Callable[[Tensor], Tensor],
        features: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(settings)
        self.rule = rule
        self.network = nn.Module()
        raw = features or rule
        self.network.features = lambda x: raw(x * self.std + self.mean)  # type: ignore[assignment]

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)}."""
        return {"logits": self.rule(images.float() / (255 if images.dtype == torch.uint8 else 1))}

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """Probabilities by softmax."""
        return {"scores": outputs["logits"].softmax(1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> ClassLabels:
        """The most probable class."""
        return ClassLabels(answer["scores"].argmax(1), answer["scores"])

    def backbone(self) -> nn.Module:
        """What has `features`."""
        return self.network


def with_model(
    images: Array,
    labels: Array,
    rule: Callable[[Tensor], Tensor],
    features: Callable[[Tensor], Tensor] | None = None,
    train: tuple[Array, Array] | None = None,
    **more: Any,
) -> Case:
    """A case whose predictions come from a function of the images.

    Args:
        images: (N, SIDE, SIDE, 3) uint8.
        labels: (N,).
        rule: See `Rule`.
        features: See `Rule`.
        train: Training images and their labels.
        more: Fields of `Case`.
    """
    k = len(CLASSES)
    case = case_of(np.full((len(labels), k), 1 / k), labels, images=images, **more)
    case.model = Rule(case.settings, rule, features).eval()
    case.part = Part("val", case.part.dataset, case.predict)
    if train is not None:
        case.train = Part("train", dataset_of(train[1], train[0], prefix="train"), case.predict)
    return case
