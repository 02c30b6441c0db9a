"""Task-aligned assignment and the losses on it, against plain loops over objects and places."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.core.targets.instances import Instances
from sightline.losses import boxes
from sightline.models.detection import assigner
from sightline.models.heads.dfl import distribution_focal_loss, expectation
from sightline.ops.boxes import ciou, iou

STRIDES = (8, 16, 32)
SIDE = 96


def places() -> Tensor:
    rows = [
        (x * s + s / 2, y * s + s / 2, s) for s in STRIDES for y in range(SIDE // s) for x in range(SIDE // s)
    ]
    return torch.tensor(rows, dtype=torch.float32)


def scene(seed: int, counts: list[int], classes: int = 4) -> tuple[dict[str, Tensor], Instances]:
    """Predictions that are partly right, and objects, one of them smaller than a place."""
    rng = torch.Generator().manual_seed(seed)
    m = sum(counts)
    near = torch.rand(m, 2, generator=rng) * 70
    target = torch.cat([near, near + 2 + torch.rand(m, 2, generator=rng) * 40], 1).clamp(max=SIDE)
    if m:
        target[0] = torch.tensor([31.0, 31, 33, 33])
    where = places()
    images = len(counts)
    outputs = {
        "places": where[None],
        "bins": torch.randn(images, len(where), 4 * 16, generator=rng) - torch.arange(16).repeat(4) * 0.5,
        "many": torch.randn(images, len(where), classes, generator=rng) - 2,
        "scores": torch.randn(images, len(where), classes, generator=rng) - 2,
    }
    outputs["boxes"] = boxes.decoded(where, outputs["bins"])
    labels = torch.randint(0, classes, (m,), generator=rng)
    sizes = torch.full((images, 2), SIDE)
    return outputs, Instances(torch.tensor(counts), sizes, target, labels)


def plain(
    prediction: dict[str, Tensor], name: str, target: Instances, most: int
) -> dict[tuple[int, int], tuple]:
    """{(image, place): (object, weight)} by loops."""
    where = prediction["places"][0].tolist()
    wanted: dict[tuple[int, int], list[tuple[float, int, float]]] = {}
    for n, (box, label, image) in enumerate(
        zip(target.boxes, target.labels.tolist(), target.image.tolist(), strict=True)
    ):
        x1, y1, x2, y2 = box.tolist()
        half_w, half_h = max((x2 - x1) / 2, 4), max((y2 - y1) / 2, 4)
        rated = []
        for a, (x, y, _) in enumerate(where):
            if abs(x - (x1 + x2) / 2) <= half_w and abs(y - (y1 + y2) / 2) <= half_h:
                u = float(iou(box, prediction["boxes"][image, a]))
                s = 1 / (1 + math.exp(-float(prediction[name][image, a, label])))
                rated.append((s**0.5 * u**6, u, a))
        for t, u, a in sorted(rated, key=lambda r: (-r[0], r[2]))[:most]:
            wanted.setdefault((image, a), []).append((u, n, t))
    won = {key: max(claims, key=lambda c: (c[0], -c[1])) for key, claims in wanted.items()}
    result = {}
    for key, (_, n, t) in won.items():
        default = [c for c in won.values() if c[1] == n]
        best_t, best_u = max(c[2] for c in default), max(c[0] for c in default)
        result[key] = (n, t / best_t * best_u if best_t else 0.0)
    return result


@pytest.mark.parametrize("most", [1, 10, 13])
@pytest.mark.parametrize("counts", [[5, 0, 12], [1], [0, 0], [40]])
@pytest.mark.parametrize("pairs", [1 << 20, 64])
def test_assignment(counts: list[int], most: int, pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assigner, "PAIRS", pairs)
    outputs, target = scene(sum(counts) + most, counts)
    result = assigner.assign(
        outputs["places"][0],
        outputs["boxes"],
        outputs["many"],
        target.boxes,
        target.labels,
        target.image,
        most,
    )
    keys = zip(result.image.tolist(), result.place.tolist(), strict=True)
    ours = dict(zip(keys, zip(result.target.tolist(), result.weight.tolist(), strict=True), strict=True))
    expected = plain(outputs, "many", target, most)
    assert {k: v[0] for k, v in ours.items()} == {k: v[0] for k, v in expected.items()}
    for key, (_, weight) in expected.items():
        assert ours[key][1] == pytest.approx(weight, abs=1e-5)


@pytest.mark.parametrize("counts", [[5, 0, 12], [0, 0]])
def test_losses(counts: list[int]) -> None:
    outputs, target = scene(7, counts)
    ours, _ = boxes.box_losses(outputs, target)
    many, first = plain(outputs, "many", target, 10), plain(outputs, "scores", target, 1)
    expected = {"box": 0.0, "sides": 0.0}
    total = max(sum(w for _, w in many.values()), 1)
    for (image, a), (n, weight) in many.items():
        x, y, s = outputs["places"][0, a].tolist()
        x1, y1, x2, y2 = target.boxes[n].tolist()
        goals = [(x - x1) / s, (y - y1) / s, (x2 - x) / s, (y2 - y) / s]
        logs = outputs["bins"][image, a].view(4, 16).log_softmax(-1)
        sides = 0.0
        for side, goal in enumerate(min(max(g, 0), 15) for g in goals):
            low = min(int(goal), 14)
            sides -= float(logs[side, low]) * (low + 1 - goal) + float(logs[side, low + 1]) * (goal - low)
        expected["sides"] += 0.5 * weight * sides / 4 / total
        overlap = float(ciou(outputs["boxes"][image, a], target.boxes[n]))
        expected["box"] += 2.5 * weight * (1 - overlap) / total
    for part, name, result in (("class", "many", many), ("single", "scores", first)):
        goal_scores = torch.zeros_like(outputs[name])
        for (image, a), (n, weight) in result.items():
            goal_scores[image, a, target.labels[n]] = weight
        entropy = F.binary_cross_entropy_with_logits(outputs[name], goal_scores, reduction="sum")
        expected[part] = float(entropy) / max(sum(w for _, w in result.values()), 1)
    for name, value in expected.items():
        assert float(ours[name]) == pytest.approx(value, rel=1e-5, abs=1e-5)


def test_distribution_of_a_distance() -> None:
    peak = torch.full((1, 16), -50.0)
    peak[0, 3], peak[0, 4] = math.log(0.75), math.log(0.25)
    assert float(expectation(peak)) == pytest.approx(3.25)
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert float(distribution_focal_loss(peak, torch.tensor([3.25]))) == pytest.approx(entropy, abs=1e-6)
    ends = distribution_focal_loss(torch.zeros(3, 16), torch.tensor([-4.0, 15.0, 99.0]))
    assert torch.allclose(ends, torch.full((3,), math.log(16)))
