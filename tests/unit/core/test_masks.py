"""Class maps and object masks: what is stored comes back, and moving them moves every pixel."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.geometry import invert_affine
from sightline.core.targets import target_type
from sightline.core.targets.bitmaps import CompressedMaps, CroppedMasks
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.core.targets.outlines import InstanceMasks

seeds = st.integers(0, 2**32 - 1)


def place(sx: float, sy: float, tx: float, ty: float, turn: float = 0.0) -> torch.Tensor:
    """(1, 2, 3): scaled, turned by an angle and shifted."""
    c, s = np.cos(turn), np.sin(turn)
    return torch.tensor([[[sx * c, -sy * s, tx], [sx * s, sy * c, ty]]], dtype=torch.float64)


def outlines(rng: np.random.Generator, n: int = 2, side: int = 24) -> InstanceMasks:
    counts = torch.from_numpy(rng.integers(0, 4, n))
    m = int(counts.sum())
    dense = np.zeros((m, side, side), dtype=bool)
    for mask in dense:
        x, y, w, h = rng.integers(0, side // 2, 4)
        mask[y : y + h + 1, x : x + w + 1] = rng.random((h + 1, w + 1)) < 0.7
        mask[y, x] = True
    labels = torch.from_numpy(rng.integers(0, 3, m))
    return InstanceMasks.of(torch.full((n, 2), side), counts, CroppedMasks.of(dense), labels)


@given(seeds)
def test_a_packed_map_comes_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, rng.integers(0, 20, 2), dtype=np.uint8)
    packed = CompressedMaps.of(pixels)
    assert (packed.read() == pixels).all()
    assert packed.digest() == CompressedMaps.of(pixels.copy()).digest()


@given(seeds)
def test_a_packed_mask_comes_back_as_ones_and_zeros(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 3, rng.integers(0, 20, 2), dtype=np.uint8)
    present = (pixels > 0).astype(np.uint8)
    packed = CompressedMaps.of_mask(pixels)
    assert packed.read().shape == pixels.shape
    assert (packed.read() == present).all()
    assert (np.concatenate([*packed.rows(), []]) == present.ravel()).all()
    assert packed.digest() == CompressedMaps.of(present).digest()


def test_masks_that_were_stored_as_bytes_are_read_too() -> None:
    pixels = np.array([[1, 0, 1], [0, 1, 1]], dtype=np.uint8)
    row = {"corner": [2, 1], "size": [2, 3], "zlib": base64.b64encode(zlib.compress(pixels.data, 1)).decode()}
    before, now = CroppedMasks.from_list([row]), CroppedMasks.of(np.pad(pixels, ((1, 0), (2, 0)))[None])
    assert torch.equal(before.dense(4, 6), now.dense(4, 6))
    assert before.tolist() == [row]
    assert before.crops[0].digest() == now.crops[0].digest()


@given(seeds)
def test_masks_through_json_and_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps = SemanticMasks.of([rng.integers(0, 5, rng.integers(1, 9, 2)) for _ in range(3)])
    again = target_type("masks").from_json(json.loads(json.dumps(maps.to_json())))
    assert all((maps.map(i) == again.map(i)).all() for i in range(3))
    assert maps.digests() == again.digests() == maps.compressed().digests()


@given(seeds)
def test_outlines_through_json_and_back(seed: int) -> None:
    result = outlines(np.random.default_rng(seed))
    again = target_type("outlines").from_json(json.loads(json.dumps(result.to_json())))
    assert torch.equal(result.bitmaps.dense(24, 24), again.bitmaps.dense(24, 24))
    assert torch.equal(result.boxes, again.boxes)
    assert result.digests() == again.digests()


def test_a_map_is_scaled_by_the_pixel_that_each_center_lies_in() -> None:
    pixels = torch.tensor([[1, 2], [3, 4]])
    twice = SemanticMasks.of([pixels]).warp(place(2, 2, 0, 0), torch.tensor([[4, 4]]))
    assert twice.map(0).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert twice.warp(place(0.5, 0.5, 0, 0), torch.tensor([[2, 2]])).map(0).tolist() == pixels.tolist()


def test_what_comes_in_from_outside_is_void() -> None:
    moved = SemanticMasks.of([torch.tensor([[1, 2], [3, 4]])]).warp(place(1, 1, 1, 0), torch.tensor([[2, 3]]))
    assert moved.map(0).tolist() == [[IGNORE_INDEX, 1, 2], [IGNORE_INDEX, 3, 4]]


@given(seeds, st.booleans())
def test_mirroring_and_shifting_by_whole_pixels_is_exact(seed: int, mirrored: bool) -> None:
    rng = np.random.default_rng(seed)
    result = outlines(rng, 1)
    maps = SemanticMasks.of([rng.integers(0, 9, (24, 24))])
    matrix = place(-1, 1, 24, 0) if mirrored else place(1, 1, 3, -2)
    size = torch.tensor([[24, 24]])
    pixels = torch.from_numpy(maps.map(0).copy())
    dense = result.bitmaps.dense(24, 24)
    if mirrored:
        expected, objects = pixels.flip(1), dense.flip(2)
    else:
        expected = torch.full_like(pixels, IGNORE_INDEX)
        expected[:22, 3:] = pixels[2:, :21]
        objects = torch.zeros_like(dense)
        objects[:, :22, 3:] = dense[:, 2:, :21]
    assert torch.equal(maps.warp(matrix, size).dense()[0], expected)
    assert torch.equal(result.warp(matrix, size).bitmaps.dense(24, 24), objects)


@settings(max_examples=50)
@given(seeds, st.floats(-3, 3), st.floats(0.5, 2), st.floats(0.5, 2))
def test_objects_and_maps_move_alike(seed: int, turn: float, sx: float, sy: float) -> None:
    """An object's mask, moved, is the class map of that object, moved."""
    rng = np.random.default_rng(seed)
    result = outlines(rng, 1)
    matrix, size = place(sx, sy, *rng.uniform(-8, 8, 2), turn), torch.tensor([[30, 20]])
    moved = result.warp(matrix, size).bitmaps.dense(30, 20)
    for i, mask in enumerate(result.bitmaps.dense(24, 24)):
        present = SemanticMasks.of([mask]).warp(matrix, size).map(0) == 1
        assert torch.equal(moved[i], torch.from_numpy(present))


