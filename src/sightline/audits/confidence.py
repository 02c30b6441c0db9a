"""Confidence: whether probabilities come true, and what prediction sets and selective answers are worth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._confidences import FEW, MEASURES, ece_of, of_numbers, of_objects, of_pixels, threshold
from sightline.audits._planted import case_of, probabilities
from sightline.audits._rules import judge, skip
from sightline.audits._statistics import share
from sightline.audits._verdict import AuditCard, Bound, Cost, Verdict
from sightline.core.metric import Statistics
from sightline.core.report import Figure, LinePlot, Score, Table
from sightline.metrics.calibration import Point, reliability
from sightline.metrics.ece import Ece

CARD = AuditCard(
    name="confidence",
    title="Confidence",
    summary="whether probabilities come true: calibration, conformal sets, selective answers",
    rank=50,
    scores=("confidence.ece", "confidence.coverage", "confidence.set-size", "confidence.width",
            "confidence.selective"),
    least=50,
    cost=Cost(forwards=1),
    bounds={"confidence.ece": Bound(at_most=0.05, null=0.0), "confidence.coverage": Bound(at_least=0.85)},
    target_types=("label", "number", "masks", *MEASURES),
    sees="Confidence on images like these. It does not see other sources of images, where confidences are "
    "mostly too high. Sets and intervals are fitted on one half of the images and counted on the other, both "
    "ways. Of objects those are judged that are shown, of class maps the pixels at the size of the input.",
)  # fmt: skip
COVERAGE = 0.9
"""Share of the images whose set shall hold the class."""
ANSWERED = (0.9, 0.8, 0.5)
"""Shares of the images that are answered, the surest."""
REPORTED = 0.8


def run(case: Case, budget: Budget) -> Verdict:
    """What confidences are worth, by the kind of target."""
    part = case.part.sample(budget.n, case.seed)
    judges: dict[str, Callable[[Case, Part], Verdict]] = {"label": _of_labels, "number": _of_numbers}
    judges |= {"masks": _of_pixels} | dict.fromkeys(MEASURES, _of_objects)
    return judges[part.target.kind](case, part)


def _of_labels(case: Case, part: Part) -> Verdict:
    """Calibration error, conformal sets and selective accuracy."""
    if part.prediction.scores is None:
        return skip(CARD, "the predictions have no probabilities.", of=len(case.part))
    metric = Ece()
    stats = metric.sample_statistics(part.prediction, part.target)
    ece = ece_of(stats, part.dataset.groups)
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
    place, gap = _gap(stats)
    fix = (
        f"The model is {place} by {gap:.1f} points on average. Train with more validation images "
        "(a temperature is fitted on 100 or more), or use a threshold that is chosen on data like yours."
    )
    return judge(
        CARD, sentence, scores, fix=fix, n=len(part), places=(place,), figures=tuple(figures),
        settings={"coverage": COVERAGE, "bins": metric.bins}, rows=_rows(part, stats["right"][:, 0]),
    )  # fmt: skip


def _gap(stats: Statistics) -> tuple[str, float]:
    """Which way the confidences are wrong, and by how many points on average."""
    gap = 100 * float(stats["confidence"].mean() - stats["right"].mean())
    return "overconfident" if gap > 0 else "underconfident", abs(gap)


def _of_objects(case: Case, part: Part) -> Verdict:
    """Calibration error of the scores of the objects that are shown."""
    stats, units = of_objects(part, case.settings)
    n = len(stats["right"])
    if n < FEW:
        return skip(CARD, f"the model shows {n} objects, and {FEW} are needed.", of=len(case.part))
    ece, (place, gap) = ece_of(stats, units), _gap(stats)
    confidence, right = (float(stats[name].mean()) for name in ("confidence", "right"))
    sentence = (
        f"ECE of the scores of {n:,} shown objects {ece.text(percent=True)}: {100 * right:.1f} % of them are "
        f"right, and their scores say {100 * confidence:.1f} %."
    )
    fix = (
        f"Scores are {place} by {gap:.1f} points on average: they order objects, and are no probabilities. "
        "Choose thresholds on data like yours."
    )
    return judge(
        CARD, sentence, {"confidence.ece": ece}, fix=fix, n=len(part), places=(place,),
        figures=(_drawn(stats),), settings={"objects": n, "overlap": 0.5},
    )  # fmt: skip


def _of_pixels(case: Case, part: Part) -> Verdict:
    """Calibration error of the probabilities of pixels."""
    stats = None if case.model is None else of_pixels(case, part)
    if stats is None:
        return skip(CARD, "the model has no probability for each class and pixel.", of=len(case.part))
    groups = part.dataset.groups if len(stats["right"]) == len(part) else None
    ece, (place, gap) = ece_of(stats, groups), _gap(stats)
    sentence = f"ECE of pixels {ece.text(percent=True)}; they are {place} by {gap:.1f} points on average."
    fix = "Do not use probabilities of pixels as they are; choose thresholds on data like yours."
    return judge(
        CARD, sentence, {"confidence.ece": ece}, fix=fix, n=len(part), places=(place,),
        figures=(_drawn(stats),), settings={"pixels of an image": stats["right"].shape[1]},
    )  # fmt: skip


def _of_numbers(case: Case, part: Part) -> Verdict:
    """Conformal intervals around numbers."""
    output, covered, width, around = of_numbers(part, case.seed, COVERAGE)
    names = case.task.info.outputs
    name = names[output] if output < len(names) else "the number"
    scores = {"confidence.coverage": covered}
    sentence = f"There are too few images for intervals of {100 * COVERAGE:.0f} %: they hold all numbers."
    if math.isfinite(width):
        scores["confidence.width"] = Score(width, math.nan, math.nan, len(part), "split conformal")
        sentence = (
            f"Intervals of {100 * COVERAGE:.0f} %, {width:.3g} to both sides of the prediction, hold {name} "
            f"in {covered.text(percent=True)}; around the median of all images it would be {around:.3g}."
        )
    fix = "Images of one source differ from those of another: fit intervals on images like yours."
    settings = {"coverage": COVERAGE, "output": name}
    return judge(CARD, sentence, scores, fix=fix, n=len(part), places=(name,), settings=settings)


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
        limit = threshold(distance[rows, target][fitted], COVERAGE)
        within = distance[counted] <= limit
        held[counted] = within[np.arange(len(within)), target[counted]]
        sizes[counted] = within.sum(1)
    error = 1.96 * float(sizes.std()) / math.sqrt(len(sizes))
    mean = float(sizes.mean())
    return share(int(held.sum()), len(held)), Score(mean, mean - error, mean + error, len(sizes), "normal")


def _selective(part: Part, answered: float) -> Score:
    """Share of right answers among the surest images."""
    confidence = part.prediction.scores.double().numpy().max(1)
    right = (part.prediction.value == part.target.value).numpy()
    surest = np.argsort(-confidence, kind="stable")[: max(1, round(answered * len(right)))]
    return share(int(right[surest].sum()), len(surest))


def _diagram(part: Part) -> LinePlot:
    return _plot(reliability(part.prediction.scores.double().numpy(), part.target.value.numpy()))


def _drawn(stats: Statistics) -> LinePlot:
    """The diagram of yes-or-no confidences."""
    return _plot(reliability(stats["confidence"].reshape(-1, 1), stats["right"].reshape(-1, 1)))


def _plot(points: Sequence[Point]) -> LinePlot:
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
