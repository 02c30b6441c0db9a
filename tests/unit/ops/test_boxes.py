"""Functions of boxes: what must hold for all boxes, and what torchvision says of them."""

from __future__ import annotations

import pytest
import torch
import torchvision.ops as tv
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sightline.ops import boxes as ops

seeds = st.integers(0, 10**6)
many = settings(max_examples=60, deadline=None)


def some(seed: int, n: int = 20, least: float = 0.5) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    near = torch.rand(n, 2, generator=rng) * 100
    return torch.cat([near, near + least + torch.rand(n, 2, generator=rng) * 60], 1)


@many
@given(seeds, seeds)
def test_overlaps_are_as_in_torchvision(one: int, two: int) -> None:
    a, b = some(one), some(two, 7)
    assert torch.allclose(ops.iou(a[:, None], b), tv.box_iou(a, b), atol=1e-6)
    assert torch.allclose(ops.giou(a[:, None], b), tv.generalized_box_iou(a, b), atol=1e-5)
    assert torch.allclose(ops.ciou(a[:, None], b), tv.complete_box_iou(a, b), atol=1e-4)
    assert torch.allclose(ops.area(a), tv.box_area(a))


@many
@given(seeds, seeds)
def test_gradient_of_complete_overlap_is_as_in_torchvision(one: int, two: int) -> None:
    a, b = some(one).double(), some(two).double()
    ours, theirs = (a.clone().requires_grad_() for _ in range(2))
    (1 - ops.ciou(ours, b)).sum().backward()
    tv.complete_box_iou_loss(theirs, b, reduction="sum").backward()
    assert ours.grad is not None
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-4)  # torchvision adds 1e-7 in other places


@many
@given(seeds, st.floats(-50, 50), st.floats(0.1, 10))
def test_overlap_does_not_change_with_place_and_scale(seed: int, move: float, scale: float) -> None:
    a, b = some(seed).double(), some(seed + 1).double()
    for measure in (ops.iou, ops.giou, ops.ciou):
        result = measure(a, b)
        assert torch.allclose(result, measure(b, a), atol=1e-9)
        assert torch.allclose(result, measure(a * scale + move, b * scale + move), atol=1e-6)
        assert torch.allclose(measure(a, a), torch.ones(len(a), dtype=torch.float64), atol=1e-6)


@pytest.mark.parametrize("measure", [ops.iou, ops.giou, ops.ciou])
def test_empty_boxes_have_finite_overlaps_and_gradients(measure: object) -> None:
    empty = torch.tensor([[5.0, 5, 5, 5], [0, 0, 0, 9], [5, 5, 5, 5], [3, 3, 2, 2]], requires_grad=True)
    other = torch.tensor([[5.0, 5, 5, 5], [1, 1, 4, 4], [7, 7, 7, 7], [3, 3, 2, 2]])
    result = measure(empty, other)  # type: ignore[operator]
    result.sum().backward()
    assert result.isfinite().all()
    assert empty.grad is not None
    assert empty.grad.isfinite().all()


@many
@given(seeds)
def test_forms_lead_back(seed: int) -> None:
    boxes, points = some(seed), some(seed + 1)[:, :2]
    assert torch.allclose(ops.from_distances(points, ops.to_distances(points, boxes)), boxes, atol=1e-4)
    assert torch.allclose(ops.from_centers(ops.to_centers(boxes)), boxes, atol=1e-4)
    assert torch.allclose(ops.from_xywh(ops.to_xywh(boxes)), boxes, atol=1e-4)
    assert torch.allclose(ops.to_centers(boxes), tv.box_convert(boxes, "xyxy", "cxcywh"), atol=1e-4)
    assert torch.allclose(ops.to_xywh(boxes), tv.box_convert(boxes, "xyxy", "xywh"), atol=1e-4)


@many
@given(seeds, st.floats(0.1, 0.9))
def test_suppression_keeps_the_best_and_no_two_that_overlap(seed: int, overlap: float) -> None:
    boxes = some(seed, 40)
    rng = torch.Generator().manual_seed(seed)
    scores = torch.rand(40, generator=rng)
    groups = torch.randint(0, 3, (40,), generator=rng)
    selected = ops.nms(boxes, scores, groups, overlap)
    assert (scores[selected].diff() <= 0).all()
    alike = groups[selected][:, None] == groups[selected]
    close = ops.iou(boxes[selected][:, None], boxes[selected]) > overlap + 1e-6
    assert (alike & close).sum() == (close & torch.eye(len(selected), dtype=torch.bool)).sum()
    gone = [i for i in range(40) if i not in selected.tolist()]
    for i in gone:
        better = selected[(scores[selected] >= scores[i]) & (groups[selected] == groups[i])]
        assert (ops.iou(boxes[i], boxes[better]) > overlap - 1e-6).any()
