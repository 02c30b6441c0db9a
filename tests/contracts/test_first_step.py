"""At the lower end of batches and sizes every network trains, or is refused before with what works."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.core.sample import Batch
from sightline.data.loading.preprocess import resize_targets
from sightline.data.scan import scan
from sightline.errors import UsageError
from sightline.tasks import TASKS, task_type
from sightline.training.arguments import TrainArguments
from sightline.training.first_step import dry_run
from sightline.training.plan import Plan, make_plan
from sightline.training.prepare_data import PreparedData
from sightline.training.recipe import Recipe
from sightline.training.runner import build_model
from tests.user.conftest import sightline, write_photos  # noqa: F401

NETWORKS = [
    ("classify", "cnn-tiny", 16),
    ("classify", "resnet-small", 16),
    ("classify", "mlp", 16),
    ("classify", "resnet18", 32),
    ("classify", "mobilenetv3_small_100", 32),
    ("regress", "efficientnet_lite0", 32),
    ("detect", "yolo-n", 32),
    ("instance", "yolo-n", 32),
    ("semantic", "unet2015", 16),
    ("semantic", "deeplabv3plus", 32),
]


@cache
def looked(task: str) -> PreparedData:
    dataset = task_type(task).synthetic_dataset(8, 16, seed=0)
    return PreparedData(TASKS.load(task).CARD, dataset, scan(dataset), [], {}, [])


def planned(task: str, model: str, size: int, batch: int) -> Plan:
    recipe = Recipe(augment="none", size=size, batch_size=batch)
    splits = np.array([*["train"] * 6, "val", "test"], dtype=object)
    return make_plan(
        TrainArguments("toy", task=task, model=model, pretrained="no", recipe=recipe),
        looked(task),
        splits=splits,
    )


def trains(result: Plan) -> None:
    n, size = result.recipe.batch_size or 0, tuple(result.settings["size"])
    targets = resize_targets(result.dataset.targets[torch.arange(n)], size, result.settings["resize"])[0]
    images = torch.zeros(n, result.settings["channels"], *size, dtype=torch.uint8)
    loss = (
        build_model(result).train().loss(Batch(images, targets, []), torch.Generator().manual_seed(0))["loss"]
    )
    assert bool(torch.isfinite(loss))


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("task", "model", "size"), NETWORKS)
def test_a_small_batch_trains_or_is_refused_with_what_works(
    task: str, model: str, size: int, batch: int
) -> None:
    result, refused = planned(task, model, size, batch), ""
    try:
        dry_run(result)
    except UsageError as error:
        refused = str(error)
    if not refused:
        trains(result)
        return
    ways = dict(re.findall(r"--(batch-size|size) (\d+)", refused))
    assert ways, refused
    for option, value in ways.items():
        other = {"size": size, "batch": batch, option.removesuffix("-size"): int(value)}
        trains(planned(task, model, **other))
    if "size" in ways and result.method.CARD.stride == 1:
        with pytest.raises(UsageError):
            dry_run(planned(task, model, int(ways["size"]) - 1, batch))


def test_a_frozen_network_takes_one_image() -> None:
    result = planned("classify", "resnet18", 32, 1)
    dry_run(replace(result, recipe=replace(result.recipe, freeze="backbone")))
    dry_run(replace(result, recipe=replace(result.recipe, freeze_bn=True)))


def test_it_is_refused_before_anything_is_written(sightline: Callable, tmp_path: Path) -> None:  # noqa: F811
    data = write_photos(tmp_path / "photos", 20)
    completed = sightline("train", data, "--model", "cnn-tiny", "--batch-size", "1", "--out", "run")
    assert completed.code == 2
    assert "cnn-tiny cannot be trained with a batch of 1" in completed.err
    assert "--batch-size 2" in completed.err
    assert not (tmp_path / "run").exists()
