"""Report items of detection: precision-recall curves, confusion matrix, kinds of errors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import torch

from sightline.core.metric import Evaluation
from sightline.core.report import Bars, Exhibit, Gallery, Lines, Matrix, Scatter, Table
from sightline.core.targets.instances import Instances
from sightline.metrics.detections import Curve, average_precisions, confusion, curves
from sightline.metrics.mistakes import KINDS, Mistakes, mistakes

SHOWN, POINTS, CENTRES = 8, 200, 2000
"""Pictures in a gallery, points of a curve, boxes whose place is drawn."""
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


def exhibits(
    prediction: Instances, truth: Instances, ids: list[str], names: Sequence[str], thresholds: Sequence[float]
) -> list[Exhibit]:
    """The exhibits, in order.

    Args:
        prediction: What was found in N images.
        truth: What is there.
        ids: Names of the images.
        names: Names of the K classes.
        thresholds: Confidence from which boxes of each class are shown, as chosen on validation.
    """
    evaluation = Evaluation(prediction, truth)
    class_curves = curves(evaluation, len(names))
    wrong = mistakes(evaluation)
    assert prediction.scores is not None
    shown = prediction.only(prediction.scores >= torch.tensor(thresholds)[prediction.labels])
    return [
        _per_class(evaluation, names, class_curves, thresholds),
        _precision_recall(class_curves, names),
        _f1(class_curves, names),
        _confusion(shown, truth, names),
        *_mistakes(wrong),
        *_galleries(shown, truth, ids, names),
        *_boxes(truth),
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


def _precision_recall(class_curves: list[Curve], names: Sequence[str]) -> Lines:
    recalls = np.linspace(0, 1, 101)
    series = {
        name: list(zip(recalls.tolist(), curve.precision_at(recalls).tolist(), strict=True))
        for name, curve in zip(names, class_curves, strict=True)
        if curve.objects
    }
    return Lines("Precision and recall at IoU 0.5", "recall", "precision", series)


def _f1(class_curves: list[Curve], names: Sequence[str]) -> Lines:
    at = np.linspace(0, 1, POINTS)
    series = {
        name: list(zip(at.tolist(), curve.f1_at(at).tolist(), strict=True))
        for name, curve in zip(names, class_curves, strict=True)
        if curve.objects
    }
    note = "Which confidence is best is chosen on validation; see the table."
    return Lines("F1 by confidence", "confidence", "F1", series, note=note)


def _confusion(shown: Instances, truth: Instances, names: Sequence[str]) -> Matrix:
    counts = confusion(shown, truth, len(names), 0.0)
    note = (
        "Rows: truth. Columns: prediction, from the confidence on that was chosen on validation, at IoU 0.5. "
        "Last column: not found. Last row: found where nothing is."
    )
    return Matrix("Confusion matrix with background", [*names, "background"], counts.tolist(), note)


def _mistakes(wrong: Mistakes) -> list[Exhibit]:
    note = (
        f"AP50 is {wrong.ap50:.3f}; the bars say by how much it would rise if one kind were mended: "
        + "; ".join(f"{kind}: {MEANING[kind]}" for kind in KINDS)
        + ". At all confidences (TIDE, Bolya et al. 2020)."
    )
    rows = [[kind, MEANING[kind], len(wrong.where[kind]), wrong.cost[kind]] for kind in KINDS]
    return [
        Bars("What the mistakes cost", "kind", "AP50", {kind: wrong.cost[kind] for kind in KINDS}, note),
        Table("Mistakes", ["kind", "meaning", "how many", "costs AP50"], rows, "At all confidences."),
    ]


def _galleries(shown: Instances, truth: Instances, ids: list[str], names: Sequence[str]) -> list[Exhibit]:
    """Targets and predictions side by side: images with most errors, then some by kind, then at random."""
    of_shown = mistakes(Evaluation(shown, truth))
    errors = np.zeros(len(ids), dtype=int)
    for kind in KINDS:
        np.add.at(errors, of_shown.where[kind][:, 0], 1)
    worst = [int(i) for i in np.argsort(-errors, kind="stable")[:SHOWN] if errors[i]]
    items: list[Exhibit] = []
    if worst:
        captions = [f"{errors[i]} mistakes" for i in worst]
        items.append(_gallery("Images with most mistakes", worst, captions, shown, truth, ids, names))
    for kind in KINDS:
        rows = of_shown.where[kind]
        images = list(dict.fromkeys(rows[:, 0].tolist()))[:SHOWN]
        if images:
            captions = [f"{(rows[:, 0] == i).sum()} of them" for i in images]
            title = f"{kind[0].upper()}{kind[1:]}: {MEANING[kind]}"
            items.append(
                _gallery(title, images[: SHOWN // 2], captions[: SHOWN // 2], shown, truth, ids, names)
            )
    some = np.random.default_rng(0).permutation(len(ids))[:SHOWN].tolist()
    items.append(_gallery("A sample of the images", some, [""] * len(some), shown, truth, ids, names))
    return items


def _gallery(
    title: str,
    images: list[int],
    captions: list[str],
    shown: Instances,
    truth: Instances,
    ids: list[str],
    names: Sequence[str],
) -> Gallery:
    where = torch.tensor(images)
    note = "Left: truth. Right: prediction, from the confidence on that was chosen on validation."
    return Gallery(title, [ids[i] for i in images], captions, note, truth[where], shown[where], names)


def _boxes(truth: Instances) -> list[Exhibit]:
    """Sizes and positions of the objects."""
    sides = truth.area().sqrt().numpy()
    edges = [0, *SIZES, np.inf]
    words = [
        f"under {SIZES[0]}",
        *(f"{a} to {b}" for a, b in itertools.pairwise(SIZES)),
        f"{SIZES[-1]} on",
    ]
    counts = dict(zip(words, np.histogram(sides, edges)[0].astype(float).tolist(), strict=True))
    centres = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2 / truth.sizes[truth.image].flip(1)
    some = torch.randperm(len(centres), generator=torch.Generator().manual_seed(0))[:CENTRES]
    points = [(x, 1 - y) for x, y in centres[some].tolist()]
    return [
        Bars("Size of the objects", "square root of the area in pixels", "objects", counts),
        Scatter(
            "Where the objects lie", "left to right", "bottom to top", points, note="Centres of the boxes."
        ),
    ]
