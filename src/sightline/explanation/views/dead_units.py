"""Dead units: those that pass on the same number for every image and place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.report import Table
from sightline.explanation.card import ViewCard
from sightline.explanation.fills import percent
from sightline.explanation.network import Network, View

CARD = ViewCard(
    name="dead-units",
    title="Dead units",
    meaning="A unit is dead if it passes on the same number for every validation image and place: it costs "
    "time and says nothing, and many of them are a sign of a too high learning rate or a too large network.",
    rank=50,
)
IMAGES = 64
SAME = 1e-6
"""Range of a unit, as a share of the largest number of its layer, up to which it is constant."""
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)

Ranges = dict[str, tuple[Tensor, Tensor]]
Record = Callable[[str, Tensor], None]


def run(network: Network) -> View | str:
    """What each layer is given by the one before it, over 64 validation images."""
    part = network.part("val", IMAGES)
    if isinstance(part, str):
        return part
    names = _takers(network.model, part.images[:1])
    ranges: Ranges = {}

    def extend(name: str, values: Tensor) -> None:
        low, high = values.amin(0), values.amax(0)
        if name in ranges:
            low, high = torch.minimum(low, ranges[name][0]), torch.maximum(high, ranges[name][1])
        ranges[name] = (low, high)

    with torch.no_grad(), _inputs(network.model, names, extend):
        for chunk in network.chunks(part.images):
            network.model(chunk.to(network.model.mean.device))
    rows = []
    for name, (low, high) in ranges.items():
        largest = float(torch.maximum(low.abs(), high.abs()).max())
        rows.append((name, len(low), int((high - low <= SAME * largest).sum())))
    units, dead = sum(r[1] for r in rows), sum(r[2] for r in rows)
    if not units:
        return "the network has no layer with weights behind its first"
    sentence = (
        f"{dead:,} of {units:,} units ({percent(dead / units, 1)}) are dead, over {len(part.ids)} images"
    )
    shown = sorted((r for r in rows if r[2]), key=lambda r: -r[2] / r[1])
    table = Table(
        "Where they are", ["units before the layer", "units", "dead", "share"],
        [[name, n, k, percent(k / n, 1)] for name, n, k in shown],
    )  # fmt: skip
    where = {name: {"units": n, "dead": k} for name, n, k in rows}
    return View(sentence, [table] if shown else [], {"units": units, "dead": dead, "layers": where})


def _takers(model: nn.Module, image: Tensor) -> list[str]:
    """Layers with weights but the first, one of those that are given the same tensor."""
    held: dict[int, Tensor] = {}
    names: list[str] = []

    def keep(name: str, values: Tensor) -> None:
        if id(values) not in held and name not in names:
            names.append(name)
        held[id(values)] = values

    every = [name for name, module in model.named_modules() if isinstance(module, LAYERS)]
    with torch.no_grad(), _inputs(model, every, keep, whole=True):
        model(image.to(next(model.buffers()).device))
    return names[1:]


@contextmanager
def _inputs(model: nn.Module, names: list[str], record: Record, whole: bool = False) -> Iterator[None]:
    """Calls `record` with the name and the input of layers: as it is, or as (places of all images, units)."""

    def hook(name: str) -> Callable[[nn.Module, Any], None]:
        def look(module: nn.Module, arguments: Any) -> None:
            values = arguments[0]
            axis = -1 if isinstance(module, nn.Linear) else 1
            record(name, values if whole else values.movedim(axis, -1).flatten(0, -2).float())

        return look

    handles = [model.get_submodule(name).register_forward_pre_hook(hook(name)) for name in names]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
