"""What a model is built from is the same after it was written and read."""

from __future__ import annotations

import json

import pytest

from sightline.core.model_config import ModelConfig
from sightline.tasks import TASKS
from sightline.testing import toy_plan


@pytest.mark.parametrize("task", TASKS.names())
def test_settings_of_every_task_are_the_same_again(task: str) -> None:
    settings = json.loads(json.dumps(toy_plan(task).settings))
    config = ModelConfig.from_json(settings)
    assert json.loads(json.dumps(config.to_json())) == settings
    assert config.task == task
    assert list(config.size) == settings["size"]
    assert list(config.class_names) == settings.get("classes", [])
    assert "size" not in config.extra


def test_what_only_one_model_has_is_kept() -> None:
    config = ModelConfig.from_json({"task": "detect", "bins": 16, "conf": 0.0})
    assert config.extra == {"bins": 16}
    assert config.conf == 0.0
    assert config.to_json()["conf"] == 0.0
    assert "nms" not in config.to_json()
