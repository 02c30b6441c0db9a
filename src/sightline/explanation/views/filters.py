"""Filters: the kernels of the first convolution."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from sightline.core.report import ImageGrid
from sightline.explanation.card import ViewCard
from sightline.explanation.network import Network, View, middle
from sightline.ops import draw

CARD = ViewCard(
    name="filters",
    title="Filters of the first layer",
    meaning="Each filter is the patch of pixels that one unit of the first layer answers to most; filters of "
    "noise, or that are all alike, have learned little.",
    rank=10,
    paper="Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014",
)
SHOWN = 64
FLAT = 0.01
"""Share of the median norm below which a filter is called empty."""


def run(network: Network) -> View | str:
    """Up to 64 filters, each scaled to its own range."""
    kinds = (nn.Conv2d, nn.Conv3d)
    conv = next((m for m in network.model.modules() if isinstance(m, kinds)), None)
    if conv is None:
        return "the network has no convolution whose filters could be shown"
    weight = conv.weight.detach().float().cpu()
    norms = weight.flatten(1).norm(dim=1)
    empty = int((norms < FLAT * norms.median()).sum())
    size = " x ".join(map(str, weight.shape[2:]))
    images = [draw.stretched(_colors(kernel)) for kernel in weight[:SHOWN]]
    sentence = f"{len(weight)} filters of {size} pixels; {empty} of them empty"
    grid = ImageGrid("", images, [str(i) for i in range(len(images))], "Each is scaled to its own range.")
    values = {"count": len(weight), "size": list(weight.shape[2:]), "empty": empty}
    return View(sentence, [grid], values)


def _colors(kernel: Tensor) -> np.ndarray:
    """(3 or 1, h, w) of a kernel (C, [t,] h, w); of other bands their mean."""
    flat = middle(kernel)
    return (flat if len(flat) in (1, 3) else flat.mean(0, keepdim=True)).numpy()
