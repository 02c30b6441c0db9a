from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.training.lr_schedule import Plateau, factor
from sightline.training.recipe import Recipe

NAMES = ("constant", "step", "cosine", "onecycle", "plateau")


@given(st.sampled_from(NAMES), st.floats(0, 1), st.floats(0, 0.9))
def test_always_a_share_of_the_peak(name: str, progress: float, warmup: float) -> None:
    assert 0 <= factor(Recipe(schedule=name, warmup=warmup), progress) <= 1  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_rises_to_the_peak_over_the_warmup(name: str) -> None:
    recipe = Recipe(schedule=name, warmup=0.2)  # type: ignore[arg-type]
    assert factor(recipe, 0.1) == pytest.approx(0.5)
    assert factor(recipe, 0.2) == pytest.approx(1)


def test_shapes_by_hand() -> None:
    assert factor(Recipe(schedule="cosine", warmup=0), 0.5) == pytest.approx(0.5)
    assert factor(Recipe(schedule="onecycle", warmup=0), 0.75) == pytest.approx(0.25)
    assert [factor(Recipe(schedule="step", warmup=0), p) for p in (0.4, 0.6, 0.9)] == pytest.approx(
        [1, 0.1, 0.01]
    )
    assert factor(Recipe(schedule="constant", warmup=0), 0.9) == 1


def test_plateau_divides_by_ten_after_its_patience() -> None:
    plateau = Plateau(patience=2)
    for loss in (1.0, 0.9, 0.9, 0.9):
        plateau.see(loss)
    assert plateau.scale == 1
    plateau.see(0.95)
    assert plateau.scale == pytest.approx(0.1)
    plateau.see(0.5)
    assert plateau.waited == 0
