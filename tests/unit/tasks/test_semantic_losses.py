"""Losses of semantic segmentation: worked examples, what must not matter, and sums by name."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sightline.core.targets.masks import IGNORE_INDEX
from sightline.errors import UnknownName, UsageError
from sightline.losses.semantic import LOSSES, LossCard, parse
from sightline.losses.semantic.ce import loss as ce
from sightline.losses.semantic.touching import gap_weights

ALL = ("boundary", "ce", "dice", "focal", "jaccard", "lovasz", "touching", "tversky")
REGIONS = ("boundary", "dice", "jaccard", "lovasz", "tversky")
each = pytest.mark.parametrize("name", ALL)


def value(name: str, logits: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    result: Tensor = LOSSES.load(name).loss(logits, target, weights)
    assert result.shape == ()
    assert result.dtype == torch.float32
    return result


def logits_of(*pixels: list[float]) -> Tensor:
    """(1, K, 1, P) logits whose softmax gives these probabilities."""
    return torch.tensor(pixels).log().T[None, :, None]


def drawn(seed: int, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Two maps of 5 x 6 with patches of classes and some void, and logits that half agree."""
    rng = np.random.default_rng(seed)
    target = torch.tensor(np.kron(rng.integers(0, classes, (2, 2, 2)), np.ones((1, 3, 3), dtype=np.int64)))[
        :, :5
    ]
    logits = torch.tensor(rng.normal(size=(2, classes, 5, 6))).float()
    logits += torch.nn.functional.one_hot(target, classes).movedim(-1, 1)
    target[torch.tensor(rng.random((2, 5, 6)) < 0.15)] = IGNORE_INDEX
    return logits, target


def perfect(target: Tensor, classes: int) -> Tensor:
    expected = target.masked_fill(target == IGNORE_INDEX, 0)
    return 40.0 * torch.nn.functional.one_hot(expected, classes).movedim(-1, 1)


def test_all_losses_are_found_and_say_where_they_come_from() -> None:
    assert LOSSES.names() == list(ALL)
    for name in ALL:
        card = LOSSES.load(name).CARD
        assert isinstance(card, LossCard)
        assert card.name == name
        assert card.summary
        assert re.search(r"\b(19|20)\d\d\b", card.paper)


# Two pixels, the first of class 0 (p 0.8), the second of class 1 (p 0.6); a third without a class.
HAND = logits_of([0.8, 0.2], [0.4, 0.6], [0.5, 0.5])
CLASSES = torch.tensor([[[0, 1, IGNORE_INDEX]]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ce", -(math.log(0.8) + math.log(0.6)) / 2),
        ("focal", -(0.2**2 * math.log(0.8) + 0.4**2 * math.log(0.6)) / 2),
        # y.y' is 0.8 and 0.6; y is 1 and 1; y' is 1.2 and 0.8.
        ("jaccard", 1 - (0.8 / (1 + 1.2 - 0.8) + 0.6 / (1 + 0.8 - 0.6)) / 2),
        ("dice", 1 - (1.6 / (1 + 0.8**2 + 0.4**2) + 1.2 / (1 + 0.2**2 + 0.6**2)) / 2),
        ("tversky", 1 - (0.8 / (0.8 + 0.3 * 0.4 + 0.7 * 0.2) + 0.6 / (0.6 + 0.3 * 0.2 + 0.7 * 0.4)) / 2),
        # Class 0: errors 0.4 (false) and 0.2 (missed); Jaccard 1/2, then 1. Class 1: 0.4 missed, then 0.2.
        ("lovasz", ((0.4 * 0.5 + 0.2 * 0.5) + (0.4 * 1 + 0.2 * 0)) / 2),
        ("touching", -(math.log(0.8) + math.log(0.6)) / 2),  # one object only
    ],
)
def test_by_hand(name: str, expected: float) -> None:
    assert float(value(name, HAND, CLASSES)) == pytest.approx(expected, rel=1e-5)


def test_class_weights_by_hand() -> None:
    weights = torch.tensor([1.0, 3.0])
    assert float(value("ce", HAND, CLASSES, weights)) == pytest.approx(
        -(math.log(0.8) + 3 * math.log(0.6)) / 4
    )
    jaccard = (1 - 0.8 / 1.4 + 3 * (1 - 0.6 / 1.2)) / 4
    assert float(value("jaccard", HAND, CLASSES, weights)) == pytest.approx(jaccard)


def test_label_smoothing_by_hand() -> None:
    first = -(0.95 * math.log(0.8) + 0.05 * math.log(0.2))
    second = -(0.95 * math.log(0.6) + 0.05 * math.log(0.4))
    assert float(ce(HAND, CLASSES, smoothing=0.1)) == pytest.approx((first + second) / 2)


