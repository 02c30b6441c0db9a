"""Sequences of MOTChallenge: a folder with boxes, perhaps detections, images and facts; or a text file."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.console import say
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.images import probe
from sightline.data.io.sequences import SequenceItem
from sightline.data.io.video_probe import EXTENSIONS as FILMS
from sightline.data.io.walk import files_in
from sightline.data.parsing.class_folders import folders
from sightline.data.parsing.mot_text import (
    MotRows,
    SequenceFacts,
    read_facts,
    read_mot,
    refuse_repeated,
)
from sightline.errors import DataError, UnreadableImage

_NUMBER = re.compile(r"(\d+)\D*$")
_FLAGS = (-1.0, 0.0, 1.0)
_COPY = re.compile(r"-(DPM|FRCNN|SDP|POI)$")
_SHOWN = 3


@dataclass(frozen=True)
class MotSequence:
    """What was read of a sequence.

    Attributes:
        place: Folder, or text file.
        item: Detections, images and facts.
        rows: Boxes with identities, frames counted from 1; None where there is no gt.txt.
        labels: Names of the classes 1, 2, ... (labels.txt), or None.
        scored: Whether column 7 holds scores, as in a result, rather than flags.
        shifted: Whether frames were counted from 0.
        missing: Frames without an image, in words; "" if there are none.
    """

    place: Path
    item: SequenceItem
    rows: MotRows | None
    labels: tuple[str, ...] | None = None
    scored: bool = False
    shifted: bool = False
    missing: str = ""


def is_sequence(folder: Path) -> bool:
    """Whether a folder is a sequence: it has gt/gt.txt, det/det.txt or seqinfo.ini."""
    return any((folder / name).is_file() for name in ("gt/gt.txt", "det/det.txt", "seqinfo.ini"))


def read_sequence(folder: Path) -> MotSequence:
    """Read a folder of a sequence.

    Raises:
        DataError: If a file is broken.
    """
    facts = SequenceFacts()
    if (folder / "seqinfo.ini").is_file():
        facts = read_facts(folder / "seqinfo.ini")
    text, given = folder / "gt" / "gt.txt", _detection_file(folder)
    rows = read_mot(text) if text.is_file() else None
    detections = None if given is None else read_mot(given)
    shifted = any(part is not None and (part.frames == 0).any() for part in (rows, detections))
    if shifted:
        rows, detections = (None if part is None else _shift(part) for part in (rows, detections))
    if rows is not None:
        _must_be_tracks(rows, text)
    images = _images(folder / facts.images)
    last = [int(part.frames.max(initial=0)) for part in (rows, detections) if part is not None]
    item = SequenceItem(
        folder.resolve().name,
        facts.length or max(images, default=0) or max(last, default=0),
        facts.rate,
        (facts.height, facts.width) if facts.height else _size(images),
        None if detections is None else _table(detections),
        images,
        next(iter(files_in(folder, *FILMS)), None),
    )
    names = folder / "gt" / "labels.txt"
    return MotSequence(
        folder, item, rows, _names(names), shifted=shifted, missing=_missing(images, item.length)
    )


def read_text(file: Path) -> MotSequence:
    """Read a text file: annotations, or the result of a tracker.

    Raises:
        DataError: If it is broken.
    """
    if file.name == "gt.txt" and file.parent.name == "gt":
        part = read_sequence(file.parent.parent)
        return replace(part, item=replace(part.item, detections=None))
    rows = read_mot(file)
    shifted = bool((rows.frames == 0).any())
    rows = _shift(rows) if shifted else rows
    _must_be_tracks(rows, file)
    name = file.parent.resolve().name if file.stem in ("gt", "det") else file.stem
    item = SequenceItem(name, int(rows.frames.max(initial=0)), math.nan, (0, 0), None, {})
    scored = file.stem != "gt" and not np.isin(rows.flags, _FLAGS).all()
    return MotSequence(file, item, rows, scored=scored, shifted=shifted)


def sequence_folders(root: Path) -> list[Path]:
    """Folders of sequences: the root, else those in it or in its folders (of splits)."""
    if is_sequence(root):
        return [root]
    first = folders(root)
    direct = [place for place in first if is_sequence(place)]
    return direct or [place for outer in first for place in folders(outer) if is_sequence(place)]


def series_of(name: str) -> str:
    """Name of a sequence without the detector of its copy: MOT17 has each once for DPM, FRCNN and SDP."""
    return _COPY.sub("", name)


def given_sequences(path: Path) -> list[SequenceItem]:
    """What a tracker reads: sequences of a folder with their detections, or those of one text file. Those
    without are named in a message.

    Raises:
        DataError: If there are none, or a file is broken.
    """
    if path.is_file():
        rows = read_mot(path)
        rows = _shift(rows) if (rows.frames == 0).any() else rows
        name = path.parent.resolve().name if path.stem in ("gt", "det") else path.stem
        return [SequenceItem(name, int(rows.frames.max(initial=0)), math.nan, (0, 0), _table(rows), {})]
    parts = [read_sequence(place).item for place in sequence_folders(path)] if path.is_dir() else []
    items = [part for part in parts if part.detections is not None]
    bare = [part.name for part in parts if part.detections is None]
    if items and bare:
        say(f"{len(bare):,} of {len(parts):,} sequences have no det/det.txt and are left out: {_some(bare)}.")
    if not items:
        what = f"{len(parts)} sequences without det/det.txt" if parts else "no sequence"
        raise DataError(
            f"{path}: there is {what}. Expected a folder with det/det.txt, a folder of such folders, or a "
            "text file of lines frame,-1,left,top,width,height,score."
        )
    return items


def _must_be_tracks(rows: MotRows, file: Path) -> None:
    """Refuse boxes without an identity, and two of one identity in a frame."""
    without = int((rows.ids < 0).sum())
    if without:
        raise DataError(
            f"{file}: {without:,} of {len(rows.ids):,} boxes have no identity (-1). Expected tracks; "
            "detections belong into det/det.txt."
        )
    refuse_repeated(rows, file)


def _detection_file(folder: Path) -> Path | None:
    """det/det.txt, else the only text file in det/."""
    files = files_in(folder / "det", ".txt")
    named = [file for file in files if file.name == "det.txt"]
    if not named and len(files) > 1:
        raise DataError(
            f"{folder / 'det'}: {len(files)} files of detections ({files[0].name}, {files[1].name}). Call "
            "the one to use det.txt."
        )
    return next(iter(named or files), None)


def _shift(rows: MotRows) -> MotRows:
    return replace(rows, frames=rows.frames + 1)


def _table(rows: MotRows) -> NDArray[np.float64]:
    """(M, 7) rows of detections, sorted by frame; see `SequenceItem`."""
    order = np.argsort(rows.frames, kind="stable")
    whole = np.column_stack([rows.frames, rows.boxes, rows.flags, rows.classes])
    return np.asarray(whole[order], dtype=np.float64)


def _images(folder: Path) -> dict[int, Path]:
    """Images of a folder by the number of their frame, from 1."""
    files = files_in(folder, *ALL_EXTENSIONS)
    numbers = [_NUMBER.search(file.stem) for file in files]
    numbered = {int(m.group(1)): file for m, file in zip(numbers, files, strict=True) if m is not None}
    if len(numbered) < len(files):
        return dict(enumerate(files, 1))
    return {number + (0 in numbered): file for number, file in sorted(numbered.items())}


def _size(images: dict[int, Path]) -> tuple[int, int]:
    for file in images.values():
        try:
            facts = probe(file)
        except UnreadableImage:
            continue
        return facts.height, facts.width
    return 0, 0


def _missing(images: dict[int, Path], length: int) -> str:
    numbers = [frame for frame in range(1, length + 1) if frame not in images] if images else []
    return f"{len(numbers):,} of {length:,} frames ({_some(numbers)})" if numbers else ""


def _some(items: Sequence[object]) -> str:
    return ", ".join(map(str, items[:_SHOWN])) + (", ..." if len(items) > _SHOWN else "")


def _names(file: Path) -> tuple[str, ...] | None:
    if not file.is_file():
        return None
    lines = (line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines())
    return tuple(line for line in lines if line)
