"""Learning without labels, from two views of each image, costs one task folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import sightline as sl
from sightline.data.open import open_data
from sightline.storage import read_tensors

pytestmark = pytest.mark.usefixtures("plugins")


def test_an_image_is_known_again_when_it_is_moved(tmp_path: Path) -> None:
    run = sl.train("shapes:400", task="views", size=32, out=tmp_path / "run")
    assert run.record.data.classes == ()
    losses = [e["train_loss"] for e in run.events()]
    assert losses[-1] < 0.8 * losses[0]
    assert bool(read_tensors(tmp_path / "run" / "model" / "model.safetensors")["center"].abs().sum() > 0)

    data = open_data("shapes:300")
    images = np.stack([data.pixels.read(i) for i in range(len(data))])
    model = sl.load(tmp_path / "run")
    embeddings, moved = (
        torch.cat([outcome.prediction.embedding for outcome in model.predict(x)])
        for x in (images, np.roll(images, 6, 2))
    )
    nearest = (moved @ embeddings.T).argmax(1)
    assert (nearest == torch.arange(300)).double().mean() > 0.95  # an untrained network: 0.75
