"""Figures as inline SVG: one function for each kind of report item.

Colors are CSS variables with a light fallback, so that a page can follow dark mode.
Text stays text. Equal items give equal SVG. matplotlib is used without pyplot: there is no global figure.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sightline.core.report import BarPlot, IntervalPlot, LinePlot, Matrix, Scatter, Score
from sightline.report._home import nothing_at_home
from sightline.report.style import DASHES, HIT, INK, MISS, MUTED, PAPER, RULE, SERIES, STYLE, inline
from sightline.report.text import escape_text, format_number, truncate

with nothing_at_home():
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import FuncFormatter, MaxNLocator

RenderedFigure = Matrix | LinePlot | BarPlot | Scatter | IntervalPlot

WIDTH = 352.0  # points: about what a phone shows, so that text keeps its size there
COUNTED = 12  # largest matrix with numbers in its cells
VECTOR = 40  # largest matrix drawn cell by cell; beyond, it is an image
NAMED = 30  # most bars that get their name
DOTS = 1500  # most points drawn one by one


def svg(exhibit: RenderedFigure, prefix: str = "") -> str:
    """Draw a report item as an SVG element for an HTML page.

    Args:
        exhibit: A matrix, curves, bars, points or intervals.
        prefix: Put before every id inside; differs between the images of one page.
    """
    kinds: dict[type, Callable[[Figure, Any], None]] = {
        Matrix: _matrix,
        LinePlot: _lines,
        BarPlot: _bars,
        Scatter: _scatter,
        IntervalPlot: _intervals,
    }
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # the reader's fonts have it
        figure = Figure(figsize=(WIDTH / 72, WIDTH * 0.64 / 72), layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        kinds[type(exhibit)](figure, exhibit)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", facecolor="none", dpi=200, metadata={"Date": None})
    return inline(stream.getvalue(), prefix, describe(exhibit))


def describe(exhibit: RenderedFigure) -> str:
    """Alternative text: what a figure shows, in words."""
    if isinstance(exhibit, Matrix):
        counts = _counts(exhibit)
        right, whole = np.trace(counts), counts.sum()
        return f"{escape_text(exhibit.title)}: {len(counts)} classes, {right:g} of {whole:g} on the diagonal."
    if isinstance(exhibit, LinePlot):
        ends = [f"{escape_text(k)} ends at {v[-1][1]:.4g}" for k, v in exhibit.series.items() if v]
        head = f"{escape_text(exhibit.title)}: {escape_text(exhibit.y)} against {escape_text(exhibit.x)}"
        return f"{head}; {'; '.join(ends)}." if ends else f"{head}."
    if isinstance(exhibit, BarPlot):
        shown = [f"{escape_text(k)} {v:g}" for k, v in list(exhibit.values.items())[:NAMED]]
        return f"{escape_text(exhibit.title)}: {', '.join(shown)}."
    if isinstance(exhibit, IntervalPlot):
        rows = [f"{escape_text(k)} {s.text(exhibit.percent)}" for k, s in exhibit.scores.items()]
        return f"{escape_text(exhibit.title)}: {'; '.join(rows)}."
    axes = f"{escape_text(exhibit.y)} against {escape_text(exhibit.x)}"
    if exhibit.names:
        rows = [
            f"{escape_text(n)} at {x:.4g}, {y:.4g}"
            for n, (x, y) in zip(exhibit.names, exhibit.points, strict=True)
        ]
        return f"{escape_text(exhibit.title)}: {axes}; {'; '.join(rows)}."
    return f"{escape_text(exhibit.title)}: {len(exhibit.points)} points, {axes}."


def _empty(axes: Axes) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, "nothing to draw", ha="center", va="center", color=MUTED, transform=axes.transAxes)


def _set_height(figure: Figure, points: float) -> None:
    figure.set_size_inches(WIDTH / 72, points / 72)


# --- matrix ---------------------------------------------------------------------------------


def _counts(exhibit: Matrix) -> np.ndarray:
    counts = np.asarray(exhibit.counts, dtype=float)
    return counts.reshape(len(exhibit.labels), len(exhibit.labels))


def _matrix(figure: Figure, exhibit: Matrix) -> None:
    counts, axes = _counts(exhibit), figure.add_subplot()
    k = len(counts)
    if not k:
        return _empty(axes)
    _set_height(figure, WIDTH if k > 4 else WIDTH * 0.8)
    sums = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
    shade = np.sqrt(share)  # else the mistakes of a good model could not be seen
    if k <= VECTOR:
        _cells(axes, counts, shade)
    else:
        image = np.zeros((k, k, 4))
        image[..., :3] = np.where(np.eye(k, dtype=bool)[..., None], to_rgb("#3a86cc"), to_rgb("#e0701c"))
        image[..., 3] = shade
        axes.imshow(image, interpolation="none")
    axes.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5), aspect="equal", xlabel="predicted", ylabel="true")
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(RULE)
    _class_ticks(axes, exhibit.labels)
    return None


def _cells(axes: Axes, counts: np.ndarray, shade: np.ndarray) -> None:
    k = len(counts)
    for i, j in zip(*np.nonzero(counts), strict=True):
        color = HIT if i == j else MISS
        square = Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=color, alpha=round(float(shade[i, j]), 3))
        axes.add_patch(square)
        if k <= COUNTED:
            ink = PAPER if shade[i, j] > (0.7 if i == j else 0.8) else INK
            text = format_number(counts[i, j]) if counts[i, j] >= 10_000 else f"{counts[i, j]:.4g}"
            size = min(10.5, 0.62 * WIDTH / k * 1.75 / len(text))  # two thirds of the width are cells
            axes.text(j, i, text, ha="center", va="center_baseline", fontsize=size, color=ink)
    for edge in np.arange(0.5, k - 1):
        axes.axhline(edge, color=RULE, linewidth=0.5)
        axes.axvline(edge, color=RULE, linewidth=0.5)


def _class_ticks(axes: Axes, labels: Sequence[str]) -> None:
    k = len(labels)
    step = 1 if k <= VECTOR else math.ceil(k / 17)
    where = list(range(0, k, step))
    names = [truncate(labels[i], 20 if k < 4 else 14 if k <= COUNTED else 12) for i in where]
    size = 9.5 if k <= COUNTED else max(5.5, min(8.5, 250 / len(where)))
    axes.set_yticks(where, names, fontsize=size)
    axes.set_xticks(where, names, fontsize=size)
    if max(map(len, names)) * k > 50:
        for text in axes.get_xticklabels():
            text.set(rotation=90 if k > COUNTED else 45, ha="right", rotation_mode="anchor")
            if k > COUNTED:
                text.set(va="center")
    axes.tick_params(length=2 if step > 1 else 0)


# --- curves ---------------------------------------------------------------------------------


def _finite(points: Sequence[tuple[float, float]]) -> np.ndarray:
    """(N, 2) float64 points; values that are not finite become gaps (nan)."""
    array = np.asarray(points, dtype=float).reshape(-1, 2)
    return np.where(np.isfinite(array), array, np.nan)


def _lines(figure: Figure, exhibit: LinePlot) -> None:
    axes = figure.add_subplot()
    series = {k: _finite(v) for k, v in exhibit.series.items() if len(v)}
    if not any(np.isfinite(v).all(axis=1).any() for v in series.values()):
        return _empty(axes)
    bars = series.pop(exhibit.bars, None)
    if exhibit.diagonal:
        _set_height(figure, WIDTH * 0.92)
    keys: list[Any] = []  # no labels on the curves: matplotlib would hide names that begin with _
    for i, points in enumerate(series.values()):
        marker = "o" if len(points) <= 25 else ""
        color, dash = SERIES[i % len(SERIES)], DASHES[i % len(DASHES)]
        keys += axes.plot(*points.T, color=color, linestyle=dash, marker=marker, zorder=3)
    xs = np.concatenate([v[:, 0] for v in series.values()] or [np.zeros(0)])
    if exhibit.diagonal:
        _diagonal(axes, *_span(np.concatenate([v.ravel() for v in series.values()])))
    elif len(xs) and np.all(xs[np.isfinite(xs)] % 1 == 0):
        axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
        if len(np.unique(xs)) == 1:  # one epoch
            axes.set(xlim=(xs[0] - 1, xs[0] + 1), xticks=[xs[0]])
    axes.set(xlabel=escape_text(exhibit.x), ylabel=escape_text(exhibit.y))
    axes.grid(True)
    names = [truncate(name, 28) for name in series]
    if bars is not None:
        keys.append(_bar_series(axes, exhibit, bars, series))
        names.append(truncate(exhibit.bars, 28))
    if len(names) > 1:
        columns = 2 if max(map(len, names)) > 12 else 3
        legend = figure.legend(keys, ["?"] * len(names), loc="outside upper left", ncols=columns)
        for text, name in zip(legend.get_texts(), names, strict=True):
            text.set_text(name)
    return None


def _bar_series(axes: Axes, exhibit: LinePlot, bars: np.ndarray, others: dict[str, np.ndarray]) -> Any:
    """Bars behind the curves, on a second axis if their scale differs."""
    top = max((np.nanmax(v[:, 1]) for v in others.values()), default=0.0)
    where = axes
    if others and np.nanmax(bars[:, 1]) > 1.5 * max(top, 1e-12):
        where = axes.twinx()
        axes.set_aspect("auto")  # of twins matplotlib would rather move the limits than keep them square
        where.set(ylabel=escape_text(exhibit.bars), ylim=(0, np.nanmax(bars[:, 1]) * 2.5))
        axes.set_zorder(where.get_zorder() + 1)
        axes.patch.set_visible(False)
    gaps = np.diff(np.unique(bars[:, 0]))
    width = 0.9 * (gaps.min() if len(gaps) else 0.1)
    return where.bar(bars[:, 0], bars[:, 1], width=width, color=MUTED, alpha=0.28, zorder=1)


def _span(values: np.ndarray) -> tuple[float, float]:
    """Common range of the x and y axis: 0 to 1 for shares, else with a margin."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    margin = 0.04 * (high - low or 1.0)
    return low - margin, high + margin


