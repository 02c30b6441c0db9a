"""Choice of the layer whose feature maps are looked at: traced, not guessed from names."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

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
    model = subject.model
    assert model is not None
    root = model.backbone() or model
    inside = {id(module) for module in getattr(root, "body", root).modules()}
    names = [name for name, module in model.named_modules() if name and id(module) in inside]
    pixels = images[:1].detach().clone().requires_grad_()
    with watched(model, names) as maps:
        evidence = subject.evidence(pixels, about[[0]])
    spatial = tuple(images.shape[2:])
    grids = {name: as_grid(output, 1, spatial) for name, output in maps.items()}
    layers = {name: Layer(name, tuple(g.shape[2:])) for name, g in grids.items() if g is not None}
    slopes = gradients_of(evidence, [maps[name] for name in layers])
    return [layer for layer, slope in zip(layers.values(), slopes, strict=True) if bool((slope != 0).any())]


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
