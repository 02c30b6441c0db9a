"""Builder of a data set of image labels or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.label import ClassLabels
from sightline.data.io.pixels import Files
from sightline.data.parsing.findings import listed, unseen
from sightline.data.parsing.paths import Lookup
from sightline.data.parsing.splits import name_of
from sightline.data.parsing.targets import TargetBuilder
from sightline.errors import DataError


def of_lists(rows: Sequence[Sequence[str]]) -> TargetBuilder:
    """Labels of each image: one class each where none has more, else several; none is missing."""
    names = tuple(sorted({label for row in rows for label in row}))
    place = {name: k for k, name in enumerate(names)}
    missing = np.array([not row for row in rows], dtype=bool)
    if all(len(set(row)) <= 1 for row in rows):
        class_ids = torch.tensor([place[row[0]] if row else 0 for row in rows], dtype=torch.int64)
        return TargetBuilder(ClassLabels(class_ids), missing, Classes(names))
    value = torch.zeros(len(rows), len(names), dtype=torch.bool)
    for i, row in enumerate(rows):
        value[i, [place[label] for label in row]] = True
    note = "Some images have several labels: each image may have any of the classes."
    return TargetBuilder(ClassLabels(value), missing, Classes(names), messages=[note])


def labeled(
    source: Path,
    root: Path,
    format: str,
    paths: Sequence[Path],
    splits: Sequence[str],
    labels: TargetBuilder,
    notes: Sequence[str] = (),
    columns: Mapping[str, Sequence[str]] | None = None,
) -> Dataset:
    """The data set of all existing images with a target; findings about the others.

    Args:
        source: What the user named.
        root: Folder that the names of items are relative to.
        format: Name of the format.
        paths: File of each image.
        splits: Split of each image.
        labels: Target of each image.
        notes: What was found out.
        columns: What else is said of each image, by name.

    Raises:
        DataError: If none can be used.
    """
    problems: list[Finding] = []

    def note(name: str, severity: Severity, items: Sequence[str], message: str, fix: str) -> None:
        problems.extend(listed(name, severity, items, message, fix))

    lookup = Lookup(root)
    hits = [lookup.find(path, split) for path, split in zip(paths, splits, strict=True)]
    files = [path if hit is None else hit for path, hit in zip(paths, hits, strict=True)]
    problems += lookup.findings()
    ids = [name_of(path, root) for path in files]
    here = np.array([hit is not None for hit in hits], dtype=bool)
    first: dict[str, int] = {}
    again = np.array([first.setdefault(name, i) != i for i, name in enumerate(ids)], dtype=bool)
    fix = "Put the files there, or take them out of the annotation."
    gone = [ids[i] for i in np.flatnonzero(~here).tolist() if not lookup.doubtful(paths[i])]
    note("files-missing", "error", gone, "annotated images are not there, and were left out", fix)
    none = [ids[i] for i in np.flatnonzero(here & labels.missing)]
    what = "rows have no target (empty, NaN or infinite)"
    note("target-missing", "error", none, what, "Fill them in, or take these images out.")
    twice = [ids[i] for i in np.flatnonzero(here & again)]
    what = "images are named more than once, and the first row was taken"
    note("rows-contradict", "error", twice, what, "Keep one row an image.")
    used = np.flatnonzero(here & ~again & ~labels.missing).tolist()
    if not used:
        why = problems[0].message if problems else "It names none."
        raise DataError(f"{source}: none of the {len(ids)} images can be used. {why}")
    targets = labels.targets[torch.tensor(used)]
    parts = np.array(splits, dtype=object)[used]
    if labels.classes is not None and not getattr(targets, "multilabel", False):
        problems += unseen(labels.classes.names, targets.value.numpy(), parts)
    return Dataset(
        name=source.resolve().stem if source.is_file() else source.resolve().name,
        format=format,
        ids=[ids[i] for i in used],
        pixels=Files([files[i] for i in used]),
        targets=targets,
        classes=labels.classes,
        splits=parts,
        columns={name: np.array(v, dtype=object)[used] for name, v in (columns or {}).items()},
        root=source,
        outputs=labels.outputs,
        read_findings=tuple(problems),
        messages=(*notes, *labels.messages),
    )
