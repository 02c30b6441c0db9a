"""Groups of images: their scores beside those of the others, with intervals that hold for all together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sightline.audits._statistics import difference, fisher, p_value
from sightline.core.metric import Metric, Statistics
from sightline.core.report import Score, Table
from sightline.metrics import intervals
from sightline.metrics.compare import holm

LEAST = 30
"""Images of a group that is ranked."""
ALPHA = 0.01
"""Chance that any difference is named where there is none: a page has many."""


@dataclass(frozen=True)
class Group:
    """A group of images, and its score beside that of all others with a known value in that column.

    Attributes:
        name: "site = C".
        n: Images in it.
        score: Of it.
        rest: Of the others.
        gap: How much worse it is than the others; relative to them for errors. The interval holds for all
            groups that are compared together.
        p: Of the gap, corrected for their number (Holm).
        ranked: Whether it has enough images.
    """

    name: str
    n: int
    score: Score
    rest: Score
    gap: Score
    p: float
    ranked: bool


def compare(
    metric: Metric,
    stats: Statistics,
    columns: Mapping[str, np.ndarray],
    people: np.ndarray | None,
    only: Sequence[str] | None = None,
) -> list[Group]:
    """All groups of all columns, the worst first; those that are not ranked come last.

    Args:
        metric: What is compared.
        stats: Its statistics of each image.
        columns: (N,) values of each column; "" is no group.
        people: (N,) what keeps images together (a person, a scene), or None.
        only: Names of the groups that are compared; None: all.
    """
    members = [member for member in _members(columns) if only is None or member[0] in only]
    enough = sum(mask.sum() >= LEAST and (rest.sum() >= LEAST) for _, mask, rest in members)
    level = 1 - ALPHA / max(1, enough)
    groups = [_group(metric, stats, *member, people, level) for member in members]
    ps = iter(holm([g.p for g in groups if g.ranked]))
    groups = [replace(g, p=next(ps)) if g.ranked else g for g in groups]
    return sorted(groups, key=lambda g: (not g.ranked, -g.gap.value if g.ranked else -g.n))


def _members(columns: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name of each group, its images, and those of the other values of its column."""
    for name, values in columns.items():
        present = np.unique(values[values != ""])
        for value in present.tolist():
            mask = values == value
            yield f"{name} = {value}", mask, (values != "") & ~mask


def _group(
    metric: Metric,
    stats: Statistics,
    name: str,
    mask: np.ndarray,
    rest: np.ndarray,
    people: np.ndarray | None,
    level: float,
) -> Group:
    def score(rows: np.ndarray, level: float = 0.95) -> Score:
        parts = {k: v[rows] for k, v in stats.items()}
        return intervals.score(metric, parts, groups=None if people is None else people[rows], level=level)

    own_score, rest_score, n = score(mask), score(rest), int(mask.sum())
    defined = math.isfinite(own_score.low) and math.isfinite(rest_score.low)
    if n < LEAST or int(rest.sum()) < LEAST or not defined:
        nothing = Score(math.nan, math.nan, math.nan, n, "not ranked")
        return Group(name, n, own_score, rest_score, nothing, math.nan, False)
    wide, wide_rest = score(mask, level), score(rest, level)
    gap = difference(wide_rest, wide) if metric.card.higher_is_better else difference(wide, wide_rest)
    p = p_value(gap, level)
    if metric.card.is_proportion and people is None:
        hits, others = (np.rint(next(iter(stats.values()))[m].sum()) for m in (mask, rest))
        p = fisher(int(hits), n, int(others), int(rest.sum()))
    scale = 1.0 if metric.card.best == 1 else abs(rest_score.value)
    values = (gap.value / scale, gap.low / scale, gap.high / scale) if scale else (math.nan,) * 3
    method = f"{gap.method}, for all groups together"
    return Group(name, n, own_score, rest_score, Score(*values, n, method), p, True)


def table_of(metric: Metric, groups: Sequence[Group]) -> Table:
    """The groups with their scores, as a table."""
    card = metric.card
    rows = []
    for g in groups:
        gap, p = (f"{100 * g.gap.value:+.1f} %", f"{g.p:.2g}") if g.ranked else ("not ranked", "–")
        rows.append([g.name, g.score.text(card.percent), g.rest.text(card.percent), gap, p])
    columns = ["group", card.name, "the others", "how much worse", "p"]
    return Table("Groups", columns, rows, "p is corrected for the number of groups (Holm).")
