"""Check of EXIF rotation: in which frame were positions annotated, stored or rotated?"""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.core.sample import IMAGE
from sightline.data.checks._report import finding_on
from sightline.data.scan import Scan

_SAME_SIZE = (2, 3, 4)  # orientations that mirror or turn by 180 degrees
CARD = CheckCard(
    name="positions",
    summary="Boxes and masks on images with an EXIF rotation, where sizes do not show which frame was used",
    findings=("exif-and-positions",),
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Images that are turned when they are read, and whose annotations may not follow."""
    if dataset.input != IMAGE or not dataset.targets.located or not len(dataset):
        return []
    unsized = {item for f in dataset.read_findings if f.name == "exif-and-positions" for item in f.items}
    ways = np.array([1 if f is None else f.orientation for f in scan.facts])
    open_ = (scan.height == scan.width) | np.isin(ways, _SAME_SIZE) | [i in unsized for i in dataset.ids]
    declared = dataset.targets.sizes.numpy()
    same = (declared == np.stack([scan.height, scan.width], 1)).all(1)
    return finding_on(
        dataset, "exif-and-positions", "warning", (ways != 1) & same & open_,
        "{n} images carry an EXIF rotation, which is applied, and their sizes cannot tell whether the "
        "annotations follow it",
        "Look at the first of them in the report: annotations that lie beside their objects were drawn on "
        "stored pixels: --exif ignore. If they are right: --exif apply.",
    )  # fmt: skip
