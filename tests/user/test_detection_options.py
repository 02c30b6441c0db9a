"""What a user of the command hears of options and data that do not fit a detector, or another data set."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.user.conftest import write_photos

SMALL = ("--size", "64", "--epochs", "1", "--batch-size", "8")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--backbone", "resnet81"), "There is no backbone 'resnet81'. Did you mean 'resnet18'"),
        (("--model", "ssd", "--size", "300", "--multiscale", "0.2"), "needs 268"),
    ],
)
def test_what_cannot_be_is_told_before_a_run_is_made(
    options: tuple[str, ...], says: str, sightline: Callable, tmp_path: Path
) -> None:
    completed = sightline("train", "shapes:boxes:40", *SMALL[2:], *options)
    assert completed.code == 2
    assert says in completed.err
    assert not (tmp_path / "runs").exists()


def test_what_is_wrong_with_other_data_is_said(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, "--model", "perceptron", "--epochs", "1").code == 0
    completed = sightline("evaluate", "runs/photos-1")
    assert "conflicting-labels" not in completed.err
    other = write_photos(tmp_path / "other", n=20, seed=5)
    shutil.copy(other / "day/000.png", other / "night/copy.png")
    shutil.copy(other / "day/001.png", other / "day/copy.png")
    completed = sightline("evaluate", "runs/photos-1", other)
    assert completed.code == 0
    assert (
        "error: conflicting-labels: 1 images are there more than once with different targets" in completed.err
    )
    assert "day/000.png = night/copy.png" in completed.err
    assert "warning: duplicates: " in completed.err
    assert "errors included" in completed.err
