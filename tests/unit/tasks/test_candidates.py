"""Candidates: the best boxes, and how they are read."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.targets.instances import Instances
from sightline.models.adapters.base import seeded
from sightline.models.detection import postprocess
from tests.unit.tasks._detectors import rng


def test_global_generators_are_put_back() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with seeded(rng(5)):
        first = torch.rand(4)
    assert torch.equal(torch.rand(2), expected)
    with seeded(rng(5)):
        assert torch.equal(torch.rand(4), first)


READ = {"size": [40, 60], "conf": 0.1, "max_objects": 3, "nms": 0.5, "classes": ["a", "b"]}


def test_reading_candidates() -> None:
    boxes = [[0, 0, 20, 20], [1, 0, 21, 20], [1, 0, 21, 20], [50, 30, 90, 80], [5, 5, 9, 9], [70, 0, 80, 9]]
    outputs = {
        "boxes": torch.tensor([boxes] * 2).float(),
        "scores": torch.tensor([[0.8, 0.9, 0.7, 0.3, 0.05, 0.9], [0.0] * 6]),
        "labels": torch.tensor([[0, 0, 1, 1, 0, 0]] * 2),
    }
    result = postprocess.select(outputs, READ)[0]
    assert result.counts.tolist() == [3, 0]
    assert result.sizes.tolist() == [[40, 60]] * 2
    # The better of two of a class; another class in the same place; cut at the edge; none from outside.
    assert result.boxes.tolist() == [[1, 0, 21, 20], [1, 0, 21, 20], [50, 30, 60, 40]]
    assert result.labels.tolist() == [0, 1, 1]
    together = postprocess.select(outputs, {**READ, "nms": 1.0, "max_objects": 9})[0]
    assert together.counts.tolist() == [4, 0]


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 7), st.booleans())
def test_best_are_the_best_of_each_level(seed: int, classes: int, most: int, each: bool) -> None:
    torch.manual_seed(seed)
    counts = [4, 2, 1]
    scores = torch.rand(2, 7, classes)
    boxes = torch.rand(2, 7 * classes if each else 7, 4)
    result = postprocess.best(boxes, scores, counts, most)
    for image in range(2):
        start, expected = 0, []
        for count in counts:
            pairs = [
                (float(scores[image, a, k]), k, boxes[image, a * classes + k if each else a].tolist())
                for a in range(start, start + count)
                for k in range(classes)
            ]
            expected += sorted(pairs, reverse=True)[:most]
            start += count
        outputs = zip(*(result[k][image].tolist() for k in ("scores", "labels", "boxes")), strict=True)
        assert sorted(outputs) == sorted(expected)


def test_scores_are_stretched_so_that_the_best_cut_is_one_half() -> None:
    result = Instances(
        torch.tensor([3, 1]), torch.full((2, 2), 9), torch.arange(16.0).view(4, 4),
        torch.tensor([0, 1, 0, 1]), torch.tensor([0.6, 0.5, 0.2, 0.9]),
    )  # fmt: skip
    outputs = postprocess.rescale_scores(result, [0.2, 0.8])
    assert outputs.scores is not None
    assert outputs.scores.tolist() == pytest.approx([0.75, 0.5, 0.3125, 0.75])
    assert outputs.labels.tolist() == [0, 0, 1, 1]
    assert outputs.boxes[:, 0].tolist() == [0, 8, 4, 12]
    assert postprocess.rescale_scores(result, None) is result
