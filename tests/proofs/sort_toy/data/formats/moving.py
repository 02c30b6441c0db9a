"""Generated clips of squares that move; nothing is read."""

from __future__ import annotations

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Dataset
from sightline.core.targets import target_type
from sightline.data.io.pixels import Arrays
from sightline.data.parsing.options import ReadOptions

CARD = FormatCard(
    name="moving", summary="generated", recognized_by="the name moving", target_types=("tracks",)
)
NAMES = {"moving": "clips of squares that move (generated)"}


def sniff(source: str, options: ReadOptions) -> float:
    return float(source == "moving")


def read(source: str, options: ReadOptions) -> Dataset:
    return moving(40, 48, seed=0)


def moving(n: int, size: int, seed: int) -> Dataset:
    """n clips, each a sequence of its own."""
    clips = target_type("tracks").synthetic(n, size, seed)
    ids = [f"moving/{i:03d}" for i in range(n)]
    pixels, sequences = Arrays(clips.images, "clip"), np.array(ids, dtype=object)
    return Dataset("moving", CARD.name, ids, pixels, clips.targets, groups=sequences)
