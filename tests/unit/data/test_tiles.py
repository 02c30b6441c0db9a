"""Tiles cover every image, objects are cut with them, and what is found in tiles is joined again."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.instances import Instances
from sightline.data.io.pixels import Arrays
from sightline.data.loading.tiles import TileMergingLoader, batches, tile_dataset, tile_windows


@given(st.integers(1, 400), st.integers(1, 400), st.integers(8, 150))
@settings(max_examples=60, deadline=None)
def test_tiles_cover_the_image_and_overlap(height: int, width: int, side: int) -> None:
    tiles = tile_windows(torch.tensor([[height, width]]), side)
    covered = np.zeros((height, width), dtype=int)
    for (x, y), (h, w) in zip(tiles.corner.tolist(), tiles.sizes.tolist(), strict=True):
        assert 0 <= x <= width - w
        assert 0 <= y <= height - h
        covered[y : y + h, x : x + w] += 1
    assert covered.min() >= 1
    xs = sorted(set(tiles.corner[:, 0].tolist()))
    assert all(b - a <= side * 0.8 + 1 for a, b in itertools.pairwise(xs))


def scenes(n: int = 3, height: int = 150, width: int = 230) -> Dataset:
    """Small bright blocks on dark images."""
    rng = np.random.default_rng(0)
    images, boxes, counts = np.zeros((n, height, width, 3), np.uint8), [], []
    for i in range(n):
        counts.append(6)
        for k in range(6):
            x, y = 35 * k + int(rng.integers(0, 20)), int(rng.integers(0, height - 12))
            images[i, y : y + 10, x : x + 12] = 200
            boxes.append([x, y, x + 12, y + 10])
    target = Instances(torch.tensor(counts), torch.tensor([[height, width]] * n), torch.tensor(boxes).float(),
                      torch.arange(6 * n) % 2)  # fmt: skip
    ids = [f"s{i}" for i in range(n)]
    return Dataset("scenes", "toy", ids, Arrays(images), target, Classes(("a", "b")))


def test_what_is_seen_in_tiles_is_found_once_in_the_image() -> None:
    dataset = scenes()
    parts, tiles = tile_dataset(dataset, 64)
    assert len(parts) > 3 * len(dataset)
    for i in range(len(parts)):  # objects lie where their pixels do
        sample = parts[i]
        for x1, y1, x2, y2 in sample.target.boxes.round().int().tolist():
            assert (sample.image[:, y1:y2, x1:x2] == 200).all()
    prediction = replace(parts.targets, scores=torch.rand(len(parts.targets.labels)))
    whole = parts.targets.area() >= 119.9  # a perfect model that leaves out what is cut off
    result = tiles.join(prediction.select(whole))
    assert result.counts.tolist() == [6, 6, 6]
    for i in range(3):
        mine, true = result[i].boxes, dataset.targets[i].boxes
        assert torch.equal(mine[mine[:, 0].argsort()], true[true[:, 0].argsort()])
        assert (result[i].scores.diff() <= 0).all()


def test_remains_on_the_border_of_a_tile_are_no_second_object() -> None:
    dataset = scenes()
    parts, tiles = tile_dataset(dataset, 64)
    share = parts.targets.area() / 120
    result = tiles.join(replace(parts.targets, scores=share))  # what is cut off is less sure
    assert result.counts.tolist() == [6, 6, 6]


def test_batches_are_of_tiles_and_truths_of_images() -> None:
    dataset = scenes()
    result = {"size": [64, 64], "resize": "letterbox", "channels": 3, "tile_size": 64}
    viewed = batches(dataset, result, batch_size=4)
    assert isinstance(viewed, TileMergingLoader)
    assert viewed.ids == list(dataset.ids)
    assert viewed.targets is dataset.targets
    images = [b.images for b in viewed.epoch(0)]
    assert sum(len(b) for b in images) == len(tile_dataset(dataset, 64)[0])
    assert {tuple(b.shape[1:]) for b in images} == {(3, 64, 64)}
    plain = batches(dataset, result | {"tile_size": 0, "size": [150, 230]}, batch_size=4)
    assert sum(len(b) for b in plain.epoch(0)) == 3


@pytest.mark.parametrize("side", [64, 1000])
def test_a_tile_as_large_as_the_image_is_the_image(side: int) -> None:
    dataset = scenes()
    parts, _ = tile_dataset(dataset, side)
    assert (len(parts) == 3) == (side == 1000)
    if side == 1000:
        assert np.array_equal(parts.pixels.read(1), dataset.pixels.read(1))
        assert parts.targets.to_json() == dataset.targets.to_json()
