"""The result of an audit: its verdicts, in the order of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sightline.audits._budget import duration
from sightline.audits._require import Answer
from sightline.audits._rules import LEVELS
from sightline.audits._verdict import Verdict

FORMAT = 1
"""Of audit.json."""
PARTS = {"val": "validation", "test": "test"}


@dataclass(frozen=True)
class Audit:
    """The result of an audit.

    Attributes:
        folder: Where its files lie.
        facts: What it was of: run, data, split, time, machine; JSON-able.
        verdicts: Of all checks, in the order of the page.
        answers: To the requirements.
    """

    folder: Path
    facts: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    answers: tuple[Answer, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where a requirement is not met, else 0."""
        return int(not all(answer.is_met for answer in self.answers))

    @property
    def headline(self) -> str:
        """How many verdicts there are of each level, and on what."""
        levels = [v.level for v in self.verdicts]
        counts = ", ".join(f"{levels.count(level)} {level}" for level in LEVELS)
        part, n = PARTS[self.facts["split"]], self.facts["n"]
        looks = self.facts["test_access_count"]
        test = f"test looked at for the {looks}. time" if looks else "test not looked at"
        return f"{counts}. {duration(self.facts['seconds'])} on {part} ({n:,} images), {test}."

    def summary(self) -> str:
        """The headline, the sentence of each verdict, and where the page is."""
        lines = [self.headline, ""]
        for verdict in self.verdicts:
            lines.append(f"{verdict.level:<8}{verdict.name}: {verdict.sentence}")
            lines += [f"        {text}" for text in (verdict.fix, verdict.command) if text]
        lines += ["", *(a.line for a in self.answers)] if self.answers else []
        return "\n".join([*lines, "", f"Page: {self.folder / 'audit.html'}"])

    def to_json(self) -> dict[str, Any]:
        """The content of audit.json."""
        required = [
            {"requirement": str(a.requirement), "met": a.is_met, "line": a.line} for a in self.answers
        ]
        checks = [v.to_json() for v in self.verdicts]
        return {"format": FORMAT, **self.facts, "requirements": required, "checks": checks}
