"""Two trainings in threads of one process, as in a notebook or a service."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

import sightline as sl
from sightline.core.run import Run
from tests.user.conftest import write_photos


def test_they_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each gives the weights that it gives alone: the same, for the same seed."""
    data = str(write_photos(tmp_path / "photos"))

    def weights(name: str) -> torch.Tensor:
        run = sl.train(data, model="cnn-tiny", epochs=3, batch_size=4, out=tmp_path / name)
        selected = Run.open(run.path).checkpoint("last")
        assert selected is not None
        return torch.cat([v.flatten().double() for v in selected[0]["model"].values()])

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(weights, ("one", "two"))
    alone = weights("alone")
    assert torch.equal(first, alone)
    assert torch.equal(second, alone)
