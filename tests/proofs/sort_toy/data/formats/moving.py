"""Generated clips of squares that move; nothing is read."""

from __future__ import annotations

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Dataset
from sightline.core.targets.tracks import Tracks
from sightline.data.io.pixels import Arrays
from sightline.data.parsing.options import ReadOptions

CARD = FormatCard(
    name="moving", summary="generated", recognized_by="the name moving", target_types=("tracks",)
)
FRAMES = 10
NAMES = {"moving": "clips of squares that move (generated)"}


def sniff(source: str, options: ReadOptions) -> float:
    return float(source == "moving")


def read(source: str, options: ReadOptions) -> Dataset:
    return moving(40, 48, seed=0)


def moving(n: int, size: int, seed: int) -> Dataset:
    """n clips of squares that move along rows of their own, each a sequence; each square is hidden once."""
    rng, side = np.random.default_rng(seed), 8
    clips = rng.integers(0, 60, (n, FRAMES, size, size, 3), dtype=np.uint8)
    tracks = []
    for clip in clips:
        rows = []
        for identity in range(1, int(rng.integers(2, size // 14 + 1)) + 1):
            speed, hidden = rng.uniform(2, 3.5), int(rng.integers(3, FRAMES - 2))
            left, top = np.rint(speed * np.arange(FRAMES)).astype(int), 14 * (identity - 1) + 2
            left = size - side - left if rng.random() < 0.5 else left
            for frame in (f for f in range(FRAMES) if f != hidden):
                x = int(left[frame])
                clip[frame, top : top + side, x : x + side] = 220
                rows.append([frame + 1, identity, x, top, x + side, top + side])
        tracks.append(rows)
    targets = Tracks.of(tracks, [(size, size)] * n, [FRAMES] * n)
    ids = [f"moving/{i:03d}" for i in range(n)]
    sequences = np.array(ids, dtype=object)
    return Dataset("moving", CARD.name, ids, Arrays(clips, "clip"), targets, groups=sequences)