def _diagonal(axes: Axes, low: float, high: float) -> None:
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (2, 2)), zorder=2)
    pad = 0.015 * (high - low)
    axes.set(xlim=(low - pad, high + pad), ylim=(low - pad, high + pad))
    axes.set_aspect("equal", adjustable="box")


# --- bars, points, intervals ----------------------------------------------------------------


def _bars(figure: Figure, exhibit: BarPlot) -> None:
    axes = figure.add_subplot()
    values = {k: v for k, v in exhibit.values.items() if math.isfinite(v)}
    if not values:
        return _empty(axes)
    if len(values) > NAMED:
        return _profile(axes, exhibit, values)
    _set_height(figure, 48 + 21 * len(values))
    heights = np.fromiter(values.values(), dtype=float)
    axes.barh(range(len(values)), heights, color=SERIES[0], height=0.72)
    low, high = min(0.0, heights.min()), max(0.0, heights.max())
    for i, v in enumerate(heights):
        axes.annotate(
            format_number(v),
            (max(v, 0.0), i),
            (4, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=9.5,
        )
    axes.set_yticks(range(len(values)), [truncate(k, 22) for k in values])
    axes.set(xlim=(low * 1.05, high + 0.16 * (high - low or 1)), ylim=(len(values) - 0.4, -0.6))
    axes.set(xlabel=escape_text(exhibit.y), ylabel=escape_text(exhibit.x))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: format_number(v)))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")
    return None


