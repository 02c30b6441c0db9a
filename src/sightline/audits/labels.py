"""Labels: images whose annotation the model contradicts, and how many of them there probably are."""

from __future__ import annotations

import numpy as np

from sightline.audits._budget import Budget
from sightline.audits._case import Case
from sightline.audits._planted import case_of, probabilities
from sightline.audits._rules import judge, skip
from sightline.audits._statistics import share
from sightline.audits._verdict import AuditCard, Bound, Verdict
from sightline.core.report import Finding, Table

CARD = AuditCard(
    name="labels",
    title="Labels",
    summary="annotations that the model contradicts with confidence",
    rank=20,
    scores=("labels.doubted",),
    least=100,
    bounds={"labels.doubted": Bound(at_most=0.03)},
    sees="Labels that the model contradicts, on images that it was not trained on (confident learning). It "
    "cannot tell a wrong label from a mistake that the model is sure of: look at the images.",
)
LISTED = 25


def run(case: Case, budget: Budget) -> Verdict:
    """Label issues of the task, as `check --run` gives them, on the part."""
    if not case.task.findings:
        return skip(CARD, f"models of {case.task.card.name} cannot tell doubtful targets.", of=len(case.part))
    part = case.part.sample(budget.n, case.seed)
    settings = {**case.settings, "trained": frozenset()}
    findings = case.task.label_issues(part.prediction, part.target, part.ids, settings)
    doubted = _images(findings, part.ids)
    score = share(len(doubted), len(part))
    sentence = f"{score.text(percent=True)} of the images have an annotation that the model contradicts."
    if doubted:
        sentence += f" First: {_first(findings)}."
    fix = (
        "Look at the listed images from the top, and mend the annotations that are wrong. If most are right, "
        "the model is not good enough to tell. `sightline check DATA --run RUN` looks at training images too."
    )
    lines = [line for finding in findings for line in finding.items]
    return judge(
        CARD, sentence, {"labels.doubted": score}, fix=fix, n=len(part), places=tuple(doubted),
        figures=(Table("What the model contradicts", ["item"], [[line] for line in lines[:LISTED]]),),
        rows=tuple({"id": item, "doubted": item in set(doubted)} for item in part.ids),
    )  # fmt: skip


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
