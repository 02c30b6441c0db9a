from __future__ import annotations

import pytest
import torch

from sightline.errors import TrainingFailed
from sightline.training.auto_batch_size import largest


@pytest.mark.parametrize(("room", "found"), [(1000, 512), (512, 512), (300, 256), (1, 1)])
def test_halves_until_it_fits(room: int, found: int) -> None:
    def attempt(n: int) -> None:
        if n > room:
            raise torch.OutOfMemoryError

    assert largest(attempt, 512) == found


def test_nothing_fits() -> None:
    def attempt(n: int) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(TrainingFailed, match="--size"):
        largest(attempt, 8)
