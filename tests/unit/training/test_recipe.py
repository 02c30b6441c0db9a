from __future__ import annotations

import pytest

from sightline.errors import UsageError
from sightline.training.recipe import DEFAULTS, Recipe, seconds, size_in_bytes


def test_durations_and_sizes() -> None:
    assert [seconds(t) for t in ("90s", "10m", "1.5h", "7", None)] == [90, 600, 5400, 7, None]
    assert [size_in_bytes(t) for t in ("0", "2KB", "1.5 MB", "2GB", "3GiB")] == [
        0,
        2048,
        1572864,
        2 << 30,
        3 << 30,
    ]


@pytest.mark.parametrize("text", ["soon", "-3m", "10 days", "", "0s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="10m"):
        seconds(text)


def test_what_is_no_size() -> None:
    with pytest.raises(UsageError, match="2GB"):
        size_in_bytes("big")


def test_none_is_filled_by_the_first_that_knows() -> None:
    filled = Recipe(lr=0.5).filled({"lr": 0.1, "epochs": 3}, {"epochs": 9, "batch_size": 4}, DEFAULTS)
    assert (filled.lr, filled.epochs, filled.batch_size, filled.schedule) == (0.5, 3, 4, DEFAULTS["schedule"])


def test_every_default_is_a_setting() -> None:
    assert set(DEFAULTS) <= set(Recipe.names())
