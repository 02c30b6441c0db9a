"""Requirements on the scores of an audit: `--require 'NAME>=X'`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sightline.audits import AUDITS
from sightline.audits._verdict import Verdict
from sightline.core.report import Score
from sightline.errors import UnknownName, UsageError

_FORM = re.compile(
    r"\s*(value\()?\s*([a-z][\w.-]*)\s*(?(1)\)\s*)(>=|<=)\s*(-?\d*\.?\d+(?:e-?\d+)?)\s*", re.IGNORECASE
)


@dataclass(frozen=True)
class Requirement:
    """One requirement.

    Attributes:
        name: Of the score.
        at_least: Whether the score must reach the limit; else it must not exceed it.
        limit: The limit.
        bare: Whether the value alone counts; else the end of the interval.
    """

    name: str
    at_least: bool
    limit: float
    bare: bool

    def __str__(self) -> str:
        name = f"value({self.name})" if self.bare else self.name
        return f"{name} {'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True)
class Answer:
    """Whether a requirement is met, and the line that says so."""

    requirement: Requirement
    is_met: bool
    line: str


def parse(text: str) -> Requirement:
    """Read a requirement.

    Raises:
        UsageError: If it has another form.
        UnknownName: If no check gives such a score; suggests the nearest.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--require is 'NAME>=X', 'NAME<=X' or 'value(NAME)>=X', in quotes. Received '{text}'."
        )
    names = score_names()
    if match[2] not in names:
        raise UnknownName("score of an audit", match[2], names)
    return Requirement(match[2], match[3] == ">=", float(match[4]), match[1] is not None)


def score_names() -> list[str]:
    """Names of all scores of all checks."""
    return [score for name in AUDITS.names() for score in AUDITS.load(name).CARD.scores]


def answer(requirement: Requirement, verdicts: Sequence[Verdict]) -> Answer:
    """Whether a requirement is met.

    The end of the interval must reach the limit: what the images do not show does not count. A check that was
    skipped, a score that is not defined and a check with flags do not meet it.
    """
    check = next((v for v in verdicts if v.name == requirement.name.partition(".")[0]), None)
    if check is None or check.level == "skipped":
        reason = "the check was not asked for" if check is None else f"the check was skipped ({check.reason})"
        return Answer(requirement, False, f"{requirement}: NOT shown, {reason}")
    score = check.scores.get(requirement.name)
    if score is None or math.isnan(score.value):
        return Answer(requirement, False, f"{requirement}: NOT shown, the score is not defined")
    if check.flags:
        return Answer(
            requirement, False, f"{requirement}: {score.text()}: NOT shown, {'; '.join(check.flags)}"
        )
    end = score.value if requirement.bare else score.low if requirement.at_least else score.high
    is_met = end >= requirement.limit if requirement.at_least else end <= requirement.limit
    text = "holds" if is_met else f"NOT shown{_needed(requirement, score)}"
    return Answer(requirement, bool(is_met), f"{requirement}: {score.text()}: {text}")


def _needed(requirement: Requirement, score: Score) -> str:
    """How many images would show it, if the value stays and the interval shrinks with the root of n."""
    room = (score.value - requirement.limit) * (1 if requirement.at_least else -1)
    width = score.value - score.low if requirement.at_least else score.high - score.value
    if requirement.bare or not room > 0 or math.isnan(width):
        return ""
    n = score.n * (width / room) ** 2
    digits = 10 ** max(0, math.floor(math.log10(n)) - 1)
    return f"; about {math.ceil(n / digits) * digits:,} images would be needed"
