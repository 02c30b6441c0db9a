"""Activations: the maps of some layers for some validation images."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.report import ImageGrid
from sightline.explanation.card import ViewCard
from sightline.explanation.layers import Layer
from sightline.explanation.network import Network, View, middle, pixels_of
from sightline.ops import draw

CARD = ViewCard(
    name="activations",
    title="Activations",
    meaning="Each row is an image and how strongly eight units of a layer answer at each of its places, from "
    "dark to bright; early layers answer to edges and colors, late ones to parts of objects.",
    rank=20,
)
IMAGES, MAPS, LAYERS = 3, 8, 4
TILE = 96
"""Longer side in pixels of an image or map on the page."""
GAP = 4


def run(network: Network) -> View | str:
    """Eight maps of up to four layers, with one scale for each layer."""
    part = network.part("val", IMAGES)
    if isinstance(part, str):
        return part
    chosen = spread(network.layers)
    if not chosen:
        return "no layer of the network has maps over the image"
    images = part.images[:IMAGES]
    maps = network.maps(images, [layer.name for layer in chosen])
    grids = [_grid(images, layer, values) for layer, values in zip(chosen, maps, strict=True)]
    rows = [
        {"layer": layer.name, "cells": list(layer.grid), "maps": values.shape[1]}
        for layer, values in zip(chosen, maps, strict=True)
    ]
    sentence = f"{len(chosen)} layers on {len(images)} validation images"
    return View(sentence, grids, {"layers": rows, "images": list(part.ids[:IMAGES])})


def spread(layers: list[Layer]) -> list[Layer]:
    """Up to four layers: the last one of each size of maps; where all are of one size, spread over the
    depth."""
    fine = [layer for layer in layers if layer.cells > 1]
    last = {layer.grid: layer for layer in fine}
    ordered = [layer for layer in fine if layer in last.values()]
    pool = ordered if len(ordered) > 1 else fine
    places = np.linspace(0, len(pool) - 1, min(LAYERS, len(pool))).round().astype(int)
    return [pool[i] for i in places]


def _grid(images: Tensor, layer: Layer, maps: Tensor) -> ImageGrid:
    """One layer: the maps that change most from place to place and from image to image."""
    flat = torch.stack([middle(m) for m in maps])  # (N, K, h, w)
    units = flat.transpose(0, 1).flatten(1).std(1).argsort(descending=True)[:MAPS]
    values = flat[:, units]
    low, high = float(values.min()), float(values.max())
    rows = []
    for image, answers in zip(images, values, strict=True):
        shown = pixels_of(image)
        height, width = _tile(shown.shape[0], shown.shape[1])
        tiles = [_sized(np.repeat(shown, 3 // shown.shape[2], axis=2), height, width)]
        tiles += [_sized(draw.stretched(a[None].numpy(), low, high), height, width) for a in answers]
        gap = np.full((height, GAP, 3), 128, dtype=np.uint8)
        rows.append(np.concatenate([piece for tile in tiles for piece in (tile, gap)][:-1], 1))
    line = np.full((GAP, rows[0].shape[1], 3), 128, dtype=np.uint8)
    whole = np.concatenate([piece for row in rows for piece in (row, line)][:-1])
    numbers = ", ".join(str(int(u)) for u in units)
    caption = f"{layer.text} cells, units {numbers} of {maps.shape[1]}"
    return ImageGrid(layer.name, [whole], [caption], pixelated=False, side=max(whole.shape[:2]))


def _tile(height: int, width: int) -> tuple[int, int]:
    scale = TILE / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _sized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height, width, 3); cells stay squares."""
    tensor = torch.from_numpy(np.ascontiguousarray(image)).movedim(-1, 0)[None].float()
    mode = "area" if image.shape[0] > height else "nearest"
    return F.interpolate(tensor, (height, width), mode=mode)[0].movedim(0, -1).round().byte().numpy()
