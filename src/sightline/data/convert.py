"""A data set in another format: read in one, checked, and written in another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightline.console import say
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.check import refuse
from sightline.data.formats import FORMATS
from sightline.errors import UsageError


def written_formats() -> list[str]:
    """Names of the formats that data sets are written in."""
    return [name for name in FORMATS.names() if hasattr(FORMATS.load(name), "write")]


def convert(
    dataset: Dataset, findings: Sequence[Finding], accept: Sequence[str], name: str, folder: Path
) -> None:
    """Write a checked data set, with its images, in a format.

    Args:
        dataset: What was read.
        findings: What the check found.
        accept: Names of findings that are known and meant.
        name: The format to write.
        folder: New or empty.

    Raises:
        UsageError: If the format is not written.
        DataError: If the check found an error that is not accepted, or the format cannot hold these targets.
    """
    if name not in written_formats():
        FORMATS.load(name)  # an unknown name is told with the nearest
        others = ", ".join(written_formats())
        raise UsageError(f"--to {name}: this format is read only. These are written: {others}.")
    refuse(findings, accept)
    where = FORMATS.load(name).write(dataset, folder)
    say(f"Wrote {len(dataset):,} images as '{name}': {where}.")