def test_boundary_by_hand() -> None:
    target = torch.zeros(1, 9, 20, dtype=torch.int64)
    target[..., 10:] = 1
    for off, expected in ((0, 0.0), (2, 0.0), (3, 1.0)):
        outputs = torch.zeros_like(target)
        outputs[..., 10 + off :] = 1
        assert float(value("boundary", perfect(outputs, 2), target)) == pytest.approx(expected, abs=1e-5)


@each
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_perfect_prediction_costs_nothing_and_a_wrong_one_something(name: str, seed: int) -> None:
    logits, target = drawn(seed)
    assert float(value(name, perfect(target, 3), target)) == pytest.approx(0, abs=1e-4)
    result = float(value(name, logits, target))
    assert result >= 0
    if name in REGIONS:
        assert result <= 1 + 1e-6
    wrong = value(name, -perfect(target, 3), target)
    assert float(wrong) > 0.3 or (name == "boundary" and (target == target.flatten()[0]).float().mean() > 0.4)


@each
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_void_pixels_change_nothing(name: str, seed: int) -> None:
    logits, target = drawn(seed)
    other = torch.where(
        (target == IGNORE_INDEX)[:, None], torch.randn_like(logits) * 9, logits
    ).requires_grad_()
    result = value(name, other, target)
    assert float(result.detach()) == pytest.approx(float(value(name, logits, target)), rel=1e-5, abs=1e-6)
    result.backward()
    assert other.grad is not None
    assert other.grad.isfinite().all()
    assert not other.grad.movedim(1, -1)[target == IGNORE_INDEX].any()


@pytest.mark.parametrize("name", [n for n in ALL if n != "touching"])  # class 0 is the ground there
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), order=st.permutations(range(3)))
def test_what_the_classes_are_called_changes_nothing(name: str, seed: int, order: list[int]) -> None:
    logits, target = drawn(seed)
    weights = torch.tensor([1.0, 2.0, 0.5])
    to = torch.tensor(order)
    back = to.argsort()
    renamed = torch.where(
        target == IGNORE_INDEX, IGNORE_INDEX, to[target.masked_fill(target == IGNORE_INDEX, 0)]
    )
    result = value(name, logits[:, back], renamed, weights[back])
    assert float(result) == pytest.approx(float(value(name, logits, target, weights)), rel=1e-4, abs=1e-6)


@each
def test_equal_weights_are_none_at_all(name: str) -> None:
    logits, target = drawn(3)
    if name != "touching":  # its gaps come on top of the weights of classes
        alike = value(name, logits, target, torch.full((3,), 7.0, dtype=torch.float64))
        assert float(alike) == pytest.approx(float(value(name, logits, target)), rel=1e-5)
    assert torch.equal(value(name, logits, target, torch.ones(3)), value(name, logits, target))


@each
def test_nothing_but_void_is_a_loss_of_zero_with_a_gradient(name: str) -> None:
    logits = torch.randn(2, 3, 8, 8, requires_grad=True)
    for weights in (None, torch.ones(3)):
        result = value(name, logits, torch.full((2, 8, 8), IGNORE_INDEX), weights)
        assert float(result.detach()) == 0
        result.backward()
    assert logits.grad is not None
    assert not logits.grad.any()


@each
@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_gives_what_its_numbers_give_in_full(name: str, kind: torch.dtype) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = (30 * torch.randn(1, 3, 300, 300, generator=rng)).to(kind).requires_grad_()
    target = (
        torch.randint(0, 3, (1, 300, 300), generator=rng)
        if name != "touching"
        else torch.ones(1, 300, 300).long()
    )
    result = value(name, logits, target)  # sums beyond 65504, the greatest number of float16
    assert float(result.detach()) == pytest.approx(float(value(name, logits.detach().float(), target)))
    result.backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


@each
def test_following_the_gradient_mends_a_prediction(name: str) -> None:
    logits, target = drawn(5)
    logits = logits.requires_grad_()
    optimizer = torch.optim.Adam([logits], lr=0.3)
    before = float(value(name, logits, target).detach())
    for _ in range(40):
        optimizer.zero_grad()
        value(name, logits, target).backward()
        optimizer.step()
    assert float(value(name, logits, target).detach()) < 0.3 * before


def brute(errors: list[float], present: list[bool]) -> float:
    """The Lovász extension by its definition, from the Jaccard loss of sets of wrong pixels."""

    def jaccard(wrong: set[int]) -> float:
        return len(wrong) / len(wrong | {i for i, t in enumerate(present) if t})

    order = sorted(range(len(errors)), key=lambda i: -errors[i])
    sets = [set(order[:n]) for n in range(len(order) + 1)]
    return sum(
        errors[i] * (jaccard(b) - jaccard(a))
        for i, (a, b) in zip(order, itertools.pairwise(sets), strict=True)
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), pixels=st.integers(1, 9))
def test_lovasz_is_the_extension_by_its_definition(seed: int, pixels: int) -> None:
    rng = np.random.default_rng(seed)
    p, target = rng.dirichlet(np.ones(3), pixels), rng.integers(0, 3, pixels)
    expected = []
    for k in np.unique(target):
        present = target == k
        expected.append(brute(np.abs(present - p[:, k]).tolist(), present.tolist()))
    logits = torch.tensor(np.log(p + 1e-12).T[None, :, None]).float()
    result = float(value("lovasz", logits, torch.tensor(target)[None, None]))
    assert result == pytest.approx(np.mean(expected), abs=1e-5)


