"""Tiles of class maps make the whole map again, without seams."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.data.loading.tiles import tile_windows

sides = st.integers(1, 70)


@given(sides, sides, st.integers(8, 40), st.integers(0, 2**32 - 1))
def test_tiles_of_a_map_are_the_map(height: int, width: int, side: int, seed: int) -> None:
    whole = SemanticMasks.of([np.random.default_rng(seed).integers(0, 5, (height, width))])
    tiles = tile_windows(whole.sizes, side)
    parts = whole[tiles.owner].warp(tiles.places(), tiles.sizes)
    joined = tiles.join(parts)
    assert (joined.map(0) == whole.map(0)).all()
    assert IGNORE_INDEX not in joined.map(0)


def test_images_of_two_sizes_are_not_mixed_up() -> None:
    whole = SemanticMasks.of([np.full((20, 30), 1), np.full((45, 10), 2)])
    tiles = tile_windows(whole.sizes, 16)
    joined = tiles.join(whole[tiles.owner].warp(tiles.places(), tiles.sizes))
    assert joined.sizes.tolist() == [[20, 30], [45, 10]]
    assert (joined.map(0) == 1).all()
    assert (joined.map(1) == 2).all()


def test_where_two_tiles_differ_the_one_whose_border_is_farther_wins() -> None:
    tiles = tile_windows(torch.tensor([[10, 16]]), 10)
    assert tiles.corner.tolist() == [[0, 0], [6, 0]]
    row = tiles.join(SemanticMasks.of([np.zeros((10, 10)), np.ones((10, 10))])).map(0)[5].tolist()
    assert row == [0] * 8 + [1] * 8
