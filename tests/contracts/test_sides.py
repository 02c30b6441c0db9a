"""Models that take images of any sides predict the same whatever sides they were built for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sightline.core.inputs import batch_settings
from sightline.core.model import Model
from sightline.core.targets.base import Targets
from sightline.errors import MissingExtra
from sightline.tasks import TASKS
from sightline.testing import toy_plan
from tests.fixtures.tiny import METHODS, tiny

ANY = [m for m in METHODS if TASKS.load(m[0]).MODELS.load(m[1]).MODEL.card.any_sides]


def predicted(model: Model, images: torch.Tensor) -> Targets:
    with torch.no_grad():
        outputs = model.eval()(images)
        prediction: Targets = model.predict_from_outputs(outputs, batch_settings(model.settings, images))
    return prediction


@pytest.mark.parametrize(("task", "method"), ANY)
def test_a_model_predicts_the_same_whatever_sides_it_was_built_for(task: str, method: str) -> None:
    try:
        plan = toy_plan(task, n=4, model=method, options={**tiny(task, method), "resize": "rect"})
    except MissingExtra as error:
        pytest.skip(str(error))
    kind: Any = plan.method.MODEL
    torch.manual_seed(0)
    wide, high = (kind({**plan.settings, "size": size, "conf": 0.0}) for size in ([64, 128], [128, 64]))
    high.load_state_dict(wide.state_dict())
    images = torch.randint(0, 256, (2, plan.settings["channels"], 128, 64), dtype=torch.uint8)
    other, same = predicted(wide, images), predicted(high, images)
    assert sum(map(len, map(str, same.to_json()))) > 80
    assert other.to_json() == same.to_json()
    assert other.sizes.tolist() == [[128, 64]] * 2


def test_most_models_that_look_for_things_take_any_sides() -> None:
    assert {
        ("detect", "yolo-n"),
        ("instance", "yolo-n"),
        ("semantic", "unet"),
        ("detect", "retinanet"),
    } <= set(ANY)
