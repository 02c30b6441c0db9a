"""Generated images with a bright spot; the name is "spots"."""

from __future__ import annotations

from dataclasses import replace

from sightline.core.card import FormatCard
from sightline.core.dataset import Dataset
from sightline.data.parsing.options import ReadOptions
from sightline.data.synthetic.tiny import tiny

NAMES = {"spots": "Bright spots"}
CARD = FormatCard(
    name="points-toy", summary="Bright spots", recognized_by="the name 'spots'", target_types=("point",)
)


def sniff(source: str, options: ReadOptions) -> float:
    return float(source == "spots")


def read(source: str, options: ReadOptions) -> Dataset:
    return replace(tiny("point", 60, 48, seed=0), name="spots", format=CARD.name)
