"""Checks of data with boxes: what is sound passes, what is planted is found."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding
from sightline.data.check import look, run_checks
from sightline.data.checks import CHECKS
from sightline.data.checks.boxes import _repeated
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data
from sightline.data.scan import scan
from sightline.evaluation.check_report import describe
from tests.unit.data.box_samples import made

TWO = Classes(("cat", "dog"))
GOOD = [(0, 4.0, 4.0, 20.0, 20.0), (1, 10.0, 12.0, 38.0, 28.0)]


def sound(n: int = 60) -> Dataset:
    """Images with a cat and a dog each."""
    return made([GOOD] * n, TWO)


def findings(data: Dataset) -> dict[str, Finding]:
    return {f.name: f for f in run_checks(data, scan(data))}


def planted(*boxes: tuple[int, float, float, float, float]) -> dict[str, Finding]:
    """Findings on sound data with further boxes in the first image."""
    return findings(made([[*GOOD, *boxes]] + [GOOD] * 59, TWO))


@pytest.mark.parametrize("name", CHECKS.names())
def test_sound_boxes_pass_every_check(name: str) -> None:
    data = sound()
    assert [f for f in CHECKS.load(name).run(data, scan(data)) if f.severity != "info"] == []


@pytest.mark.parametrize("name", CHECKS.names())
def test_findings_are_whole_and_no_image_is_no_trouble(name: str) -> None:
    bad = [
        (0, -9.0, 0.0, 5.0, 5.0),
        (5, 1.0, 1.0, 5.0, 5.0),
        (1, 5.0, 5.0, 5.0, 9.0),
        (0, 0.1, 0.1, 0.2, 0.2),
    ]
    splits = ["train"] * 4 + ["test"] * 4 + ["", "val"]
    data = made([[*GOOD, *bad], [], *[GOOD] * 8], Classes(("cat", "Cat", "emu"), (3, 5, 9)), splits)
    module = CHECKS.load(name)
    for finding in module.run(data, scan(data)):
        assert finding.name in module.CARD.findings
        assert re.search(r"\w", finding.message + finding.fix)
        assert "{" not in finding.message
        assert finding.count == len(finding.items)
    empty = data.subset([])
    module.run(empty, scan(empty))


@pytest.mark.parametrize(
    ("box", "name", "severity"),
    [
        ((0, 30.0, 20.0, 43.0, 25.0), "boxes-partly-outside", "warning"),
        ((0, -3.0, 20.0, 13.0, 25.0), "boxes-partly-outside", "warning"),
        ((0, 41.0, 20.0, 53.0, 25.0), "boxes-outside", "error"),
        ((0, 1.0, -9.0, 12.0, -2.0), "boxes-outside", "error"),
        ((1, 5.0, 5.0, 5.0, 9.0), "degenerate-boxes", "warning"),
        ((1, 9.0, 5.0, 5.0, 9.0), "boxes-inverted-corners", "error"),
        ((1, float("nan"), 5.0, 5.0, 9.0), "boxes-not-finite", "error"),
        ((1, 0.25, 0.25, 0.75, 0.5), "boxes-in-relative-coordinates", "error"),
        ((1, 5.0, 5.0, 5.5, 25.0), "tiny-boxes", "info"),
        ((1, 5.0, 5.0, 6.0, 26.0), "boxes-extreme-aspect", "warning"),
        ((0, 4.0, 4.05, 20.0, 20.0), "duplicate-boxes", "warning"),
    ],
)
def test_a_box_that_cannot_be_right(
    box: tuple[int, float, float, float, float], name: str, severity: str
) -> None:
    result = planted(box)
    assert (result[name].severity, result[name].count) == (severity, 1)
    assert result[name].items[0].startswith(f"p00: {('cat', 'dog')[box[0]]} ")
    extra = {"tiny-boxes", "boxes-extreme-aspect"} if name == "tiny-boxes" else {name}
    assert {n for n in result if n.startswith("boxes")} <= extra


def test_boxes_at_the_edge_and_of_other_classes_are_sound() -> None:
    result = planted((0, 0.0, 0.0, 40.0, 30.0), (0, -0.9, 1.0, 40.9, 30.0), (1, 4.0, 4.0, 20.0, 20.0))
    assert not [n for n in result if n.startswith("box")]


def test_the_same_image_with_other_boxes() -> None:
    rows = [GOOD] * 60
    rows[7], rows[9] = GOOD[:1], GOOD[::-1]  # one box less; the same boxes in another order
    data = made(rows, TWO)
    assert isinstance(data.pixels, Arrays)
    data.pixels.array[7] = data.pixels.array[9] = data.pixels.array[3]
    result = findings(data)["conflicting-labels"]
    assert (result.severity, result.items) == ("error", ("p03 = p07 = p09",))
    assert "different boxes around objects (3 files" in result.message
    assert "multi-label" not in result.fix
    data.pixels.array[7] = 255 - data.pixels.array[3]
    assert "conflicting-labels" not in findings(data)
    assert findings(data)["duplicates"].items == ("p03 = p09",)


def test_many_tiny_boxes_are_a_warning() -> None:
    small = made([[*GOOD, (0, 5.0, 5.0, 5.9, 6.0)]] * 60, TWO)
    result = findings(small)["tiny-boxes"]
    assert (result.severity, result.count) == ("warning", 60)
    assert "(33.3%)" in result.message


def test_images_of_another_size_than_annotated() -> None:
    data = sound()
    sizes = data.targets.sizes.clone()
    sizes[3], sizes[5] = torch.tensor([40, 30]), torch.tensor([60, 80])
    reported = findings(replace(data, targets=replace(data.targets, sizes=sizes)))
    assert (reported["box-size-transposed"].severity, reported["box-size-transposed"].items) == (
        "error",
        ("p03",),
    )
    assert "EXIF" in reported["box-size-transposed"].message
    assert (reported["box-sizes-differ"].severity, reported["box-sizes-differ"].items) == ("error", ("p05",))


def test_no_box_to_train_with_is_an_error() -> None:
    splits = ["train"] * 40 + ["val"] * 20
    reported = findings(made([[]] * 40 + [GOOD] * 20, TWO, splits))
    assert (reported["no-boxes-to-train"].severity, reported["no-boxes-to-train"].count) == ("error", 40)
    assert reported["images-without-boxes"].severity == "info"
    assert "no-boxes-to-train" in findings(made([[]] * 5, TWO))
    assert "no-boxes-to-train" not in findings(made([[]] * 39 + [GOOD] * 21, TWO, splits))
    chosen_by = findings(made([GOOD] * 40 + [[]] * 20, TWO, splits))["no-boxes-to-train"]
    assert (chosen_by.severity, chosen_by.count) == ("error", 20)
    assert "of val" in chosen_by.message


def test_more_objects_than_the_score_judges_are_told_with_what_it_costs() -> None:
    """240 of one class in each image: a perfect answer scores 42 of 101 recalls."""
    dense = [(0, 2 * (k % 20), 2 * (k // 20), 2 * (k % 20) + 2, 2 * (k // 20) + 2) for k in range(240)]
    result = findings(made([dense] * 4, TWO))["boxes-beyond-score"]
    assert (result.severity, result.count) == ("warning", 4)
    assert f"{42 / 101:.3f}" in result.message
    assert "boxes-beyond-score" not in findings(made([dense[:100]] * 4, TWO))
    halves = [[(k % 2, *row[1:]) for k, row in enumerate(dense[:200])]] * 4
    assert "boxes-beyond-score" not in findings(made(halves, TWO))


def test_an_image_with_5000_boxes_is_told_and_checked_quickly() -> None:
    grid = [(0, x / 5, y / 5, x / 5 + 4, y / 5 + 4) for x in range(100) for y in range(50)]
    result = planted(*grid)
    assert (result["many-boxes"].severity, result["many-boxes"].items) == ("info", ("p00",))
    assert "5,002" in result["many-boxes"].message
    assert "duplicate-boxes" not in result


_corner = st.integers(0, 12)
_box = st.tuples(st.integers(0, 1), _corner, _corner, st.integers(1, 9), st.integers(1, 9)).map(
    lambda b: (b[0], b[1] / 1.0, b[2] / 1.0, b[1] + b[3] + 0.0, b[2] + b[4] + 0.0)
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(_box, max_size=12), min_size=1, max_size=3), jitter=st.integers(0, 2**31))
def test_repeated_boxes_are_those_that_all_pairs_show(
    rows: list[list[tuple[int, float, float, float, float]]], jitter: int
) -> None:
    rng = np.random.default_rng(jitter)
    moved = [[(k, *(np.array(b) + rng.normal(0, 0.004, 4)).tolist()) for k, *b in row] for row in rows]
    data = made(moved, TWO)
    boxes = data.targets.boxes.double().numpy()
    where = list(zip(data.targets.image.tolist(), data.targets.labels.tolist(), strict=True))

    def iou(a: np.ndarray, b: np.ndarray) -> float:
        sides = (np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0)
        both = float(sides.prod())
        return both / (float((a[2:] - a[:2]).prod()) + float((b[2:] - b[:2]).prod()) - both)

    want = [
        any(where[i] == where[j] and iou(boxes[i], boxes[j]) > 0.99 for j in range(i))
        for i in range(len(boxes))
    ]
    assert _repeated(data, np.ones(len(boxes), dtype=bool)).tolist() == want


def test_classes_are_counted_by_image_and_by_box() -> None:
    rows = [[(0, 1.0, 1.0, 9.0, 9.0), (0, 2.0, 2.0, 12.0, 9.0)]] * 40 + [GOOD] * 20
    data = made(rows, Classes(("cat", "dog", "emu"), (2, 4, 8)), ["train"] * 50 + ["test"] * 10)
    checked = describe(data, look(data)[1])
    assert checked.classes == [
        {"index": 0, "id": 2, "name": "cat", "train": 50, "test": 10, "boxes": 100},
        {"index": 1, "id": 4, "name": "dog", "train": 10, "test": 10, "boxes": 20},
        {"index": 2, "id": 8, "name": "emu", "train": 0, "test": 0, "boxes": 0},
    ]
    assert checked.figures()[0].columns == ["index", "id", "name", "train", "test", "boxes"]  # type: ignore[union-attr]
    result = {f.name: f for f in checked.findings}
    assert (result["class-without-images"].severity, result["class-without-images"].items) == (
        "warning",
        ("emu",),
    )
    assert result["class-few-images"].items == ("dog",)
    assert result["non-contiguous-class-ids"].items == ("2: cat", "4: dog", "8: emu")


def test_classes_that_a_part_never_sees() -> None:
    cat, dog = [GOOD[0]], [GOOD[1]]
    splits = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    reported = findings(made([cat] * 50 + [dog] * 10, TWO, splits))
    unseen = reported["class-missing-in-train"]
    assert (unseen.severity, unseen.items) == ("error", tuple(f"p{i}" for i in range(50, 60)))
    assert "'dog'" in unseen.message
    reported = findings(made([cat] * 20 + [dog] * 20 + [cat] * 20, TWO, splits))
    assert (reported["class-missing-in-test"].severity, reported["class-missing-in-test"].items) == (
        "warning",
        ("dog (val)", "dog (test)"),
    )


def test_imbalance_one_class_and_labels_beyond_the_table() -> None:
    cat = [GOOD[0]]
    reported = findings(made([cat] * 55 + [GOOD] * 5, TWO))
    assert reported["imbalance"].items == ("dog",)
    assert "accuracy" not in reported["imbalance"].fix
    assert "single-class" not in findings(made([cat] * 60, Classes(("cat",))))
    reported = findings(made([GOOD] * 59 + [[(7, 1.0, 1.0, 9.0, 9.0), (-1, 1.0, 1.0, 9.0, 9.0)]], TWO))
    assert (reported["labels-unknown"].severity, reported["labels-unknown"].items) == ("error", ("p59",))


def test_generated_scenes_have_neither_error_nor_trouble_with_boxes() -> None:
    result = look(open_data("shapes:boxes:60"))[1]
    assert not [f for f in result if f.severity == "error" or f.name.startswith("box")]
