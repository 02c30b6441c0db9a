"""Slices: groups of images that nobody has named, and that the model is worse for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._groups import ALPHA, LEAST, Group, compare, table_of
from sightline.audits._planted import SIDE, with_model
from sightline.audits._rules import judge, skip
from sightline.audits._verdict import AuditCard, Bound, Cost, Verdict
from sightline.core.inputs import InputSpec
from sightline.core.report import Figure, ImageGrid
from sightline.core.sample import IMAGE

CARD = AuditCard(
    name="slices",
    title="Slices",
    summary="whether the model is worse for a kind of images that no column names",
    rank=35,
    scores=("slices.gap", "slices.excess", "slices.worst"),
    least=6 * LEAST,
    cost=Cost(forwards=1.5),
    bounds={"slices.gap": Bound(at_most=0.1, null=0.0), "slices.excess": Bound(at_most=0.25, null=0.0)},
    needs=("model",),
    sees="Dark and bright, flat and contrasty, blurred and sharp images, and clusters of features. What is "
    "found in one half of the images is tested on the other, and corrected for their number (Holm). A slice "
    "is a candidate: what its images have in common is for people to see.",
)
CANDIDATES = 4
"""Slices of the first half that are tested on the second."""
MOST = 8
"""Clusters at most."""
FACTS = ("brightness", "contrast", "sharpness")
THIRDS = ("low", "middle", "high")
SHOWN = 16


def run(case: Case, budget: Budget) -> Verdict:
    """Find slices in one half of the images, and test them on the other."""
    card, spec = case.metric.card, InputSpec.of(case.settings)
    if card.unit != "image":
        return skip(CARD, f"{card.name} is of whole {card.unit}s, and not of images.", of=len(case.part))
    if spec.kind != IMAGE:
        return skip(CARD, f"it looks at images, and the model takes a {spec.kind}.", of=len(case.part))
    part = case.part.sample(budget.n, case.seed)
    stats, people = case.statistics(part), part.dataset.groups
    columns = columns_of(case, part)
    halves = _halves(part, case.seed)
    first_half, second_half = np.flatnonzero(halves), np.flatnonzero(~halves)
    first = _ranked(case, stats, columns, first_half, people, None)
    names = [g.name for g in first if g.gap.value > 0][:CANDIDATES]
    groups = _ranked(case, stats, columns, second_half, people, names) if names else []
    if first and not names:
        return judge(CARD, "No slice is worse than the others in one half of the images.", {}, n=len(part))
    if not groups:
        return skip(CARD, f"no slice has {LEAST} images in each half.", of=len(case.part))
    return _verdict(case, part, groups, columns)


def _halves(part: Part, seed: int) -> np.ndarray:
    """(N,) bool: a random half; images of one group stay together."""
    rng, groups = np.random.default_rng([seed, 35]), part.dataset.groups
    units = np.arange(len(part)) if groups is None else np.unique(groups, return_inverse=True)[1]
    half = rng.permutation(int(units.max()) + 1) % 2 == 0
    return np.asarray(half[units])


def _ranked(
    case: Case, stats: dict[str, np.ndarray], columns: dict[str, np.ndarray], rows: np.ndarray,
    people: np.ndarray | None, only: Sequence[str] | None,
) -> list[Group]:  # fmt: skip
    some = {k: v[rows] for k, v in stats.items()}
    values = {k: v[rows] for k, v in columns.items()}
    groups = compare(case.metric, some, values, None if people is None else people[rows], only)
    return [g for g in groups if g.ranked]


def columns_of(case: Case, part: Part) -> dict[str, np.ndarray]:
    """(N,) words of each image by the name of what they say: thirds of facts, and clusters of features."""
    measured = np.concatenate([facts(b.images) for b in case.loader(part.dataset).epoch(0)])
    columns = {}
    for name, values in zip(FACTS, measured.T, strict=True):
        low, high = np.quantile(values, [1 / 3, 2 / 3])
        if low < high:
            columns[name] = np.array(THIRDS)[(values > low).astype(int) + (values > high)]
    if case.features is not None:
        features = case.features_of(part.dataset)
        features = (features - features.mean(0)) / np.maximum(features.std(0), 1e-9)
        k = min(MOST, len(part) // (3 * LEAST))
        if k > 1:
            labels = KMeans(k, n_init=3, random_state=case.seed).fit_predict(features)
            columns["cluster"] = np.array([str(i + 1) for i in labels])
    return columns


def facts(images: Tensor) -> np.ndarray:
    """(B, 3) of (B, C, H, W) images: mean, deviation, and second differences to it (sharpness)."""
    gray = images.double().mean(1) / (255 if images.dtype == torch.uint8 else 1)
    spread = gray.std((1, 2))
    second = 4 * gray[:, 1:-1, 1:-1] - gray[:, 2:, 1:-1] - gray[:, :-2, 1:-1]
    second = second - gray[:, 1:-1, 2:] - gray[:, 1:-1, :-2]
    sharp = second.abs().mean((1, 2)) / spread.clamp_min(1e-6)
    return np.asarray(torch.stack([gray.mean((1, 2)), spread, sharp], 1).numpy())


def _verdict(case: Case, part: Part, groups: Sequence[Group], columns: dict[str, np.ndarray]) -> Verdict:
    card, worst = case.metric.card, groups[0]
    scores = {"slices.gap" if card.best == 1 else "slices.excess": worst.gap, "slices.worst": worst.score}
    holds = worst.p <= ALPHA and worst.gap.value > 0
    mine, others = (s.text(card.percent) for s in (worst.score, worst.rest))
    sentence = (
        f'Worst candidate "{worst.name}", found in one half of the images: in the other half {card.name} '
        f"{mine}, the others {others}; the difference {'holds' if holds else 'does not hold'} after Holm "
        f"(p {worst.p:.2g}, {len(groups)} candidates)."
    )
    fix = (
        f'Look at images of "{worst.name}": what do they have in common? Put it into a column, audit again '
        "with --group, and collect more such images."
    )
    return judge(
        CARD, sentence, scores, fix=fix, n=len(part),
        places=tuple(g.name for g in groups if g.p <= ALPHA and g.gap.value > 0) or (worst.name,),
        settings={"facts": list(columns), "candidates": [g.name for g in groups]},
        figures=(table_of(case.metric, groups), _images(case, part, worst, columns)),
    )  # fmt: skip


def _images(case: Case, part: Part, group: Group, columns: dict[str, np.ndarray]) -> Figure:
    name, _, value = group.name.partition(" = ")
    rows = np.flatnonzero(columns[name] == value)[:SHOWN]
    batches = list(case.loader(part.dataset.subset(rows)).epoch(0))
    images = [image for batch in batches for image in batch.images.permute(0, 2, 3, 1).numpy()]
    ids = [item for batch in batches for item in batch.ids]
    return ImageGrid(f'Images of "{group.name}"', [_rgb(x) for x in images], ids)


def _rgb(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 of an input, of many bands the first three."""
    if image.dtype != np.uint8:
        image = (255 * np.clip(image, 0, 1)).astype(np.uint8)
    return np.ascontiguousarray(image[..., :3] if image.shape[2] >= 3 else image[..., :1])


