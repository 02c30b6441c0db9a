"""Figures: every kind is drawn, says what it shows, and stands any data."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.report import BarPlot, IntervalPlot, LinePlot, Matrix, Scatter, Score
from sightline.report.figures import RenderedFigure, svg
from sightline.report.text import truncate

CURVES = {"training": [(1.0, 2.0), (2.0, 1.0)], "validation": [(1.0, 2.0), (2.0, 1.5)]}
KINDS: dict[str, RenderedFigure] = {
    "matrix": Matrix("Confusion", ["cat", "dog"], [[5, 1], [2, 9]]),
    "lines": LinePlot("Loss", "epoch", "loss", CURVES),
    "reliability": LinePlot(
        "Reliability", "confidence", "right",
        {"found": [(0.3, 0.2), (0.7, 0.8)], "share": [(0.3, 0.4), (0.7, 0.6)]},
        diagonal=True, bars="share",
    ),
    "bars": BarPlot("Images", "class", "images", {"cat": 10.0, "dog": 2500.0}),
    "scatter": Scatter("Errors", "true", "predicted", [(1.0, 2.0), (3.0, 4.0)], diagonal=True),
    "names": Scatter("Trade", "ms", "score", [(1, 2), (3, 4)], names=["small", "large"], joined=[0, 1]),
    "intervals": IntervalPlot("Accuracy", "accuracy", {"net": Score(0.9, 0.8, 0.95, 50)}, percent=True),
}  # fmt: skip


def texts(drawn: str) -> list[str]:
    """All text in a drawing, which must be well-formed XML."""
    return ["".join(e.itertext()) for e in ElementTree.fromstring(drawn).iter("text")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_drawn_with_its_title_for_screen_readers(kind: str) -> None:
    drawn = svg(KINDS[kind])
    assert texts(drawn)
    root = ElementTree.fromstring(drawn)
    assert root.get("role") == "img"
    assert (root.get("aria-label") or "").startswith(KINDS[kind].title)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_exhibits_give_equal_drawings_and_prefixes_keep_ids_apart(kind: str) -> None:
    assert svg(KINDS[kind]) == svg(KINDS[kind])
    ids = [set(re.findall(r' id="([^"]+)"', svg(KINDS[kind], prefix))) for prefix in ("a-", "b-")]
    assert not ids[0] & ids[1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_brings_no_style_and_no_address(kind: str) -> None:
    drawn = svg(KINDS[kind])
    assert "<style" not in drawn
    assert "http" not in drawn
    assert "DejaVu" not in drawn


def test_a_matrix_shows_its_counts_and_names() -> None:
    shown = texts(svg(KINDS["matrix"]))
    assert {"5", "1", "2", "9", "cat", "dog", "true", "predicted"} <= set(shown)
    assert "14 of 17 on the diagonal" in svg(KINDS["matrix"])


@pytest.mark.parametrize("k", [1, 2, 10, 12, 13, 40, 41, 100, 1000])
def test_matrices_of_any_size(k: int) -> None:
    counts = np.eye(k) * 3
    drawn = svg(Matrix("m", [f"a rather long class name {i}" for i in range(k)], counts.tolist()))
    assert len(drawn) < 250_000
    assert ("3" in texts(drawn)) == (k <= 12)


def test_a_class_without_images_leaves_its_row_empty() -> None:
    assert texts(svg(Matrix("m", ["a", "b"], [[0, 0], [1, 1]]))).count("1") == 2


def test_bars_carry_their_values_and_many_are_summed_up() -> None:
    assert "2\N{NARROW NO-BREAK SPACE}500" in texts(svg(KINDS["bars"]))
    many = svg(BarPlot("b", "class", "images", {f"c{i}": float(i) for i in range(400)}))
    assert any("from c399 (399) to c0 (0)" in t for t in texts(many))
    assert len(many) < 60_000


def test_intervals_are_written_out() -> None:
    assert "net: 90.0 % (80.0 to 95.0, n 50)" in texts(svg(KINDS["intervals"]))


def test_points_with_names_are_told_to_those_who_see_and_those_who_do_not() -> None:
    drawn = svg(KINDS["names"])
    assert {"small", "large"} <= set(texts(drawn))
    assert "small at 1, 2; large at 3, 4" in drawn
    one_is_undefined = Scatter("s", "x", "y", [(1.0, math.nan), (2.0, 3.0)], names=["a", "b"], joined=[0])
    assert "a" not in texts(svg(one_is_undefined))
    assert "b" in texts(svg(one_is_undefined))


def test_thousands_of_points_stay_small() -> None:
    points = np.random.default_rng(0).normal(size=(50_000, 2)).tolist()
    assert len(svg(Scatter("s", "x", "y", points))) < 400_000


def test_square_curves_with_bars_of_another_scale_are_drawn_without_complaints(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Matplotlib would say that it ignores the limits of one axis."""
    curve, counts = [(0.0, 0.0), (1.0, 1.0)], [(0.3, 400.0), (0.7, 600.0)]
    svg(
        LinePlot("Reliability", "confidence", "right", {"found": curve, "n": counts}, diagonal=True, bars="n")
    )
    assert caplog.messages == []


