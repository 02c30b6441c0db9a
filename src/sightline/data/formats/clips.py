"""Clips with a class: folders of films or of frames, tables, and the lists of UCF101."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.label import ClassLabels
from sightline.data.io.clips import ClipFiles, Segment
from sightline.data.io.items import first_dtype
from sightline.data.io.pixels import Files
from sightline.data.io.stacks import stack_dtype
from sightline.data.parsing.clip_folders import LAYOUT, guess_groups, has_clips, has_films, list_clips
from sightline.data.parsing.clip_lists import (
    ClipRows,
    is_clip_table,
    is_ucf_list,
    read_clip_table,
    read_ucf_lists,
)
from sightline.data.parsing.findings import listed, unseen
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import name_of
from sightline.errors import DataError

CARD = FormatCard(
    name="clips",
    summary="films or folders of frames with a class: a folder per class, a table, or lists of UCF101",
    recognized_by="clips/walk/1.mp4 and clips/run/2.mp4, clips/walk/1/frame_1.jpg (for a task that takes "
    "clips), or clips.csv with the columns path and label, perhaps start, end, split and group",
    target_types=("label",),
)


def sniff(source: str, options: ReadOptions) -> float:
    """High if class folders or a table hold films; or anything that can be a clip, where clips are wanted."""
    path, wanted = Path(source), options.input == "clip"
    if options.input not in (None, "clip") or options.target_type not in (None, *CARD.target_types):
        return 0.0
    if path.is_dir():
        if any(is_ucf_list(p) for p in path.glob("*list*.txt")):
            return 0.97
        return 0.97 if (has_clips(path) if wanted else has_films(path)) else 0.0
    return 0.97 if is_clip_table(path, wanted) or is_ucf_list(path) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all clips with their class. Groups come from the table, else from names, else they are the
    films of which several parts are clips.

    Raises:
        DataError: If there is no clip, images and films are mixed, or a clip ends before it starts.
    """
    path = Path(source)
    if path.is_dir() and not any(is_ucf_list(p) for p in path.glob("*list*.txt")):
        rows, root = _of_folders(path), path
    elif path.exists():
        listing = path.is_dir() or is_ucf_list(path)
        rows = read_ucf_lists(path) if listing else read_clip_table(path, options.target)
        root = path if path.is_dir() else path.parent
    else:
        raise DataError(f"There is no file or folder '{path}'. {LAYOUT}")
    ids = _ids(rows, root)
    keep = np.flatnonzero(_usable(rows, ids)).tolist()
    if not len(keep):
        why = rows.findings[-1].message if rows.findings else LAYOUT
        raise DataError(f"{path}: no clip can be used. {why}")
    names = tuple(sorted({rows.labels[i] for i in keep}))
    values = np.array([names.index(rows.labels[i]) for i in keep], dtype=np.int64)
    splits = np.array(rows.splits, dtype=object)[keep]
    files = Files([rows.paths[i] for i in keep])
    parts = None if rows.segments is None else [rows.segments[i] for i in keep]
    return Dataset(
        name=path.resolve().stem if path.is_file() else path.resolve().name,
        format=CARD.name,
        ids=[ids[i] for i in keep],
        pixels=ClipFiles(files, parts, first_dtype(files, stack_dtype)),
        targets=ClassLabels(torch.from_numpy(values)),
        classes=Classes(names),
        splits=splits,
        groups=_groups(rows, keep, root),
        columns={name: np.array(v, dtype=object)[keep] for name, v in rows.columns.items()},
        root=path,
        read_findings=(*rows.findings, *unseen(names, values, splits)),
        messages=tuple(rows.messages),
    )


def _of_folders(root: Path) -> ClipRows:
    """Clips of class folders."""
    contents = list_clips(root)
    if not contents.clips:
        raise DataError(f"{root}: no clip in it. {LAYOUT}")
    paths, splits, labels = map(list, zip(*contents.clips, strict=True))
    rows = ClipRows(paths, labels, splits)
    empty = sorted(contents.classes - set(rows.labels))
    what, fix = "class folders hold no clip", "Put films or folders of frames there, or remove the folders."
    rows.findings += listed("class-without-images", "error", empty, what, fix)
    others = [name_of(p, root) for p in contents.others]
    what = "files are no clips, and were left aside"
    fix = "Convert them to mp4, avi, webm or gif, or ignore this."
    rows.findings += listed("other-files", "info", others, what, fix)
    return rows


def _ids(rows: ClipRows, root: Path) -> list[str]:
    """Path of each clip below the root, and the part of the film that it is."""
    names = [name_of(path, root) for path in rows.paths]
    if rows.segments is None:
        return names
    return [f"{name}{_part(part)}" for name, part in zip(names, rows.segments, strict=True)]


def _part(segment: Segment) -> str:
    if segment.start == 0 and segment.end is None:
        return ""
    unit = "" if segment.in_frames else "s"
    return f"@{segment.start:g}-{'' if segment.end is None else f'{segment.end:g}'}{unit}"


def _usable(rows: ClipRows, ids: Sequence[str]) -> np.ndarray:
    """(N,) bool: rows with a film, a class, and a name of their own; the others are findings."""
    here = np.array([path.exists() for path in rows.paths], dtype=bool)
    gone = [ids[i] for i in np.flatnonzero(~here).tolist()]
    fix = "Put the films there, or take the rows out. Paths are relative to the list."
    rows.findings += listed("files-missing", "error", gone, "clips of the list are not there", fix)
    blank = np.array([not label for label in rows.labels], dtype=bool)
    nameless = [ids[i] for i in np.flatnonzero(blank & here).tolist()]
    fix = "Fill the cells in, or take the rows out."
    rows.findings += listed("target-missing", "error", nameless, "rows have no class", fix)
    first: dict[str, int] = {}
    again = np.array([first.setdefault(name, i) != i for i, name in enumerate(ids)], dtype=bool)
    where = np.flatnonzero(again & here).tolist()
    apart = [ids[i] for i in where if rows.labels[i] != rows.labels[first[ids[i]]]]
    what = "clips have two classes, and the first row was taken"
    rows.findings += listed("rows-contradict", "error", apart, what, "Decide which row is right.")
    same = [ids[i] for i in where if ids[i] not in apart]
    what = "rows repeat an earlier one"
    rows.findings += listed("rows-repeated", "warning", same, what, "Keep one row a clip.")
    return np.asarray(here & ~blank & ~again)


def _groups(rows: ClipRows, keep: list[int], root: Path) -> np.ndarray | None:
    """(N,) group of each clip, or None."""
    groups, paths = rows.groups, [rows.paths[i] for i in keep]
    reason = "" if groups is None else "as the table says"
    if groups is not None:
        groups = [groups[i] for i in keep]
    else:
        groups, pattern = guess_groups(paths, root)
        reason = f"guessed from the names ({pattern})" if groups else ""
    if groups is None and len(set(paths)) < len(paths):
        groups, reason = [str(path) for path in paths], "the films that they are parts of"
    if groups is None:
        return None
    rows.messages.append(
        f"{len(set(groups)):,} groups of clips, {reason}: clips of one group are kept in one part of a split "
        "that is drawn."
    )
    return np.array(groups, dtype=object)
