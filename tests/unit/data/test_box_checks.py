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
    """Pictures with a cat and a dog each."""
    return made([GOOD] * n, TWO)


def findings(data: Dataset) -> dict[str, Finding]:
    return {f.name: f for f in run_checks(data, scan(data))}


def planted(*boxes: tuple[int, float, float, float, float]) -> dict[str, Finding]:
    """Findings on sound data with further boxes in the first picture."""
    return findings(made([[*GOOD, *boxes]] + [GOOD] * 59, TWO))


@pytest.mark.parametrize("name", CHECKS.names())
def test_sound_boxes_pass_every_check(name: str) -> None:
    data = sound()
    assert [f for f in CHECKS.load(name).run(data, scan(data)) if f.severity != "info"] == []


@pytest.mark.parametrize("name", CHECKS.names())
def test_findings_are_whole_and_no_picture_is_no_trouble(name: str) -> None:
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
        ((1, 5.0, 5.0, 5.0, 9.0), "boxes-zero-size", "warning"),
        ((1, 9.0, 5.0, 5.0, 9.0), "boxes-swapped", "error"),
        ((1, float("nan"), 5.0, 5.0, 9.0), "boxes-not-finite", "error"),
        ((1, 0.25, 0.25, 0.75, 0.5), "boxes-normalised", "error"),
        ((1, 5.0, 5.0, 5.5, 25.0), "boxes-tiny", "info"),
        ((1, 5.0, 5.0, 6.0, 26.0), "boxes-long", "warning"),
        ((0, 4.0, 4.05, 20.0, 20.0), "boxes-repeated", "warning"),
    ],
)
def test_a_box_that_cannot_be_right(
    box: tuple[int, float, float, float, float], name: str, severity: str
) -> None:
    found = planted(box)
    assert (found[name].severity, found[name].count) == (severity, 1)
    assert found[name].items[0].startswith(f"p00: {('cat', 'dog')[box[0]]} ")
    extra = {"boxes-tiny", "boxes-long"} if name == "boxes-tiny" else {name}
    assert {n for n in found if n.startswith("boxes")} <= extra


def test_boxes_at_the_edge_and_of_other_classes_are_sound() -> None:
    found = planted((0, 0.0, 0.0, 40.0, 30.0), (0, -0.9, 1.0, 40.9, 30.0), (1, 4.0, 4.0, 20.0, 20.0))
    assert not [n for n in found if n.startswith("box")]


def test_the_same_picture_with_other_boxes() -> None:
    rows = [GOOD] * 60
    rows[7], rows[9] = GOOD[:1], GOOD[::-1]  # one box less; the same boxes in another order
    data = made(rows, TWO)
    assert isinstance(data.pixels, Arrays)
    data.pixels.array[7] = data.pixels.array[9] = data.pixels.array[3]
    found = findings(data)["conflicting-truths"]
    assert (found.severity, found.items) == ("error", ("p03 = p07 = p09",))
    assert "different boxes around objects (3 files" in found.message
    assert "multi-label" not in found.fix
    data.pixels.array[7] = 255 - data.pixels.array[3]
    assert "conflicting-truths" not in findings(data)
    assert findings(data)["duplicates"].items == ("p03 = p09",)


def test_many_tiny_boxes_are_a_warning() -> None:
    small = made([[*GOOD, (0, 5.0, 5.0, 5.9, 6.0)]] * 60, TWO)
    found = findings(small)["boxes-tiny"]
    assert (found.severity, found.count) == ("warning", 60)
    assert "(33.3%)" in found.message


def test_pictures_of_another_size_than_annotated() -> None:
    data = sound()
    sizes = data.targets.sizes.clone()
    sizes[3], sizes[5] = torch.tensor([40, 30]), torch.tensor([60, 80])
    found = findings(replace(data, targets=replace(data.targets, sizes=sizes)))
    assert (found["box-sizes-swapped"].severity, found["box-sizes-swapped"].items) == ("error", ("p03",))
    assert "EXIF" in found["box-sizes-swapped"].message
    assert (found["box-sizes-differ"].severity, found["box-sizes-differ"].items) == ("error", ("p05",))


