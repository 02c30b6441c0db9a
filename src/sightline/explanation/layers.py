"""Choice of the layer whose feature maps are looked at: traced, not guessed from names."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sightline.core.model import Model
from sightline.core.targets.base import Targets
from sightline.explanation.subject import Subject, as_grid, gradients_of, watched

CELLS = 16
"""Cells a side of the layer that is looked at, at least. On planted evidence LayerCAM points right in 40 of
40 images there, and in 75 % at the last layer (8 x 8 cells of 64 pixels); see docs/explain.md."""
SHARE = 5
"""Of small images, fewer cells are enough: a fifth of their side."""


@dataclass(frozen=True)
class Layer:
    """A layer with maps over the image that the evidence depends on.

    Attributes:
        name: In `named_modules`.
        grid: Its cells.
    """

    name: str
    grid: tuple[int, ...]

    @property
    def text(self) -> str:
        """The grid, such as "14 x 14"."""
        return " x ".join(map(str, self.grid))

    @property
    def cells(self) -> int:
        """Along the shorter side."""
        return min(self.grid[-2:])


def traced(subject: Subject, images: Tensor, about: Targets) -> list[Layer]:
    """Layers of the backbone with maps over the image, in the order in which they are computed; only those
    that the evidence depends on. Empty where none has.
    """
    assert subject.model is not None
    pixels = images[:1].detach().clone().requires_grad_()
    with watched(subject.model, _names(subject.model)) as maps:
        evidence = subject.evidence(pixels, about[[0]])
    layers = _layers(maps, images)
    slopes = gradients_of(evidence, [maps[layer.name] for layer in layers])
    return [layer for layer, slope in zip(layers, slopes, strict=True) if bool((slope != 0).any())]


@torch.no_grad()
def with_maps(subject: Subject, images: Tensor) -> list[Layer]:
    """Layers of the backbone with maps over an image (1, C, *S), in the order in which they are computed."""
    assert subject.model is not None
    with watched(subject.model, _names(subject.model)) as maps:
        subject.model(images.to(subject.model.mean.device))
    return _layers(maps, images)


def _names(model: Model) -> list[str]:
    """Modules of the backbone."""
    root = model.backbone() or model
    inside = {id(module) for module in getattr(root, "body", root).modules()}
    return [name for name, module in model.named_modules() if name and id(module) in inside]


def _layers(maps: dict[str, Tensor], images: Tensor) -> list[Layer]:
    """Those whose outputs are maps over the image."""
    grids = {name: as_grid(output, 1, tuple(images.shape[2:])) for name, output in maps.items()}
    return [Layer(name, tuple(grid.shape[2:])) for name, grid in grids.items() if grid is not None]


def last(layers: list[Layer]) -> Layer:
    """The last layer with a grid: of 4 cells along the shorter side, or of the finest there are."""
    finest = max(layer.cells for layer in layers)
    return [layer for layer in layers if layer.cells >= min(4, finest)][-1]


def deepest(layers: list[Layer], side: int) -> Layer:
    """The last layer that is fine enough: of `CELLS` cells along the shorter side, or of a fifth of `side`
    pixels; where no layer is, the last one of the finest.
    """
    finest = max(layer.cells for layer in layers)
    least = min(CELLS, max(2, side // SHARE), finest)
    return [layer for layer in layers if layer.cells >= least][-1]
