"""Label issues of detection: boxes that are probably missing, of a wrong class, or around nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import batched_nms

from sightline.core.report import Finding, Severity
from sightline.core.targets.instances import Instances
from sightline.metrics.functional.matching import flags, overlaps
from sightline.metrics.functional.weighted import Array, array

FINDINGS = ("missing-boxes", "box-class-issues", "box-issues")
MIN_CONFIDENCE = 0.5
"""Share of the way from the chosen threshold of its class to 1 from which on a detection counts as sure."""
SAME, SUPPORT, APART = 0.5, 0.3, 0.1
"""IoU from which on two boxes are of one object; below which a detection does not support a box; below
which it lies beside it (as in TIDE: background)."""


def label_issues(
    prediction: Instances, target: Instances, ids: Sequence[str], names: Sequence[str], least: Sequence[float]
) -> list[Finding]:
    """Findings of label issues: annotated boxes that detections contradict.

    A sure detection that overlaps no box of any class points at a missing box. One that overlaps a box of
    another class by an IoU of 0.5, and none of its own, doubts the class of that box, unless a surer
    detection of the box's class is there too. A box that no detection overlaps by 0.3, however unsure it is,
    is doubtful itself. Crowds are never doubted and difficult objects may be missed. Every object is named
    once, the surest doubts first; of doubtful boxes those that are overlapped least.

    Args:
        prediction: Detections in N images, unsure ones included.
        target: The boxes of the same images.
        ids: Names of the images.
        names: Names of the K classes.
        least: (K) confidence from which on detections of each class are shown, as chosen on validation.
    """
    assert prediction.scores is not None
    label, score = array(prediction.labels), array(prediction.scores).astype(np.float64)
    threshold = np.asarray(least, dtype=np.float64)[label]
    sure = score >= threshold + MIN_CONFIDENCE * (1 - threshold)
    crowd, apart = flags(target)
    pairs = overlaps(
        array(prediction.boxes),
        array(prediction.image),
        array(target.boxes),
        array(target.image),
        crowd,
        APART,
    )
    alone = sure.copy()
    alone[pairs[0]] = False
    missing = _once(prediction, np.flatnonzero(alone))
    says, other = _against(pairs, label, score, sure, array(target.labels), crowd)
    best = np.zeros(len(apart))
    np.maximum.at(best, pairs[1], pairs[2])
    unseen = np.flatnonzero((best < SUPPORT) & ~apart)
    unseen = unseen[np.argsort(best[unseen], kind="stable")]
    texts = _describe_boxes(prediction, (prediction.boxes * 10).round() / 10, missing, ids, names)
    drawn = _describe_boxes(target, target.boxes, other, ids, names)
    return [
        *_finding_on("missing-boxes", "warning", prediction.image[missing],
                [f"{text} ({p:.2f})" for text, p in zip(texts, score[missing], strict=True)],
                "{n} boxes in {images} images are probably missing: the model is sure of an object where "
                "no box is",
                "Look there, from the top, and draw what lacks. The rest are mistakes of the model."),
        *_finding_on("box-class-issues", "warning", target.image[other],
                [f"{text}, probably {names[label[i]]} ({score[i]:.2f})"
                 for text, i in zip(drawn, says, strict=True)],
                "{n} boxes in {images} images probably have a wrong class: the model is sure of another",
                "Look at them, from the top, and mend the classes. The rest are mistakes of the model."),
        *_finding_on("box-issues", "info", target.image[unseen],
                _describe_boxes(target, target.boxes, unseen, ids, names),
                "{n} boxes in {images} images are probably misplaced or around nothing: no detection, "
                f"however unsure, overlaps them by an IoU of {SUPPORT:g}",
                "Look at them, from the top. If they are many and right, the model is not good enough to "
                "tell."),
    ]  # fmt: skip


def _once(prediction: Instances, rows: Array) -> Array:
    """Detection with the highest score for each object, by falling score."""
    assert prediction.scores is not None
    boxes, scores = prediction.boxes[rows].double(), prediction.scores[rows].double()
    keep: Tensor = batched_nms(boxes, scores, prediction.image[rows], SAME)
    return np.asarray(rows[keep.numpy()])


def _against(
    pairs: tuple[Array, Array, Array], label: Array, score: Array, sure: Array, true: Array, crowd: Array
) -> tuple[Array, Array]:
    """Rows of detections that contradict a class, by falling score, and rows of their boxes."""
    close = pairs[2] >= SAME
    of, other, iou = (x[close] for x in pairs)
    alike = label[of] == true[other]
    support = np.zeros(len(true))
    np.maximum.at(support, other[alike], score[of[alike]])
    is_supported = np.zeros(len(label), dtype=bool)
    is_supported[of[alike]] = True
    doubted = sure[of] & ~is_supported[of] & ~crowd[other] & (score[of] > support[other])
    of, other, iou = of[doubted], other[doubted], iou[doubted]
    order = np.lexsort((-iou, of, -score[of]))
    for key in (of, other):  # each detection is about the box that it overlaps most; each box is doubted once
        order = order[np.sort(np.unique(key[order], return_index=True)[1])]
    return of[order], other[order]


def _describe_boxes(
    boxes: Instances, corners: Tensor, rows: Array, ids: Sequence[str], names: Sequence[str]
) -> list[str]:
    """Image, class and corners of some boxes, in the words of the check of boxes."""
    images, labels = boxes.image[rows].tolist(), boxes.labels[rows].tolist()
    return [
        f"{ids[i]}: {names[k]} {' '.join(f'{v:g}' for v in box)}"
        for i, k, box in zip(images, labels, corners[rows].tolist(), strict=True)
    ]


def _finding_on(
    name: str, severity: Severity, images: Tensor, items: Sequence[str], message: str, fix: str
) -> list[Finding]:
    """One finding on some boxes, none where there are no such boxes."""
    if not len(items):
        return []
    text = message.format(n=f"{len(items):,}", images=f"{len(torch.unique(images)):,}")
    return [Finding(name, severity, text, fix, len(items), tuple(items))]
