"""Report items of detection: precision-recall curves, confusion matrix, kinds of errors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from sightline.core.metric import Evaluation
from sightline.core.report import BarPlot, Figure, LinePlot, Matrix, PredictionGallery, Scatter, Table
from sightline.core.targets.instances import Instances
from sightline.metrics.detections import Curve, average_precisions, confusion, curves
from sightline.metrics.mistakes import KINDS, Mistakes, mistakes

SHOWN, POINTS, CENTRES = 8, 200, 2000
"""Images in a gallery, points of a curve, boxes whose place is drawn."""
SIZES = (16, 32, 64, 96, 192)
"""Square roots of areas in pixels between which boxes are counted."""
MEANING = {
    "classification": "right place, wrong class",
    "localisation": "right class, box off",
    "both": "wrong class and box off",
    "duplicate": "found once already",
    "background": "nothing there",
    "missed": "not found",
}


def figures(
    prediction: Instances,
    target: Instances,
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
        thresholds: Confidence from which boxes of each class are shown, as chosen on validation.
    """
    evaluation = Evaluation(prediction, target)
    class_curves = curves(evaluation, len(names))
    wrong = mistakes(evaluation)
    assert prediction.scores is not None
    shown = prediction.select(prediction.scores >= torch.tensor(thresholds)[prediction.labels])
    return [
        _per_class(evaluation, names, class_curves, thresholds),
        _precision_recall(class_curves, names),
        _f1(class_curves, names),
        _confusion(shown, target, names),
        *_mistakes(wrong),
        *_galleries(shown, target, ids, names),
        *_boxes(target),
    ]


def _per_class(
    evaluation: Evaluation,
    names: Sequence[str],
    class_curves: list[Curve],
    thresholds: Sequence[float],
) -> Table:
    values = average_precisions(evaluation, len(names))
    rows = []
    for name, curve, ap, threshold in zip(names, class_curves, values, thresholds, strict=True):
        at = int((curve.score >= threshold).sum()) - 1
        precision = float(curve.precision[at]) if at >= 0 else float("nan")
        nothing = 0.0 if curve.objects else float("nan")  # of objects of which none is shown, none is found
        recall = float(curve.recall[at]) if at >= 0 else nothing
        rows.append(
            [name, curve.objects, float(ap.mean()), float(ap[0]), float(ap[5]), threshold, precision, recall]
        )
    columns = ["class", "objects", "AP50-95", "AP50", "AP75", "confidence", "precision", "recall"]
    note = "Precision and recall at IoU 0.5, from the confidence on that was chosen on validation."
    return Table("Per class", columns, rows, note)


def _precision_recall(class_curves: list[Curve], names: Sequence[str]) -> LinePlot:
    recalls = np.linspace(0, 1, 101)
    series = {
        name: list(zip(recalls.tolist(), curve.precision_at(recalls).tolist(), strict=True))
        for name, curve in zip(names, class_curves, strict=True)
        if curve.objects
    }
    return LinePlot("Precision and recall at IoU 0.5", "recall", "precision", series)


def _f1(class_curves: list[Curve], names: Sequence[str]) -> LinePlot:
    at = np.linspace(0, 1, POINTS)
    series = {
        name: list(zip(at.tolist(), curve.f1_at(at).tolist(), strict=True))
        for name, curve in zip(names, class_curves, strict=True)
        if curve.objects
    }
    note = "Which confidence is best is chosen on validation; see the table."
    return LinePlot("F1 by confidence", "confidence", "F1", series, note=note)


def _confusion(shown: Instances, target: Instances, names: Sequence[str]) -> Matrix:
    counts = confusion(shown, target, len(names), 0.0)
    note = (
        "Rows: target. Columns: prediction, from the confidence that was chosen on validation, at IoU 0.5. "
        "Last column: not found. Last row: found where nothing is."
    )
    return Matrix("Confusion matrix with background", [*names, "background"], counts.tolist(), note)


def _mistakes(wrong: Mistakes) -> list[Figure]:
    note = (
        f"AP50 is {wrong.ap50:.3f}; the bars say by how much it would rise if one kind were mended: "
        + "; ".join(f"{kind}: {MEANING[kind]}" for kind in KINDS)
        + ". At all confidences (TIDE, Bolya et al. 2020)."
    )
    rows = [[kind, MEANING[kind], len(wrong.where[kind]), wrong.cost[kind]] for kind in KINDS]
    return [
        BarPlot("What the mistakes cost", "kind", "AP50", {kind: wrong.cost[kind] for kind in KINDS}, note),
        Table("Mistakes", ["kind", "meaning", "how many", "costs AP50"], rows, "At all confidences."),
    ]


def _galleries(shown: Instances, target: Instances, ids: list[str], names: Sequence[str]) -> list[Figure]:
    """Targets and predictions side by side: images with most errors, then some by kind, then at random."""
    of_shown = mistakes(Evaluation(shown, target))
    errors = np.zeros(len(ids), dtype=int)
    for kind in KINDS:
        np.add.at(errors, of_shown.where[kind][:, 0], 1)
    worst = [int(i) for i in np.argsort(-errors, kind="stable")[:SHOWN] if errors[i]]
    items: list[Figure] = []
    if worst:
        captions = [f"{errors[i]} mistakes" for i in worst]
        items.append(_gallery("Images with most mistakes", worst, captions, shown, target, ids, names))
    for kind in KINDS:
        rows = of_shown.where[kind]
        images = list(dict.fromkeys(rows[:, 0].tolist()))[:SHOWN]
        if images:
            captions = [f"{(rows[:, 0] == i).sum()} of them" for i in images]
            title = f"{kind[0].upper()}{kind[1:]}: {MEANING[kind]}"
            items.append(
                _gallery(title, images[: SHOWN // 2], captions[: SHOWN // 2], shown, target, ids, names)
            )
    some = np.random.default_rng(0).permutation(len(ids))[:SHOWN].tolist()
    items.append(_gallery("A sample of the images", some, [""] * len(some), shown, target, ids, names))
    return items


def _gallery(
    title: str,
    images: list[int],
    captions: list[str],
    shown: Instances,
    target: Instances,
    ids: list[str],
    names: Sequence[str],
) -> PredictionGallery:
    where = torch.tensor(images)
    note = "Left: target. Right: prediction, from the confidence on that was chosen on validation."
    return PredictionGallery(
        title, [ids[i] for i in images], captions, note, target[where], shown[where], names
    )


def _boxes(target: Instances) -> list[Figure]:
    """Sizes and positions of the objects."""
    sides = target.area().sqrt().numpy()
    edges = [0, *SIZES, np.inf]
    words = [
        f"under {SIZES[0]}",
        *(f"{a} to {b}" for a, b in itertools.pairwise(SIZES)),
        f"{SIZES[-1]} on",
    ]
    counts = dict(zip(words, np.histogram(sides, edges)[0].astype(float).tolist(), strict=True))
    centers = (target.boxes[:, :2] + target.boxes[:, 2:]) / 2 / target.sizes[target.image].flip(1)
    some = torch.randperm(len(centers), generator=torch.Generator().manual_seed(0))[:CENTRES]
    points = [(x, 1 - y) for x, y in centers[some].tolist()]
    return [
        BarPlot("Size of the objects", "square root of the area in pixels", "objects", counts),
        Scatter(
            "Where the objects lie", "left to right", "bottom to top", points, note="Centres of the boxes."
        ),
    ]
