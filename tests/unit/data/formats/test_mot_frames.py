"""Frames of MOTChallenge as data of detection: what is set aside is no object and no background."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.core.dataset import Dataset
from sightline.core.targets.instances import Instances
from sightline.data.io.encode import encode_png
from sightline.data.open import open_data
from sightline.data.split import split
from sightline.errors import DataError
from tests.unit.data.formats.test_motchallenge import sequence


def frames(folder: Path, gt: str, count: int = 3) -> Path:
    """A sequence of images of 48 x 64."""
    sequence(folder, gt)
    (folder / "img1").mkdir()
    for t in range(1, count + 1):
        image = np.random.default_rng(t).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        (folder / f"img1/{t:06d}.png").write_bytes(encode_png(image))
    return folder


def boxes(data: Dataset) -> Instances:
    return data.targets_as(Instances)


def detect(root: Path) -> Dataset:
    return open_data(root, target_type="instances")


def test_classes_that_are_set_aside_become_ignore_regions(tmp_path: Path) -> None:
    """Of MOT17, as TrackEval scores it; elsewhere all classes are objects, but for those of flag 0."""
    rows = [(1, 1, 1, 1), (2, 1, 8, 1), (3, 0, 3, 1), (4, 0, 1, 1), (5, 1, 1, 0)]  # id, flag, class, visible
    gt = "".join(f"1,{i},{10 * i},1,9,9,{flag},{kind},{seen}\n" for i, flag, kind, seen in rows)
    data = detect(frames(tmp_path / "MOT17-02", gt, 1))
    assert data.classes is not None
    assert data.classes.names == ("pedestrian",)
    assert boxes(data).labels.tolist() == [0] * 5
    assert boxes(data).crowd is not None
    assert boxes(data).crowd.tolist() == [False, True, True, True, True]  # type: ignore[union-attr]
    assert any("4 boxes are ignore regions" in text for text in data.messages)
    data = detect(frames(tmp_path / "street", gt, 1))
    assert data.classes is not None
    assert [data.classes.names[k] for k in boxes(data).labels] == [f"class {k}" for k in (1, 8, 3, 1, 1)]
    assert boxes(data).crowd.tolist() == [False, False, True, True, False]  # type: ignore[union-attr]


def test_frames_of_a_sequence_stay_together_and_copies_are_read_once(tmp_path: Path) -> None:
    names = [f"MOT17-{k:02d}-{d}" for k in range(8) for d in ("DPM", "SDP")]
    for name in names:
        frames(tmp_path / "data" / name, "".join(f"{t},1,1,1,9,9,1,1,1\n" for t in (1, 2, 3)))
    data = detect(tmp_path / "data")
    assert len(data) == 8 * 3
    assert data.groups is not None
    part = split(data, seed=1).assignment
    assert set(part) == {"train", "val", "test"}
    assert all(len(set(part[data.groups == g])) == 1 for g in set(data.groups))
    assert any("8 copies of sequences" in text for text in data.messages)


def test_boxes_are_cut_at_the_frame_and_empty_frames_are_told(tmp_path: Path) -> None:
    gt = "1,1,-4,10,10,20,1\n1,2,60,40,20,20,1\n3,2,80,1,9,9,1\n4,2,1,1,9,9,1\n"
    data = detect(frames(tmp_path / "a", gt))
    assert boxes(data).boxes.tolist() == [[0, 10, 6, 30], [60, 40, 64, 48]]
    assert boxes(data).counts.tolist() == [2, 0, 0]
    found = {f.name: (f.severity, f.count) for f in data.read_findings}
    assert found == {
        "files-missing": ("error", 1),
        "frames-without-boxes": ("warning", 1),
        "track-boxes-outside": ("warning", 1),
    }
    assert any("2 boxes reach out of their frame" in text for text in data.messages)


def test_what_detection_cannot_use_is_refused_with_the_way_out(tmp_path: Path) -> None:
    film = sequence(tmp_path / "film")
    (film / "walk.mp4").touch()
    with pytest.raises(DataError, match=r"no images of the frames.*ffmpeg -i walk\.mp4"):
        detect(film)
    half = frames(tmp_path / "half", "1,1,1,1,9,9,1,2,1\n1,2,1,1,9,9,1,-1,1\n")
    with pytest.raises(DataError, match=r"1 of 2 boxes in gt/gt\.txt have no class"):
        detect(half)


def test_tud_campus_is_a_data_set_of_boxes(data_folder: Callable[[str], Path]) -> None:
    data = detect(data_folder("tud_campus_mot"))
    assert (data.format, len(data), int(boxes(data).counts.sum())) == ("mot-frames", 71, 359)
    assert not data.read_findings
    assert open_data(data_folder("tud_campus_mot")).format == "motchallenge", (
        "tracks, if nothing is asked for"
    )
