"""Corruptions: what noise, blur, weather and changes of geometry cost the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from scipy.stats import t
from torch import Tensor
from torch.nn import functional as F

from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._corruptions import KINDS, corrupt
from sightline.audits._planted import SIDE, with_model
from sightline.audits._rules import judge, skip
from sightline.audits._verdict import AuditCard, Bound, Cost, Verdict
from sightline.core.geometry import compose_affine
from sightline.core.inputs import InputSpec
from sightline.core.metric import Metric, Statistics
from sightline.core.report import Score, Table
from sightline.core.sample import Batch
from sightline.metrics import intervals

CARD = AuditCard(
    name="corruptions",
    title="Everyday changes",
    summary="what noise, blur, weather, compression and changes of geometry cost",
    rank=40,
    scores=("corruptions.mean", "corruptions.worst", "corruptions.geometry"),
    least=30,
    cost=Cost(forwards=50, pixels=14.0),
    bounds={"corruptions.mean": Bound(at_least=0.8), "corruptions.geometry": Bound(at_least=0.8)},
    needs=("model",),
    sees="Changes of the image at the model's input, one by one, on the same images. Level 5 makes "
    "small images hard for people too. Frost is drawn, and strengths scale with the image: the numbers do "
    "not compare with those of ImageNet-C.",
)
STRENGTHS = (1, 3, 5)
KINDS_OF_INPUT = ("image", "clip")
TURN, SHIFT, ZOOM = 15.0, 0.06, 0.8


def run(case: Case, budget: Budget) -> Verdict:
    """The metric under each change, as a share of that without."""
    spec = InputSpec.of(case.settings)
    if spec.kind not in KINDS_OF_INPUT or spec.dtype != "uint8" or spec.channels not in (1, 3):
        return skip(CARD, "it changes images and clips of 8 bits, gray or in colors.", of=len(case.part))
    if case.metric.card.unit != "image":
        return skip(CARD, f"{case.metric.card.name} is not of single images.", of=len(case.part))
    part, metric = case.part.sample(budget.n, case.seed), case.metric
    if case.part.target.exclusive and (score := case.score(part)).low <= 1 / max(1, len(case.classes)):
        reason = f"the model is hardly better than chance, and has nothing to lose ({score.text()})."
        return skip(CARD, reason, of=len(case.part))
    loader, clean_stats = case.loader(part.dataset), case.statistics(part)
    before = metric.compute_from(clean_stats)
    if metric.card.higher_is_better and not before > 0:
        return skip(CARD, f"{metric.card.name} is {before:.3g} without any change.", of=len(case.part))

    def look(change: Callable[[Batch], Batch]) -> Statistics:
        return case.statistics(part, case.predict(loader, change))

    kinds = {
        kind: [look(partial(_corrupted, kind=kind, level=level, seed=case.seed)) for level in STRENGTHS]
        for kind in KINDS
    }
    moved = {name: [look(partial(_moved, matrix=m))] for name, m in geometry(part, case.settings).items()}
    units = intervals.units_of(clean_stats, part.dataset.groups)
    shares = {
        name: share_left(metric, clean_stats, stats, units) for name, stats in {**kinds, **moved}.items()
    }
    mean = share_left(metric, clean_stats, [s for stats in kinds.values() for s in stats], units)
    worst = min(kinds, key=lambda k: shares[k].value)
    turned = min(moved, key=lambda k: shares[k].value)
    scores = {"corruptions.mean": mean, "corruptions.worst": shares[worst]}
    scores["corruptions.geometry"] = shares[turned]
    name = metric.card.name
    sentence = (
        f"Over {len(KINDS)} corruptions {mean.text(percent=True)} of the {name} is left; worst: {worst}, "
        f"{shares[worst].text(percent=True)}. Geometry, worst: {turned}, {shares[turned].text(percent=True)}."
    )
    order = sorted(kinds, key=lambda k: shares[k].value)
    return judge(
        CARD, sentence, scores, fix=_fix(order[:3], turned, shares), n=len(part),
        places=(*order[:3],) if mean.value < 0.8 else (turned,),
        settings={"levels": list(STRENGTHS), "seed": case.seed, "kinds": len(KINDS)},
        figures=_tables(case, clean_stats, kinds, moved, shares),
        rows=_rows(part, metric, kinds),
    )  # fmt: skip


def share_left(metric: Metric, clean_stats: Statistics, others: list[Statistics], units: np.ndarray) -> Score:
    """Mean over several changes of the metric, divided by the metric without; of errors the inverse.

    Both are of the same images, so that the interval (jackknife over images) is that of the ratio.
    """
    upward = metric.card.higher_is_better

    def values(weights: np.ndarray) -> np.ndarray:
        before = intervals.under(metric, clean_stats, weights)
        after = np.mean([intervals.under(metric, s, weights) for s in others], axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(after / before if upward else before / after)

    value, count = float(values(np.ones((1, len(units))))[0]), int(units.max()) + 1
    error, blocks = intervals.jackknife(values, units)
    if not math.isfinite(value) or not math.isfinite(error):
        return Score(value, math.nan, math.nan, count, "jackknife: not defined")
    half = float(t.ppf(0.975, blocks - 1)) * error
    return Score(value, max(0.0, value - half), value + half, count, "paired jackknife")


def _corrupted(batch: Batch, kind: str, level: int, seed: int) -> Batch:
    """A batch with each image, or all frames of each clip alike, under a corruption."""
    frames, count = _frames(batch.images)
    images = frames.permute(0, 2, 3, 1).numpy()
    ids = [item for item in batch.ids for _ in range(count)]
    changed = [corrupt(x, kind, level, id, seed) for x, id in zip(images, ids, strict=True)]
    new = torch.from_numpy(np.stack(changed)).permute(0, 3, 1, 2).contiguous()
    return batch.with_images(_joined(new, batch.images))


def _frames(images: Tensor) -> tuple[Tensor, int]:
    """(B * T, C, H, W) frames of clips (B, C, T, H, W), and T; images as they are, and 1."""
    if images.ndim == 4:
        return images, 1
    return images.movedim(2, 1).flatten(0, 1), images.shape[2]


def _joined(frames: Tensor, images: Tensor) -> Tensor:
    """Inverse of `_frames`, to the shape of what they were of."""
    if images.ndim == 4:
        return frames
    clips = frames.reshape(len(images), images.shape[2], *frames.shape[1:])
    return clips.movedim(1, 2).contiguous()


def geometry(part: Part, settings: Mapping[str, object]) -> dict[str, Tensor]:
    """(2, 3) maps of pixels, as shares of the sides: turned, shifted, smaller, larger, mirrored.

    Where targets lie in the image only those after which all of it is still visible.
    """
    zoomed = _about_center(ZOOM, 0.0)
    maps = {f"scaled to {ZOOM:.0%}".replace("%", " %"): zoomed}
    mirrors = part.target.mirrors
    if mirrors or (mirrors is None and settings["channels"] == 3):
        maps["mirrored"] = torch.tensor([[-1.0, 0, 1], [0, 1, 0]])
    if not part.target.located:
        maps[f"turned by {TURN:g} degrees"] = _about_center(1.0, math.radians(TURN))
        maps[f"shifted by {100 * SHIFT:g} %"] = torch.tensor([[1.0, 0, SHIFT], [0, 1, SHIFT]])
        maps["cropped by a fifth"] = _about_center(1 / ZOOM, 0.0)
    return maps


def _about_center(scale: float, angle: float) -> Tensor:
    c, s = scale * math.cos(angle), scale * math.sin(angle)
    return torch.tensor([[c, -s, 0.5 - 0.5 * (c - s)], [s, c, 0.5 - 0.5 * (s + c)]])


def _moved(batch: Batch, matrix: Tensor) -> Batch:
    """A batch with all images moved by a map of shares of the sides; what comes in is mirrored."""
    images = _frames(batch.images)[0]
    height, width = images.shape[-2:]
    full = torch.cat([matrix, torch.tensor([[0.0, 0, 1]])]).double()
    pixels = torch.diag(torch.tensor([width, height, 1.0], dtype=torch.float64))
    to_unit = torch.tensor([[0.5, 0, 0.5], [0, 0.5, 0.5], [0, 0, 1]], dtype=torch.float64)
    theta = (torch.linalg.inv(to_unit) @ torch.linalg.inv(full) @ to_unit)[None, :2].float()
    grid = F.affine_grid(theta.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    moved = F.grid_sample(images.float(), grid, padding_mode="reflection", align_corners=False)
    changed = batch.with_images(_joined(moved.round().clamp(0, 255).to(images.dtype), batch.images))
    if batch.affine is None:
        return changed
    in_pixels = (pixels @ full @ torch.linalg.inv(pixels))[None, :2].expand(len(batch), 2, 3)
    affine = compose_affine(in_pixels, batch.affine.double())
    return Batch(changed.inputs, batch.targets, batch.ids, affine, batch.original_sizes)


def _fix(worst: list[str], turned: str, shares: Mapping[str, Score]) -> str:
    text = f"Train with such changes: --augment strong, and more images like them ({', '.join(worst)})."
    if shares[turned].value < 0.8:
        text += f" The model has not learned images that are {turned}."
    return text


def _tables(
    case: Case,
    clean_stats: Statistics,
    kinds: Mapping[str, list[Statistics]],
    moved: Mapping[str, list[Statistics]],
    shares: Mapping[str, Score],
) -> tuple[Table, ...]:
    metric = case.metric

    def value(stats: Statistics) -> str:
        number = metric.compute_from(stats)
        return f"{100 * number:.1f} %" if metric.card.percent else f"{number:.3f}"

    order = sorted(kinds, key=lambda k: shares[k].value)
    rows = [[k, *(value(s) for s in kinds[k]), shares[k].text(percent=True)] for k in order]
    columns = ["corruption", *(f"level {level}" for level in STRENGTHS), "left"]
    note = f"{metric.card.name}, on the same images; without change {value(clean_stats)}."
    places = [[name, value(stats[0]), shares[name].text(percent=True)] for name, stats in moved.items()]
    return (
        Table("Corruptions", columns, rows, note),
        Table("Geometry", ["image", metric.card.name, "left"], places),
    )


def _rows(part: Part, metric: Metric, kinds: Mapping[str, list[Statistics]]) -> tuple[dict[str, object], ...]:
    """In how many of the levels of each corruption an image is right, where the metric counts right ones."""
    if not metric.card.is_proportion:
        return ()
    right = {kind: sum(next(iter(s.values())) for s in stats) for kind, stats in kinds.items()}
    return tuple(
        {"id": item, **{kind: int(np.asarray(values)[i]) for kind, values in right.items()}}
        for i, item in enumerate(part.ids)
    )


def plant(seed: int) -> Case:
    """A model that looks at differences between neighboring pixels alone."""
    rng = np.random.default_rng([seed, 40])
    labels = rng.integers(0, 3, 120)
    checks = np.indices((SIDE, SIDE)).sum(0) % 2
    images = 100 + (15 + 25 * labels)[:, None, None, None] * checks[None, ..., None]
    images = np.repeat(images, 3, axis=3).astype(np.uint8)

    def rule(x: Tensor) -> Tensor:
        fine = (x[..., 1:] - x[..., :-1]).abs().mean((1, 2, 3)) * 255
        return -(fine[:, None] - torch.tensor([15.0, 40.0, 65.0])).abs()

    return with_model(images, labels, rule, seed=seed, planted=tuple(KINDS))


def clean(seed: int) -> Case:
    """A model that compares the thirds of an image."""
    rng = np.random.default_rng([seed, 41])
    labels = rng.integers(0, 3, 100)
    images = rng.integers(60, 100, (100, SIDE, SIDE, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[5 * label : 5 * label + 6] += 100

    def rule(x: Tensor) -> Tensor:
        return 20 * torch.stack([x[:, :, 5 * k + 1 : 5 * k + 5].mean((1, 2, 3)) for k in range(3)], 1)

    return with_model(images, labels, rule, seed=seed)
