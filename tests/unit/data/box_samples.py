"""Small data sets with boxes, in memory and on disk, for the tests of formats and checks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding
from sightline.core.targets.instances import Instances
from sightline.data.formats import FORMATS
from sightline.data.io.encode import encode_png
from sightline.data.io.pixels import Arrays
from sightline.data.parsing.options import ReadOptions

Box = tuple[str, float, float, float, float]


def write_image(path: Path, height: int = 30, width: int = 40, value: int = 7) -> Path:
    """Write a PNG of one value."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.full((height, width, 1), value, np.uint8)))
    return path


def opened(format: str, source: Path, **options: Any) -> Dataset:
    """Read as one format."""
    data: Dataset = FORMATS.load(format).read(str(source), ReadOptions(**options))
    return data


def sure(format: str, source: Path) -> float:
    """How sure a format is."""
    return float(FORMATS.load(format).sniff(str(source), ReadOptions()))


def boxes(data: Dataset) -> dict[str, list[Box]]:
    """Class name and corners of each box, by the image's name without folder and ending."""
    assert data.classes is not None
    result = {}
    for i, item in enumerate(data.ids):
        first = data.targets[i]
        names = [data.classes.names[k] for k in first.labels.tolist()]
        result[Path(item).stem] = [(n, *b) for n, b in zip(names, first.boxes.tolist(), strict=True)]
    return result


def problems(data: Dataset) -> dict[str, Finding]:
    """Findings of reading, by name; each only once."""
    assert len({f.name for f in data.read_findings}) == len(data.read_findings)
    return {f.name: f for f in data.read_findings}


def made(
    rows: Sequence[Sequence[tuple[int, float, float, float, float]]],
    classes: Classes,
    splits: Sequence[str] = (),
    size: tuple[int, int] = (30, 40),
    **more: torch.Tensor,
) -> Dataset:
    """A data set in memory: for each image its boxes as class index and corners."""
    flat = [box for row in rows for box in row]
    n = len(rows)
    pixels = np.random.default_rng(0).integers(0, 255, (n, *size, 3)).astype(np.uint8)
    targets = Instances(
        torch.tensor([len(row) for row in rows], dtype=torch.int64),
        torch.tensor([size] * n).reshape(n, 2),
        torch.tensor([box[1:] for box in flat], dtype=torch.float32).reshape(-1, 4),
        torch.tensor([box[0] for box in flat], dtype=torch.int64),
        **more,
    )
    ids = [f"p{i:02d}" for i in range(n)]
    given = np.array(splits or [""] * n, dtype=object)
    return Dataset("made", "made", ids, Arrays(pixels), targets, classes, given)