@given(seeds)
def test_enlarged_by_a_whole_factor_and_back_is_the_same(seed: int) -> None:
    result = outlines(np.random.default_rng(seed))
    matrix = place(3, 2, 5, 7).expand(2, 2, 3)
    big = result.warp(matrix, torch.full((2, 2), 90))
    again = big.warp(invert_affine(matrix), result.sizes)
    assert torch.equal(again.bitmaps.dense(24, 24), result.bitmaps.dense(24, 24))


def test_objects_are_chosen_with_their_masks() -> None:
    masks = CroppedMasks.of(torch.eye(4).bool()[:, None, :].expand(4, 3, 4))
    result = InstanceMasks.of(torch.tensor([[3, 4], [3, 4]]), torch.tensor([1, 3]), masks, torch.arange(4))
    assert result[1].bitmaps.boxes()[:, 0].tolist() == [1, 2, 3]
    assert result.select(torch.tensor([True, False, True, False])).bitmaps.boxes()[:, 0].tolist() == [0, 2]
    both = InstanceMasks.cat([result[1], result[0]])
    assert both.bitmaps.boxes()[:, 0].tolist() == [1, 2, 3, 0]
    assert both.areas is not None
    assert both.areas.tolist() == [3, 3, 3, 3]
    assert both.boxed().masks is None


def test_a_mask_beyond_the_image_is_cut() -> None:
    masks = CroppedMasks(torch.tensor([[2, 1]]), (CompressedMaps.of(np.ones((3, 3), dtype=np.uint8)),))
    assert masks.dense(3, 4)[0].int().tolist() == [[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_classes_are_counted_and_renamed_but_void_stays() -> None:
    maps = SemanticMasks.of([torch.tensor([[0, 1, IGNORE_INDEX], [1, 1, IGNORE_INDEX]])])
    assert maps.pixels(2).tolist() == [[1, 3]]
    assert maps.class_presence(3).tolist() == [[True, True, False]]
    assert maps.summary(2) == {"class_counts": (1, 3)}
    assert maps.map_classes(torch.tensor([1, 0]), 2).map(0).tolist() == [
        [1, 0, IGNORE_INDEX],
        [0, 0, IGNORE_INDEX],
    ]


def test_maps_of_other_sizes_than_said_are_refused() -> None:
    with pytest.raises(ValueError, match="sizes"):
        SemanticMasks(torch.tensor([[3, 3]]), (torch.zeros(2, 2, dtype=torch.uint8),))
    with pytest.raises(ValueError, match="masks"):
        InstanceMasks(torch.tensor([0]), torch.tensor([[2, 2]]), torch.zeros(0, 4), torch.zeros(0).long())
