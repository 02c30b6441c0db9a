"""inspect: a network layer by layer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from sightline.core.report import Table
from sightline.errors import DataError, UsageError
from sightline.models import zoo
from sightline.models.backbones._backbone import Backbone
from sightline.models.trace import Layer, trace

COLUMNS = ("layer", "type", "output", "parameters", "FLOPs", "receptive field")
NOTE = (
    "Output: channels x height x width of one picture. FLOPs: of convolutions and matrix products, for one "
    "picture forward; a multiply-add is two. Receptive field: pixels of the picture (height x width) that a "
    "unit can see; 'all' after pooling or flattening the whole picture, '-' where no such rule holds "
    "(attention). Parameters of a layer that is used twice are counted once."
)


def run(model: str, *, size: int | None = None, classes: int = 1000, channels: int = 3) -> Table:
    """See `sightline.api.inspect`."""
    if channels not in (1, 3) or classes < 1 or (size is not None and size < 1):
        raise UsageError(
            "--channels is 1 or 3, --classes and --size are 1 or more. "
            f"Received channels {channels}, classes {classes}, size {size}."
        )
    if Path(model).is_dir():
        name, arguments = _of_run(Path(model))
        if size is not None:
            arguments["size"] = (size, size)
    else:
        name = model
        side = (size, size) if size else zoo.card(name).size or (32, 32)
        arguments = {"outputs": classes, "channels": channels, "size": side}
    with torch.device("meta"):
        backbone = zoo.create(name, **arguments)
        picture = torch.empty(1, arguments["channels"], *arguments["size"])
    return table(name, backbone, picture)


def table(name: str, backbone: Backbone, picture: torch.Tensor) -> Table:
    """The layers of a network as a table, the totals last."""
    layers = trace(backbone, picture)
    rows: list[list[Any]] = [_row(layer) for layer in layers]
    trainable = sum(p.numel() for p in backbone.parameters() if p.requires_grad)
    parameters = sum(layer.parameters for layer in layers)
    rows.append(["total", "", "", parameters, sum(layer.flops for layer in layers), ""])
    _, channels, height, width = picture.shape
    said = f"{trainable:,} of {parameters:,} parameters are trainable. " if trainable < parameters else ""
    return Table(f"{name} on {channels}x{height}x{width}", COLUMNS, rows, said + NOTE)


def _row(layer: Layer) -> list[Any]:
    shape = "x".join(map(str, layer.output)) if layer.output else "-"
    field = layer.field.text() if layer.field else "-"
    return [layer.name, layer.type, shape, layer.parameters, layer.flops, field]


def _of_run(path: Path) -> tuple[str, dict[str, Any]]:
    """Name and arguments of the network in a run or model folder."""
    file = next((f for f in (path / "model/model.json", path / "model.json") if f.is_file()), None)
    if file is None:
        raise DataError(f"{path} holds no model: expected a run or model folder with model.json in it.")
    try:
        card = json.loads(file.read_text(encoding="utf-8"))
        settings = card.get("settings", card)
        outputs = settings.get("classes") or settings["outputs"]
        return settings["backbone"], {
            "outputs": len(outputs),
            "channels": settings["channels"],
            "size": tuple(settings["size"]),
            **settings.get("backbone_options", {}),
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is damaged or not of this Sightline: {error!r}.") from error
