"""Check of constant images: all pixels have one value."""

from __future__ import annotations

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks._report import finding_on
from sightline.data.scan import Scan

CARD = CheckCard(
    name="constant-images",
    summary="Images whose every pixel has the same value",
    findings=("constant-images",),
    of_pixels=True,
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Images with nothing in them."""
    return finding_on(
        dataset,
        "constant-images",
        "warning",
        scan.readable & (scan.low == scan.high),
        "{n} images ({share}) show one single value",
        "Look whether they are black frames or failed exports, and take them out.",
    )
