"""The loss of the first YOLO, against equation 3 of the paper in plain loops."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from sightline.core.targets.instances import Instances
from sightline.tasks.detect.models.yolo1 import yolo1_loss

S, B, K = 7, 2, 3
HEIGHT, WIDTH = 70, 140


def overlap(first: tuple[float, ...], second: tuple[float, ...]) -> float:
    """Of two boxes given as centre x, centre y, width, height."""
    sides = []
    for c in (0, 1):
        near = max(first[c] - first[c + 2] / 2, second[c] - second[c + 2] / 2)
        far = min(first[c] + first[c + 2] / 2, second[c] + second[c + 2] / 2)
        sides.append(max(far - near, 0))
    shared = sides[0] * sides[1]
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def owners(first: Instances) -> dict[tuple[int, int], tuple[float, ...]]:
    """The largest object of each cell: centre x, centre y, width, height as shares, class."""
    default: dict[tuple[int, int], tuple[float, ...]] = {}
    for box, label in zip(first.boxes.tolist(), first.labels.tolist(), strict=True):
        x, y = (box[0] + box[2]) / 2 / WIDTH, (box[1] + box[3]) / 2 / HEIGHT
        w, h = (box[2] - box[0]) / WIDTH, (box[3] - box[1]) / HEIGHT
        spot = (min(int(y * S), S - 1), min(int(x * S), S - 1))
        if spot not in default or default[spot][2] * default[spot][3] < w * h:
            default[spot] = (x, y, w, h, label)
    return default


def plain(cells: torch.Tensor, target: Instances) -> dict[str, float]:
    sums = {"place": 0.0, "object": 0.0, "empty": 0.0, "class": 0.0}
    for image in range(len(target)):
        default = owners(target[image])
        for i, j in itertools.product(range(S), range(S)):
            outputs = cells[image, i, j].tolist()
            responsible = -1
            if (i, j) in default:
                x, y, w, h, label = default[i, j]
                rated = []
                for b in range(B):
                    bx, by, rw, rh, _ = outputs[5 * b : 5 * b + 5]
                    guess = ((j + bx) / S, (i + by) / S, rw * rw, rh * rh)
                    rated.append(overlap(guess, (x, y, w, h)))
                responsible = rated.index(max(rated))
                bx, by, rw, rh, c = outputs[5 * responsible : 5 * responsible + 5]
                sums["place"] += 5 * ((bx - (x * S - j)) ** 2 + (by - (y * S - i)) ** 2)
                sums["place"] += 5 * ((rw - math.sqrt(w)) ** 2 + (rh - math.sqrt(h)) ** 2)
                sums["object"] += (c - max(rated)) ** 2
                sums["class"] += sum((outputs[5 * B + k] - (k == label)) ** 2 for k in range(K))
            sums["empty"] += sum(0.5 * outputs[5 * b + 4] ** 2 for b in range(B) if b != responsible)
    return {name: value / len(target) for name, value in sums.items()}


@pytest.mark.parametrize("counts", [[3, 0, 25], [1], [0, 0]])
def test_loss_is_equation_3(counts: list[int]) -> None:
    rng = torch.Generator().manual_seed(sum(counts))
    m = sum(counts)
    near = torch.rand(m, 2, generator=rng, dtype=torch.float64) * torch.tensor([110, 50])
    boxes = torch.cat([near, near + 1 + torch.rand(m, 2, generator=rng, dtype=torch.float64) * 19], 1)
    target = Instances(
        torch.tensor(counts),
        torch.tensor([[HEIGHT, WIDTH]]).repeat(len(counts), 1),
        boxes.float(),
        torch.randint(0, K, (m,), generator=rng),
    )
    cells = torch.rand(len(counts), S, S, 5 * B + K, generator=rng)
    ours = yolo1_loss(cells, target, (HEIGHT, WIDTH))
    for name, value in plain(cells, target).items():
        assert float(ours[name]) == pytest.approx(value, rel=1e-5, abs=1e-6)


def test_a_perfect_answer_costs_nothing_and_groups_do_not_count() -> None:
    cells = torch.zeros(1, S, S, 5 * B + K)
    cells[0, 3, 3, :5] = torch.tensor([0.5, 0.5, math.sqrt(0.2), math.sqrt(0.4), 1.0])
    cells[0, 3, 3, 5 * B + 2] = 1
    box = torch.tensor([[56.0, 21, 84, 49], [0, 0, 140, 70]])
    target = Instances(
        torch.tensor([2]), torch.tensor([[HEIGHT, WIDTH]]), box, torch.tensor([2, 0]),
        crowd=torch.tensor([False, True]),
    )  # fmt: skip
    assert sum(float(v) for v in yolo1_loss(cells, target, (HEIGHT, WIDTH)).values()) < 1e-9
