"""What a check of an audit says: its card, and the verdict that comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

from sightline.core.report import Figure, Score

Level = Literal["broken", "weak", "told", "sound", "skipped"]


@dataclass(frozen=True)
class Bound:
    """What a score may be. Exactly one of the first two is given.

    Attributes:
        at_least: Lowest value that is good enough.
        at_most: Highest value that is good enough.
        null: Value that the score has if there is nothing to find. A score is weak only if its interval lies
            beyond it: for scores that are the worst of several, or that noise raises.
    """

    at_least: float | None = None
    at_most: float | None = None
    null: float | None = None


@dataclass(frozen=True)
class Cost:
    """What a check costs.

    Attributes:
        forwards: Forward passes for each image that is judged.
        backwards: Forward and backward passes for each image that is judged.
        trains: Forward passes for each training image (`_case.TRAIN` of them at most).
        trainings: Whole trainings.
        pixels: Seconds for each million pixels of each image that is judged, of work outside the model.
        seconds: Whatever the number of images.
    """

    forwards: float = 0.0
    backwards: float = 0.0
    trains: float = 0.0
    trainings: float = 0.0
    pixels: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class AuditCard:
    """Metadata of a check.

    Attributes:
        name: Its file's name.
        title: Its heading on the page.
        summary: What it looks for, in one line.
        rank: Its place in the order of the page and of the budget; low first.
        scores: Names of all scores that it may give; each begins with the name of the check and a point.
        least: Images below which nothing is said.
        cost: What it costs.
        bounds: Bound of each score that has one.
        target_types: Types of targets that it can judge; none for all.
        needs: What a case must have: "model", "train" (training images), "features" (a backbone with features
            before its head).
        sees: What it can and what it cannot see, in one or two sentences.
    """

    name: str
    title: str
    summary: str
    rank: int
    scores: tuple[str, ...]
    least: int
    cost: Cost = Cost()
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    target_types: tuple[str, ...] = ()
    needs: tuple[Literal["model", "train", "features"], ...] = ()
    sees: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a check says of a model.

    Attributes:
        name: Name of the check.
        level: "broken" (an interval lies wholly beyond its bound), "weak" (a value does), "sound", "told"
            (there is no bound), or "skipped".
        sentence: The result in one or two sentences, with its numbers.
        scores: Its scores by name, each with interval and n.
        fix: What to do about it; "" where there is nothing to do.
        n: Images behind it.
        of: Images that there were.
        seconds: That it took.
        reason: Why it was skipped.
        command: Command that runs what was skipped.
        places: Where the trouble is, the worst first: a group, a class, a corruption, ids of images.
        flags: Signs that a number must not be believed; a requirement on such a check is not met.
        settings: What it was done with: JSON-able.
        rows: One for each image, with its "id": what happened to it. Written to NAME.jsonl.
        figures: What the page shows. Not stored.
    """

    name: str
    level: Level
    sentence: str
    scores: Mapping[str, Score] = field(default_factory=dict)
    fix: str = ""
    n: int = 0
    of: int = 0
    seconds: float = 0.0
    reason: str = ""
    command: str = ""
    places: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ()
    figures: tuple[Figure, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """All but rows and figures, as plain dicts and lists."""
        hidden = ("rows", "figures", "scores")
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in hidden}
        values["scores"] = {name: asdict(score) for name, score in self.scores.items()}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`; null becomes nan."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
        nan, scores = float("nan"), {}
        for name, score in content["scores"].items():
            defined: dict[str, Any] = {k: nan if v is None else v for k, v in score.items()}
            scores[name] = Score(**defined)
        values["scores"] = scores
        return cls(**values)
