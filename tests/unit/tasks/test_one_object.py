"""One object followed from its first box."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from sightline.errors import UsageError
from sightline.runtime.track.association import iou
from sightline.runtime.track.mosse import Mosse


def test_a_walker_is_followed_through_a_real_film(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    """Crossing of OTB: 1-based boxes x, y, width, height."""
    folder = data_folder("otb_crossing") / "Crossing"
    target = np.loadtxt(folder / "groundtruth_rect.txt", delimiter=",")
    target[:, :2] -= 1
    target[:, 2:] += target[:, :2]
    prompt = "box " + ",".join(f"{v:g}" for v in target[0])
    sl.predict("track:mosse", [str(folder / "img")], prompt=prompt, out=tmp_path / "tracks.txt")
    rows = np.loadtxt(tmp_path / "tracks.txt", delimiter=",")
    assert rows[:, 0].tolist() == list(range(1, 121))
    assert set(rows[:, 1]) == {1}
    boxes = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], 1)
    overlap = np.array([iou(boxes[[i]], target[[i]])[0, 0] for i in range(120)])
    assert np.mean([(overlap > t).mean() for t in np.linspace(0, 1, 21)]) >= 0.68
    apart = (boxes[:, :2] + boxes[:, 2:] - target[:, :2] - target[:, 2:]) / 2
    assert (np.hypot(*apart.T) <= 20).all()


def scene(x: float | None) -> np.ndarray:
    """A speckled square at x, or none, before speckles that stand still."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 120, (120, 240, 1), dtype=np.uint8)
    square = rng.integers(60, 255, (24, 24, 1), dtype=np.uint8)
    if x is not None:
        image[48:72, round(x) : round(x) + 24] = square
    return image


def test_an_object_that_is_hidden_is_waited_for() -> None:
    follower = Mosse(scene(40), (40, 48, 64, 72))
    for t in range(1, 20):
        box = follower.update(scene(40 + 3 * t))
    assert box == pytest.approx([97, 48, 121, 72], abs=2)
    shown = follower.ratio
    follower.update(scene(None))
    assert follower.ratio < shown / 2
    assert follower.update(scene(100)) == pytest.approx([100, 48, 124, 72], abs=3)


def save(folder: Path, name: str, t: int) -> None:
    folder.mkdir(exist_ok=True)
    Image.fromarray(scene(40 + 4 * t)[..., 0]).save(folder / name)


def test_frames_are_followed_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Names that are sorted as text, and a folder whose name has the sign of frames, lose the object."""
    for t in range(12):
        save(tmp_path / "walk#000001", f"frame_{t}.png", t)
    found = sl.predict("track:mosse", [str(tmp_path)], prompt="box 40,48,64,72", out=tmp_path / "t.txt")
    assert found.errors == []
    rows = np.loadtxt(tmp_path / "t.txt", delimiter=",")
    assert rows[:, 0].tolist() == list(range(1, 13))
    assert rows[:, 2] == pytest.approx([40 + 4 * t for t in range(12)], abs=1.5)


def test_each_stack_of_a_folder_begins_with_the_box(tmp_path: Path) -> None:
    for name in ("a", "b"):
        first, *others = [Image.fromarray(scene(40 + 3 * t)[..., 0]) for t in range(4)]
        first.save(tmp_path / f"{name}.tif", save_all=True, append_images=others)
    prompt = "box 40,48,64,72"
    sl.predict("track:mosse", [str(tmp_path)], prompt=prompt, out=tmp_path / "t", to="motchallenge")
    ways = [np.loadtxt(tmp_path / f"t/{name}.txt", delimiter=",") for name in ("a", "b")]
    assert ways[0][:, 2] == pytest.approx([40, 43, 46, 49], abs=1)
    assert (ways[0] == ways[1]).all()
    with pytest.raises(UsageError, match="holds one film, and 2 are given"):
        sl.predict("track:mosse", [str(tmp_path / "*.tif")], prompt=prompt, out=tmp_path / "t.txt")


def test_each_folder_begins_with_the_box_and_a_wrong_one_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for t in range(4):
            Image.fromarray(scene(40 + 3 * t)[..., 0]).save(tmp_path / f"{name}/{t}.png")
    found = sl.predict("track:mosse", [str(tmp_path)], prompt="box 40,48,64,72", out=tmp_path / "t.jsonl")
    ways = [row["boxes"][0]["x1"] for row in found.rows]
    assert ways[:4] == pytest.approx([40, 43, 46, 49], abs=1)
    assert ways[4:] == ways[:4]
    with pytest.raises(UsageError, match="does not lie in the frame of 240 x 120"):
        sl.predict("track:mosse", [str(tmp_path)], prompt="box 400,48,464,72")
    with pytest.raises(UsageError, match="--prompt is one box"):
        sl.predict("track:mosse", [str(tmp_path)], prompt="point 4,5")
