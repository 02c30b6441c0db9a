"""Results of commands: scores, findings, and figures described as data.

The report draws each kind of report item. Tasks choose items and never draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Score:
    """A value with its confidence interval and the number of images.

    Attributes:
        value: The estimate.
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        n: Independent units (images, or groups where groups are known) behind it.
        method: How the interval was made.
    """

    value: float
    low: float
    high: float
    n: int
    method: str = "bootstrap"

    def text(self, percent: bool = False) -> str:
        """The score as tables print it: value, interval and n."""
        if self.value != self.value:
            return f"not defined (n {self.n})"
        k, unit, digits = (100.0, " %", 1) if percent else (1.0, "", 3)
        ends = (k * self.value, k * self.low, k * self.high)
        v, lo, hi = (f"{x:.{digits}f}" if abs(x) < 1e6 else f"{x:.4g}" for x in ends)
        if self.low != self.low:
            return f"{v}{unit} (no interval, n {self.n})"
        return f"{v}{unit} ({lo} to {hi}, n {self.n})"


@dataclass(frozen=True)
class Finding:
    """A problem that a check has found.

    Attributes:
        name: What --accept takes ("duplicates-across-splits").
        severity: "error" stops training unless accepted; "warning" and "info" never do.
        message: What was found, with numbers.
        fix: How to mend it.
        count: How many files or items it concerns.
        items: Their ids, or groups of ids joined by " = " (duplicates). All of them.
    """

    name: str
    severity: Severity
    message: str
    fix: str
    count: int
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Rows under named columns. Cells are text, numbers or scores."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""


@dataclass(frozen=True)
class Matrix:
    """Confusion matrix: counts of targets (rows) against predictions (columns)."""

    title: str
    labels: Sequence[str]
    counts: Sequence[Sequence[float]]
    note: str = ""


@dataclass(frozen=True)
class LinePlot:
    """Curves over one axis. `series` maps a name to points (x, y); `diagonal` draws y = x."""

    title: str
    x: str
    y: str
    series: dict[str, list[tuple[float, float]]]
    diagonal: bool = False
    bars: str = ""
    note: str = ""


@dataclass(frozen=True)
class BarPlot:
    """One bar per name."""

    title: str
    x: str
    y: str
    values: dict[str, float]
    note: str = ""


@dataclass(frozen=True)
class Scatter:
    """Points (x, y), perhaps with their `names`; those in `joined` are drawn stronger, with a line."""

    title: str
    x: str
    y: str
    points: Sequence[tuple[float, float]]
    diagonal: bool = False
    note: str = ""
    names: Sequence[str] = ()
    joined: Sequence[int] = ()


@dataclass(frozen=True)
class PredictionGallery:
    """Images of items of the data, by id, each with a caption.

    `target` and `prediction` are targets of these items; those that lie in the image are drawn into
    it, side by side where both are there. `names` are the names of the classes.
    """

    title: str
    ids: Sequence[str]
    captions: Sequence[str]
    note: str = ""
    target: Any = None
    prediction: Any = None
    names: Sequence[str] = ()


@dataclass(frozen=True)
class ImageGrid:
    """Images that are in no data set (filters, activations): arrays (H, W, 3) uint8, drawn with their longer
    side at most `side` pixels.
    """

    title: str
    images: Sequence[Any]
    captions: Sequence[str]
    note: str = ""
    pixelated: bool = True
    side: int = 160


@dataclass(frozen=True)
class IntervalPlot:
    """Scores as points with their 95 % intervals: the network and its baselines."""

    title: str
    x: str
    scores: dict[str, Score]
    percent: bool = False
    note: str = ""


Figure = Table | Matrix | LinePlot | BarPlot | Scatter | PredictionGallery | ImageGrid | IntervalPlot


@dataclass
class Results:
    """Results of an evaluation; `results.json` has exactly this content.

    Attributes:
        task: Name of the task.
        data: What was evaluated on, with its fingerprint.
        split: Which part of it.
        n: Items in it: images, clips, sequences ...
        scores: Metric name to score, for the network.
        baselines: Baseline name to its scores.
        conclusions: Sentences the numbers allow, and no more.
        figures: What the report shows, in order. Not stored.
        metadata: Whatever else is worth keeping (temperature, cost).
        item: What one item is called: "image".
    """

    task: str
    data: str
    split: str
    n: int
    scores: dict[str, Score]
    baselines: dict[str, dict[str, Score]] = field(default_factory=dict)
    conclusions: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    item: str = "image"

    @property
    def subject(self) -> str:
        """What was scored, as tables call it."""
        return "predictions" if "predictions" in self.metadata else "network"

    def to_json(self) -> dict[str, Any]:
        """All but the figures, as plain dicts and lists."""
        data = {k: v for k, v in vars(self).items() if k not in ("figures", "scores", "baselines")}
        data["scores"] = {k: asdict(s) for k, s in self.scores.items()}
        data["baselines"] = {
            b: {k: asdict(s) for k, s in scores.items()} for b, scores in self.baselines.items()
        }
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Results:
        """Inverse of `to_json`."""
        values = dict(data)
        values["scores"] = _scores(data["scores"])
        values["baselines"] = {b: _scores(scores) for b, scores in data["baselines"].items()}
        return cls(**values)


def _scores(data: dict[str, Any]) -> dict[str, Score]:
    """Scores from JSON, which has null where a number is not defined."""
    nan = float("nan")
    finite = {k: {f: nan if v is None else v for f, v in s.items()} for k, s in data.items()}
    return {
        k: Score(s["value"], s["low"], s["high"], int(s["n"]), str(s["method"])) for k, s in finite.items()
    }
