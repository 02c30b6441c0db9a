"""The 1,797 real handwritten digits that scikit-learn contains; no network access."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.label import ClassLabels
from sightline.data.io.pixels import Arrays
from sightline.data.parsing.options import ReadOptions

CARD = FormatCard(
    name="digits",
    summary="1,797 handwritten digits, 8 x 8, gray; built in (UCI, Alpaydin and Kaynak 1998)",
    recognized_by="the name 'digits'",
    target_types=("label",),
)
NAMES = {"digits": CARD.summary}


def sniff(source: str, options: ReadOptions) -> float:
    """1 for the name, unless a file or folder with that name exists."""
    del options
    return float(source.lower() == "digits" and not Path(source).exists())


def read(source: str, options: ReadOptions) -> Dataset:
    """All digits, scaled from 0..16 to 0..255. There is no given split."""
    del source, options
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    return Dataset(
        name="digits",
        format="digits",
        ids=[f"digits/{i:04d}" for i in range(len(images))],
        pixels=Arrays(images),
        targets=ClassLabels(torch.from_numpy(digits.target.astype(np.int64))),
        classes=Classes(tuple(str(i) for i in range(10))),
        messages=("Pixels are stretched from 0..16 to 0..255.",),
    )
