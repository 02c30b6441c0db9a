"""What the light runtime shows a model is what the toolkit shows it, bit for bit."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sightline.core.geometry import invert_affine
from sightline.data.loading import preprocess as torch_view
from sightline.runtime import resize

FITS = ("stretch", "crop", "letterbox", "rect")
sides = st.integers(1, 150)


@given(sides, sides, sides, sides, st.sampled_from(FITS), st.sampled_from([1, 3]), st.sampled_from([1, 3]),
       st.integers(0, 2**32 - 1))  # fmt: skip
@example(1, 1, 150, 150, "stretch", 3, 3, 0)
@example(150, 1, 1, 150, "crop", 3, 1, 1)
@example(37, 53, 37, 20, "stretch", 1, 3, 2)
@settings(max_examples=150, deadline=None)
def test_views_are_the_same(
    height: int, width: int, to_height: int, to_width: int, mode: Any, stored: int, channels: Any, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, stored), dtype=np.uint8)
    if seed % 3 == 0:  # edges, where rounding shows most
        image = np.where(image > 127, np.uint8(255), np.uint8(0))
    size = to_height, to_width
    viewed = resize.resize_to_input(image, size, mode, channels)
    assert np.array_equal(viewed, torch_view.resize_to_input(image, size, mode, channels))


@pytest.mark.parametrize("mode", FITS)
@pytest.mark.parametrize(
    ("stored", "size"),
    [((720, 1280), (384, 640)), ((1944, 2592), (64, 96)), ((64, 64), (640, 640)), ((333, 500), (224, 224))],
)
def test_views_of_photographs_sizes_are_the_same(
    stored: tuple[int, int], size: tuple[int, int], mode: Any
) -> None:
    image = np.random.default_rng(5).integers(0, 256, (*stored, 3), dtype=np.uint8)
    assert np.array_equal(
        resize.resize_to_input(image, size, mode, 3), torch_view.resize_to_input(image, size, mode, 3)
    )


@pytest.mark.parametrize("mode", FITS)
@pytest.mark.parametrize("stored", [(3, 30_000), (30_000, 2), (1, 20_001), (20_001, 1)])
def test_views_of_long_images_are_the_same(stored: tuple[int, int], mode: Any) -> None:
    image = np.random.default_rng(6).integers(0, 256, (*stored, 3), dtype=np.uint8)
    assert np.array_equal(
        resize.resize_to_input(image, (12, 16), mode, 3), torch_view.resize_to_input(image, (12, 16), mode, 3)
    )


@pytest.mark.parametrize("mode", FITS)
@pytest.mark.parametrize("stored", [(1, 2**18), (2**18, 1)])
def test_a_long_image_takes_little_memory(stored: tuple[int, int], mode: Any) -> None:
    """It would be 16 million places wide once its short side is as large as wanted."""
    tracemalloc.start()
    try:
        viewed = resize.resize_to_input(np.full((*stored, 3), 7, dtype=np.uint8), (64, 64), mode, 3)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    middle = viewed[len(viewed) // 2, viewed.shape[1] // 2]
    assert middle.tolist() == [7, 7, 7] or mode in ("letterbox", "rect")


@given(sides, sides, sides, sides, st.sampled_from(FITS))
def test_places_lead_back_as_the_toolkits_do(
    height: int, width: int, to_height: int, to_width: int, mode: Any
) -> None:
    places = torch_view.input_affine(torch.tensor([[height, width]]), (to_height, to_width), mode)
    wanted = invert_affine(places)[0].numpy()
    assert np.array_equal(resize.to_stored((height, width), (to_height, to_width), mode), wanted)


def test_an_image_of_the_right_size_is_given_back() -> None:
    image = np.zeros((8, 9, 3), dtype=np.uint8)
    assert resize.resize_to_input(image, (8, 9)) is image