def plant(seed: int) -> Case:
    """A model that cannot tell dark images apart."""
    return _case(seed, blind=True)


def clean(seed: int) -> Case:
    """The same images, and a model that is right on dark ones as often as on others."""
    return _case(seed, blind=False)


def _case(seed: int, blind: bool) -> Case:
    rng = np.random.default_rng([seed, 35])
    labels, dark = rng.integers(0, 3, 400), rng.random(400) < 1 / 3
    images = rng.integers(90, 130, (400, SIDE, SIDE, 3), dtype=np.uint8)
    shown = np.where(rng.random(400) < 0.9, labels, rng.integers(0, 3, 400))
    for image, label in zip(images, shown, strict=True):
        image[5 * label : 5 * label + 5] += 60
    images[dark] //= 2

    def rule(x: Tensor) -> Tensor:
        bands = torch.stack([x[:, :, 5 * k : 5 * k + 5].mean((1, 2, 3)) for k in range(3)], 1)
        if not blind:
            return 40 * bands
        is_dark = (x.mean((1, 2, 3)) < 0.35).double()[:, None]
        noise = torch.sin(1e4 * x.mean((2, 3)))
        return 40 * bands * (1 - is_dark) + 3 * noise * is_dark

    planted = ("brightness = low", "contrast = low") if blind else ()
    return with_model(images, labels, rule, _unrelated, seed=seed, planted=planted)


def _unrelated(x: Tensor) -> Tensor:
    """Features that say nothing of the image."""
    return torch.sin(1e5 * x.mean((2, 3)))
