"""Generated volumes with balls in them; nothing is read."""

from __future__ import annotations

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
    made = Volumes.synthetic(n, side, seed)
    ids = [f"balls/{i:03d}" for i in range(n)]
    pixels = Arrays(made.images, "volume")
    return Dataset("balls", CARD.name, ids, pixels, made.targets, Classes(made.classes))
