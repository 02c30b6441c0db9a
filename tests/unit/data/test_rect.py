"""Batches of images with equal rectangles hold what single images would be, whoever prepares them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sightline.core.dataset import Classes, Dataset
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.data.io.pixels import Files, read_image
from sightline.data.loading.loader import Loader
from sightline.data.loading.rect import grouped
from sightline.data.loading.rect_loader import RectLoader, in_order_of_rects
from sightline.data.loading.tiles import batches

SETTINGS = {"size": [128, 128], "resize": "rect", "channels": 3}
SHAPES = [(60, 90), (90, 60), (45, 90), (90, 90), (64, 90)]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """27 files of five sizes, each with a box over all of it."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    sizes = [SHAPES[int(rng.integers(5))] for _ in range(27)]
    paths = [root / f"{i:02}.png" for i in range(27)]
    for path, size in zip(paths, sizes, strict=True):
        Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)).save(path)
    boxes = torch.tensor([[0.0, 0.0, w, h] for h, w in sizes])
    targets = Instances(torch.ones(27, dtype=torch.long), torch.tensor(sizes), boxes, torch.zeros(27).long())
    splits = np.array(["train"] * 27, dtype=object)
    ids = [p.name for p in paths]
    return Dataset("images", "memory", ids, Files(paths), targets, Classes(("thing",)), splits)


def check(dataset: Dataset, batch: Batch) -> None:
    """Pixels, boxes and maps of a batch are those of its images alone."""
    sides = tuple(batch.images.shape[2:])
    for i, name in enumerate(batch.ids):
        row = dataset.ids.index(name)
        wanted = read_image(dataset.pixels, row, sides, "letterbox", 3)  # type: ignore[arg-type]
        assert np.array_equal(batch.images[i].permute(1, 2, 0).numpy(), wanted)
    back = batch.back(batch.targets)
    rows = torch.tensor([dataset.ids.index(name) for name in batch.ids])
    torch.testing.assert_close(back.boxes, dataset.targets[rows].boxes)


def pixels(loaded: Any) -> int:
    return sum(batch.images[:, 0].numel() for batch in loaded)


@pytest.mark.parametrize("workers", [0, 2])
def test_training_batches_hold_each_image_once_in_small_rectangles(images: Dataset, workers: int) -> None:
    loader = batches(images, SETTINGS, batch_size=4, train=True, seed=3, workers=workers)
    epoch = list(loader.epoch(1))
    assert len(epoch) == len(loader) == 7  # type: ignore[arg-type]
    assert sorted(chain.from_iterable(batch.ids for batch in epoch)) == sorted(images.ids)
    for batch in epoch:
        check(images, batch)
    assert pixels(epoch) < 0.85 * 27 * 128**2
    assert len({tuple(batch.images.shape[2:]) for batch in epoch}) > 2
    again = list(batches(images, SETTINGS, batch_size=4, train=True, seed=3).epoch(1, start=3))
    assert [list(batch.ids) for batch in again] == [list(batch.ids) for batch in epoch[3:]]
    assert all(torch.equal(a.images, b.images) for a, b in zip(again, epoch[3:], strict=True))
    other = list(loader.epoch(2))
    assert [list(batch.ids) for batch in other] != [list(batch.ids) for batch in epoch]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_puts_what_several_processes_predict_in_the_order_of_the_data(
    images: Dataset, world: int
) -> None:
    loaders = [batches(images, SETTINGS, batch_size=4, rank=rank, world=world) for rank in range(world)]
    assert all(isinstance(loader, RectLoader) for loader in loaders)
    parts = [batch for loader in loaders for batch in loader.epoch(0)]
    for batch in parts:
        check(images, batch)
        rect = {tuple(batch.images.shape[2:])}
        rows = [images.ids.index(name) for name in batch.ids]
        assert {read_image(images.pixels, r, (128, 128), "rect").shape[:2] for r in rows} == rect
    whole = loaders[0].whole(Instances.cat([batch.back(batch.targets) for batch in parts]))
    torch.testing.assert_close(whole.boxes, images.targets.boxes)
    assert loaders[0].ids == list(images.ids)


def test_images_in_the_order_of_their_rectangles_are_batched_in_that_order(images: Dataset) -> None:
    ordered = in_order_of_rects(images, SETTINGS)
    seen = chain.from_iterable(batch.ids for batch in batches(ordered, SETTINGS, batch_size=4).epoch(0))
    assert list(seen) == list(ordered.ids) != list(images.ids)
    assert in_order_of_rects(images, {**SETTINGS, "resize": "letterbox"}) is images


@pytest.mark.parametrize("train", [False, True])
def test_images_of_one_size_are_batched_as_with_letterbox(images: Dataset, train: bool) -> None:
    wide = images.subset(np.flatnonzero((images.targets.sizes == torch.tensor([60, 90])).all(1).numpy()))
    loader = batches(wide, SETTINGS, batch_size=4, train=train)
    usual = batches(wide, {**SETTINGS, "resize": "letterbox", "size": [96, 128]}, batch_size=4, train=train)
    assert isinstance(loader, Loader)
    for a, b in zip(loader.epoch(0), usual.epoch(0), strict=True):
        assert list(a.ids) == list(b.ids)
        assert torch.equal(a.images, b.images)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 99))
def test_an_order_by_rectangles_mixes_them_in_few_batches(kinds: list[int], size: int, seed: int) -> None:
    rects = np.array([(32, 64), (64, 32), (64, 64), (32, 96), (96, 32)])[kinds]
    rng = np.random.default_rng(seed)
    order = grouped(rng.permutation(len(kinds)), rects, size, rng)
    assert sorted(order) == list(range(len(kinds)))
    parts = [order[k : k + size] for k in range(0, len(order), size)]
    alike = sum(len(part) == size and len({kinds[i] for i in part}) == 1 for part in parts)
    assert alike >= sum(kinds.count(kind) // size for kind in set(kinds))


def test_a_file_of_evaluation_is_cached_by_rectangle(images: Dataset, tmp_path: Path) -> None:
    loader = batches(images, SETTINGS, batch_size=4, cache_dir=tmp_path)
    first, second = list(loader.epoch(0)), list(loader.epoch(0))
    assert all(torch.equal(a.images, b.images) for a, b in zip(first, second, strict=True))
    assert len(list(tmp_path.glob("*"))) == len({tuple(batch.images.shape[2:]) for batch in first})
