"""Augmentation of batches: numbers that can be checked by hand, and what must never happen."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.none import Unlabeled
from sightline.core.targets.number import RegressionValues
from sightline.data.transforms import steps
from sightline.data.transforms.mix import cutmix, mixup
from sightline.data.transforms.standard import standard
from sightline.errors import UnknownName, UsageError


def batch(images: Tensor, targets: object = None) -> Batch:
    return Batch(images, targets, [str(i) for i in range(len(images))])


def noise(n: int, channels: int, height: int, width: int) -> Tensor:
    """Random uint8 images, channels innermost as the loader gives them."""
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, height, width, channels), generator=rng, dtype=torch.uint8)
    return images.permute(0, 3, 1, 2)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


CASES = list(itertools.product(("light", "standard", "strong"), (True, False), (20, 72), (True, False)))


@pytest.mark.parametrize(("strength", "flip", "side", "gray"), CASES)
def test_standard_changes_images_and_nothing_else(strength: str, flip: bool, side: int, gray: bool) -> None:
    size = (side, side + 5)
    step = standard(strength, flip=flip, size=size, gray=gray)
    assert step is not None
    before = batch(noise(9, 1 if gray else 3, *size), ClassLabels(torch.arange(9)))
    selected = before.images.clone()
    after = step(before, rng(3))
    assert after.images.shape == before.images.shape
    assert after.images.dtype == torch.uint8
    assert after.images.is_contiguous(memory_format=torch.channels_last)
    assert not any(torch.equal(a, b) for a, b in zip(after.images, selected, strict=True))
    assert torch.equal(before.images, selected)
    assert after.ids == before.ids
    assert torch.equal(after.targets.value, before.targets.value)
    assert torch.equal(step(before, rng(3)).images, after.images)
    assert not torch.equal(step(before, rng(4)).images, after.images)


@pytest.mark.parametrize(("strength", "flip", "side", "gray"), CASES)
def test_floats_change_like_bytes(strength: str, flip: bool, side: int, gray: bool) -> None:
    step = standard(strength, flip=flip, size=(side, side), gray=gray)
    assert step is not None
    images = noise(6, 1 if gray else 3, side, side)
    floats = step(batch(images.float() / 255), rng()).images
    assert floats.dtype == torch.float32
    difference = (floats * 255 - step(batch(images), rng()).images).abs()
    assert difference.max() <= 7  # gains of bytes are multiples of 1/32
    assert difference.mean() <= 2.5


def test_no_augmentation_is_none_and_unknown_names_are_refused() -> None:
    assert standard("none", flip=True, size=(32, 32), gray=False) is None
    with pytest.raises(UnknownName, match="'strong'"):
        standard("stronk", flip=True, size=(32, 32), gray=False)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "step",
    [
        steps.random_translate(0.2, True),
        steps.random_affine(20, 0.2, 0.1),
        steps.random_resized_crop((0.4, 1.0), True),
    ],
    ids=["shift", "affine", "crop"],
)
def test_boxes_go_where_the_pixels_go(step: steps.Step, seed: int) -> None:
    n, height, width = 6, 96, 128
    images, boxes = torch.zeros(n, 3, height, width, dtype=torch.uint8), []
    draw = np.random.default_rng(seed)
    for image in images:
        x1, y1 = int(draw.integers(24, width - 56)), int(draw.integers(20, height - 48))
        x2, y2 = x1 + int(draw.integers(16, 32)), y1 + int(draw.integers(12, 28))
        image[:, y1:y2, x1:x2] = 255
        boxes.append([x1, y1, x2, y2])
    sizes = torch.tensor([[height, width]] * n)
    target = Instances(torch.ones(n, dtype=torch.int64), sizes, torch.tensor(boxes).float(), torch.arange(n))
    moved = step(batch(images, target), rng(seed))
    result: Instances = moved.targets
    where = result.labels.tolist()  # what is cut off by more than four fifths is dropped
    for k, i in enumerate(where):
        lit = moved.images[i, 0] > 127
        ys, xs = torch.nonzero(lit.any(1)).flatten(), torch.nonzero(lit.any(0)).flatten()
        viewed = torch.tensor([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1]).float()
        assert torch.allclose(result.boxes[k], viewed, atol=2.5), (result.boxes[k], viewed)
    assert len(where) >= n - 1
    assert (result.boxes >= 0).all()
    assert (result.boxes <= torch.tensor([width, height, width, height])).all()


@given(st.integers(2, 12), st.integers(2, 12), st.floats(0, 0.6), st.booleans(), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_a_shifted_image_is_a_window_of_the_mirrored_one(
    height: int, width: int, share: float, flip: bool, seed: int
) -> None:
    images = noise(3, 3, height, width)
    moved = steps.random_translate(share, flip)(batch(images), rng(seed)).images
    reach = [min(round(s * share), s - 1) for s in (height, width)]
    for before, after in zip(images.numpy(), moved.numpy(), strict=True):
        wide = np.pad(before, ((0, 0), (reach[0],) * 2, (reach[1],) * 2), mode="reflect")
        windows = [
            wide[:, y : y + height, x : x + width]
            for y in range(2 * reach[0] + 1)
            for x in range(2 * reach[1] + 1)
        ]
        windows += [w[..., ::-1] for w in windows] if flip else []
        assert any(np.array_equal(after, w) for w in windows)


def test_half_of_the_images_are_mirrored() -> None:
    ramp = torch.arange(64, dtype=torch.uint8).expand(400, 1, 8, 64)
    for step in (steps.random_translate(0.0, True), steps.random_resized_crop((1.0, 1.0), True)):
        images = step(batch(ramp), rng()).images
        mirrored = images[:, 0, 4, 0] > images[:, 0, 4, -1]
        assert 150 < int(mirrored.sum()) < 250


def test_an_affine_step_without_reach_changes_nothing() -> None:
    images = noise(4, 3, 9, 14)
    assert torch.equal(steps.random_affine(0, 0, 0)(batch(images), rng()).images, images)


def blob(y: int, x: int, height: int, width: int) -> Tensor:
    images = torch.zeros(200, 1, height, width)
    images[:, :, y : y + 3, x : x + 3] = 1
    return images


def center(images: Tensor) -> Tensor:
    """(B, 2) centre of mass in pixels from the middle of the image, y and x."""
    height, width = images.shape[-2:]
    y, x = torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2
    mass = images.sum((1, 2, 3))
    return torch.stack([(images * y[:, None]).sum((1, 2, 3)), (images * x).sum((1, 2, 3))], 1) / mass[:, None]


def test_a_turn_keeps_distances_whatever_the_shape() -> None:
    before = blob(19, 39, 41, 61)  # 10 pixels right of the middle
    where = center(steps.random_affine(90, 0, 0)(batch(before), rng()).images)
    assert where.norm(dim=1) == pytest.approx(10.0, abs=0.2)
    angle = torch.rad2deg(torch.atan2(where[:, 0], where[:, 1]))
    assert angle.min() < -80
    assert angle.max() > 80


def test_an_affine_step_keeps_within_its_reach() -> None:
    where = center(steps.random_affine(0, 0, 0.1)(batch(blob(19, 29, 41, 61)), rng()).images)
    assert where.abs().amax(0).tolist() == pytest.approx([4.1, 6.1], rel=0.05)
    where = center(steps.random_affine(0, 0.2, 0)(batch(blob(19, 39, 41, 61)), rng()).images)[:, 1]
    assert (float(where.min()), float(where.max())) == pytest.approx((8, 12), rel=0.03)


def test_a_crop_shows_a_part_of_the_asked_size() -> None:
    ramp = torch.linspace(0, 1, 101).expand(300, 1, 101, 101)
    both = torch.cat([ramp, ramp.transpose(2, 3)], 1)
    images = steps.random_resized_crop((0.3, 0.6), False)(batch(both), rng()).images
    wide = images[:, 0, 50, -1] - images[:, 0, 50, 0]
    high = images[:, 1, -1, 50] - images[:, 1, 0, 50]
    assert (wide * high).min() == pytest.approx(0.3, abs=0.03)
    assert (wide * high).max() == pytest.approx(0.6, abs=0.03)
    assert (wide / high).min() == pytest.approx(3 / 4, abs=0.03)
    assert (wide / high).max() == pytest.approx(4 / 3, abs=0.03)
    assert images[:, 0, 50, 0].min() < 0.02  # and from everywhere
    assert images[:, 0, 50, -1].max() > 0.98


def test_jitter_keeps_to_its_strength() -> None:
    plain = torch.full((300, 3, 16, 16), 100, dtype=torch.uint8)
    images = steps.color_jitter(0.2)(batch(plain), rng()).images.float()
    assert (images.amax((1, 2, 3)) == images.amin((1, 2, 3))).all()
    assert float(images.min()) == pytest.approx(80, abs=2)
    assert float(images.max()) == pytest.approx(120, abs=2)
    halves = torch.cat([plain[:, :, :8] - 50, plain[:, :, :8] + 50], 2)
    images = steps.color_jitter(0.2)(batch(halves), rng()).images.float()
    contrast = (images[:, 0, 15, 0] - images[:, 0, 0, 0]) / images.mean((1, 2, 3))
    assert (float(contrast.min()), float(contrast.max())) == pytest.approx((0.8, 1.2), abs=0.04)


def test_jitter_saturates_and_never_wraps() -> None:
    ends = torch.tensor([0, 255], dtype=torch.uint8).repeat(8).expand(200, 3, 16, 16)
    images = steps.color_jitter(0.9)(batch(ends), rng()).images
    assert (images[..., 1::2] >= images[..., ::2]).all()


def test_cutout_covers_a_square_at_most() -> None:
    images = steps.random_erasing(0.25)(batch(torch.zeros(300, 3, 40, 20, dtype=torch.uint8)), rng()).images
    covered = (images == 128).all(1).flatten(1).sum(1)
    assert set(images.unique().tolist()) == {0, 128}
    assert covered.max() == 10 * 5
    assert covered.min() > 0


def test_mixed_truths_by_hand() -> None:
    other, share = torch.tensor([1, 0]), torch.tensor([0.75, 0.5])
    label = ClassLabels(torch.tensor([2, 0])).mix(other, share, 3)
    assert isinstance(label, ClassLabels)
    assert label.value.tolist() == [2, 0]
    assert label.scores is not None
    assert label.scores.tolist() == [[0.25, 0, 0.75], [0.5, 0, 0.5]]
    multi = ClassLabels(torch.tensor([[True, True], [False, True]])).mix(other, share, 2)
    assert isinstance(multi, ClassLabels)
    assert multi.scores is not None
    assert multi.scores.tolist() == [[0.75, 1.0], [0.5, 1.0]]
    number = RegressionValues(torch.tensor([[10.0], [20.0]])).mix(other, share, 0)
    assert number.value.tolist() == [[12.5], [15.0]]
    with pytest.raises(UsageError, match="these targets are nothing"):
        Unlabeled(2).mix(other, share, 0)


def mixed(kind: object, images: Tensor) -> tuple[Tensor, Tensor]:
    """Images of which number i has the label i, mixed, and their soft targets."""
    n = len(images)
    after = kind(1.0, classes=n)(batch(images, ClassLabels(torch.arange(n))), rng())  # type: ignore[operator]
    assert torch.allclose(after.targets.scores.sum(1), torch.ones(n))
    assert after.targets.value.tolist() == list(range(n))
    return after.images, after.targets.scores


def plain(n: int) -> Tensor:
    """Image i has the value 10 i everywhere."""
    return (10 * torch.arange(n, dtype=torch.uint8)).view(n, 1, 1, 1).expand(n, 3, 20, 30)


def test_mixup_blends_images_as_it_blends_truths() -> None:
    images, scores = mixed(mixup, plain(20))
    assert images.dtype == torch.uint8
    wanted = (scores @ (10 * torch.arange(20.0))).view(-1, 1, 1, 1)
    assert (images - wanted).abs().max() <= 0.5001
    assert len(scores.diagonal().unique()) > 10  # each image has its own share
    assert 0.3 < scores.diagonal().mean() < 0.8


def test_cutmix_pastes_as_much_as_the_truth_says() -> None:
    images, scores = mixed(cutmix, plain(20))
    for i, image in enumerate(images):
        values, counts = image.unique(return_counts=True)
        assert len(values) <= 2
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            assert float(scores[i, value // 10]) == pytest.approx(count / image.numel(), abs=1e-6)
        rows, columns = (image[0] != 10 * i).nonzero(as_tuple=True)
        if len(rows):  # what is pasted is a rectangle
            area = (rows.max() - rows.min() + 1) * (columns.max() - columns.min() + 1)
            assert int(area) == len(rows)


def test_mixing_twice_mixes_soft_truths() -> None:
    once = mixup(1.0, classes=4)(batch(plain(4), ClassLabels(torch.arange(4))), rng(1))
    twice = cutmix(1.0, classes=4)(once, rng(2))
    assert torch.allclose(twice.targets.scores.sum(1), torch.ones(4))
    assert (twice.targets.scores > 0).sum(1).max() > 2


def test_a_small_alpha_mixes_little() -> None:
    images = plain(20)
    after = mixup(0.01, classes=20)(batch(images, ClassLabels(torch.arange(20))), rng())
    assert after.targets.scores.max(1).values.median() > 0.99
    for kind in (mixup, cutmix):
        with pytest.raises(ValueError, match="alpha > 0"):
            kind(0.0)
