"""Result of `explain`: a line for each image, files, and the tests of the explanation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sightline.explanation.trust import Trial


@dataclass
class Explained:
    """What was explained.

    Attributes:
        method: Name of the method.
        reason: Why this method.
        layer: Name of the layer, or "".
        folder: Where the page and the maps are.
        rows: One for each map: image, what was explained, and what was found.
        trials: Tests of the explanation on this model.
        errors: Images that could not be explained, with the reason.
        lines: What is printed of each map.
        trust_required: Whether the tests must show that the maps can be trusted.
    """

    method: str
    reason: str
    layer: str
    folder: Path
    rows: list[dict[str, Any]] = field(default_factory=list)
    trials: list[Trial] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    trust_required: bool = False

    @property
    def trusted(self) -> bool:
        """Whether a test was passed, and none failed."""
        passed = [trial.passed for trial in self.trials]
        return True in passed and False not in passed

    @property
    def exit_code(self) -> int:
        """1 if nothing was explained, or trust is required and not shown."""
        return 0 if self.rows and (self.trusted or not self.trust_required) else 1

    @property
    def page(self) -> Path:
        """The page with all maps."""
        return self.folder / "explain.html"

    def summary(self) -> str:
        """Lines for people."""
        lines = [*self.lines, *(f"{name}  not explained: {why}" for name, why in self.errors.items())]
        lines += [f"FAILED {t.name}: {t.result}" for t in self.trials if t.passed is False]
        if self.trust_required and self.rows:
            lines.append(f"trust: {self._trust()}")
        return "\n".join([*lines, f"Maps: {self.page}"] if self.rows else lines)

    def _trust(self) -> str:
        """Whether the requirement is met, in words."""
        passed = [trial.passed for trial in self.trials]
        counts = f"{passed.count(True)} of {len(passed)} tests passed"
        if self.trusted:
            return f"holds ({counts})"
        reason = "none could be made" if not any(p is not None for p in passed) else counts
        return f"NOT shown ({reason})"

    def to_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        tests = [
            {"test": t.name, "passed": t.passed, "value": t.value, "result": t.result} for t in self.trials
        ]
        return {
            "method": self.method,
            "reason": self.reason,
            "layer": self.layer,
            "folder": str(self.folder),
            "maps": self.rows,
            "tests": tests,
            "trusted": self.trusted,
            "errors": self.errors,
        }
