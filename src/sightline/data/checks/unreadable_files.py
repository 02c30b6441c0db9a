"""Check of unreadable files: files that cannot be decoded."""

from __future__ import annotations

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks._report import finding_on
from sightline.data.scan import Scan

REPLACE = "Fetch them again from their source, or take them out of the data."
# reason of UnreadableImage: (finding, what it is, how to mend it)
KINDS = {
    "empty": ("empty-files", "hold no byte at all", REPLACE),
    "truncated": ("truncated-files", "end too early", REPLACE),
    "not-an-image": (
        "not-images",
        "hold something else than an image",
        "Take them out of the image folder.",
    ),
    "unsupported": (
        "unsupported-files",
        "are images of a kind that is not read",
        "Convert them to PNG, JPEG, TIFF or WebP.",
    ),
    "no-frames": (
        "parts-without-frames",
        "have no frame in the part that is named",
        "Correct start and end of these clips.",
    ),
    "mismatched": (
        "mismatched-files",
        "differ from the others in their bands or their type of numbers",
        "Write all files with the same bands and the same type of numbers.",
    ),
    "bomb": (
        "huge-files",
        "have more pixels than is safe to decode",
        "Scale them down or cut them into tiles, if they are meant.",
    ),
    "not-finite": ("not-finite-files", "hold NaN or infinite values", "Write them again with finite values."),
    "zero-size": ("zero-size-files", "have a width or height of zero", REPLACE),
    "unreadable": (
        "unreadable-files",
        "cannot be read",
        "Check that they exist and may be read; else: " + REPLACE,
    ),
}
CARD = CheckCard(
    name="unreadable-files",
    summary="Files that cannot be decoded: empty, truncated, not an image, too large, not readable",
    findings=(*(name for name, _, _ in KINDS.values()), "no-readable-images"),
)
NEEDED = ("no-readable-images",)
"""Findings that accepting does not get past: there is nothing to train on."""


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """One finding for each kind of trouble; says of the first file what was wrong with it."""
    findings: list[Finding] = []
    names = {reason: KINDS.get(reason, KINDS["unreadable"])[0] for reason in set(scan.reasons) - {""}}
    for name, what, fix in KINDS.values():
        where = scan.reasons != ""
        where[where] = [names[r] == name for r in scan.reasons[where]]
        if where.any():
            first = int(where.argmax())
            example = f" (first: {dataset.ids[first]}: {scan.details.get(first, '')})"
            message = f"{{n}} of the files {what}" + example.replace("{", "{{").replace("}", "}}")
            findings += finding_on(dataset, name, "error", where, message, fix)
    if not scan.readable.any():
        what = "none of the {n} images can be read"
        fix = "Mend the files as said of each kind, or name another folder."
        findings += finding_on(dataset, "no-readable-images", "error", ~scan.readable, what, fix)
    return findings
