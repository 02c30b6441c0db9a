"""MOTChallenge: sequences with the boxes and identities of objects in each frame.

Source: Leal-Taixe et al., MOTChallenge 2015, arXiv 1504.01942; Milan et al., MOT16, arXiv 1603.00831.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sightline.console import say
from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding
from sightline.core.targets.tracks import Tracks
from sightline.data.io.sequences import SequenceItem, Sequences
from sightline.data.io.walk import files_in
from sightline.data.parsing.class_folders import as_split
from sightline.data.parsing.findings import listed
from sightline.data.parsing.mot_classes import MOT_CLASSES, classes_of, roles_of, rules_of
from sightline.data.parsing.mot_sequences import (
    MotSequence,
    read_sequence,
    read_text,
    sequence_folders,
    series_of,
)
from sightline.data.parsing.mot_text import looks_like_mot
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import name_of
from sightline.data.parsing.writing import number
from sightline.errors import DataError

CARD = FormatCard(
    name="motchallenge",
    summary="MOTChallenge: a folder a sequence, or a text file, with a line for each box in a frame",
    recognized_by="NAME/gt/gt.txt, perhaps NAME/det/det.txt, NAME/img1/000001.jpg and NAME/seqinfo.ini; or "
    "text files of lines frame,id,left,top,width,height,score,-1,-1,-1",
    target_types=("tracks",),
    writes=True,
)


def sniff(source: str, options: ReadOptions) -> float:
    """High for folders of sequences and for text files of boxes in frames."""
    path = Path(source)
    if options.target_type not in (None, CARD.target_types[0]):
        return 0.0
    if path.is_file():
        return 0.97 if path.suffix.lower() == ".txt" and looks_like_mot(path) else 0.0
    if not path.is_dir():
        return 0.0
    return 0.98 if sequence_folders(path) or _texts(path) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All sequences that have annotations. Given detections (det/det.txt) come along as input.

    Frames are counted from 1; a file that counts from 0 is shifted, with a finding. Boxes of flag 0 are kept
    and not scored.

    Raises:
        DataError: If there is no sequence, or a file cannot be read.
    """
    root = Path(source)
    places = sequence_folders(root) if root.is_dir() else []
    texts = [] if places else [root] if root.is_file() else _texts(root)
    parts = [read_sequence(place) for place in places] + [read_text(path) for path in texts]
    annotated = [part for part in parts if part.rows is not None]
    if not annotated:
        what = "sequences have no gt/gt.txt" if parts else "there is no sequence"
        raise DataError(f"{root}: {what}. Expected {CARD.recognized_by}.")
    bare = [name_of(part.place, root) for part in parts if part.rows is None]
    what = "sequences have no gt/gt.txt, and were left out"
    fix = "Add the file, or take the folders out."
    findings = listed("annotations-missing", "warning", bare, what, fix)
    return _dataset(root, annotated, findings, bool(places))


def _texts(root: Path) -> list[Path]:
    """Text files of a folder, if all are boxes in frames."""
    files = files_in(root, ".txt")
    return files if files and all(map(looks_like_mot, files)) else []


def _dataset(root: Path, parts: list[MotSequence], findings: list[Finding], laid_out: bool) -> Dataset:
    rules = [rules_of(part.place) for part in parts]
    numbers = [part.rows.classes for part in parts if part.rows is not None]
    classes, note = classes_of(numbers, [part.labels for part in parts], rules)
    targets = [_targets(part, classes, rule) for part, rule in zip(parts, rules, strict=True)]
    names = [_name(part, root, laid_out) for part in parts]
    splits = np.array([as_split(n.split("/")[0]) if "/" in n else "" for n in names], dtype=object)
    series = [series_of(name) for name in names]
    groups = np.array(series, dtype=object) if len(set(series)) < len(names) else None
    pixels = Sequences([replace(part.item, name=name) for part, name in zip(parts, names, strict=True)])
    tracks = sum(len(set(t.ids.tolist())) for t in targets)
    messages = [
        f"{len(parts):,} sequences, {sum(p.item.length for p in parts):,} frames, {tracks:,} tracks, "
        f"{sum(len(t.ids) for t in targets):,} boxes.",
        *note,
    ]
    findings = [*findings, *(f for f in _findings(parts, names, laid_out) if f)]
    name = root.resolve().name if root.is_dir() else names[0]
    return Dataset(
        name, CARD.name, names, pixels, Tracks.cat(targets), classes, splits, groups, root=root,
        read_findings=tuple(findings), messages=tuple(messages),
    )  # fmt: skip


def _name(part: MotSequence, root: Path, laid_out: bool) -> str:
    """Path below the root; of the root itself, and of a text file, its own name."""
    if laid_out and part.place != root:
        return name_of(part.place, root)
    return part.item.name


def _targets(part: MotSequence, classes: Classes | None, rule: int) -> Tracks:
    rows = part.rows
    assert rows is not None
    order = np.argsort(rows.frames, kind="stable")
    ids = {} if classes is None else {number: k for k, number in enumerate(classes.ids)}
    labels = np.array([ids.get(c, -1) for c in rows.classes[order].tolist()], dtype=np.int64)
    roles = (
        roles_of(rows.classes[order], rule) if classes is not None and classes.names == MOT_CLASSES else None
    )
    ignored = rows.flags[order] == 0
    item = part.item
    return Tracks(
        torch.tensor([len(order)]),
        torch.tensor([item.size]),
        torch.tensor([item.length]),
        torch.tensor([item.rate], dtype=torch.float64),
        torch.from_numpy(rows.frames[order]),
        torch.from_numpy(rows.ids[order]),
        torch.from_numpy(rows.boxes[order]),
        torch.from_numpy(labels),
        torch.from_numpy(rows.flags[order]) if part.scored else None,
        torch.from_numpy(ignored) if ignored.any() and not part.scored else None,
        torch.from_numpy(roles) if roles is not None and roles.any() else None,
        None if rows.visibility is None else torch.from_numpy(rows.visibility[order]),
    )


