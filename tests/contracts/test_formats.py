"""Whatever lies in data/formats must keep these promises."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.instances import Instances
from sightline.core.targets.keypoints import Keypoints
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.core.targets.number import RegressionValues
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.targets.tracks import Tracks
from sightline.data.formats import FORMATS
from sightline.data.io.pixels import Arrays
from sightline.data.io.sequences import SequenceItem, Sequences
from sightline.data.parsing.options import ReadOptions
from sightline.data.synthetic.tiny import tiny
from sightline.errors import DataError, SightlineError

ALL = FORMATS.names()
WRITING = [
    pytest.param(name, target_type, id=f"{name}-{target_type}")
    for name in ALL
    for target_type in FORMATS.load(name).CARD.target_types
    if FORMATS.load(name).CARD.writes
]

POINTS_ONLY = ("deeplabcut", "keypoint-table", "label-studio")
"""Formats that hold names and positions of keypoints, and no boxes, limbs or sigmas."""


def made(target_type: str, names: tuple[str, ...] = ("ant", "bee", "cat")) -> Dataset:
    """Twelve grey images with splits, and with groups where numbers are the target. Some have no box; masks
    of objects do not overlap."""
    rng, n = np.random.default_rng(0), 12
    counts = torch.arange(n) % 4
    sides = [np.sort(rng.uniform(0, far, (int(counts.sum()), 2)), 1) for far in (5, 7)]
    boxes = np.stack([*sides[0].T, *sides[1].T], 1)[:, [0, 2, 1, 3]].astype(np.float32)
    owner = rng.integers(0, 4, (n, 7, 5))
    masks = np.stack([owner[i] == k for i, count in enumerate(counts.tolist()) for k in range(count)])
    targets = {
        "outlines": InstanceMasks.of(
            torch.tensor([[7, 5]] * n), counts, CroppedMasks.of(masks), torch.arange(len(boxes)) % len(names)
        ),
        "label": ClassLabels(torch.arange(n) % 3),
        "masks": SemanticMasks.of(rng.choice([0, 1, 2, IGNORE_INDEX], (n, 7, 5))),
        "number": RegressionValues(torch.from_numpy(rng.normal(size=(n, 1)).astype(np.float32))),
        "instances": Instances(
            counts, torch.tensor([[7, 5]] * n), torch.from_numpy(boxes), torch.arange(len(boxes)) % 3
        ),
    }
    if target_type == "tracks":
        return sequences()
    if target_type not in targets:  # a kind that has nothing to be careful of in files
        return tiny(target_type, n, 8, seed=0)
    return Dataset(
        name="made",
        format="made",
        ids=[f"made/{i:02d}" for i in range(n)],
        pixels=Arrays(rng.integers(0, 255, (n, 7, 5, 1)).astype(np.uint8)),
        targets=targets[target_type],
        classes=None if target_type == "number" else Classes(names),
        splits=np.array((["train"] * 6 + ["val"] * 3 + ["test"] * 3), dtype=object),
        groups=np.array([f"g{i // 3}" for i in range(n)], dtype=object) if target_type == "number" else None,
        outputs=("weight",) if target_type == "number" else (),
    )


def sequences() -> Dataset:
    """Six sequences with detections and splits; one box is not scored."""
    tracks = Tracks.synthetic(6, 48, seed=0).targets
    ignored = torch.zeros(len(tracks.ids), dtype=torch.bool)
    ignored[3] = True
    tracks = replace(tracks, ignored=ignored, visibility=torch.rand(len(ignored)).double())
    names = [f"{split}/seq-{i}" for i, split in enumerate(["test", "train", "train", "train", "val", "val"])]
    found = [
        np.column_stack([t.frames, t.boxes + 0.25, t.frames / 10, t.labels])
        for t in (tracks[i] for i in range(6))
    ]
    items = [
        SequenceItem(name, 10, 25.0, (48, 48), rows, {}) for name, rows in zip(names, found, strict=True)
    ]
    splits = np.array([name.split("/")[0] for name in names], dtype=object)
    return Dataset("made", "made", names, Sequences(items), tracks, splits=splits)


def rows(dataset: Dataset) -> dict[str, tuple[str, str, str, str]]:
    """Target, split, group and pixels by id."""
    targets = dataset.targets.to_json()
    groups = ["" for _ in dataset.ids] if dataset.groups is None else dataset.groups.tolist()
    return {
        item: (
            str(targets[i]),
            dataset.splits[i],
            groups[i],
            hashlib.sha1(dataset.pixels.read(i)).hexdigest(),
        )
        for i, item in enumerate(dataset.ids)
    }


def hashes(root: Path) -> dict[Path, str]:
    return {p: hashlib.sha1(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", ALL)
def test_has_a_card_and_the_functions(name: str) -> None:
    module = FORMATS.load(name)
    assert isinstance(module.CARD, FormatCard)
    assert module.CARD.name == name
    assert module.CARD.target_types
    assert module.CARD.recognized_by
    assert module.CARD.writes is hasattr(module, "write")
    assert callable(module.read)


@pytest.mark.parametrize("name", ALL)
def test_is_not_sure_of_nothing(name: str, tmp_path: Path) -> None:
    module = FORMATS.load(name)
    (tmp_path / "file.txt").write_text("text")
    (tmp_path / "empty").mkdir()
    for source in ("empty", "file.txt", "gone"):
        assert module.sniff(str(tmp_path / source), ReadOptions()) == 0


@pytest.mark.parametrize("name", ALL)
def test_what_is_not_there_is_an_error_of_ours(name: str, tmp_path: Path) -> None:
    module = FORMATS.load(name)
    if getattr(module, "NAMES", None) and not hasattr(module, "locate"):
        assert len(module.read(next(iter(module.NAMES)) + "", ReadOptions(data_dir=tmp_path)))
        return
    with pytest.raises(SightlineError):
        module.read(str(tmp_path / "gone"), ReadOptions(data_dir=tmp_path))


def accepted(name: str, target_type: str, folder: Path) -> Dataset | None:
    """What a format writes to a folder: three classes, else one; None where it refuses that target."""
    for names in (
        (("ant", "bee", "cat"), ("object",)) if target_type == "outlines" else (("ant", "bee", "cat"),)
    ):
        original = made(target_type, names)
        try:
            FORMATS.load(name).write(original, folder)
        except DataError as refusal:
            outputs = str(refusal)
        else:
            return original
        assert f"The format '{name}' holds" in outputs
        assert not folder.exists()
    return None


def points(dataset: Dataset) -> list[tuple[object, ...]]:
    """Keypoints of each image and their names: all that formats of points alone can hold."""
    targets = dataset.targets_as(Keypoints)
    parts = [targets[i] for i in range(len(targets))]
    return [(targets.skeleton.names, str(p.points.tolist()), str(p.visibility.tolist())) for p in parts]


@pytest.mark.parametrize(("name", "target_type"), WRITING)
def test_what_is_written_is_read_back(name: str, target_type: str, tmp_path: Path) -> None:
    module, options = FORMATS.load(name), ReadOptions(target_type=target_type)
    original = accepted(name, target_type, tmp_path / "trial")
    if original is None:  # it can be read out of what is written, as boxes can out of masks
        assert target_type != module.CARD.target_types[0]
        return
    first = module.write(original, tmp_path / "one")
    before = hashes(tmp_path / "one")
    assert module.sniff(str(first), options) > 0.5
    item = module.read(str(first), options)
    second = module.write(item, tmp_path / "two")
    other = module.read(str(second), options)
    assert rows(item) == rows(other)
    assert item.classes == other.classes
    if name in POINTS_ONLY and target_type == "keypoints":
        assert points(other) == points(item) == points(original)
        return
    assert sorted(list(rows(item).values())) == sorted(list(rows(original).values()))
    if original.classes is not None:
        count, ids = len(original.classes), item.classes.ids
        assert item.classes.names == original.classes.names
        assert ids == original.classes.ids or (name == "voc-objects" and ids == tuple(range(1, count + 1)))
    assert item.outputs == other.outputs == original.outputs
    assert item.fingerprint() == other.fingerprint()
    assert not item.read_findings
    assert hashes(tmp_path / "one") == before


@pytest.mark.parametrize(("name", "target_type"), WRITING)
def test_what_systems_leave_behind_is_nobodys_image(name: str, target_type: str, tmp_path: Path) -> None:
    module, options = FORMATS.load(name), ReadOptions(target_type=target_type)
    original = accepted(name, target_type, tmp_path / "trial")
    if original is None:
        assert target_type != module.CARD.target_types[0]
        return
    source = str(module.write(original, tmp_path / "out"))
    before = module.read(source, options)
    for file in hashes(tmp_path / "out"):
        for left in (f"._{file.name}", f"@eaDir/{file.name}", f"__MACOSX/{file.name}"):
            (file.parent / left).parent.mkdir(exist_ok=True)
            shutil.copy(file, file.parent / left)
    after = module.read(source, options)
    assert rows(after) == rows(before)
    assert [f.name for f in after.read_findings] == [f.name for f in before.read_findings]
