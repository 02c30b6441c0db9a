"""What the report says of masks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from sightline.core.report import BarPlot, PredictionGallery, Table
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.tasks.instance._figures import figures
from sightline.tasks.instance._mistakes import KINDS, mistakes

SIDE = 60


def box(x1: int, y1: int, x2: int, y2: int) -> Tensor:
    mask = torch.zeros(SIDE, SIDE)
    mask[y1:y2, x1:x2] = 1
    return mask


def outlines(*images: list[tuple[Tensor, int]], scores: bool = False, **flags: Any) -> InstanceMasks:
    masks = [mask for image in images for mask, _ in image]
    labels = torch.tensor([label for image in images for _, label in image], dtype=torch.int64)
    counts = torch.tensor([len(image) for image in images])
    sizes = torch.full((len(images), 2), SIDE)
    result = InstanceMasks.of(sizes, counts, CroppedMasks.of(masks), labels)
    sure = torch.linspace(0.9, 0.5, len(labels)) if scores else None
    return InstanceMasks(
        result.counts, result.sizes, result.boxes, labels, sure, result.areas, masks=result.bitmaps, **flags
    )


def counts(shown: InstanceMasks, target: InstanceMasks) -> dict[str, int]:
    result = mistakes(shown, target)
    return {kind: len(where) for kind, where in result.where.items() if len(where)}


LEFT, RIGHT, BOTH = box(4, 10, 20, 30), box(20, 10, 36, 30), box(4, 10, 36, 30)


def test_what_is_right_is_no_mistake() -> None:
    target = outlines([(LEFT, 0), (RIGHT, 1)], [], [(BOTH, 0)])
    assert counts(target, target) == {}
    result = mistakes(target, target)
    assert result.partner.tolist() == [0, 1, 2]
    assert result.found.all()
    assert result.overlap.tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("shown", "target", "expected"),
    [
        ([], [(LEFT, 0)], {"missed": 1}),
        ([(LEFT, 0)], [], {"false": 1}),
        ([(box(40, 40, 50, 50), 0)], [(LEFT, 0)], {"missed": 1, "false": 1}),
        ([(BOTH, 0)], [(LEFT, 0), (RIGHT, 0)], {"merged": 1}),
        ([(BOTH, 0)], [(LEFT, 0), (RIGHT, 1)], {"merged": 1, "class": 0}),
        ([(LEFT, 0), (RIGHT, 0)], [(BOTH, 0)], {"split": 1}),
        ([(LEFT, 0), (box(20, 10, 22, 12), 0)], [(LEFT + box(20, 10, 22, 12), 0)], {"false": 1}),
        ([(LEFT, 1)], [(LEFT, 0)], {"class": 1}),
        ([(LEFT, 1), (LEFT, 0)], [(LEFT, 0)], {"split": 1}),
        ([(box(0, 0, 60, 60), 0)], [(LEFT, 0)], {"missed": 1, "false": 1}),
    ],
)
def test_each_mistake_has_its_kind(
    shown: list[tuple[Tensor, int]], target: list[tuple[Tensor, int]], expected: dict[str, int]
) -> None:
    got = counts(outlines(shown, scores=True), outlines(target))
    assert got == {k: n for k, n in expected.items() if n}


def test_objects_of_other_images_are_not_near() -> None:
    assert counts(outlines([(LEFT, 0)], [], scores=True), outlines([], [(LEFT, 0)])) == {
        "missed": 1,
        "false": 1,
    }


def test_a_small_object_that_a_found_one_swallows_was_merged() -> None:
    target = outlines([(box(4, 4, 40, 40), 0), (box(40, 4, 44, 8), 0)])
    result = mistakes(outlines([(box(4, 4, 44, 40), 0)], scores=True), target)
    assert result.found.tolist() == [True, False]
    assert {k: len(v) for k, v in result.where.items()} == {
        "missed": 0, "false": 0, "merged": 1, "split": 0, "class": 0,
    }  # fmt: skip


def test_crowds_are_neither_to_be_found_nor_wrong_to_find() -> None:
    target = outlines([(BOTH, 0), (box(40, 40, 50, 50), 0)], crowd=torch.tensor([True, False]))
    shown = outlines([(LEFT, 0), (box(40, 40, 50, 50), 0), (box(50, 2, 58, 8), 0)], scores=True)
    result = mistakes(shown, target)
    assert {k: len(v) for k, v in result.where.items() if len(v)} == {"false": 1}
    assert result.apart.tolist() == [True, False, False]


def test_the_report_counts_what_is_shown() -> None:
    target = outlines([(LEFT, 0), (RIGHT, 0)], [(BOTH, 1)], [(LEFT, 0)])
    prediction = outlines(
        [(box(4, 10, 36, 31), 0)], [(BOTH, 1)], [(LEFT, 0), (box(40, 40, 50, 50), 0)], scores=True
    )
    result = figures(prediction, target, ["a", "b", "c"], ("red", "blue"), [0.55, 0.3])
    table = next(e for e in result if isinstance(e, Table) and e.title == "Per class")
    red, blue = table.rows
    assert red[:2] == ["red", 3]
    assert red[-3:] == [0.5, pytest.approx(1 / 3), pytest.approx(2 / 5)]
    assert blue[2:5] == [1, 1, 1]
    bars = next(e for e in result if isinstance(e, BarPlot) and e.title == "Mistakes")
    assert bars.values == {**dict.fromkeys(KINDS, 0.0), "merged": 1.0}
    worst = next(e for e in result if isinstance(e, PredictionGallery))
    assert list(worst.ids) == ["a"]
    assert list(worst.captions) == ["1 merged"]
    sizes = [e for e in result if isinstance(e, BarPlot) and "ize" in e.title]
    assert sum(sizes[0].values.values()) == 4


def test_nothing_said_and_nothing_there() -> None:
    none = outlines([], [])
    empty = outlines([], [], scores=True)
    target = outlines([(LEFT, 0)], [])
    for outputs, present in ((empty, target), (outlines([(LEFT, 0)], [], scores=True), none)):
        result = figures(outputs, present, ["a", "b"], ("red",), [0.25])
        assert len(result) >= 7
