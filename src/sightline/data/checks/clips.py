"""Check of clips: damaged frames, and clips that are single frames."""

from __future__ import annotations

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks._report import finding_on
from sightline.data.io.clip_frames import MAX_LOST
from sightline.data.scan import SHORT_CLIP, Scan

CARD = CheckCard(
    name="clips",
    summary="Clips with frames that cannot be decoded, or with a single frame",
    findings=("frames-damaged", "clips-of-one-frame"),
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """What is wrong with clips that can be used."""
    if dataset.input != "clip":
        return []
    damaged, single = scan.readable & (scan.lost > 0), scan.readable & (scan.depth == 1)
    return [
        *finding_on(dataset, "frames-damaged", "warning", damaged,
               f"{{n}} clips have frames that cannot be decoded, up to {MAX_LOST:.0%} of them; the nearest "
               f"good frame stands for each (of clips of more than {SHORT_CLIP} frames four were tried)",
               "Fetch these films again, or cut the damaged part off."),
        *finding_on(dataset, "clips-of-one-frame", "warning", single,
               "{n} clips have a single frame, which is repeated: there is no motion in them",
               "Look whether they are films; stills are read with --task classify."),
    ]  # fmt: skip
