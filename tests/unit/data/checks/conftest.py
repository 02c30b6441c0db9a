"""Small data sets to plant trouble into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding
from sightline.core.targets.label import ClassLabels
from sightline.data.check import run_checks
from sightline.data.io.pixels import Arrays, Files
from sightline.data.scan import scan


def random_images(n: int, size: int = 32, seed: int = 0) -> np.ndarray:
    """(n, size, size, 3) uint8 scenes of random blots, all different."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, size // 4, size // 4, 3))
    return coarse.repeat(4, 1).repeat(4, 2).astype(np.uint8)


def labeled(
    images: np.ndarray, labels: Sequence[int] | None = None, names: Sequence[str] = ("cat", "dog")
) -> Dataset:
    """A data set in memory; labels take turns if left out."""
    value = torch.arange(len(images)) % len(names) if labels is None else torch.tensor(labels)
    ids = [f"{i:03d}" for i in range(len(images))]
    return Dataset("toy", "toy", ids, Arrays(images), ClassLabels(value), Classes(tuple(names)))


def findings(dataset: Dataset) -> dict[str, Finding]:
    """All findings by name."""
    return {f.name: f for f in run_checks(dataset, scan(dataset))}


@pytest.fixture
def in_files(tmp_path: Path) -> Callable[..., Dataset]:
    """Forty sound PNG files of two classes, and whatever more is asked for."""

    def make(more: dict[str, bytes | Image.Image] | None = None, **save: object) -> Dataset:
        paths = []
        for i, image in enumerate(random_images(40)):
            paths.append(tmp_path / f"{i:03d}.png")
            Image.fromarray(image).save(paths[-1])
        for name, content in (more or {}).items():
            paths.append(tmp_path / name)
            if isinstance(content, bytes):
                paths[-1].write_bytes(content)
            else:
                content.save(paths[-1], **save)
        value = torch.arange(len(paths)) % 2
        return Dataset(
            "files", "toy", [p.name for p in paths], Files(paths), ClassLabels(value), Classes(("cat", "dog"))
        )

    return make
