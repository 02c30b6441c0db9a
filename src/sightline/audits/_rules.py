"""The severity of a verdict: one table of rules, the same for all checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sightline.audits._verdict import AuditCard, Bound, Level, Verdict
from sightline.core.report import Score

LEVELS: tuple[Level, ...] = ("broken", "weak", "told", "sound", "skipped")
"""In the order of the page: what embarrasses most comes first."""

RULES: tuple[tuple[Level, Callable[[Score, Bound], bool]], ...] = (
    ("broken", lambda score, bound: _shown(score, bound) and _beyond(_near_end(score, bound), bound)),
    ("weak", lambda score, bound: _shown(score, bound) and _beyond(score.value, bound)),
    ("sound", lambda score, bound: not math.isnan(score.value)),
)
"""The first that holds is the level of a score. A check has the worst level of its scores; it is "told" where
none of its scores has a bound."""


def level_of(scores: Mapping[str, Score], bounds: Mapping[str, Bound]) -> Level:
    """The worst level of the scores that have a bound and a value; "told" if there are none."""
    pairs = [(scores[name], bound) for name, bound in bounds.items() if name in scores]
    for level, holds in RULES:  # the worst first
        if any(holds(score, bound) for score, bound in pairs):
            return level
    return "told"


def _near_end(score: Score, bound: Bound) -> float:
    """The end of the interval that is nearest to being good enough."""
    return score.high if bound.at_least is not None else score.low


def _beyond(value: float, bound: Bound) -> bool:
    """Whether a value is not good enough; False for nan."""
    if bound.at_least is not None:
        return value < bound.at_least
    return bound.at_most is not None and value > bound.at_most


def _shown(score: Score, bound: Bound) -> bool:
    """Whether the interval lies beyond the value that stands for nothing at all, if there is such a value."""
    if bound.null is None:
        return True
    return score.high < bound.null if bound.at_least is not None else score.low > bound.null


def judge(card: AuditCard, sentence: str, scores: Mapping[str, Score], **more: Any) -> Verdict:
    """The verdict of a check, with its level by the table of rules; `more` are fields of `Verdict`."""
    level = level_of(scores, card.bounds)
    if level in ("told", "sound"):
        more["fix"] = more.get("fix", "") if level == "told" else ""
    return Verdict(card.name, level, sentence, scores, **more)


def skip(card: AuditCard, reason: str, command: str = "", of: int = 0) -> Verdict:
    """The verdict of a check that could not run."""
    return Verdict(card.name, "skipped", f"Not done: {reason}", reason=reason, command=command, of=of)
