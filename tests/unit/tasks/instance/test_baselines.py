"""The cheap answers of instance segmentation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.data.loading.preprocess import resize_targets, resize_to_input
from sightline.metrics.object_f1 import ObjectF1
from sightline.ops.masks import iou
from sightline.tasks.instance import _watershed
from sightline.tasks.instance.baselines import baselines
from tests.unit.tasks.instance._samples import ellipse


def discs(
    n: int, *, seed: int = 0, side: int = 96, dark: bool = False, pairs: int = 3
) -> tuple[np.ndarray, InstanceMasks]:
    """Images with pairs of noisy discs that touch, of radius 8 to 12."""
    rng = np.random.default_rng(seed)
    images, counts, masks = [], [], []
    for _ in range(n):
        gray = rng.normal(40, 6, (side, side))
        taken = np.zeros((side, side), dtype=bool)
        count = 0
        for _ in range(40 * pairs):
            if count == 2 * pairs:
                break
            r, s = rng.uniform(8, 12, 2)
            angle = rng.uniform(0, 2 * np.pi)
            x, y = rng.uniform(14, side - 14, 2)
            z, w = x + (r + s - 1) * np.cos(angle), y + (r + s - 1) * np.sin(angle)
            first = ellipse(x - r, y - r, x + r, y + r, side, side).numpy()
            second = ellipse(z - s, w - s, z + s, w + s, side, side).numpy() & ~first
            near = ellipse(x - r - 3, y - r - 3, x + r + 3, y + r + 3, side, side).numpy()
            near |= ellipse(z - s - 3, w - s - 3, z + s + 3, w + s + 3, side, side).numpy()
            if not (s < z < side - s and s < w < side - s) or (near & taken).any():
                continue
            taken |= near
            gray[first | second] += rng.uniform(60, 120)
            masks += [first, second]
            count += 2
        counts.append(count)
        images.append(gray)
    gray = np.clip(np.stack(images), 0, 255)
    pixels = np.repeat((255 - gray if dark else gray).astype(np.uint8)[..., None], 3, 3)
    sizes = torch.full((n, 2), side)
    return pixels, InstanceMasks.of(
        sizes, torch.tensor(counts), CroppedMasks.of(masks), torch.zeros(len(masks), dtype=torch.int64)
    )


def f1(prediction: Any, target: InstanceMasks) -> float:
    metric = ObjectF1()
    metric.update(prediction, target)
    return metric.compute()


@pytest.mark.parametrize("dark", [False, True])
def test_discs_that_touch_are_told_apart(dark: bool) -> None:
    images, target = discs(6, dark=dark)
    others, true = discs(4, seed=1, dark=dark)
    outputs = baselines(1)[1].fit(images, target)(others)
    assert outputs.kind == "outlines"
    assert abs(int(outputs.counts.sum()) - int(true.counts.sum())) <= 1
    overlap = [iou(true[i].bitmaps, outputs[i].bitmaps).amax(1) for i in range(4)]
    assert float((torch.cat(overlap) > 0.75).double().mean()) >= 0.9
    assert bool((outputs.scores >= 0.5).all())
    for i in range(4):
        assert outputs[i].scores.tolist() == sorted(outputs[i].scores.tolist(), reverse=True)


def test_padding_is_no_object() -> None:
    """Its grey is brighter than the discs on their dark ground."""
    images, target = discs(4)
    images = images // 3
    padded = np.stack([resize_to_input(i[:60], (96, 96), "letterbox") for i in images])
    cut = target.warp(torch.eye(2, 3).expand(4, 2, 3), torch.tensor([[60, 96]] * 4), 0.5)
    framed = resize_targets(cut, (96, 96), "letterbox")[0]
    outputs = baselines(1)[1].fit(padded, framed)(padded)
    present = outputs.bitmaps.dense(96, 96)
    assert not bool(present[:, :18].any())
    assert not bool(present[:, -18:].any())
    assert f1(outputs, framed) > 0.4


def test_objects_get_the_class_that_they_mostly_touch() -> None:
    images, target = discs(3)
    labels = torch.zeros_like(target.labels) + 2
    labels[0] = 1
    several = InstanceMasks.of(target.sizes, target.counts, target.bitmaps, labels)
    assert set(baselines(3)[1].fit(images, several)(images).labels.tolist()) == {2}


def test_images_without_anything() -> None:
    images = np.full((2, 40, 40, 3), 90, dtype=np.uint8)
    none = InstanceMasks.of(
        torch.tensor([[40, 40]] * 2),
        torch.tensor([0, 0]),
        CroppedMasks.of([]),
        torch.zeros(0, dtype=torch.int64),
    )
    maps = [[torch.zeros(3, 40 // s, 40 // s) for s in (4, 8, 16)]] * 2
    for baseline in baselines(2):
        if baseline.maps:
            assert baseline.fit(iter(maps), none)(iter(maps)).counts.tolist() == [0, 0]
            continue
        outputs = baseline.fit(images if baseline.uses_images else None, none)(images)
        assert outputs.counts.tolist() == [0, 0]


def test_the_commonest_shape_does_not_look() -> None:
    masks = [ellipse(10, 8, 50, 40, 64, 64)] * 3 + [ellipse(2, 2, 12, 60, 64, 64)]
    target = InstanceMasks.of(
        torch.tensor([[64, 64]] * 4),
        torch.tensor([1, 1, 1, 1]),
        CroppedMasks.of(masks),
        torch.tensor([1, 1, 1, 0]),
    )
    shape = baselines(2)[0]
    assert not shape.uses_images
    outputs = shape.fit(None, target)(["a", "b"])
    assert outputs.counts.tolist() == [2, 2]
    assert outputs.labels.tolist() == [1, 0, 1, 0]
    assert outputs.scores.tolist() == [0.75, 0.25, 0.75, 0.25]
    overlap = iou(outputs[0].bitmaps, CroppedMasks.of([masks[0], masks[3]]))
    assert bool((overlap.diagonal() > 0.93).all())


def test_shapes_that_have_no_pixel_in_common_become_their_box() -> None:
    masks = torch.zeros(2, 20, 20)
    masks[0, 2:10, 2] = masks[0, 2, 2:10] = 1
    masks[1, 9, 2:10] = masks[1, 2:10, 9] = 1
    masks = torch.cat([masks, masks])
    target = InstanceMasks.of(
        torch.tensor([[20, 20]] * 4), torch.ones(4, dtype=torch.int64), CroppedMasks.of(masks),
        torch.zeros(4, dtype=torch.int64),
    )  # fmt: skip
    outputs = baselines(1)[0].fit(None, target)(["a"])
    assert float(outputs.bitmaps.areas()) > 0


def test_a_hill_is_parted_by_its_neck_only() -> None:
    """Two discs whose passage is half as wide as they are."""
    both = ellipse(10, 10, 40, 40, 50, 80).numpy() | ellipse(36, 10, 66, 40, 50, 80).numpy()
    image = np.where(both, 200, 20).astype(np.uint8)[..., None].repeat(3, 2)
    result = _watershed.hills(image, _watershed.WatershedParams(smooth=0.5))
    counts = [int(_watershed.objects(result, _watershed.WatershedParams(neck=n)).max()) for n in (0.3, 0.8)]
    assert counts == [1, 2]


def test_pixels_of_discs_that_touch_are_parted_by_their_boxes() -> None:
    """From maps that know no more than the image: its brightness at each place, and that around it."""

    def maps(images: np.ndarray) -> list[list[torch.Tensor]]:
        gray = torch.from_numpy(images[..., 0] / 255).float()[:, None]
        wide = [torch.nn.functional.avg_pool2d(gray, k, 1, k // 2, False, False) for k in (1, 9, 17, 33)]
        viewed = torch.cat([f(w) for w in wide for f in (torch.square, torch.sqrt)], 1)
        return [[torch.nn.functional.avg_pool2d(p[None], s)[0] for s in (4, 8, 16)] for p in viewed]

    images, target = discs(30)
    others, true = discs(6, seed=1)
    frozen = next(b for b in baselines(1) if b.maps)
    outputs = frozen.fit(iter(maps(images)), target)(iter(maps(others)))
    assert outputs.kind == "outlines"
    assert bool((outputs.bitmaps.areas() > 0).all())
    assert torch.equal(outputs.sorted_by_score().boxes, outputs.boxes)
    best = [iou(true[i].bitmaps, outputs[i].bitmaps).amax(1) for i in range(6)]
    assert float((torch.cat(best) > 0.5).double().mean()) >= 0.8


@pytest.mark.slow
def test_nuclei(data_folder: Callable[[str], Path]) -> None:
    """A few real images of cells, learnt from others of the same kind."""
    from PIL import Image

    root = data_folder("dsb2018_nuclei")

    def read(part: str, most: int) -> tuple[np.ndarray, InstanceMasks]:
        images, masks, counts = [], [], []
        for name in (root / f"{part}.txt").read_text().split():
            image = np.asarray(Image.open(root / "images" / name / "images" / f"{name}.png").convert("RGB"))
            if image.shape[:2] != (256, 256) or len(images) == most:
                continue
            result = sorted((root / "images" / name / "masks").glob("*.png"))
            masks += [np.asarray(Image.open(file)) for file in result]
            counts.append(len(result))
            images.append(image)
        labels = torch.zeros(len(masks), dtype=torch.int64)
        sizes = torch.full((len(images), 2), 256)
        return np.stack(images), InstanceMasks.of(sizes, torch.tensor(counts), CroppedMasks.of(masks), labels)

    images, target = read("train", 8)
    others, true = read("test", 12)
    shape, watershed = (b.fit(images, target)(others) for b in baselines(1) if not b.frozen)
    assert f1(watershed, true) > 0.5
    assert f1(shape, true) < 0.1
