"""A model that looks by tiles says the same here and in the toolkit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.core.targets.bitmaps import CompressedMaps, CroppedMasks
from sightline.core.targets.instances import Instances
from sightline.core.targets.masks import SemanticMasks
from sightline.data.io import regions
from sightline.data.loading.tiles import tile_windows
from sightline.runtime.session import Item, Session
from sightline.runtime.targets.instances import InstanceArrays
from tests.unit.runtime import exported

TILE = 64


def scene(height: int, width: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST))


def as_in_the_toolkit(result: list[InstanceArrays]) -> Instances:
    """What was seen in some tiles, as the toolkit holds it."""
    masks = None
    if any(first.parts for first in result):
        parts = [part for first in result for part in first.parts]
        corners = torch.tensor([part[:2] for part in parts], dtype=torch.int64)
        masks = CroppedMasks(corners, tuple(CompressedMaps.of(part[2]) for part in parts))
    boxes, labels, scores = (
        torch.from_numpy(np.concatenate([getattr(first, name) for first in result]))
        for name in ("boxes", "labels", "scores")
    )
    counts = torch.tensor([len(first.labels) for first in result])
    sizes = torch.tensor([first.size for first in result])
    return Instances(counts, sizes, boxes, labels, scores, masks=masks)


@pytest.mark.parametrize("kind", ["instances", "outlines", "masks"])
def test_tiles_are_joined_as_in_the_toolkit(kind: str, tmp_path: Path) -> None:
    image = scene(67, 130)
    tiles = tile_windows(torch.tensor([[67, 130]]), TILE)
    parts = [image[y : y + h, x : x + w] for x, y, w, h in tiles.windows(torch.arange(len(tiles.owner)))]
    each = [
        a.prediction for a in Session(exported.write(tmp_path / "a.onnx", kind), threads=1).predict(parts)
    ]
    (mine,) = Session(exported.write(tmp_path / "b.onnx", kind, tile_size=TILE), threads=1).predict([image])
    if kind == "masks":
        whole = tiles.join(SemanticMasks.of([first.map for first in each]))
        assert np.array_equal(mine.prediction.map, whole.map(0))
        assert len(np.unique(whole.map(0))) > 1
        return
    theirs = tiles.join(as_in_the_toolkit(each))
    assert sum(len(first.labels) for first in each) > len(theirs.labels) > 0  # some were told twice
    for name in ("boxes", "labels", "scores"):
        assert np.array_equal(getattr(mine.prediction, name), getattr(theirs, name).numpy())
    if kind == "outlines":
        assert theirs.masks is not None
        for (x, y, crop), (left, top, other) in zip(mine.prediction.parts, theirs.masks, strict=True):
            assert (x, y) == (left, top)
            assert np.array_equal(crop, other)


def test_an_object_on_the_border_of_tiles_is_told_once_and_bad_files_go_on(tmp_path: Path) -> None:
    session = Session(exported.write(tmp_path / "m.onnx", "instances", tile_size=64), threads=1)
    (tmp_path / "text.png").write_text("no image")
    whole = np.full((48, 64, 3), 90, dtype=np.uint8)
    (first, bad, lost) = session.predict(
        [whole, tmp_path / "text.png", Item("film#1", None, error="is cut off")]
    )
    assert first.row["objects"] == len(first.prediction.labels) > 0
    assert "plain text" in bad.error
    assert lost.error == "is cut off"
    (large,) = session.predict([np.full((100, 150, 3), 90, dtype=np.uint8)])
    assert len(large.prediction.labels) > len(first.prediction.labels)
    assert isinstance(large.prediction, InstanceArrays)
    assert (np.diff(large.prediction.scores) <= 0).all()


def test_a_large_tiff_is_read_by_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(exported.write(tmp_path / "m.onnx", "masks", tile_size=64), threads=1)
    Image.fromarray(scene(300, 200)).save(tmp_path / "a.tif", compression="tiff_lzw", strip_size=6000)
    (whole,) = session.predict([tmp_path / "a.tif"])
    monkeypatch.setattr(regions, "LARGE", 1)
    monkeypatch.setenv("SIGHTLINE_MAX_PIXELS", "40000")  # fewer than it has: only blocks are decoded
    (parts,) = session.predict([tmp_path / "a.tif"])
    assert not parts.error
    assert np.array_equal(whole.prediction.map, parts.prediction.map)
