"""Report items of instance segmentation: scores by class, kinds of errors, sizes, the worst images."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from sightline.core.metric import MetricCollection
from sightline.core.report import BarPlot, Figure, LinePlot, PredictionGallery, Table
from sightline.core.targets.outlines import InstanceMasks
from sightline.metrics.mean_average_precision import MeanAveragePrecision
from sightline.tasks.instance._mistakes import KINDS, Mistakes, mistakes

MAX_SHOWN = 8
"""Images in a gallery."""
SIZES = (8, 16, 32, 64, 96, 192)
"""Square roots of areas in pixels between which objects are counted."""
IOU_GRID = np.linspace(0.5, 1.0, 51)
"""IoU from which on an object counts as found, for the curve."""


def figures(
    prediction: InstanceMasks,
    target: InstanceMasks,
    ids: list[str],
    names: Sequence[str],
    thresholds: Sequence[float],
) -> list[Figure]:
    """The exhibits, in order.

    Args:
        prediction: What was found in N images.
        target: What is there.
        ids: Names of the images.
        names: Names of the K classes.
        thresholds: Confidence from which objects of each class are shown, as chosen on validation.
    """
    assert prediction.scores is not None
    shown = prediction.select(prediction.scores >= torch.tensor(thresholds)[prediction.labels])
    assert isinstance(shown, InstanceMasks)
    wrong = mistakes(shown, target)
    return [
        _per_class(prediction, target, shown, wrong, names, thresholds),
        *_kinds(wrong),
        _fit(wrong),
        *_sizes(target, wrong),
        *_galleries(shown, target, wrong, ids, names),
    ]


def _per_class(
    prediction: InstanceMasks,
    target: InstanceMasks,
    shown: InstanceMasks,
    wrong: Mistakes,
    names: Sequence[str],
    thresholds: Sequence[float],
) -> Table:
    predicted_labels, true_labels = shown.labels.numpy(), target.labels.numpy()
    rows = []
    for k, name in enumerate(names):
        objects = int((wrong.counted & (true_labels == k)).sum())
        right, predicted = (
            int((wrong.right & (predicted_labels == k)).sum()),
            int(((predicted_labels == k) & ~wrong.apart).sum()),
        )
        precision = right / predicted if predicted else float("nan")
        recall = right / objects if objects else float("nan")
        f1 = 2 * right / (predicted + objects) if predicted + objects else float("nan")
        values = _aps(prediction.select(prediction.labels == k), target.select(target.labels == k))
        rows.append([name, objects, *values, thresholds[k], precision, recall, f1])
    columns = ["class", "objects", "mask AP50-95", "mask AP50", "mask AP75", "confidence"]
    note = (
        "Precision, recall and F1 by masks at IoU 0.5, from the confidence on that was chosen on validation."
    )
    return Table("Per class", [*columns, "precision", "recall", "F1"], rows, note)


def _aps(prediction: object, target: object) -> list[float]:
    """Average precision of masks of one class: mean over IoU 0.5:0.95, at 0.5, at 0.75."""
    metrics = MetricCollection({str(iou): MeanAveragePrecision(iou, on="masks") for iou in (None, 0.5, 0.75)})
    metrics.update(prediction, target)
    return list(metrics.compute().values())


def _kinds(wrong: Mistakes) -> list[Figure]:
    counts = {kind: float(len(wrong.where[kind])) for kind in KINDS}
    note = "Among the objects that are shown, from the confidence on that was chosen on validation."
    rows = [[kind, meaning, len(wrong.where[kind])] for kind, meaning in KINDS.items()]
    return [
        BarPlot("Mistakes", "kind", "how many", counts, note),
        Table("Kinds of mistakes", ["kind", "meaning", "how many"], rows, note),
    ]


def _fit(wrong: Mistakes) -> LinePlot:
    """Detection rate over mask IoU thresholds: how much depends on mask quality."""
    objects = max(int(wrong.counted.sum()), 1)
    best = np.sort(wrong.overlap[wrong.right])
    above = len(best) - np.searchsorted(best, IOU_GRID - 1e-9)
    points = list(zip(IOU_GRID.tolist(), (above / objects).tolist(), strict=True))
    note = "Where the curve falls late, masks fit well; where it starts low, objects are not found at all."
    return LinePlot(
        "How well masks fit", "least IoU", "share of the objects found", {"found": points}, note=note
    )


def _sizes(target: InstanceMasks, wrong: Mistakes) -> list[Figure]:
    """Object sizes, and the share of each size that is found."""
    sides = target.area().sqrt().numpy()
    edges = [0, *SIZES, np.inf]
    words = [f"under {SIZES[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(SIZES)), f"{SIZES[-1]} on"]
    counts = np.histogram(sides[wrong.counted], edges)[0].astype(float)
    matched = np.histogram(sides[wrong.found], edges)[0]
    shares = {w: float(f / n) for w, n, f in zip(words, counts, matched, strict=True) if n}
    unit = "root of the area, pixels"
    return [
        BarPlot("Size of the objects", unit, "objects", dict(zip(words, counts.tolist(), strict=True))),
        BarPlot("Found by size", unit, "share found at IoU 0.5", shares),
    ]


def _galleries(
    shown: InstanceMasks, target: InstanceMasks, wrong: Mistakes, ids: list[str], names: Sequence[str]
) -> list[Figure]:
    """Targets and predictions side by side: images with most errors, then some by kind, then at random."""
    each = {kind: np.bincount(wrong.where[kind], minlength=len(ids)) for kind in KINDS}
    errors = np.sum(list(each.values()), axis=0)
    worst = [int(i) for i in np.argsort(-errors, kind="stable")[:MAX_SHOWN] if errors[i]]
    chosen: list[tuple[str, list[int], list[str]]] = []
    if worst:
        texts = [", ".join(f"{n[i]} {kind}" for kind, n in each.items() if n[i]) for i in worst]
        chosen.append(("Images with most mistakes", worst, texts))
    for kind, meaning in KINDS.items():
        images = [int(i) for i in np.argsort(-each[kind], kind="stable")[: MAX_SHOWN // 2] if each[kind][i]]
        if images:
            title = f"{kind[0].upper()}{kind[1:]}: {meaning}"
            chosen.append((title, images, [f"{each[kind][i]} of them" for i in images]))
    some = np.random.default_rng(0).permutation(len(ids))[:MAX_SHOWN].tolist()
    chosen.append(("A sample of the images", some, [""] * len(some)))
    note = "Left: target. Right: prediction, from the confidence on that was chosen on validation."
    return [
        PredictionGallery(title, [ids[i] for i in images], captions, note, target[where], shown[where], names)
        for title, images, captions in chosen
        for where in [torch.tensor(images)]
    ]
