"""Tests of explanations on the user's own model: mosaics, random weights, another class."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.dataset import Dataset
from sightline.core.model import Model
from sightline.core.report import Score
from sightline.core.targets.base import Targets
from sightline.core.targets.label import ClassLabels
from sightline.explanation.fills import rank_correlation
from sightline.explanation.source import Source
from sightline.explanation.subject import Subject, untouched

CHANCE = 0.25
"""Share of a map in the right quarter of a mosaic that a map of nothing has."""
ALIKE = 0.8
"""Rank correlation with the map of random weights, or of another class, from which on a test is failed."""
MOSAICS = {"quick": 12, "full": 50}
MAPS = {"quick": 4, "full": 12}
"""Validation images whose maps are compared with those of random weights."""
BATCH_NORM_IMAGES = 64
"""Images from which batch norms of random weights take their statistics."""

Run = Callable[[Subject, Tensor, Targets, torch.Generator], Tensor]


@dataclass(frozen=True)
class Trial:
    """Result of one test.

    Attributes:
        name: What was tested.
        result: In words.
        passed: False where the explanation failed it; None where it was not measured.
        value: The number behind it, or nan.
    """

    name: str
    result: str
    passed: bool | None
    value: float = float("nan")


def mosaics(subject: Subject, source: Source, run: Run, extent: str, seed: int = 0) -> Trial:
    """Share of the map in the one quarter of a mosaic of four validation images that shows the class; the
    others are of other classes (idea: Arias-Duart et al., Focus!, 2022)."""
    name = "mosaics: share of the map in the right quarter"
    part = _validation(source)
    if isinstance(part, str):
        return Trial(name, f"not measured: {part}", None)
    if not isinstance(part.targets, ClassLabels) or not part.targets.exclusive:
        return Trial(name, "not measured: it needs one class for each image", None)
    if subject.predict(source.view(part, 0)[None]).kind != ClassLabels.kind:
        return Trial(name, "not measured: the model gives no class", None)
    labels = part.targets.value.numpy()
    if len(set(labels.tolist())) < 2:
        return Trial(name, "not measured: the validation images are of one class", None)
    rng, count = np.random.default_rng(seed), _count(source, MOSAICS[extent])
    shares = []
    for _ in range(count):
        first = int(rng.integers(len(labels)))
        others = np.flatnonzero(labels != labels[first])
        rows = [first, *rng.choice(others, 3, replace=len(others) < 3).tolist()]
        place = int(rng.integers(4))
        order = [*rows[1 : place + 1], first, *rows[place + 1 :]]
        image = mosaic(torch.stack([source.view(part, int(i)) for i in order]))
        about = ClassLabels(torch.tensor([int(labels[first])]))
        heat = run(subject, image[None], about, torch.Generator().manual_seed(0))[0].clamp(min=0)
        shares.append(quarter_share(heat, place))
    mean, spread = float(np.mean(shares)), 1.96 * float(np.std(shares, ddof=1)) / len(shares) ** 0.5
    score = Score(mean, max(0.0, mean - spread), min(1.0, mean + spread), count)
    words = f"{score.text(percent=True)}; a map of nothing has 25 %"
    return Trial(name, words, score.low > CHANCE, mean)


def mosaic(images: Tensor) -> Tensor:
    """(C, *S) of four images (4, C, *S), each at half its size, in reading order."""
    flat = images.transpose(1, 2).flatten(0, 1) if images.ndim == 5 else images
    height, width = flat.shape[-2:]
    rows = []
    for pair, h in ((images[:2], height // 2), (images[2:], height - height // 2)):
        sizes = (width // 2, width - width // 2)
        rows.append(torch.cat([_shrunk(image, (h, w)) for image, w in zip(pair, sizes, strict=True)], -1))
    return torch.cat(rows, -2)


def _shrunk(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, *S) with other height and width."""
    frames = image.transpose(0, 1) if image.ndim == 4 else image[None]
    small = F.interpolate(frames, size, mode="bilinear", antialias=True, align_corners=False)
    return small.transpose(0, 1) if image.ndim == 4 else small[0]