def _profile(axes: Axes, exhibit: BarPlot, values: dict[str, float]) -> None:
    """Sorted profile for too many bars; the first and the last are labeled."""
    ranked = sorted(values.items(), key=lambda item: -item[1])
    axes.stairs([v for _, v in ranked], fill=True, color=SERIES[0])
    ends = [f"{truncate(k, 20)} ({format_number(v)})" for k, v in (ranked[0], ranked[-1])]
    axes.set(xlim=(0, len(ranked)), ylabel=escape_text(exhibit.y))
    axes.set_xlabel(f"{escape_text(exhibit.x)}: {len(ranked)}, sorted,\nfrom {ends[0]} to {ends[1]}")
    axes.set_xticks([])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: format_number(v)))
    axes.grid(True, axis="y")


def _scatter(figure: Figure, exhibit: Scatter) -> None:
    axes = figure.add_subplot()
    points = _finite(exhibit.points)
    finite = np.isfinite(points).all(axis=1)
    if not finite.any():
        return _empty(axes)
    if exhibit.names:
        return _label_points(axes, exhibit, points, finite)
    points = points[finite]
    many = len(points) > DOTS
    alpha = float(np.clip(8 / math.sqrt(len(points)), 0.12, 0.75))
    color = "#3a86cc" if many else SERIES[0]  # an image cannot follow dark mode; this blue suits both
    axes.scatter(
        points[:, 0], points[:, 1], s=14, color=color, alpha=alpha, linewidths=0, rasterized=many, zorder=3
    )
    if exhibit.diagonal:
        _set_height(figure, WIDTH * 0.92)
        _diagonal(axes, *_span(points))
    axes.set(xlabel=escape_text(exhibit.x), ylabel=escape_text(exhibit.y))
    axes.grid(True)
    return None