def test_lovasz_of_a_decided_prediction_is_one_minus_the_mean_iou() -> None:
    target = torch.tensor([[[0, 0, 1, 1, 1]]])
    outputs = torch.tensor([[[0, 1, 1, 1, 0]]])
    expected = 1 - (1 / 3 + 2 / 4) / 2
    assert float(value("lovasz", perfect(outputs, 2), target)) == pytest.approx(expected, abs=1e-5)
    assert float(value("jaccard", perfect(outputs, 2), target)) == pytest.approx(expected, abs=1e-5)


def test_gaps_between_objects_weigh_most() -> None:
    first = np.zeros((40, 60), dtype=np.int64)
    first[10:20, 10:20] = 1
    first[10:20, 24:34] = 1
    first[0, 50:] = IGNORE_INDEX
    result = gap_weights(first)
    # Columns 20 to 23 lie between: in column 20 the objects are 1 and 4 pixels away.
    assert result[15, 20] == pytest.approx(10 * math.exp(-(5**2) / 50))
    assert result[15, 21] == result[15, 22] == result[15, 20]
    assert result[15, 5] == pytest.approx(10 * math.exp(-((5 + 19) ** 2) / 50), abs=1e-3)
    assert not result[first != 0].any()
    assert not gap_weights(np.where(first == 1, 1, 0) * (np.arange(60) < 22)).any()  # one object has no gap
    second = np.where(first == 1, 1 + (np.arange(60) > 22), 0)
    assert np.array_equal(gap_weights(second), gap_weights(np.where(first == 1, 1, 0)))


def test_gaps_far_from_the_border_of_the_window_are_as_with_whole_distances() -> None:
    from scipy import ndimage

    rng = np.random.default_rng(0)
    first = (ndimage.gaussian_filter(rng.normal(size=(90, 110)), 4) > 0.06).astype(np.int64)
    regions, n = ndimage.label(first)
    assert n > 3
    distances = np.sort([ndimage.distance_transform_edt(regions != i + 1) for i in range(n)], axis=0)
    expected = np.where(first == 0, 10 * np.exp(-((distances[0] + distances[1]) ** 2) / 50), 0)
    assert gap_weights(first) == pytest.approx(expected, abs=0.004)


def test_sums_have_their_terms_by_name() -> None:
    logits, target = drawn(1)
    result = parse("ce + 0.5*dice+1e-1 * Lovasz")(logits, target)
    assert list(result) == ["loss", "ce", "dice", "lovasz"]
    assert float(result["ce"]) == float(value("ce", logits, target))
    assert float(result["dice"]) == pytest.approx(0.5 * float(value("dice", logits, target)))
    assert float(result["loss"]) == pytest.approx(sum(float(v) for k, v in result.items() if k != "loss"))
    alone = parse("jaccard")(logits, target, torch.tensor([1.0, 2.0, 3.0]))
    assert float(alone["loss"]) == float(value("jaccard", logits, target, torch.tensor([1.0, 2.0, 3.0])))


def test_sums_can_be_copied_and_stored() -> None:
    result = parse("ce+0.5*dice")
    assert copy.deepcopy(result) == result
    assert pickle.loads(pickle.dumps(result)) == result


def test_unknown_losses_name_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"There is no loss 'jacard'. Did you mean 'jaccard'"):
        parse("ce+jacard")


@pytest.mark.parametrize(
    "text", ["", "ce+", "ce,dice", "2*", "ce*2", "-1*ce", "ce dice", "0*ce", "ce+ce", "_regions"]
)
def test_text_of_another_form_is_refused_and_the_form_shown(text: str) -> None:
    with pytest.raises(UsageError, match=r"ce\+0\.5\*dice"):
        parse(text)


def test_smoothed_cross_entropy_weighs_a_pixel_by_its_true_class_alone() -> None:
    logits, target = drawn(3)
    weights = torch.tensor([0.2, 1.0, 9.0])
    log_p = logits.log_softmax(1)
    total = weight = 0.0
    for b, y, x in (target != IGNORE_INDEX).nonzero().tolist():
        k, first = int(target[b, y, x]), log_p[b, :, y, x]
        total += float(weights[k]) * (0.9 * -float(first[k]) + 0.1 * -float(first.mean()))
        weight += float(weights[k])
    assert float(ce(logits, target, weights, smoothing=0.1)) == pytest.approx(total / weight, rel=1e-5)
