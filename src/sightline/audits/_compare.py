"""Two audits side by side: in which scores one run is better than the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sightline.audits import AUDITS
from sightline.audits._statistics import difference
from sightline.audits._verdict import Verdict
from sightline.core.report import Score, Table
from sightline.metrics.accuracy import Accuracy
from sightline.metrics.compare import paired

SAME = ("task", "fingerprint", "split")
"""What two audits must have in common."""
FILE = "audit.json"
ASKED = {"ball", "levels", "coverage", "columns", "seed", "strangers", "false alarms", "box", "candidates"}
"""Settings that change what a score means."""


@dataclass(frozen=True)
class Audited:
    """An audit as it was written.

    Attributes:
        folder: Of its files.
        content: Of audit.json.
        verdicts: Its verdicts by the name of the check.
    """

    folder: Path
    content: Mapping[str, Any]
    verdicts: Mapping[str, Verdict]

    def rows(self, check: str) -> dict[str, Mapping[str, Any]]:
        """What happened to each image in a check, by its name."""
        file = self.folder / f"{check}.jsonl"
        if not file.is_file():
            return {}
        lines = file.read_text(encoding="utf-8").splitlines()
        return {row["id"]: row for row in map(json.loads, lines)}


def read(folder: Path) -> Audited | None:
    """The newest audit of a run; None if it has none that is complete."""
    files = [f for f in folder.glob(f"audit*/{FILE}") if f.parent.name.partition("-")[0] == "audit"]
    if not files:
        return None
    newest = max(files, key=lambda f: int(f.parent.name.partition("-")[2] or 1))
    content = json.loads(newest.read_text(encoding="utf-8"))
    verdicts = {check["name"]: Verdict.from_json(check) for check in content["checks"]}
    return Audited(newest.parent, content, verdicts)


def compare_audits(first: Path, other: Path) -> tuple[list[str], list[Table]]:
    """Sentences and a table about the newest audits of two runs; nothing where one of them has none.

    A score is compared where both were taken of the same images with the same settings. Shares of images of
    which each audit wrote down what happened are compared image by image; of all others the interval of the
    difference is that of independent scores, which is too wide for the same images and never too narrow.
    """
    audits = [read(first), read(other)]
    present = [audit for audit in audits if audit is not None]
    if len(present) < 2:
        return [], []
    a, b = present
    names = (first.name, other.name) if first.name != other.name else (str(first), str(other))
    differing = [key for key in SAME if a.content[key] != b.content[key]]
    if differing:
        words = ", ".join(f"{key} {a.content[key]} and {b.content[key]}" for key in differing)
        return [f"The audits are not compared, because they are not of the same: {words}."], []
    rows: list[list[str]] = []
    better: list[str] = []
    worse: list[str] = []
    odd: list[str] = []
    for check in [name for name in AUDITS.names() if name in a.verdicts and name in b.verdicts]:
        if reason := _differ(a.verdicts[check], b.verdicts[check]):
            odd.append(f"{check} ({reason})")
            continue
        for score, gap, method in _differences(check, a, b):
            good = _is_better(check, score, gap)
            (better if good == "first" else worse if good == "other" else []).append(score)
            values = (a.verdicts[check].scores[score], b.verdicts[check].scores[score])
            winner = {"first": names[0], "other": names[1]}.get(good, "not decided")
            rows.append([score, *(v.text() for v in values), _signed(gap), winner, method])
    sentence = "Audits: " + "; ".join([*_words(names[0], better), *_words(names[1], worse)])
    if not better and not worse:
        sentence = "Audits: no score of one is better beyond the interval."
    notes = [sentence.rstrip(".") + "."]
    if odd:
        notes.append(f"Checks that are not compared: {', '.join(odd)}.")
    columns = ["score", *names, "difference", "better", "method"]
    note = (
        "The difference is the first minus the other, with its 95 % interval. Of many scores some differ by "
        "chance."
    )
    return notes, [Table(f"Audits of {names[0]} and {names[1]}", columns, rows, note)]


def _differ(a: Verdict, b: Verdict) -> str:
    """Why the scores of a check cannot be compared, in words; "" if they can."""
    if "skipped" in (a.level, b.level):
        return "skipped in one"
    if a.flags or b.flags:
        return "a number must not be believed"
    if a.n != b.n:
        return f"of {a.n:,} and {b.n:,} images"
    changed = [k for k in sorted(ASKED) if a.settings.get(k) != b.settings.get(k)]
    return f"other {', '.join(changed)}" if changed else ""


def _differences(check: str, a: Audited, b: Audited) -> Iterator[tuple[str, Score, str]]:
    mine, others = a.rows(check), b.rows(check)
    for name, score in a.verdicts[check].scores.items():
        other = b.verdicts[check].scores.get(name)
        if other is None or score.value != score.value or other.value != other.value:
            continue
        pairs = _pairs(name.partition(".")[2], mine, others)
        if pairs is not None and score.n == len(mine):
            yield name, _by_image(*pairs), "image by image"
        elif score.low == score.low and other.low == other.low:
            yield name, difference(score, other), "intervals"


def _pairs(
    column: str, mine: Mapping[str, Any], others: Mapping[str, Any]
) -> tuple[Sequence[bool], Sequence[bool]] | None:
    """What happened to the same images in both audits, where it is yes or no."""
    if not mine or mine.keys() != others.keys():
        return None
    values = [(row.get(column), others[item].get(column)) for item, row in mine.items()]
    if not all(isinstance(x, bool) and isinstance(y, bool) for x, y in values):
        return None
    return [x for x, _ in values], [y for _, y in values]


def _by_image(a: Sequence[bool], b: Sequence[bool]) -> Score:
    stats = [{"right": np.array(values, dtype=np.float64)} for values in (a, b)]
    return paired(Accuracy(), *stats).difference


def _is_better(check: str, score: str, gap: Score) -> str:
    """Which is better beyond the interval: "first", "other" or "". Scores with a bound, and shares of images
    that withstand attacks, have a good and a bad side; the others have none.
    """
    bound = AUDITS.load(check).CARD.bounds.get(score)
    upward = score.startswith("robust.") if bound is None else bound.at_least is not None
    if (bound is None and not upward) or not (gap.low > 0 or gap.high < 0):
        return ""
    return "first" if (gap.value > 0) == upward else "other"


def _words(name: str, scores: Sequence[str]) -> list[str]:
    return [f"{name} is better in {', '.join(scores)}"] if scores else []


def _signed(gap: Score) -> str:
    return f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
