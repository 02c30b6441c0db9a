"""Objects from maps of features by linear models: right ones, within bounds, and none where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sightline.classical import cells
from sightline.classical.cells import finder
from sightline.core.targets.instances import Instances
from sightline.metrics.mean_average_precision import MeanAveragePrecision

SIZE = (64, 96)
STRIDES = (4, 8, 16)


def drawn(n: int, seed: int = 0, most: int = 3) -> tuple[list[list[Tensor]], Instances]:
    """Maps that know, with noise, the class at each place and how far away the ends of its box are."""
    rng = torch.Generator().manual_seed(seed)
    maps, counts, boxes, labels = [], [], [], []
    for _ in range(n):
        fine = torch.zeros(6, *SIZE)
        count = int(torch.randint(0, most + 1, (1,), generator=rng))
        for k in range(count):  # each in a third of its own
            w, h = (10 + torch.rand(2, generator=rng) * 20).tolist()
            x, y = (
                32 * k + (31 - w) * float(torch.rand(1, generator=rng)),
                (SIZE[0] - h) * float(torch.rand(1, generator=rng)),
            )
            label = int(torch.randint(0, 2, (1,), generator=rng))
            rows, columns = slice(int(y), int(y + h) + 1), slice(int(x), int(x + w) + 1)
            at_x, at_y = torch.arange(SIZE[1]) + 0.5, torch.arange(SIZE[0]) + 0.5
            fine[label, rows, columns] = 1
            fine[2, rows, columns] = ((x + w / 2) - at_x[columns]) / w
            fine[3, rows, columns] = ((y + h / 2) - at_y[rows])[:, None] / h
            fine[4, rows, columns], fine[5, rows, columns] = w / 20, h / 20
            boxes.append([x, y, x + w, y + h])
            labels.append(label)
        fine += 0.05 * torch.randn(fine.shape, generator=rng)
        maps.append([torch.nn.functional.avg_pool2d(fine[None], s)[0] for s in STRIDES])
        counts.append(count)
    sizes = torch.tensor([SIZE] * n)
    return maps, Instances(
        torch.tensor(counts), sizes, torch.tensor(boxes).reshape(-1, 4), torch.tensor(labels).long()
    )


def score(prediction: Instances, target: Instances) -> float:
    metric = MeanAveragePrecision(iou=0.5)
    metric.update(prediction, target)
    return metric.compute()


def test_objects_of_new_images_are_found_the_same_ones_each_time() -> None:
    maps, target = drawn(40)
    others, true = drawn(20, seed=1)
    outputs = finder(iter(maps), target, 2)(iter(others))
    assert score(outputs, true) > 0.8
    assert torch.equal(outputs.sorted_by_score().boxes, outputs.boxes)
    far = outputs.sizes.flip(1).repeat(1, 2)[outputs.image]
    assert bool(((outputs.boxes >= 0) & (outputs.boxes <= far)).all())
    again = finder(iter(maps), target, 2)(iter(others))
    torch.testing.assert_close(again.boxes, outputs.boxes)
    torch.testing.assert_close(again.scores, outputs.scores)


def test_no_more_cells_are_learnt_from_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, target = drawn(40)
    monkeypatch.setattr(cells, "CELLS", 40 * 2 * 25)
    fit_once, viewed = LogisticRegression.fit, []

    def spied(self: object, x: object, y: object) -> object:
        viewed.append(len(y))  # type: ignore[arg-type]
        return fit_once(self, x, y)

    monkeypatch.setattr(LogisticRegression, "fit", spied)
    finder(iter(maps), target, 2)
    assert 0 < viewed[0] <= 40 * 2 * 25


def test_maps_are_gone_through_one_image_at_a_time() -> None:
    """They would not fit in memory."""
    maps, target = drawn(6)

    def passing() -> Iterator[list[Tensor]]:
        for first in maps:
            copy = [m.clone() for m in first]
            yield copy
            for m in copy:
                m.fill_(torch.nan)  # as a buffer that is used again

    outputs = finder(passing(), target, 2)(passing())
    assert len(outputs) == 6
    assert bool(torch.isfinite(outputs.boxes).all())


def test_groups_are_neither_objects_nor_background() -> None:
    maps, target = drawn(1, seed=3)
    first = cells.cells(maps[0], SIZE)
    crowd = torch.ones(len(target.labels), dtype=torch.bool)
    plain = cells.assigned(first, target, 2)[0]
    group = Instances(target.counts, target.sizes, target.boxes, target.labels, crowd=crowd)
    outputs = cells.assigned(first, group, 2)[0]
    assert set(plain.tolist()) - {2, 3} == set(target.labels.tolist())
    assert set(outputs.tolist()) == {-1, 2}


def test_an_object_smaller_than_a_cell_has_one() -> None:
    first = cells.cells([torch.zeros(1, 16, 24), torch.zeros(1, 8, 12), torch.zeros(1, 4, 6)], SIZE)
    tiny = Instances(
        torch.tensor([1]), torch.tensor([SIZE]), torch.tensor([[31.0, 33, 33, 34]]), torch.tensor([1])
    )
    assert (cells.assigned(first, tiny, 2)[0] == 1).sum() == 1


@pytest.mark.parametrize("kind", ["nothing", "groups only", "no image"])
def test_where_nothing_is_to_be_learnt_nothing_is_found(kind: str) -> None:
    maps, target = drawn(4)
    crowd = torch.ones(len(target.labels), dtype=torch.bool)
    empty = target.select(~crowd)
    group = Instances(target.counts, target.sizes, target.boxes, target.labels, crowd=crowd)
    expected = {"nothing": (maps, empty), "groups only": (maps, group), "no image": ([], empty[:0])}[kind]
    outputs = finder(iter(expected[0]), expected[1], 2)(iter(maps))
    assert outputs.counts.tolist() == [0] * 4
    assert outputs.scores is not None