def test_no_box_to_train_with_is_an_error() -> None:
    splits = ["train"] * 40 + ["val"] * 20
    found = findings(made([[]] * 40 + [GOOD] * 20, TWO, splits))
    assert (found["no-boxes-to-train"].severity, found["no-boxes-to-train"].count) == ("error", 40)
    assert found["images-without-boxes"].severity == "info"
    assert "no-boxes-to-train" in findings(made([[]] * 5, TWO))
    assert "no-boxes-to-train" not in findings(made([[]] * 39 + [GOOD] * 21, TWO, splits))
    chosen_by = findings(made([GOOD] * 40 + [[]] * 20, TWO, splits))["no-boxes-to-train"]
    assert (chosen_by.severity, chosen_by.count) == ("error", 20)
    assert "of val" in chosen_by.message


def test_more_objects_than_the_score_judges_are_told_with_what_it_costs() -> None:
    """240 of one class in each picture: a perfect answer scores 42 of 101 recalls."""
    dense = [(0, 2 * (k % 20), 2 * (k // 20), 2 * (k % 20) + 2, 2 * (k // 20) + 2) for k in range(240)]
    found = findings(made([dense] * 4, TWO))["boxes-beyond-score"]
    assert (found.severity, found.count) == ("warning", 4)
    assert f"{42 / 101:.3f}" in found.message
    assert "boxes-beyond-score" not in findings(made([dense[:100]] * 4, TWO))
    halves = [[(k % 2, *row[1:]) for k, row in enumerate(dense[:200])]] * 4
    assert "boxes-beyond-score" not in findings(made(halves, TWO))


def test_a_picture_with_5000_boxes_is_told_and_checked_quickly() -> None:
    grid = [(0, x / 5, y / 5, x / 5 + 4, y / 5 + 4) for x in range(100) for y in range(50)]
    found = planted(*grid)
    assert (found["boxes-many"].severity, found["boxes-many"].items) == ("info", ("p00",))
    assert "5,002" in found["boxes-many"].message
    assert "boxes-repeated" not in found


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


def test_classes_are_counted_by_picture_and_by_box() -> None:
    rows = [[(0, 1.0, 1.0, 9.0, 9.0), (0, 2.0, 2.0, 12.0, 9.0)]] * 40 + [GOOD] * 20
    data = made(rows, Classes(("cat", "dog", "emu"), (2, 4, 8)), ["train"] * 50 + ["test"] * 10)
    checked = describe(data, look(data)[1])
    assert checked.classes == [
        {"index": 0, "id": 2, "name": "cat", "train": 50, "test": 10, "boxes": 100},
        {"index": 1, "id": 4, "name": "dog", "train": 10, "test": 10, "boxes": 20},
        {"index": 2, "id": 8, "name": "emu", "train": 0, "test": 0, "boxes": 0},
    ]
    assert checked.exhibits()[0].columns == ["index", "id", "name", "train", "test", "boxes"]  # type: ignore[union-attr]
    found = {f.name: f for f in checked.findings}
    assert (found["class-without-images"].severity, found["class-without-images"].items) == (
        "warning",
        ("emu",),
    )
    assert found["class-small"].items == ("dog",)
    assert found["class-ids"].items == ("2: cat", "4: dog", "8: emu")


def test_classes_that_a_part_never_sees() -> None:
    cat, dog = [GOOD[0]], [GOOD[1]]
    splits = ["train"] * 40 + ["val"] * 10 + ["test"] * 10
    found = findings(made([cat] * 50 + [dog] * 10, TWO, splits))
    unseen = found["class-unseen-in-training"]
    assert (unseen.severity, unseen.items) == ("error", tuple(f"p{i}" for i in range(50, 60)))
    assert "'dog'" in unseen.message
    found = findings(made([cat] * 20 + [dog] * 20 + [cat] * 20, TWO, splits))
    assert (found["class-not-tested"].severity, found["class-not-tested"].items) == (
        "warning",
        ("dog (val)", "dog (test)"),
    )


def test_imbalance_one_class_and_labels_beyond_the_table() -> None:
    cat = [GOOD[0]]
    found = findings(made([cat] * 55 + [GOOD] * 5, TWO))
    assert found["imbalance"].items == ("dog",)
    assert "accuracy" not in found["imbalance"].fix
    assert "one-class" not in findings(made([cat] * 60, Classes(("cat",))))
    found = findings(made([GOOD] * 59 + [[(7, 1.0, 1.0, 9.0, 9.0), (-1, 1.0, 1.0, 9.0, 9.0)]], TWO))
    assert (found["labels-unknown"].severity, found["labels-unknown"].items) == ("error", ("p59",))


def test_generated_scenes_have_neither_error_nor_trouble_with_boxes() -> None:
    found = look(open_data("shapes:boxes:60"))[1]
    assert not [f for f in found if f.severity == "error" or f.name.startswith("box")]
