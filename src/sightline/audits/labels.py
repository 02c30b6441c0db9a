"""Labels: annotations that the model contradicts, and whether it is good enough to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part, shown
from sightline.audits._planted import case_of, probabilities
from sightline.audits._rules import judge, skip
from sightline.audits._statistics import ratio, share
from sightline.audits._verdict import AuditCard, Bound, Verdict
from sightline.core.metric import Evaluation
from sightline.core.report import Finding, Score, Table
from sightline.metrics.functional.matching import flags, matches

CARD = AuditCard(
    name="labels",
    title="Labels",
    summary="annotations that the model contradicts with confidence",
    rank=20,
    scores=("labels.doubted", "labels.agreement"),
    least=50,
    bounds={"labels.doubted": Bound(at_most=0.03)},
    sees="Annotations that the model contradicts, on images that it was not trained on (confident learning). "
    "It cannot tell a wrong label from a mistake that the model is sure of: look at the images. A model that "
    "is often wrong elsewhere too is no judge, and gets no verdict.",
)
LISTED = 25
AGREES = {"label": 0.9, "instances": 0.8}
"""Share of the annotations which it does not contradict that a model must get right, to be a judge of the
others. Of objects it is lower: with an overlap of a half a box counts as found."""


def run(case: Case, budget: Budget) -> Verdict:
    """Label issues of the task, as `check --run` gives them, on the part."""
    if not case.task.findings:
        return skip(CARD, f"models of {case.task.card.name} cannot tell doubtful targets.", of=len(case.part))
    part = case.part.sample(budget.n, case.seed)
    settings = {**case.settings, "trained": frozenset()}
    findings = case.task.label_issues(part.prediction, part.target, part.ids, settings)
    doubted = _images(findings, part.ids)
    is_label = part.target.kind == "label"
    what = "images" if is_label else "objects"
    count, agreement = (_labels if is_label else _objects)(part, findings, doubted, case.settings)
    scores = {"labels.doubted": count, "labels.agreement": agreement}
    sentence = f"{count.text(percent=True)} of the {what} have an annotation that the model contradicts."
    if doubted:
        sentence += f" First: {_first(findings)}."
    if agreement.value < AGREES.get(part.target.kind, 0.9):
        del scores["labels.doubted"]
        sentence = (
            f"The model is too weak to judge the annotations: of the {what} that it does not contradict it "
            f"gets {agreement.text(percent=True)} right. {sentence}"
        )
        sentence += " Most of that may be its own mistakes." if doubted else ""
    fix = (
        "Look at the listed images from the top, and mend the annotations that are wrong. If most are right, "
        "the model is not good enough to tell. `sightline check DATA --run RUN` looks at training images too."
    )
    lines = [line for finding in findings for line in finding.items]
    return judge(
        CARD, sentence, scores, fix=fix, n=len(part), places=tuple(doubted),
        figures=(Table("What the model contradicts", ["item"], [[line] for line in lines[:LISTED]]),),
        rows=tuple({"id": item, "doubted": item in set(doubted)} for item in part.ids),
    )  # fmt: skip


def _labels(
    part: Part, findings: Sequence[Finding], doubted: Sequence[str], settings: object
) -> tuple[Score, Score]:
    """Share of doubted images, and of right ones among the others."""
    del findings, settings
    target, named = part.target, part.prediction
    right = (named.value == target.value).numpy()
    if right.ndim > 1:
        right = ((named.scores > 0.5) == target.value.bool()).numpy().all(1)
    clear = ~np.isin(np.array(part.ids, dtype=object), list(doubted))
    return share(len(doubted), len(part)), share(int(right[clear].sum()), int(clear.sum()))


def _objects(
    part: Part, findings: Sequence[Finding], doubted: Sequence[str], settings: Mapping[str, Any]
) -> tuple[Score, Score]:
    """Doubtful objects for each annotated one, and the share of the others that the model finds."""
    del doubted
    image = {item: i for i, item in enumerate(part.ids)}
    n, drawn = np.zeros(len(part)), np.zeros(len(part))
    for finding in findings:
        for line in finding.items:
            row = image[line if line in image else line.partition(": ")[0]]
            n[row] += 1
            drawn[row] += finding.name == "box-class-issues"
    matched = matches(Evaluation(shown(part.prediction, settings), part.target))
    real = ~flags(part.target)[1]
    is_found = np.zeros(len(real), dtype=bool)
    is_found[matched.partner[matched.partner >= 0]] = True
    owner = part.target.image.numpy()
    objects, right = (np.bincount(owner, w, len(part)) for w in (real, is_found & real))
    groups = part.dataset.groups
    return ratio(n, objects, groups), ratio(right, np.maximum(objects - drawn, right), groups)


def _images(findings: list[Finding], ids: list[str]) -> list[str]:
    """Names of the images of the findings, in their order; an item begins with that of its image."""
    names = set(ids)
    lines = (line for finding in findings for line in finding.items)
    images = (line if line in names else line.partition(": ")[0] for line in lines)
    return [item for item in dict.fromkeys(images) if item in names]


def _first(findings: list[Finding]) -> str:
    return "; ".join(findings[0].items[:3])


def plant(seed: int) -> Case:
    """Labels of 12 % of the images are exchanged."""
    return _case(seed, 0.12)


def clean(seed: int) -> Case:
    """A good model, and labels as they should be."""
    return _case(seed, 0.0)


def _case(seed: int, noise: float) -> Case:
    rng = np.random.default_rng([seed, 20])
    scores, labels = probabilities(500, 3, rng, 3)
    labels = np.where(scores.max(1) > 0.8, scores.argmax(1), labels)
    wrong = rng.permutation(np.flatnonzero(scores.max(1) > 0.95))[: round(noise * 500)]
    labels[wrong] = (labels[wrong] + rng.integers(1, 3, len(wrong))) % 3
    return case_of(scores, labels, planted=tuple(f"val/{i:04d}" for i in wrong))
