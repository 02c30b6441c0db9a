"""Models with nothing to train, by name: `sightline predict track:bytetrack det.txt`."""

from __future__ import annotations

from typing import Any

from sightline.core.task import DataInfo
from sightline.data.inputs import input_kind
from sightline.data.inputs._kind import StoredShape
from sightline.errors import UsageError
from sightline.inference.predictor import ModelPredictor
from sightline.tasks import TASKS, task_type


def predictor(name: str, device: str) -> ModelPredictor | None:
    """The predictor of "TASK:MODEL" with the defaults of its options; None where the name is none such.

    Only models qualify whose input has no size, which training would have chosen.

    Raises:
        UsageError: If the model must be trained first.
        UnknownName: If the task has no such model.
    """
    task_name, colon, method = name.partition(":")
    if not colon or task_name not in TASKS.names():
        return None
    package = TASKS.load(task_name)
    module, kind = package.MODELS.load(method), input_kind(package.CARD.input)
    spec = kind.spec(StoredShape(1, 1, 1, 1), None, None, 1)
    if module.CARD.trainer != "none" or spec.spatial_shape:
        raise UsageError(
            f"{name} must be trained first: sightline train DATA --task {task_name} --model {method}."
        )
    channels = spec.channels
    info = DataInfo(None, (), channels, (), (0.0,) * channels, (1.0,) * channels, 0, input=spec.kind)
    task_class = task_type(task_name)
    options = task_class.Options()
    settings: dict[str, Any] = {
        "task": task_name, "method": method, "channels": channels, "size": [], "resize": "stretch",
        "mean": list(info.mean), "std": list(info.std), **spec.settings(),
        **module.MODEL.settings_for(info, options),
    }  # fmt: skip
    return ModelPredictor.of(module.MODEL(settings), task_class(info, options), settings, device)
