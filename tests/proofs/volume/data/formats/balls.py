"""Generated volumes with balls in them; nothing is read."""

from __future__ import annotations

import numpy as np
from sightline.core.targets.volumes import Volumes

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.io.pixels import Arrays
from sightline.data.parsing.options import ReadOptions

CARD = FormatCard(
    name="balls", summary="generated", recognized_by="the name balls", target_types=("volumes",)
)
NAMES = {"balls": "volumes with bright balls in noise (generated)"}


def sniff(source: str, options: ReadOptions) -> float:
    """1 for its name."""
    del options
    return float(source == "balls")


def read(source: str, options: ReadOptions) -> Dataset:
    """Forty volumes."""
    del source, options
    return balls(40, 16, seed=0)


def balls(n: int, side: int, seed: int) -> Dataset:
    """n volumes of (side / 2, side, side) with a ball of which the class map says where it is."""
    rng = np.random.default_rng(seed)
    depth = max(side // 2, 8)
    grid = np.stack(np.meshgrid(*(np.arange(s) for s in (depth, side, side)), indexing="ij"), -1)
    volumes = rng.integers(0, 80, (n, depth, side, side, 1), dtype=np.uint8)
    maps = []
    for volume in volumes:
        center, radius = rng.uniform(3, (depth - 3, side - 3, side - 3)), rng.uniform(2, 4)
        inside = ((grid - center) ** 2).sum(-1) < radius**2
        volume[inside, 0] += 120
        maps.append(inside.astype(np.uint8))
    ids = [f"balls/{i:03d}" for i in range(n)]
    return Dataset(
        "balls", CARD.name, ids, Arrays(volumes, "volume"), Volumes.of(maps), Classes(("background", "ball"))
    )
