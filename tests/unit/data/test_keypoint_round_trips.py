"""Keypoints written in one format after the other are the same points, as far as each can hold them."""

from __future__ import annotations

from pathlib import Path

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sightline.core.dataset import Classes, Dataset
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import Keypoints
from sightline.data.formats import FORMATS
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data

HEIGHT, WIDTH = 23, 57
NAMES = ("snout", "leftear", "rightear", "tail base")
CHAIN = ("deeplabcut", "coco", "yolo", "keypoint-table", "label-studio", "deeplabcut")


def posed(points: np.ndarray, visibility: np.ndarray, people: int = 1) -> Dataset:
    """Images of `people` objects each, from points (M, J, 2) and visibility (M, J)."""
    n = len(points) // people
    xy, visible = torch.from_numpy(points.astype(np.float32)), torch.from_numpy(visibility.astype(np.int8))
    sizes, counts = torch.tensor([[HEIGHT, WIDTH]] * n), torch.full((n,), people)
    targets = Keypoints.of(sizes, counts, xy, visible, Skeleton.from_names(NAMES))
    pixels = Arrays(np.zeros((n, HEIGHT, WIDTH, 1), np.uint8))
    return Dataset("posed", "posed", [f"{i:03d}" for i in range(n)], pixels, targets, Classes(("animal",)))


def written(data: Dataset, format: str, folder: Path) -> Dataset:
    """What is read, without options, of what a format writes."""
    back = open_data(FORMATS.load(format).write(data, folder))
    assert back.format == format
    return back


@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    points=arrays.arrays(np.float64, (6, 4, 2), elements=st.floats(0, 22, width=32)),
    visibility=arrays.arrays(np.int8, (6, 4), elements=st.integers(0, 2)),
    people=st.sampled_from([1, 2, 3]),
)
def test_points_survive_every_format(
    points: np.ndarray, visibility: np.ndarray, people: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    visibility[:, 0] = 2  # an object without a labeled point is none for formats without boxes
    first = posed(points, visibility, people)
    data, folder = first, tmp_path_factory.mktemp("chain")
    for k, format in enumerate(CHAIN):
        data = written(data, format, folder / str(k))
        mine, theirs = first.targets_as(Keypoints), data.targets_as(Keypoints)
        assert theirs.skeleton.names == mine.skeleton.names
        assert theirs.skeleton.pairs == ((1, 2),)
        assert theirs.counts.tolist() == mine.counts.tolist()
        assert (theirs.points - mine.points).abs().max() < 1e-3
        assert (theirs.visibility > 0).equal(mine.visibility > 0)


def test_hidden_points_stay_hidden_where_a_format_can_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = posed(np.full((2, 4, 2), 5.0) + np.arange(4)[:, None], np.array([[2, 1, 0, 2], [2, 2, 2, 2]]))
    for format in ("coco", "yolo", "keypoint-table"):
        back = written(data, format, tmp_path / format)
        assert back.targets_as(Keypoints).visibility.equal(data.targets_as(Keypoints).visibility)
    capsys.readouterr()
    back = written(data, "deeplabcut", tmp_path / "deeplabcut")
    assert back.targets_as(Keypoints).visibility.tolist() == [[2, 2, 0, 2], [2, 2, 2, 2]]
    outputs = capsys.readouterr()
    assert "1 points are hidden" in outputs.out + outputs.err
    assert "boxes" in outputs.out + outputs.err
