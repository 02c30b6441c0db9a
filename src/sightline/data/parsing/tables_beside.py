"""Tables beside class folders: their statements about the same images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightline.core.targets.label import ClassLabels
from sightline.data.formats import FORMATS
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import name_of
from sightline.errors import SightlineError

ImageGrid = Sequence[tuple[Path, str, str]]
"""File, split and class of each image, as the folders have it."""


def compared(table: Path, root: Path, images: ImageGrid) -> tuple[bool, str]:
    """Whether a table says of all its images what the folders say, and where it does not; neither where it
    is about something else. Classes may be called otherwise, one for one."""
    try:
        read = FORMATS.load("table").read(str(table), ReadOptions(target_type="label"))
    except (SightlineError, OSError, UnicodeError):
        return False, ""
    if not isinstance(read.targets, ClassLabels) or read.targets.multilabel or read.classes is None:
        return False, ""
    here = {path.resolve(): (split, name) for path, split, name in images}
    names = {name: name for _, name in here.values()}
    for i, (label, row_split) in enumerate(zip(read.targets.value.tolist(), read.splits, strict=True)):
        file, word = read.pixels.path(i), read.classes.names[label]
        if file.resolve() not in here:
            return False, ""
        split, folder = here[file.resolve()]
        if names.setdefault(word, folder) != folder or (row_split and split and row_split != split):
            shown = f"'{row_split}' for an image in '{split}'" if names[word] == folder else f"'{word}'"
            return False, f"{name_of(table, root)} says {shown} of {name_of(file, root)}"
    return len({names[n] for n in read.classes.names}) == len(read.classes), ""
