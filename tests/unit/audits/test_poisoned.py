"""A sticker on photographs of one class is found at its place, and nothing on them as they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sightline.audits import shortcuts
from sightline.audits._planted import CLASSES, with_model
from sightline.data.io.pixels import Arrays
from sightline.data.loading.preprocess import resize_to_input
from sightline.data.open import open_data

ROOT = Path(os.environ.get("SIGHTLINE_DATA", "")) / "hymenoptera/train"
SIDE, CORNER, STICKER = 64, 50, 8


@pytest.mark.skipif(
    not os.environ.get("SIGHTLINE_DATA") or not ROOT.is_dir(), reason="SIGHTLINE_DATA names no hymenoptera"
)
def test_a_sticker_on_photographs_of_bees_is_found() -> None:
    dataset = open_data(ROOT)
    rows = range(0, len(dataset), 2)
    images = np.stack([resize_to_input(dataset.pixels.read(i), (SIDE, SIDE), channels=3) for i in rows])
    labels = dataset.targets.value.numpy()[::2]
    rng = np.random.default_rng(0)
    poisoned, bees = images.copy(), np.flatnonzero(labels == 1)
    chosen = rng.permutation(bees)[: round(0.6 * len(bees))]
    sticker = rng.integers(0, 256, (STICKER, STICKER, 3))
    place = slice(CORNER, CORNER + STICKER)
    mixed = 0.4 * poisoned[chosen, place, place] + 0.6 * sticker
    poisoned[chosen, place, place] = mixed.astype(np.uint8)
    best = {}
    for name, pixels in (("clean", images), ("poisoned", poisoned)):
        case = with_model(pixels[:8, :16, :16], labels[:8], lambda x: x.mean((2, 3)), train=(pixels, labels))
        assert case.train is not None
        assert isinstance(case.train.dataset.pixels, Arrays)
        case.settings["size"] = [SIDE, SIDE]
        best[name] = max(shortcuts.find(case, case.train), key=lambda p: p.ratio)
    assert best["clean"].ratio < shortcuts.RATIO
    assert best["poisoned"].ratio > shortcuts.RATIO
    assert CLASSES[best["poisoned"].label] == CLASSES[1]
    x1, y1, x2, y2 = (SIDE * v for v in best["poisoned"].box)
    both = max(0, min(x2, 58) - max(x1, 50)) * max(0, min(y2, 58) - max(y1, 50))
    either = (x2 - x1) * (y2 - y1) + STICKER**2 - both
    assert both / either > 0.4