def _findings(parts: list[MotSequence], names: list[str], laid_out: bool) -> list[Finding]:
    shifted = [name for part, name in zip(parts, names, strict=True) if part.shifted]
    gaps = [f"{n}: {p.missing}" for p, n in zip(parts, names, strict=True) if p.missing]
    bare = [n for p, n in zip(parts, names, strict=True) if p.item.detections is None and laid_out]
    none = "sequences have no det/det.txt: a tracker finds nothing"
    empty = [n for p, n in zip(parts, names, strict=True) if p.rows is not None and not len(p.rows.ids)]
    beyond = [n for p, n in zip(parts, names, strict=True) if _reaches_beyond(p.item)]
    return [
        *listed("sequences-without-boxes", "warning", empty, "sequences have no box in gt/gt.txt",
                "Nothing, if nothing is to be followed in them; else put the annotations there."),
        *listed("detections-beyond-end", "error", beyond, "sequences have detections after their last frame",
                "Correct seqLength in seqinfo.ini, or take these detections out."),
        *listed("frames-from-zero", "warning", shifted, "sequences count frames from 0; 1 was added to all",
                "Nothing, if frame 0 is the first image. Else count frames from 1."),
        *listed("frames-missing", "warning", gaps, "sequences lack images",
                "Add the images, or correct seqLength in seqinfo.ini."),
        *listed("detections-missing", "warning", bare, none,
                "Add det/det.txt, with boxes that a detector found; scores need none."),
    ]  # fmt: skip


def _reaches_beyond(item: SequenceItem) -> bool:
    """Whether a detection lies after the last frame."""
    return item.detections is not None and bool((item.detections[:, 0] > item.length).any())


def write(dataset: Dataset, folder: Path) -> Path:
    """Write SPLIT/NAME/gt/gt.txt (9 columns), seqinfo.ini, and det/det.txt where there are detections.

    Images are not copied.

    Returns:
        What to open: the folder.

    Raises:
        DataError: If the folder is not empty, or the targets are no tracks.
    """
    targets, pixels = dataset.targets, dataset.pixels
    if not isinstance(targets, Tracks):
        raise DataError(f"The format '{CARD.name}' holds tracks, not a {dataset.target_type}.")
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty. Name a new folder.")
    if targets.scores is not None:
        say(f"The format '{CARD.name}' cannot hold scores; not written to {folder}.")
    for i, name in enumerate(dataset.ids):
        split = str(dataset.splits[i])
        place = folder / (name if not split or as_split(name.split("/")[0]) == split else f"{split}/{name}")
        part = targets[i]
        (place / "gt").mkdir(parents=True)
        (place / "gt" / "gt.txt").write_text(_text(part, dataset.classes), encoding="utf-8")
        (place / "seqinfo.ini").write_text(_facts(part, place.name), encoding="utf-8")
        if dataset.classes is not None and dataset.classes.names != MOT_CLASSES:
            text = "".join(f"{name}\n" for name in dataset.classes.names)
            (place / "gt" / "labels.txt").write_text(text, encoding="utf-8")
        detections = pixels.items[i].detections if isinstance(pixels, Sequences) else None
        if detections is not None:
            (place / "det").mkdir()
            (place / "det" / "det.txt").write_text(_detections(detections), encoding="utf-8")
    return folder


def _text(part: Tracks, classes: Classes | None) -> str:
    """Lines of a file of 9 columns."""
    ids = (1, 1) if classes is None else (*classes.ids, -1)
    flags = torch.ones(len(part.ids)) if part.ignored is None else 1.0 - part.ignored.double()
    visibility = torch.ones(len(part.ids)) if part.visibility is None else part.visibility
    lines = []
    for frame, identity, (x1, y1, x2, y2), label, flag, share in zip(
        *(v.tolist() for v in (part.frames, part.ids, part.boxes, part.labels, flags, visibility)),
        strict=True,
    ):
        box = ",".join(map(number, (x1, y1, x2 - x1, y2 - y1, flag)))
        lines.append(f"{frame},{identity},{box},{ids[label]},{number(share)}\n")
    return "".join(lines)


def _detections(rows: np.ndarray) -> str:
    lines = []
    for frame, x1, y1, x2, y2, score, _ in rows.tolist():
        lines.append(
            f"{int(frame)},-1," + ",".join(map(number, (x1, y1, x2 - x1, y2 - y1, score))) + ",-1,-1,-1\n"
        )
    return "".join(lines)


def _facts(part: Tracks, name: str) -> str:
    (height, width), rate = part.sizes[0].tolist(), float(part.rates[0])
    facts = {"name": name, "imDir": "img1", "seqLength": int(part.lengths[0])}
    facts |= {} if math.isnan(rate) else {"frameRate": number(rate)}
    facts |= {"imWidth": width, "imHeight": height} if width else {}
    return "[Sequence]\n" + "".join(f"{key}={value}\n" for key, value in facts.items())
