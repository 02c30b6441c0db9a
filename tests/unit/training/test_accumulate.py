"""Gradients of several batches, added up: the same step as on all their images at once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import sightline as sl
from sightline.core.run import Run
from tests.user.conftest import write_photos

HOW = {
    "model": "perceptron", "epochs": 1, "optimizer": "sgd", "lr": 0.01, "momentum": 0.0, "warmup": 0.0,
    "schedule": "constant", "clip_grad": 0.0, "weight_decay": 0.0, "augment": "none",
    "precision": "fp32", "pretrained": "no",
}  # fmt: skip


def weights(data: Path, out: Path, batch: int, windows: int) -> torch.Tensor:
    sl.train(str(data), out=out, batch_size=batch, grad_accum_steps=windows, **HOW)
    selected = Run.open(out).checkpoint("last")
    assert selected is not None
    return torch.cat([v.flatten() for v in selected[0]["model"].values()]).double()


@pytest.mark.parametrize(("batch", "windows"), [(21, 8), (16, 4)])
def test_a_window_that_is_not_full_makes_a_whole_step(batch: int, windows: int, tmp_path: Path) -> None:
    """42 images in two batches of eight, and in 16 + 16 + 10 of four."""
    data = write_photos(tmp_path / "photos", 60)
    at_once = weights(data, tmp_path / "one", 42, 1)
    assert torch.allclose(weights(data, tmp_path / "many", batch, windows), at_once, atol=1e-6)
