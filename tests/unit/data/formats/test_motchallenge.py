"""MOTChallenge: recognized, read as it is meant, and broken files refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.core.dataset import Dataset
from sightline.core.targets.tracks import DISTRACTOR, OTHER_CLASS, Tracks
from sightline.data.checks.tracks import run as check_tracks
from sightline.data.io.encode import encode_png
from sightline.data.io.sequences import Sequences
from sightline.data.open import open_data
from sightline.data.parsing.mot_text import looks_like_mot
from sightline.data.parsing.unread import unread
from sightline.data.scan import Scan, scan
from sightline.errors import DataError

GT = "1,1,10,20,30,40,1,1,1\n1,2,50,20,30,40,1,1,0.5\n3,1,12,20,30,40,1,1,1\n"


def sequence(folder: Path, gt: str | None = GT, det: str | None = None, facts: str = "") -> Path:
    for name, text in (("gt/gt.txt", gt), ("det/det.txt", det), ("seqinfo.ini", facts or None)):
        if text is not None:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    return folder


def tracks(dataset: Dataset) -> Tracks:
    return dataset.targets_as(Tracks)


def findings(dataset: Dataset) -> dict[str, int]:
    every = [*dataset.read_findings, *check_tracks(dataset, Scan.empty(len(dataset)))]
    return {f.name: f.count for f in every}


def test_boxes_identities_and_length_are_read(tmp_path: Path) -> None:
    root = sequence(tmp_path / "walk", det="1,-1,9,19,30,40,77.5,-1,-1,-1\n")
    data = open_data(root)
    assert (data.format, list(data.ids), data.classes) == ("motchallenge", ["walk"], None)
    read = tracks(data)
    assert read.frames.tolist() == [1, 1, 3]
    assert read.ids.tolist() == [1, 2, 1]
    assert read.boxes[0].tolist() == [10, 20, 40, 60]
    assert read.lengths.tolist() == [3]
    assert read.visibility is not None
    assert read.visibility.tolist() == [1, 0.5, 1]
    assert read.scores is None
    assert isinstance(data.pixels, Sequences)
    assert data.pixels.items[0].detections is not None
    assert data.pixels.items[0].detections.tolist() == [[1, 9, 19, 39, 59, 77.5, -1]]
    assert data.pixels.read(0)[:, 0].tolist() == [3, 1], "a row of facts before the detections"


@pytest.mark.parametrize("line", [
    "1,1,10,20,30,40,-1",
    "1,1,10,20,30,40,1,-1,-1,-1",
    "1,1,10,20,30,40,1,1,0.4",
    "1 1 10 20 30 40 1",
    "1.0,1.0,10.0,20,30,40,1,9.26,8.3,0",
])  # fmt: skip
def test_every_form_of_the_benchmark_is_one_box(line: str, tmp_path: Path) -> None:
    read = tracks(open_data(sequence(tmp_path / "a", f"\n{line}\n\n")))
    assert read.boxes.tolist() == [[10, 20, 40, 60]]
    assert read.labels.tolist() == [-1]
    assert read.scorable().tolist() == [True]


@pytest.mark.parametrize("text", [
    "  ".join(f"{n:8d}" for n in range(1_000)),
    "1,1," + ",".join(["123456789"] * 1_000),
    "1 1 2 3 4 5" + " " * 10_000 + "x",
])  # fmt: skip
def test_lines_that_are_none_are_told_without_trying_all_ways(text: str, tmp_path: Path) -> None:
    """This test does not end where a line matches parts of the pattern in several ways."""
    (tmp_path / "numbers.txt").write_text(f"{text}\n" * 3)
    assert not looks_like_mot(tmp_path / "numbers.txt")
    unread(tmp_path)


def test_seqinfo_and_images_tell_length_rate_and_size(tmp_path: Path) -> None:
    facts = "[Sequence]\nname=a\nimDir=img1\nframeRate=14\nseqLength=5\n"
    root = sequence(tmp_path / "a", facts=facts)
    (root / "img1").mkdir()
    for frame in (1, 2, 4, 5):
        (root / f"img1/{frame:06d}.png").write_bytes(encode_png(np.zeros((48, 64, 3), np.uint8)))
    data = open_data(root)
    read = tracks(data)
    assert (read.lengths.tolist(), read.rates.tolist(), read.sizes.tolist()) == ([5], [14], [[48, 64]])
    finding = next(f for f in data.read_findings if f.name == "frames-missing")
    assert "1 of 5 frames (3)" in finding.items[0]


def test_frames_from_zero_are_shifted_with_their_detections_and_this_is_said(tmp_path: Path) -> None:
    root = sequence(tmp_path / "a", "0,1,1,1,9,9,1\n1,1,1,1,9,9,1\n", det="1,-1,1,1,9,9,0.5\n")
    data = open_data(root)
    assert tracks(data).frames.tolist() == [1, 2]
    assert isinstance(data.pixels, Sequences)
    assert data.pixels.read(0)[1, 0] == 2
    assert findings(data)["frames-from-zero"] == 1


def test_splits_are_folders_and_copies_of_a_sequence_are_one_group(tmp_path: Path) -> None:
    for name in ("MOT17-02-DPM", "MOT17-02-SDP", "MOT17-04-DPM"):
        sequence(tmp_path / "train" / name)
    sequence(tmp_path / "test" / "MOT17-01-DPM", gt=None, det="1,-1,1,1,9,9,0.5\n")
    data = open_data(tmp_path)
    assert set(data.splits) == {"train"}
    assert data.groups is not None
    assert len(set(data.groups)) == 2
    assert findings(data)["annotations-missing"] == 1


def test_classes_of_mot17_are_known_by_its_name(tmp_path: Path) -> None:
    rows = [(1, 1, 1), (2, 1, 8), (3, 1, 3), (4, 0, 1), (5, 0, 7)]  # identity, flag, class
    gt = "".join(f"1,{i},{20 * i},1,9,9,{flag},{kind},1\n" for i, flag, kind in rows)
    read = tracks(open_data(sequence(tmp_path / "MOT17-02", gt)))
    assert read.roles is not None
    assert read.roles.tolist() == [0, DISTRACTOR, OTHER_CLASS, 0, DISTRACTOR]
    assert read.scored().tolist() == [True, False, False, False, False]
    data = open_data(sequence(tmp_path / "street", gt))
    assert tracks(data).roles is None, "elsewhere all classes are objects"
    assert data.classes is not None
    assert data.classes.ids == (1, 3, 7, 8)
    assert any("all are scored" in text for text in data.messages)


def test_labels_txt_names_the_classes(tmp_path: Path) -> None:
    root = sequence(tmp_path / "a", "1,1,1,1,9,9,1,2,1\n1,2,20,1,9,9,1,1,1\n")
    (root / "gt/labels.txt").write_text("car\nbus\n")
    data = open_data(root)
    assert data.classes is not None
    assert [data.classes.names[k] for k in tracks(data).labels.tolist()] == ["bus", "car"]
    (root / "gt/labels.txt").write_text("car\n")
    with pytest.raises(DataError, match=r"class 2.*labels\.txt are 1 to 1"):
        open_data(root)


@pytest.mark.parametrize(("gt", "message"), [
    ("1,1,1,1,9,9,1\n1,1,5,5,9,9,1\n", "frame 1 has identity 1 twice"),
    ("1,-1,1,1,9,9,1\n", "1 of 1 boxes have no identity"),
    ("1,1.5,1,1,9,9,1\n", "identity 1.5"),
    ("1,1,1,1,9,9,1\n2,1,1,1,9,9\n", "line 2: 6 columns, and 7"),
    ("1,1,1,1,9,9,1\n2,1,1,x,9,9,1\n", "line 2: 'x' is no number"),
    ("1,1,nan,1,9,9,1\n", "finite numbers"),
    ("1,9007199254740992,1,1,9,9,1\n1,9007199254740993,9,1,9,9,1\n", "below 2\\*\\*53"),
    ("1,99999999999999999999,1,1,9,9,1\n", "below 2\\*\\*53"),
])  # fmt: skip
def test_what_cannot_be_meant_is_refused(gt: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        open_data(sequence(tmp_path / "a", gt), format="motchallenge")


def test_odd_boxes_are_kept_and_reported(tmp_path: Path) -> None:
    facts = "[Sequence]\nseqLength=300\nframeRate=10\nimWidth=100\nimHeight=100\n"
    lines = ["1,1,1,1,9,9,1", "100,1,1,1,9,9,1", "2,2,1,1,0,9,1", "3,3,-50,1,9,9,1", "301,4,1,1,9,9,1"]
    gt = "\n".join([*lines, "4,5,9,9,9,9,0"])
    data = open_data(sequence(tmp_path / "a", gt, "1,-1,1,1,9,9,1\n", facts))
    assert len(tracks(data).ids) == 6
    names = ("frames-beyond-end", "track-boxes-without-size", "track-boxes-outside", "track-ids-reused")
    assert findings(data) == dict.fromkeys([*names, "track-boxes-not-scored"], 1)


def test_an_empty_file_of_boxes_and_detections_after_the_end_are_told(tmp_path: Path) -> None:
    facts = "[Sequence]\nseqLength=3\nframeRate=10\nimWidth=100\nimHeight=100\n"
    data = open_data(sequence(tmp_path / "a", "", "1,-1,1,1,9,9,1\n4,-1,1,1,9,9,1\n", facts))
    found = {f.name: f.severity for f in data.read_findings}
    assert found == {"sequences-without-boxes": "warning", "detections-beyond-end": "error"}


def test_text_files_alone_are_sequences_by_their_names(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("1,7,1,1,9,9,0.25,-1,-1,-1\n")
    data = open_data(tmp_path)
    assert list(data.ids) == ["a", "b"]
    assert tracks(data).scores is not None
    assert tracks(data).scores.tolist() == [0.25, 0.25]  # type: ignore[union-attr]
    assert open_data(tmp_path / "a.txt").ids == ["a"]


def test_a_folder_of_other_texts_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    with pytest.raises(DataError):
        open_data(tmp_path)


def test_joining_fills_in_what_one_part_does_not_say() -> None:
    plain = Tracks.of([[[1, 1, 0, 0, 5, 5]]], [(9, 9)])
    scored = Tracks.of([[[2, 1, 0, 0, 5, 5, 0.5]], []], [(9, 9), (0, 0)])
    both = Tracks.cat([plain, scored])
    assert both.scores is not None
    assert both.scores.tolist() == [1, 0.5]
    assert both[2].counts.tolist() == [0]
    assert torch.equal(both[[1, 0]].frames, torch.tensor([2, 1]))


def test_tud_campus_is_read_as_what_it_is(data_folder: Callable[[str], Path]) -> None:
    data = open_data(data_folder("tud_campus_mot"))
    read = tracks(data)
    assert data.format == "motchallenge"
    assert (int(read.counts.sum()), len(set(read.ids.tolist()))) == (359, 8)
    assert (read.lengths.tolist(), read.sizes.tolist(), read.rates.tolist()) == ([71], [[480, 640]], [25])
    assert isinstance(data.pixels, Sequences)
    assert len(data.pixels.read(0)) == 1 + 344
    assert len(data.pixels.items[0].images) == 71
    assert scan(data).readable.all()
    assert not data.read_findings
