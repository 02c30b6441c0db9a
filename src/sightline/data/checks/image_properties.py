"""Check of image properties: files that decode, but perhaps not as their owner expects."""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks._report import finding_on
from sightline.data.scan import Scan

CARD = CheckCard(
    name="image-properties",
    summary="Image properties: animated, misnamed, EXIF-rotated, 16-bit, CMYK, transparent files",
    findings=(
        "animated",
        "wrong-extension",
        "exif-rotated",
        "more-than-8-bits",
        "cmyk",
        "alpha",
        "fully-transparent",
    ),
    of_pixels=True,
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """What the headers of the files say. Nothing for images in memory."""
    facts = [(i, f) for i, f in enumerate(scan.facts) if f is not None]
    if not facts:
        return []

    def those(test: list[bool]) -> np.ndarray:
        return np.array([i for (i, _), yes in zip(facts, test, strict=True) if yes], dtype=np.int64)

    alpha = those([f.has_alpha for _, f in facts])
    white = (scan.low[alpha] == 255) & (scan.high[alpha] == 255)
    return [
        *finding_on(dataset, "animated", "warning", those([f.frames > 1 for _, f in facts]),
               "{n} files have several frames or pages; training sees only the first of each",
               "Extract those that matter, or accept that the first one stands for all. `predict` answers "
               "each page of a TIFF; --task action learns from all frames of an animation."),
        *finding_on(dataset, "wrong-extension", "warning", those([not f.extension_matches for _, f in facts]),
               "{n} files are of another format than their extension says; read by content",
               "Rename them: other programs may go by the extension."),
        *finding_on(dataset, "exif-rotated", "info", those([f.orientation != 1 for _, f in facts]),
               "{n} files carry an EXIF rotation, which is applied",
               "Nothing to do, unless `exif-and-positions` stands beside this; programs that ignore EXIF "
               "see them turned."),
        *finding_on(dataset, "more-than-8-bits", "info", those([f.bits > 8 for _, f in facts]),
               "{n} files have more than 8 bits a value; scaled to 8 bits by the full range of their type",
               "Nothing to do, unless a finding on lost levels stands beside this, or fine steps matter: "
               "--pixel-range LOW,HIGH keeps those of a part."),
        *finding_on(dataset, "cmyk", "info", those([f.cmyk for _, f in facts]),
               "{n} files are CMYK; converted to RGB",
               "Nothing to do; write them as RGB if the exact colours matter."),
        *finding_on(dataset, "alpha", "info", alpha,
               "{n} files have an alpha channel; put on white",
               "Nothing to do, unless another background is meant."),
        *finding_on(dataset, "fully-transparent", "error", alpha[white],
               "{n} files show nothing once their alpha channel is put on white",
               "Take them out, or remove their alpha channel if it was never filled in."),
    ]  # fmt: skip
