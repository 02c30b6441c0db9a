"""A model that is hardly trained, images, and one local Ray of two workers for all tests."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from sightline.console import quiet
from sightline.training.recipe import Recipe
from tests.user.conftest import write_photos


@pytest.fixture(scope="package", autouse=True)
def _extra() -> None:
    if not all(
        map(find_spec, ("ray", "pandas", "pyarrow", "grpc"))
    ):  # importing Ray would settle how it starts
        pytest.skip("the extra 'ray' is not installed")


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of lenet5."""
    folder = tmp_path_factory.mktemp("run")
    photos, out = write_photos(folder / "photos"), folder / "run"
    with quiet():
        sl.train(str(photos), model="lenet5", size=32, device="cpu", out=out, recipe=Recipe(epochs=1))
    return out


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder of 11 images, one that is cut off, a stack of two pages, and a file that is no image."""
    folder, rng = tmp_path / "images", np.random.default_rng(0)
    (folder / "deep").mkdir(parents=True)
    arrays = rng.integers(0, 255, (13, 40, 40, 3), dtype=np.uint8)
    for i, array in enumerate(arrays[:11]):
        Image.fromarray(array).save(folder / ("deep" if i % 2 else "") / f"{i:02d}.png")
    Image.fromarray(arrays[11]).save(
        folder / "stack.tif", save_all=True, append_images=[Image.fromarray(arrays[12])]
    )
    (folder / "bad.png").write_bytes((folder / "00.png").read_bytes()[:60])
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture(scope="package")
def ray(_extra: None) -> Iterator[str]:
    """Address of a cluster of this machine, which this process is connected to."""
    from sightline.cluster import start

    library = start.import_ray(start.LOCAL)
    with start.cluster(start.LOCAL, cpus=2):
        yield library.get_runtime_context().gcs_address
