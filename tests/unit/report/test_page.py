"""The report: whole, closed to the outside, safe, and the same for the same input."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from sightline.core.report import (
    BarPlot,
    Figure,
    Finding,
    ImageGrid,
    Matrix,
    PredictionGallery,
    Score,
    Table,
)
from sightline.errors import SightlineError, UnreadableImage
from sightline.report.page import Page, Section, render, write
from tests.unit.report import report_demo

IGNORE_INDEX = {"meta", "img", "br", "link", "input", "hr"}


class Reader(HTMLParser):
    """Checks that every element is closed in order, and gathers what a browser would see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for key, value in attrs:
            assert not key.startswith("on"), f"{tag} {key}"
            if key == "id":
                self.ids.append(value or "")
            if key in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
                self.references.append(value or "")
        if tag not in IGNORE_INDEX:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in IGNORE_INDEX:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag
        self.text += " " * (tag in ("td", "th", "dt"))

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def image_of(id: str) -> np.ndarray:
    return np.full((8, 8, 1), 100, np.uint8)


def page(*exhibits: Figure, findings: tuple[Finding, ...] = ()) -> Page:
    return Page("A title", "A lead.", [], [], [Section("Part", "", exhibits, findings)])


@pytest.fixture(scope="module")
def whole() -> str:
    return render(*report_demo.build())


def test_page_with_every_exhibit_is_well_formed_and_small(whole: str) -> None:
    viewed = read(whole)
    assert viewed.tags.count("h1") == 1
    assert viewed.tags.count("svg") == 12
    assert len(viewed.ids) == len(set(viewed.ids))
    assert len(whole) < 2_000_000


def test_page_asks_for_nothing_from_outside(whole: str) -> None:
    references = read(whole).references
    assert references
    assert all(r.startswith(("#", "data:image/")) for r in references)
    assert not re.search(r"url\((?!#)", whole)
    assert "http:" not in whole
    assert "https:" not in whole
    assert "@import" not in whole


def test_every_reference_inside_the_page_leads_somewhere(whole: str) -> None:
    viewed = read(whole)
    wanted = {r[1:] for r in viewed.references if r.startswith("#")}
    wanted |= set(re.findall(r"url\(#([^)]+)\)", whole))
    assert wanted <= set(viewed.ids)


def test_only_our_own_script_may_run(whole: str) -> None:
    assert read(whole).tags.count("script") == 1
    assert "script-src 'sha256-" in whole
    assert "default-src 'none'" in whole


def test_equal_pages_give_equal_text(whole: str) -> None:
    assert render(*report_demo.build()) == whole


NASTY = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"' ${7*7} {{ 7*7 }} $a_1$ \x1b[31m\x00 \udcff 👩‍🔬"
)


def everywhere(text: str) -> Page:
    findings = (Finding(text, "error", text, text, 9, (text,) * 9),)
    exhibits = [
        Table(text, [text, text], [[text, Score(0.5, 0.4, 0.6, 9)]], text),
        Matrix(text, [text, "b"], [[1, 2], [3, 4]], text),
        BarPlot(text, text, text, {text: 3.0}, text),
        PredictionGallery(text, [text], [text], text),
        ImageGrid(text, [np.zeros((4, 4, 3), np.uint8)], [text], text),
    ]
    return Page(text, text, [(text, text)], [text], [Section(text, text, exhibits, findings), Section(text)])


def test_what_the_user_wrote_is_shown_and_never_run() -> None:
    html = render(everywhere(NASTY), image_of)
    viewed = read(html)
    assert viewed.tags.count("script") == 1
    assert viewed.tags.count("img") == 2
    assert viewed.text.count("<script>alert(1)</script>") > 10
    assert "{{ 7*7 }}" in viewed.text
    assert "\x1b" not in html
    assert "\x00" not in html
    html.encode("utf-8")


def test_text_that_looks_like_our_markup_stays_text() -> None:
    text = 'id="x" href="#y" url(#z) #1f2328'
    html = render(page(BarPlot("b", "x", "y", {text[:20]: 1.0, text[21:]: 2.0})), image_of)
    assert text[:20] in read(html).text
    assert text[21:] in read(html).text


def test_an_image_that_cannot_be_read_is_said_and_the_rest_is_shown() -> None:
    def fetch(id: str) -> np.ndarray:
        if id == "bad.jpg":
            raise UnreadableImage("bad.jpg", "truncated", "the file ends too early.")
        if id == "odd.npy":
            return np.zeros((4, 4), np.float64)[..., None]
        return image_of(id)

    html = render(page(PredictionGallery("g", ["a.jpg", "bad.jpg", "odd.npy"], ["1", "2", "3"])), fetch)
    assert read(html).tags.count("img") == 1
    assert "bad.jpg: the file ends too early." in html
    assert "found float64 (4, 4, 1)" in html


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 3), (2000, 10, 3), (300, 400, 1), (1, 5000, 3)])
def test_images_of_any_shape_become_small_ones(shape: tuple[int, int, int]) -> None:
    html = render(page(PredictionGallery("g", ["a"], ["b"])), lambda _: np.zeros(shape, np.uint8))
    assert read(html).tags.count("img") == 1
    assert len(html) < 60_000


