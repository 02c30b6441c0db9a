"""Confidence: whether probabilities come true, and what prediction sets and selective answers are worth."""

from __future__ import annotations

import math

import numpy as np

from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._planted import case_of, probabilities
from sightline.audits._rules import judge, skip
from sightline.audits._statistics import share
from sightline.audits._verdict import AuditCard, Bound, Verdict
from sightline.core.report import Figure, LinePlot, Score, Table
from sightline.metrics import intervals
from sightline.metrics.calibration import reliability
from sightline.metrics.ece import Ece

CARD = AuditCard(
    name="confidence",
    title="Confidence",
    summary="whether probabilities come true: calibration, conformal sets, selective answers",
    rank=50,
    scores=("confidence.ece", "confidence.coverage", "confidence.set-size", "confidence.selective"),
    least=100,
    bounds={"confidence.ece": Bound(at_most=0.05, null=0.0), "confidence.coverage": Bound(at_least=0.85)},
    target_types=("label",),
    sees="Confidence on images like these. It does not see other sources of images, where confidences are "
    "mostly too high. Sets are fitted on one half of the images and counted on the other, both ways.",
)
COVERAGE = 0.9
"""Share of the images whose set shall hold the class."""
ANSWERED = (0.9, 0.8, 0.5)
"""Shares of the images that are answered, the surest."""
REPORTED = 0.8


def run(case: Case, budget: Budget) -> Verdict:
    """Calibration error, conformal sets and selective accuracy."""
    part = case.part.sample(budget.n, case.seed)
    if part.prediction.scores is None:
        return skip(CARD, "the predictions have no probabilities.", of=len(case.part))
    metric = Ece()
    stats = metric.sample_statistics(part.prediction, part.target)
    ece = intervals.score(metric, stats, groups=part.dataset.groups)
    scores = {"confidence.ece": ece}
    sentence = f"ECE {ece.text(percent=True)}."
    figures: list[Figure] = [_diagram(part)]
    if not part.target.multilabel:
        covered, size = conformal(part, case.seed)
        scores |= {"confidence.coverage": covered, "confidence.set-size": size}
        answers = {share_of: _selective(part, share_of) for share_of in ANSWERED}
        scores["confidence.selective"] = answers[REPORTED]
        sentence += (
            f" Sets of {100 * COVERAGE:.0f} % hold the class in {covered.text(percent=True)}, with "
            f"{size.value:.2f} classes on average. Answering the surest {100 * REPORTED:.0f} % gives "
            f"{answers[REPORTED].text(percent=True)} right."
        )
        rows = [[f"{100 * k:.0f} %", s.text(percent=True)] for k, s in answers.items()]
        figures.append(Table("Answering only the surest", ["answered", "right"], rows))
    gap = float(stats["confidence"].mean() - stats["right"].mean())
    place = "overconfident" if gap > 0 else "underconfident"
    fix = (
        f"The model is {place} by {100 * abs(gap):.1f} points on average. Train with more validation images "
        "(a temperature is fitted on 100 or more), or use a threshold that is chosen on data like yours."
    )
    return judge(
        CARD, sentence, scores, fix=fix, n=len(part), places=(place,), figures=tuple(figures),
        settings={"coverage": COVERAGE, "bins": metric.bins}, rows=_rows(part, stats["right"][:, 0]),
    )  # fmt: skip


def conformal(part: Part, seed: int) -> tuple[Score, Score]:
    """Share of the images whose set holds the class, and the mean size of the sets.

    A class is in the set if one minus its probability does not exceed the quantile of that number of the
    right class in the other half of the images. With too few images that quantile does not exist, and the set
    holds all classes.

    Source: Sadinle, Lei & Wasserman, Least ambiguous set-valued classifiers with bounded error levels,
    Journal of the American Statistical Association 114, 2019.
    """
    scores, target = part.prediction.scores.double().numpy(), part.target.value.numpy()
    distance, rows = 1 - scores, np.arange(len(target))
    first = np.isin(rows, np.random.default_rng(seed).permutation(len(rows))[: len(rows) // 2])
    held, sizes = np.zeros(len(rows), dtype=bool), np.zeros(len(rows))
    for fitted, counted in ((first, ~first), (~first, first)):
        limit = threshold(distance[rows, target][fitted])
        within = distance[counted] <= limit
        held[counted] = within[np.arange(len(within)), target[counted]]
        sizes[counted] = within.sum(1)
    error = 1.96 * float(sizes.std()) / math.sqrt(len(sizes))
    mean = float(sizes.mean())
    return share(int(held.sum()), len(held)), Score(mean, mean - error, mean + error, len(sizes), "normal")


def threshold(distances: np.ndarray) -> float:
    """The conformal quantile; infinite where there are too few distances for one."""
    rank = math.ceil((len(distances) + 1) * COVERAGE)
    return float(np.sort(distances)[rank - 1]) if rank <= len(distances) else math.inf


def _selective(part: Part, answered: float) -> Score:
    """Share of right answers among the surest images."""
    confidence = part.prediction.scores.double().numpy().max(1)
    right = (part.prediction.value == part.target.value).numpy()
    surest = np.argsort(-confidence, kind="stable")[: max(1, round(answered * len(right)))]
    return share(int(right[surest].sum()), len(surest))


def _diagram(part: Part) -> LinePlot:
    points = reliability(part.prediction.scores.double().numpy(), part.target.value.numpy())
    drawn = [(p.confidence, p.accuracy) for p in points if p.count]
    return LinePlot("Reliability", "confidence", "share right", {"model": drawn}, diagonal=True)


def _rows(part: Part, right: np.ndarray) -> tuple[dict[str, object], ...]:
    confidence = part.prediction.scores.double().numpy().max(1)
    return tuple(
        {"id": item, "confidence": round(float(c), 6), "right": bool(r)}
        for item, c, r in zip(part.ids, confidence, right, strict=True)
    )


def plant(seed: int) -> Case:
    """Probabilities that are far too high."""
    return _case(seed, 4.0)


def clean(seed: int) -> Case:
    """Probabilities that come true."""
    return _case(seed, 1.0)


def _case(seed: int, power: float) -> Case:
    scores, labels = probabilities(600, 3, np.random.default_rng([seed, 50]), 0.5)
    scores = scores**power
    scores /= scores.sum(1, keepdims=True)
    return case_of(scores, labels, planted=("overconfident",) if power > 1 else ())
