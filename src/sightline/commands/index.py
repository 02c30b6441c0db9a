"""index: vectors of images in a folder, for search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from sightline.config import Range
from sightline.core.predictor import BATCH_SIZE
from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.inference.vector_index import Indexed


@command
def index(
    run: Path,
    source: Sequence[str],
    *,
    out: Path,
    device: str = "auto",
    batch_size: Annotated[int, Range(1)] = BATCH_SIZE,
) -> Indexed:
    """Make an index of images for `search`, or bring it up to date: only new and changed files are looked at.

    Args:
        run: Run folder or model folder; of classifiers and the like the features before the last layer count.
        source: Images, folders or globs.
        out: Folder of the index (such as gallery.idx).
        device: auto, cpu, cuda, cuda:N or mps.
        batch_size: Batch size.
    """
    from sightline.inference import vector_index

    return vector_index.update(run, list(source), out, device, batch_size)