def test_small_images_are_enlarged_without_smoothing_and_large_ones_with() -> None:
    small = render(page(PredictionGallery("g", ["a"], ["b"])), image_of)
    large = render(page(PredictionGallery("g", ["a"], ["b"])), lambda _: np.zeros((300, 300, 3), np.uint8))
    assert 'class="px"' in small
    assert "data:image/png" in small
    assert 'class="px"' not in large
    assert "data:image/jpeg" in large


def test_a_long_gallery_is_cut_and_says_so() -> None:
    html = render(page(PredictionGallery("g", [f"{i}" for i in range(500)], [""] * 500)), image_of)
    assert read(html).tags.count("img") == 60
    assert "The first 60 of 500 images are shown." in html


def test_scores_stand_with_interval_and_n() -> None:
    score = Score(0.9, 0.85, 0.94, 120)
    text = " ".join(read(render(page(Table("t", ["a", "b"], [["x", score]])), image_of)).text.split())
    assert "0.900 0.850 to 0.940, n 120" in text
    facts = Page("t", "", [("accuracy", score.text(True))], [], [])
    assert "90.0 %85.0 to 94.0, n 120" in read(render(facts, image_of)).text


def test_findings_stand_by_severity_with_the_way_out() -> None:
    findings = (
        Finding("odd", "info", "Odd.", "Look.", 1, ("a",)),
        Finding("failed", "error", "No finding in data.", "Look.", 0),
        Finding("leak", "error", "Leaks.", "Split again.", 900, tuple(f"f{i}.png" for i in range(900))),
    )
    html = render(page(findings=findings), image_of)
    text = read(html).text
    assert text.index("Errors") < text.index("Leaks.") < text.index("Split again.") < text.index("Notes")
    assert "--accept leak" in text
    assert "--accept odd" not in text
    assert "--accept failed" not in text
    assert "and 895 more" in text
    assert "695 further ones are not listed here" in text
    assert "f204.png" in text
    assert "f205.png" not in text


def test_a_large_matrix_names_its_worst_confusions() -> None:
    counts = np.eye(100) * 50
    counts[17, 42] = 25
    html = render(page(Matrix("m", [f"kind {i}" for i in range(100)], counts.tolist())), image_of)
    text = " ".join(read(html).text.split())
    assert "kind 17 kind 42 25 33 %" in text
    assert len(html) < 100_000


def test_code_in_a_text_stays_as_it_is() -> None:
    section = Section("s", "Before.\n\n    a = 1\n    if a:\n        b()\n\nAfter.")
    html = render(Page("t", "", [], [], [section]), image_of)
    assert "<code>a = 1\nif a:\n    b()</code>" in html
    assert '<p class="text">After.</p>' in html


def test_class_names_that_are_numbers_are_names() -> None:
    html = render(page(Table("t", ["class", "images"], [["0", 5], ["1", 12345]])), image_of)
    assert '<th scope=row data-sort="0"><bdi>0</bdi></th>' in html
    assert '<td class="n" data-sort="12345"><bdi>12\N{NARROW NO-BREAK SPACE}345</bdi></td>' in html


def test_fractions_of_a_column_get_the_same_digits() -> None:
    rows = [["a", 1.0, 3, 1e-9], ["b", 0.98214, 4, 0.5]]
    html = render(page(Table("t", ["class", "F1", "images", "p"], rows)), image_of)
    cells = re.findall(r"<bdi>([^<]*)</bdi>", html)
    assert cells == ["a", "1.000", "3", "1e-09", "b", "0.982", "4", "0.5"]


def test_narrow_figures_share_a_row_and_a_lone_one_takes_it_all() -> None:
    wide = Table("scores", ["a", "b"], [["x", Score(0.5, 0.4, 0.6, 9)]])
    bars = [BarPlot(f"bars {i}", "x", "y", {"a": 1.0}) for i in range(3)]
    html = render(page(bars[0], wide, bars[1], bars[2]), image_of)
    heads = re.findall(r'<figure class="([^"]*)">\n<figcaption><h3>([^<]*)</h3>', html)
    assert [(title, "wide" in kind) for kind, title in heads] == [
        ("bars 0", False),
        ("bars 1", False),
        ("scores", True),
        ("bars 2", True),
    ]


def test_the_page_is_written_whole(tmp_path: Path) -> None:
    write(page(), image_of, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == render(page(), image_of)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(SightlineError, match=r"report\.html could not be written"):
        write(page(), image_of, tmp_path / "nowhere" / "report.html")


def test_empty_everything_still_makes_a_page() -> None:
    exhibits = [
        Table("t", ["a"], []),
        PredictionGallery("g", [], []),
        BarPlot("b", "x", "y", {}),
        Matrix("m", [], []),
    ]
    text = read(render(page(*exhibits), image_of)).text
    assert "Nothing to list." in text
    assert "No images." in text
    assert text.count("nothing to draw") == 2


def test_each_image_is_fetched_once_a_section() -> None:
    requested: list[str] = []

    def fetch(id: str) -> np.ndarray:
        requested.append(id)
        return image_of(id)

    fetcher: Callable[[str], np.ndarray] = fetch
    render(page(PredictionGallery("a", ["x", "y"], ["", ""]), PredictionGallery("b", ["y"], [""])), fetcher)
    assert requested == ["x", "y"]
