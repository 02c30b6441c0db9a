"""A 3-D U-Net costs one task folder, a kind of target and a format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import sightline as sl
from sightline.errors import DataError, UsageError

pytestmark = pytest.mark.usefixtures("plugins")


@pytest.fixture(scope="module")
def run(plugins: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    sl.train("balls", out=out, epochs=8, lr=0.01, batch_size=4, device="cpu", seed=1)
    return out


def test_the_contracts_hold(tmp_path: Path) -> None:
    from sightline.testing import check_model, check_task

    check_task("balls")
    check_model("balls", "unet3d", tmp_path)


def test_balls_are_found_better_than_by_brightness_alone(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    network = results["scores"]["mIoU"]["value"]
    assert network >= 0.8
    assert network > results["baselines"]["background"]["mIoU"]["value"]
    record = json.loads((run / "run.json").read_text())
    assert record["model_config"]["input"] == "volume"
    assert record["model_config"]["size"] == [8, 16, 16]
    assert sl.evaluate(run, device="cpu").scores["mIoU"].value == pytest.approx(network)


def test_predictions_are_in_the_voxels_of_the_stored_volume(run: Path, tmp_path: Path) -> None:
    from sightline.data.formats.balls import balls

    other = balls(3, 24, seed=5)
    for i in range(3):
        np.save(tmp_path / f"{i}.npy", other.pixels.read(i)[..., 0])
    outcomes = list(sl.load(run).predict(str(tmp_path)))
    assert [o.prediction.sizes.tolist() for o in outcomes] == [[[12, 24, 24]]] * 3
    target = torch.stack([m == 1 for m in other.targets.maps])
    hits = torch.stack([o.prediction.maps[0] == 1 for o in outcomes]) & target
    assert hits.sum() >= 0.6 * target.sum()


def test_it_is_exported_and_the_light_runtime_names_the_kind(run: Path) -> None:
    from sightline.runtime.session import Session

    exported = sl.export(run)
    assert exported.gate is not None
    assert exported.gate.passed
    with pytest.raises(DataError, match=r"volume"):
        Session(exported.file)


def test_what_is_for_images_is_refused_in_words(plugins: None, tmp_path: Path) -> None:
    for options, words in (
        ({"tile_size": 8}, "--tile-size 8 has no effect: the task takes a volume"),
        ({"resize": "crop"}, "--resize stretch"),
    ):
        with pytest.raises(UsageError, match=words):
            sl.train("balls", out=tmp_path / "run", epochs=1, device="cpu", **options)


def test_mirroring_takes_the_target_along(plugins: None) -> None:
    from sightline.data.formats.balls import balls

    from sightline.core.sample import Batch
    from sightline.data.transforms.flips import flips

    data = balls(6, 16, seed=2)
    images = torch.stack([data[i].image for i in range(6)])
    batch = flips((0, 1, 2), 3)(Batch(images, data.targets, data.ids), torch.Generator().manual_seed(0))
    assert not torch.equal(batch.images, images)
    for image, class_map in zip(batch.images, batch.targets.maps, strict=True):
        assert image[0][class_map == 1].min() >= 120  # balls are bright wherever they are now