def quarter_share(heat: Tensor, place: int) -> float:
    """Share of a map (*S) that lies in quarter `place`, in reading order; the chance where it is 0."""
    height, width = heat.shape[-2:]
    rows = slice(0, height // 2) if place < 2 else slice(height // 2, height)
    columns = slice(0, width // 2) if place % 2 == 0 else slice(width // 2, width)
    total = float(heat.sum())
    return float(heat[..., rows, columns].sum()) / total if total > 0 else CHANCE


def random_weights(subject: Subject, source: Source, run: Run, extent: str) -> Trial:
    """Rank correlation of maps with those of the same network with random weights (Adebayo et al., Sanity
    Checks for Saliency Maps, NeurIPS 2018)."""
    name = "random weights: how much the map stays the same"
    if source.model is None:
        return Trial(name, "not measured: the weights of an exported file cannot be drawn again", None)
    part = _validation(source)
    if isinstance(part, str):
        return Trial(name, f"not measured: {part}", None)
    count = min(MAPS[extent], len(part))
    images = torch.stack([source.view(part, i) for i in _spread(len(part), count)])
    more = torch.stack([source.view(part, i) for i in _spread(len(part), BATCH_NORM_IMAGES)])
    other = randomized(source.model, more)
    likeness = []
    with untouched(other):
        drawn = Subject.of(other)
        drawn.layer = subject.layer
        for image in images:
            statements = subject.predict(image[None]).statements()
            if statements:
                maps = [run(s, image[None], statements[0].about, torch.Generator().manual_seed(k))[0]
                        for k, s in enumerate((subject, drawn))]  # fmt: skip
                likeness.append(rank_correlation(maps[0], maps[1]))
    if not likeness:
        return Trial(name, "not measured: nothing is predicted on these images", None)
    value = float(np.median(likeness))
    words = f"rank correlation {value:.2f} (median of {len(likeness)} images); 1: the weights do not matter"
    return Trial(name, words, value < ALIKE, value)


def randomized(model: Model, images: Tensor) -> Model:
    """A copy with weights that are drawn anew; batch norms take their statistics from images (B, C, *S)."""
    other = copy.deepcopy(model)
    norms = []
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for module in other.modules():
            reset: Any = getattr(module, "reset_parameters", None)
            if reset is not None:
                reset()
            else:
                for parameter in module.parameters(recurse=False):
                    parameter.copy_(0.02 * torch.randn_like(parameter))
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.momentum = None  # the mean of all batches
                norms.append(module)
        device = other.mean.device
        other.eval()
        for norm in norms:
            norm.train()
        for start in range(0, len(images), 16):
            other(images[start : start + 16].to(device))
    return other.eval()


def other_class(likeness: list[float]) -> Trial:
    """How alike the maps of the prediction and of the runner-up are."""
    name = "another class: how much its map is the same"
    if not likeness:
        return Trial(name, "not measured: there is no other class in these predictions", None)
    value = float(np.median(likeness))
    words = f"rank correlation {value:.2f} (median of {len(likeness)} images); 1: the class does not matter"
    return Trial(name, words, value < 1 - 1e-6, value)


def _validation(source: Source) -> Dataset | str:
    """The validation images, or why there are none. The test images are not looked at."""
    data = source.data
    return data if isinstance(data, str) else data.subset(data.indices_of("val"))


def _count(source: Source, most: int) -> int:
    """Fewer maps where each needs a thousand predictions."""
    return most if source.model is not None else max(4, most // 4)


def _spread(n: int, count: int) -> list[int]:
    """Numbers of `count` of n items, evenly spread."""
    return sorted({int(i) for i in np.linspace(0, n - 1, min(n, count))})
