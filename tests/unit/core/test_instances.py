"""Objects in images: filtering, joining, moving, and JSON."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.geometry import invert_affine
from sightline.core.targets.instances import Instances


@st.composite
def some(draw: st.DrawFn, most: int = 5) -> Instances:
    """A few images with a few objects each, some with flags."""
    counts = torch.tensor(draw(st.lists(st.integers(0, 4), min_size=1, max_size=most)))
    n, m = len(counts), int(counts.sum())
    rng = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    sizes = torch.randint(20, 200, (n, 2), generator=rng)
    corner, extent = torch.rand(m, 2, generator=rng) * 10, torch.rand(m, 2, generator=rng) * 9 + 1
    optional = {}
    if draw(st.booleans()):
        optional = {"crowd": torch.rand(m, generator=rng) < 0.5, "areas": torch.rand(m, generator=rng)}
    labels = torch.randint(0, 3, (m,), generator=rng)
    return Instances(counts, sizes, torch.cat([corner, corner + extent], 1), labels, **optional)


def same(a: Instances, b: Instances) -> bool:
    return json.dumps(a.to_json()) == json.dumps(b.to_json())


@given(some(), st.data())
@settings(max_examples=50, deadline=None)
def test_indexing_takes_images_with_all_their_objects(found: Instances, data: st.DataObject) -> None:
    order = data.draw(st.lists(st.integers(0, len(found) - 1), max_size=6))
    rows = found.to_json()
    assert found[torch.tensor(order, dtype=torch.int64)].to_json() == [rows[i] for i in order]
    assert same(found[0], found[torch.arange(len(found)) == 0])
    assert same(Instances.cat([found[[i]] for i in range(len(found))]), found)


@given(some())
@settings(max_examples=50, deadline=None)
def test_json_there_and_back(found: Instances) -> None:
    again = Instances.from_json(json.loads(json.dumps(found.to_json())))
    assert torch.equal(again.boxes, found.boxes)
    assert same(again, found)


def test_a_missing_flag_is_false_when_joined() -> None:
    plain = Instances(
        torch.tensor([1]), torch.tensor([[9, 9]]), torch.tensor([[0.0, 0, 2, 3]]), torch.tensor([0])
    )
    group = Instances(plain.counts, plain.sizes, plain.boxes, plain.labels, crowd=torch.tensor([True]),
                      areas=torch.tensor([5.0]))  # fmt: skip
    both = Instances.cat([plain, group])
    assert both.crowd is not None
    assert both.crowd.tolist() == [False, True]
    assert both.area().tolist() == [6.0, 5.0]


@given(some(), st.floats(0.3, 3), st.floats(0.3, 3), st.floats(0, 20), st.floats(0, 20))
@settings(max_examples=50, deadline=None)
def test_moving_there_and_back(found: Instances, sx: float, sy: float, tx: float, ty: float) -> None:
    places = torch.tensor([[sx, 0, tx], [0, sy, ty]], dtype=torch.float64).expand(len(found), 2, 3)
    wide = torch.full((len(found), 2), 1000)
    present = found.warp(places, wide)
    assert torch.allclose(present.area(), found.area() * sx * sy, rtol=1e-3, atol=1e-3)
    back = present.warp(invert_affine(places), found.sizes)
    assert torch.allclose(back.boxes, found.boxes, atol=1e-3)
    assert torch.equal(back.sizes, found.sizes)


def test_what_is_cut_off_is_dropped_only_where_asked() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [95, 0, 105, 10], [99, 0, 109, 10]])
    result = Instances(torch.tensor([3]), torch.tensor([[100, 120]]), boxes, torch.tensor([0, 1, 2]))
    stay = torch.eye(2, 3)[None]
    narrow = torch.tensor([[100, 100]])
    assert result.warp(stay, narrow).boxes[:, 2].tolist() == [10, 100, 100]
    selected = result.warp(stay, narrow, least=0.2)
    assert selected.labels.tolist() == [0, 1]
    assert selected.counts.tolist() == [2]


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="sizes \\(1, 2\\) and boxes \\(2, 4\\)"):
        Instances(torch.tensor([2]), torch.tensor([[9, 9]]), torch.zeros(1, 4), torch.zeros(1))
