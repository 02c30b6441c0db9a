"""search: the nearest images of an index, or near copies in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sightline.config import Range
from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.inference.vector_index import Found


@command
def search(
    index: Path,
    source: Sequence[str] = (),
    *,
    top: Annotated[int, Range(1)] = 5,
    duplicates: bool = False,
    min_cosine: Annotated[float | None, Range(-1, 1)] = None,
    run: Path | None = None,
    device: str = "auto",
) -> Found:
    """Find the images of an index that are nearest to others; the search is exact.

    Args:
        index: Folder that `index` made.
        source: Images to search for, folders or globs.
        top: Number of nearest images for each.
        duplicates: List near copies in the index instead.
        min_cosine: Cosine from which on two images are copies; by default the threshold of the run.
        run: Run that the index was made with, where it is not in its place any more.
        device: auto, cpu, cuda, cuda:N or mps.
    """
    from sightline.errors import UsageError
    from sightline.inference import vector_index

    if duplicates:
        if source:
            raise UsageError("--duplicates looks for copies within the index: leave the images out.")
        return vector_index.duplicates(index, min_cosine)
    if min_cosine is not None:
        raise UsageError("--min-cosine is for --duplicates.")
    return vector_index.search(index, source, top, run, device)
