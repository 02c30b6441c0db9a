"""Inspection of networks: a table of the layers."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from sightline.core.dataset import Classes
from sightline.core.report import Table
from sightline.core.task import DataInfo
from sightline.errors import DataError, UsageError
from sightline.models import registry
from sightline.models.adapters import fitted
from sightline.models.layer_table import Layer, trace
from sightline.models.surgery import layer_widths
from sightline.tasks import TASKS, task_type

COLUMNS = ("layer", "type", "output", "parameters", "FLOPs", "receptive field")
NOTE = (
    "Output: channels x height x width of one image. FLOPs: of convolutions and matrix products, for one "
    "image forward; a multiply-add is two. Receptive field: pixels of the image (height x width) that a "
    "unit can see; 'all' after pooling or flattening the whole image, '-' where no such rule holds "
    "(attention). Parameters of a layer that is used twice are counted once."
)


def layers_of(model: str, size: int | None, classes: int, channels: int) -> Table:
    """The layers of a network as a table.

    Args:
        model: Name of a model, or a run folder.
        size: Input side in pixels, or None: what the model is made for.
        classes: Number of outputs, of a model by name.
        channels: Of the input, of a model by name.

    Raises:
        UsageError: If a grey or colour image has another number of channels.
        DataError: If a folder holds no model.
    """
    if channels not in (1, 3):
        raise UsageError(f"--channels is 1 or 3. Received {channels}.")
    if Path(model).is_dir():
        settings = _of_run(Path(model))
        if str(settings["method"]).startswith(fitted.PREFIX):
            raise UsageError(f"{model} holds a {settings['method']}, which has no layers to show.")
        side = (size, size) if size is not None else tuple(settings["size"])
        settings = {**settings, "size": list(side)}
        is_known = settings["task"] is not None
        method = TASKS.load(settings["task"]).MODELS.load(settings["method"]) if is_known else None
        name = str(settings["backbone"])
    else:
        method, name = _method(model), model
        side = (size, size) if size else (320, 320) if method else registry.card(name).size or (32, 32)
        settings = {"classes": [str(i) for i in range(classes)], "channels": channels, "backbone_options": {}}
        if method is not None:
            table_of = Classes(tuple(settings["classes"]))
            info = DataInfo(table_of, (), channels, side, (0.5,) * channels, (0.2,) * channels, 1)
            settings |= {"size": list(side), "mean": info.mean, "std": info.std}
            settings |= method.MODEL.settings_for(info, task_type(method.__name__.split(".")[2]).Options())
    with torch.device("meta"):
        image = torch.empty(1, settings["channels"], *side)
        if method is not None and not getattr(method, "TAKES_BACKBONE", False):
            return table(method.CARD.name, layer_widths.build(method.MODEL, settings), image)
        outputs = len(settings.get("classes") or settings["outputs"])
        base_options = {"outputs": outputs, "channels": settings["channels"], "size": side}
        network = registry.create(name, **base_options, **settings["backbone_options"])
        narrow = {k.removeprefix("network."): v for k, v in settings.get(layer_widths.KEY, {}).items()}
        layer_widths.reshape(network, narrow)
        return table(name, network, image)


def _method(name: str) -> ModuleType | None:
    """The module of a task's method of that name that is no backbone, or None."""
    for task in TASKS.names():
        methods = TASKS.load(task).MODELS
        if name in methods and not getattr(methods.load(name), "TAKES_BACKBONE", False):
            method: ModuleType = methods.load(name)
            return method
    return None


def table(name: str, backbone: nn.Module, image: torch.Tensor) -> Table:
    """The layers of a network as a table, the totals last."""
    layers = trace(backbone, image)
    rows: list[list[Any]] = [_row(layer) for layer in layers]
    trainable = sum(p.numel() for p in backbone.parameters() if p.requires_grad)
    parameters = sum(layer.parameters for layer in layers)
    rows.append(["total", "", "", parameters, sum(layer.flops for layer in layers), ""])
    _, channels, height, width = image.shape
    text = f"{trainable:,} of {parameters:,} parameters are trainable. " if trainable < parameters else ""
    return Table(f"{name} on {channels}x{height}x{width}", COLUMNS, rows, text + NOTE)


def _row(layer: Layer) -> list[Any]:
    shape = "x".join(map(str, layer.output)) if layer.output else "-"
    field = layer.field.text() if layer.field else "-"
    return [layer.name, layer.type, shape, layer.parameters, layer.flops, field]


def _of_run(path: Path) -> dict[str, Any]:
    """Settings of the model in a run or model folder."""
    file = next((f for f in (path / "model/model.json", path / "model.json") if f.is_file()), None)
    if file is None:
        raise DataError(f"{path} holds no model: expected a run or model folder with model.json in it.")
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
        settings: dict[str, Any] = card["model_config"]
        settings.get("classes") or settings["outputs"]
        wanted = ("backbone", "channels", "size")
        rest: dict[str, Any] = {"backbone_options": {}, "task": None, "method": None}
        return {**rest, **settings, **{name: settings[name] for name in wanted}}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is damaged or not of this Sightline: {error!r}.") from error
