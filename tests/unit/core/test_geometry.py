"""Affine maps undo themselves, follow each other and move points, in two and in three dimensions."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sightline.core.geometry import apply_affine, compose_affine, identity_affine, invert_affine
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances

CASES = {"d": st.sampled_from([2, 3]), "n": st.integers(1, 4), "seed": st.integers(0, 10_000)}


def maps(n: int, d: int, seed: int) -> Tensor:
    """Maps that can be undone: more than half on the diagonal, little beside it."""
    rng = torch.Generator().manual_seed(seed)
    linear = torch.rand(n, d, d, generator=rng, dtype=torch.float64) * 0.2
    linear += torch.diag_embed(torch.rand(n, d, generator=rng, dtype=torch.float64) + 1)
    shift = torch.randn(n, d, 1, generator=rng, dtype=torch.float64) * 50
    return torch.cat([linear, shift], 2)


def points(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, 7, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 100


@given(**CASES)
@settings(deadline=None, max_examples=40)
def test_a_map_and_its_inverse_leave_points_where_they_are(d: int, n: int, seed: int) -> None:
    affine, where = maps(n, d, seed), points(n, d, seed)
    back = apply_affine(invert_affine(affine), apply_affine(affine, where))
    torch.testing.assert_close(back, where)
    torch.testing.assert_close(compose_affine(invert_affine(affine), affine), identity_affine(n, d))


@given(**CASES)
@settings(deadline=None, max_examples=40)
def test_composed_maps_do_the_first_and_then_the_second(d: int, n: int, seed: int) -> None:
    first, second, where = maps(n, d, seed), maps(n, d, seed + 1), points(n, d, seed)
    torch.testing.assert_close(
        apply_affine(compose_affine(second, first), where), apply_affine(second, apply_affine(first, where))
    )


@given(**CASES)
@settings(deadline=None, max_examples=20)
def test_the_identity_moves_nothing(d: int, n: int, seed: int) -> None:
    where = points(n, d, seed)
    assert torch.equal(apply_affine(identity_affine(n, d), where), where)


def test_coordinates_are_x_before_y() -> None:
    affine = torch.tensor([[[2.0, 0, 10], [0, 3, 20]]])
    assert apply_affine(affine, torch.tensor([[[1.0, 1.0]]])).tolist() == [[[12.0, 23.0]]]


def test_a_batch_brings_predictions_back_to_the_stored_items() -> None:
    boxes = torch.tensor([[10.0, 10, 20, 20]])
    viewed = Instances(torch.tensor([1]), torch.tensor([[50, 50]]), boxes, torch.tensor([0]))
    affine = torch.tensor([[[0.5, 0, 0], [0, 0.5, 0]]])
    batch = Batch(torch.zeros(1, 3, 50, 50), None, ["a"], affine, torch.tensor([[100, 100]]))
    assert batch.back(viewed).boxes.tolist() == [[20, 20, 40, 40]]


def test_a_batch_of_two_named_inputs_keeps_both_on_their_way() -> None:
    left, right = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    batch = Batch({"left": left, "right": right}, None, ["a", "b"]).to("cpu")
    assert list(batch.inputs) == ["left", "right"]
    assert len(batch) == 2
    assert batch.images is batch.inputs["left"]
    changed = batch.with_images(left + 2)
    assert changed.inputs["left"].mean() == 2
    assert changed.inputs["right"].mean() == 1