def test_bars_of_another_scale_get_an_axis_of_their_own() -> None:
    series = {"right": [(0.3, 0.2), (0.7, 0.8)], "images": [(0.3, 400.0), (0.7, 600.0)]}
    drawn = svg(LinePlot("r", "confidence", "share right", series, diagonal=True, bars="images"))
    assert texts(drawn).count("images") == 2  # the legend and the axis
    assert "0.8" in texts(drawn)


@pytest.mark.parametrize(
    "exhibit",
    [
        LinePlot("l", "x", "y", {}),
        LinePlot("l", "x", "y", {"a": []}),
        LinePlot("l", "x", "y", {"a": [(1.0, math.nan)]}),
        BarPlot("b", "x", "y", {"a": math.nan}),
        Scatter("s", "x", "y", [(math.inf, 1.0)]),
        Matrix("m", [], []),
        IntervalPlot("i", "x", {"a": Score(math.nan, math.nan, math.nan, 0)}),
    ],
)
def test_nothing_to_draw_is_said(exhibit: RenderedFigure) -> None:
    assert texts(svg(exhibit)) == ["nothing to draw"]


def test_one_epoch_and_gaps_are_drawn() -> None:
    first = svg(LinePlot("l", "epoch", "loss", {"a": [(1.0, 2.0)]}))
    gaps = svg(
        LinePlot("l", "epoch", "loss", {"a": [(1.0, 2.0), (2.0, math.nan), (3.0, math.inf), (4.0, 1.0)]})
    )
    assert "<use" in first
    assert "nothing to draw" not in gaps


@pytest.mark.parametrize(
    "name", ["$x_1$", "a & b < c", 'say "hi"', "犬", "👩‍🔬", "line\nbreak", "\udcff", "_hidden", ""]
)
def test_any_name_can_stand_in_a_figure(name: str) -> None:
    shown = name.replace("\n", " ").replace("\udcff", "\\udcff")
    assert shown in ["", *texts(svg(BarPlot("b", "x", "y", {name: 1.0})))]
    assert shown in ["", *texts(svg(LinePlot("l", "x", "y", {name: [(1, 2)], "other": [(1, 3)]})))]
    assert shown in ["", *texts(svg(Matrix("m", [name, "o"], [[1, 2], [3, 4]])))]


@settings(deadline=None, max_examples=25)
@given(st.text(max_size=60), st.integers(4, 30))
def test_short_keeps_both_ends(text: str, most: int) -> None:
    cut = truncate(text, most)
    assert len(cut) <= max(most, 1) or "\\u" in cut
    assert "\n" not in cut
    if "…" in cut and "…" not in text:
        assert cut.endswith(truncate(text[-2:])[-1])
