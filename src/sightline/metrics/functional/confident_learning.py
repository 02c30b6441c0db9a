"""Label issues of classification, by confident learning."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from sightline.core.report import Finding
from sightline.core.targets.label import ClassLabels

Array = np.ndarray

FINDINGS = ("label-issues",)
TIE = 1e-9
"""What rounding may take from a mean of equal probabilities."""


def label_issues(
    prediction: ClassLabels,
    target: ClassLabels,
    ids: Sequence[str],
    names: Sequence[str],
    trained: Collection[str],
) -> list[Finding]:
    """Findings of label issues; images that the network was not trained on come first.

    The two kinds are counted apart, since a network is too sure of what it was trained on. Within each the
    largest margin, by which the other class is likelier than the label, comes first. Where an image may have
    several labels, each class is asked for by itself, and the image is named with the class of the largest
    margin.

    Args:
        prediction: Probabilities of N images.
        target: Their labels.
        ids: Their names.
        names: Names of the K classes.
        trained: Names of the images that the network was trained on.
    """
    assert prediction.scores is not None
    scores = prediction.scores.double().numpy()
    trained_on = np.array([item in trained for item in ids], dtype=bool)
    ask = _several if target.multilabel else _single_label
    first, then = (
        ask(scores[rows], target.value.numpy()[rows], [ids[i] for i in rows.tolist()], names)
        for rows in (np.flatnonzero(~trained_on), np.flatnonzero(trained_on))
    )
    n = len(first) + len(then)
    if not n:
        return []
    new_count, known_count = int((~trained_on).sum()), int(trained_on.sum())
    return [
        Finding(
            "label-issues",
            "warning",
            f"{n:,} of {len(ids):,} images ({n / len(ids):.1%}) probably have a wrong label: "
            f"{len(first):,} of the {new_count:,} that the model was not trained on, named first, "
            f"and {len(then):,} of the {known_count:,} that it was trained on; of those it is too sure, "
            "so that it misses many",
            "Look at them, from the top, and mend the labels that are wrong. If they are many and right, the "
            "model is not good enough to tell.",
            n,
            (*first, *then),
        )
    ]


def confident(scores: Array, labels: Array) -> Array:
    """(N,) probable class of each item by confident learning; its label if there is none.

    An item counts as of class j if its probability of j reaches the mean that the items labelled j have
    there; if several classes are reached, as of the likeliest, where two are equal as of its label. Those
    counted as another class than their label are the off-diagonal of the confident joint.

    Args:
        scores: (N, K) probabilities.
        labels: (N,) labels in [0, K).

    Source: Northcutt et al., Confident Learning: estimating uncertainty in dataset labels, JAIR 70, 2021,
    section 3.1, equations 1 and 2.
    """
    rows, classes = np.arange(len(labels)), scores.shape[1]
    count = np.bincount(labels, minlength=classes)
    total = np.bincount(labels, scores[rows, labels], minlength=classes)
    threshold = np.divide(total, count, out=np.full(classes, np.inf), where=count > 0)
    reached = np.where(scores >= threshold - TIE, scores, -1.0)
    return np.where(reached[rows, labels] >= reached.max(1), labels, reached.argmax(1))


def _single_label(scores: Array, labels: Array, ids: Sequence[str], names: Sequence[str]) -> list[str]:
    """Label issues of single-label data."""
    predicted, rows = confident(scores, labels), np.arange(len(labels))
    margin = scores[rows, predicted] - scores[rows, labels]
    return [
        f"{ids[i]}: {names[labels[i]]}, probably {names[predicted[i]]} ({scores[i, predicted[i]]:.2f})"
        for i in _largest(margin, predicted != labels)
    ]


def _several(scores: Array, labels: Array, ids: Sequence[str], names: Sequence[str]) -> list[str]:
    """Label issues of multi-label data: each class is a yes-or-no label."""
    margin = np.full(scores.shape, -np.inf)
    for k, items in enumerate(labels.T.astype(np.int64)):
        predicted = confident(np.stack([1 - scores[:, k], scores[:, k]], 1), items)
        sure = np.where(predicted == 1, 1, -1) * (2 * scores[:, k] - 1)
        margin[:, k] = np.where(predicted != items, sure, -np.inf)
    worst = margin.argmax(1)
    doubts_found = []
    for i in _largest(margin.max(1), np.isfinite(margin).any(1)):
        k = worst[i]
        word, other = ("with", "without") if labels[i, k] else ("without", "with")
        p = 1 - scores[i, k] if labels[i, k] else scores[i, k]
        doubts_found.append(f"{ids[i]}: {word} {names[k]}, probably {other} it ({p:.2f})")
    return doubts_found


def _largest(margin: Array, doubted: Array) -> list[int]:
    """Rows with label issues, by falling margin."""
    rows = np.flatnonzero(doubted)
    prediction: list[int] = rows[np.argsort(-margin[rows], kind="stable")].tolist()
    return prediction