def _label_points(axes: Axes, exhibit: Scatter, points: np.ndarray, finite: np.ndarray) -> None:
    """Label a few points, with the text towards the center."""
    strong = np.isin(np.arange(len(points)), list(exhibit.joined)) & finite
    line = points[strong]
    axes.plot(*line[np.argsort(line[:, 0])].T, color=SERIES[0], linewidth=1.2, zorder=2)
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=34,
        c=[SERIES[0] if s else MUTED for s in strong],
        linewidths=0,
        zorder=3,
    )
    axes.margins(x=0.08, y=0.14)
    axes.set(xlabel=escape_text(exhibit.x), ylabel=escape_text(exhibit.y))
    axes.grid(True)
    middle = sum(axes.get_xlim()) / 2
    for i in np.flatnonzero(finite).tolist():
        left = points[i, 0] < middle
        axes.annotate(
            truncate(exhibit.names[i], 34), points[i], (6 if left else -6, 5), textcoords="offset points",
            ha="left" if left else "right", fontsize=9.5, color=INK if strong[i] else MUTED,
        )  # fmt: skip


def _intervals(figure: Figure, exhibit: IntervalPlot) -> None:
    axes = figure.add_subplot()
    scores: dict[str, Score] = {k: s for k, s in exhibit.scores.items() if math.isfinite(s.value)}
    if not scores:
        return _empty(axes)
    _set_height(figure, 52 + 34 * len(scores))
    k = 100.0 if exhibit.percent else 1.0
    for i, (name, s) in enumerate(scores.items()):
        color = SERIES[0] if i == 0 else MUTED
        axes.plot([k * s.low, k * s.high], [i, i], color=color, linewidth=2.6, solid_capstyle="round")
        axes.plot([k * s.value], [i], "o", color=color, markersize=7)
        text = f"{truncate(name, 30)}: {s.text(exhibit.percent)}"
        note = axes.annotate(
            text, (0, i - 0.26), xycoords=("axes fraction", "data"), va="bottom", fontsize=9.5
        )
        note.set_bbox({"facecolor": PAPER, "pad": 1.5})  # the grid must not cross the words
    axes.set(ylim=(len(scores) - 0.6, -0.85), yticks=[])
    axes.set_xlabel(escape_text(exhibit.x) + (" in %" if exhibit.percent else ""))
    axes.spines["left"].set_visible(False)
    axes.grid(True, axis="x")
    return None
