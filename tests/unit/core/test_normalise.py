"""Images as the network takes them: the same numbers however they lie in memory, and none is changed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from sightline.core.model import Model

BYTES = torch.arange(2 * 3 * 5 * 7, dtype=torch.uint8).reshape(2, 3, 5, 7)
LAST = BYTES.contiguous(memory_format=torch.channels_last)
MEAN, STD = (torch.tensor(values).view(1, 3, 1, 1) for values in ((0.4, 0.5, 0.3), (0.2, 0.3, 0.25)))
PIXELS = SimpleNamespace(mean=MEAN, std=STD)


def normalized(images: Tensor) -> Tensor:
    return Model.normalize(PIXELS, images)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "images",
    [BYTES, LAST, BYTES[:, :, ::2, 1:], BYTES.float() / 255, LAST.float() / 255],
    ids=["rows", "channels-last", "part", "floats", "floats-channels-last"],
)
def test_images_are_normalized_and_stay_as_they_are(images: Tensor) -> None:
    before = images.clone()
    share = images.double() / (255 if images.dtype == torch.uint8 else 1)
    expected = (share - MEAN.double()) / STD.double()
    assert torch.allclose(normalized(images).double(), expected, atol=1e-5)
    assert torch.equal(images, before)


def test_gradients_reach_images_given_as_floats() -> None:
    images = (BYTES.float() / 255).requires_grad_()
    normalized(images).sum().backward()
    assert images.grad is not None
    assert torch.allclose(images.grad, (1 / STD).expand_as(images))
