"""Generated scenes with known truth; built in, the same on every machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.label import Label
from sightline.core.targets.number import Number
from sightline.data.formats._options import ReadOptions
from sightline.data.images import Arrays
from sightline.errors import UsageError
from sightline.ops.shapes import SHAPES, scene

CARD = FormatCard(
    name="shapes",
    summary="1,000 generated scenes of shapes, 64 x 64, truth known; shapes:multi, shapes:count, shapes:area",
    looks_like="the name shapes, shapes:multi, shapes:count or shapes:area, with :300 for 300 scenes",
    truths=("label", "number"),
)
NAMES = {"shapes": CARD.summary}
KINDS = ("one", "multi", "count", "area")
SIZE, COUNT, SEED = (64, 64), 1000, 0


def sniff(source: str, options: ReadOptions) -> float:
    """1 for the name, unless a file or folder of that name is there."""
    del options
    return float(source.lower().split(":")[0] == "shapes" and not Path(source).exists())


def read(source: str, options: ReadOptions) -> Dataset:
    """Scenes of one shape (`shapes`), or of 1 to 4: which (`multi`), how many (`count`), how large (`area`).

    Area is the share of the picture that shapes cover, in per cent. Scene i depends on i only.

    Raises:
        UsageError: If what follows the colon is none of these, nor a number of scenes.
    """
    kind, count = _asked(source, options)
    scenes = [
        scene(np.random.default_rng([SEED, i]), SIZE, 1 if kind == "one" else None) for i in range(count)
    ]
    targets: Label | Number
    if kind == "one":
        targets = Label(torch.tensor([int(s.labels[0]) for s in scenes]))
    elif kind == "multi":
        value = np.stack([np.isin(np.arange(len(SHAPES)), s.labels) for s in scenes])
        targets = Label(torch.from_numpy(value))
    else:
        cover = 100 / (SIZE[0] * SIZE[1])
        values = [float(len(s.labels)) if kind == "count" else float(s.areas.sum()) * cover for s in scenes]
        targets = Number(torch.tensor(values).reshape(-1, 1))
    return Dataset(
        name="shapes" if kind == "one" else f"shapes-{kind}",
        format=CARD.name,
        ids=[f"shapes/{i:05d}" for i in range(count)],
        pixels=Arrays(np.stack([s.image for s in scenes])),
        targets=targets,
        classes=Classes(SHAPES) if kind in ("one", "multi") else None,
        outputs=() if kind in ("one", "multi") else (kind,),
    )


def _asked(source: str, options: ReadOptions) -> tuple[str, int]:
    """Kind of truth and number of scenes."""
    kind, count = "count" if options.truth == "number" else "one", COUNT
    for word in source.lower().split(":")[1:]:
        if word in KINDS:
            kind = word
        elif word.isdigit() and int(word) > 0:
            count = int(word)
        else:
            raise UsageError(
                f"'{source}': after the colon goes {', '.join(KINDS)} or a number of scenes, not '{word}'."
            )
    return kind, count
