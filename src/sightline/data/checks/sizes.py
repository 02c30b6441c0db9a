"""Check of image sizes: sizes and channels that differ, are extreme, or reveal the class."""

from __future__ import annotations

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks._report import finding_on
from sightline.data.scan import Scan

TINY = 8  # pixels of the shorter side
LONG = 4.0  # longer side over shorter
CARD = CheckCard(
    name="sizes",
    summary="Sizes and channels that differ, very long or tiny images",
    findings=("sizes-differ", "channels-differ", "extreme-aspect", "tiny-images"),
    of_pixels=True,
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """What differs among the sizes of the readable images."""
    ok = scan.readable
    if not ok.any():
        return []
    short, long = np.minimum(scan.width, scan.height), np.maximum(scan.width, scan.height)
    usual = float(np.median(short[ok]))
    return [
        *_sizes(dataset, scan, ok),
        *_channels(dataset, scan, ok),
        *finding_on(dataset, "extreme-aspect", "warning", ok & (long > LONG * np.maximum(short, 1)),
               f"{{n}} images are more than {LONG:g} times as long as wide",
               "Resizing to a square squeezes or cuts them a lot: crop or tile them."),
        *finding_on(dataset, "tiny-images", "warning", ok & ((short < TINY) | (short < usual / 8)),
               f"{{n}} images are tiny beside the others (shorter side usually {usual:.0f} pixels)",
               "Look whether they are thumbnails or icons that came along, and take them out."),
    ]  # fmt: skip


def _sizes(dataset: Dataset, scan: Scan, ok: np.ndarray) -> list[Finding]:
    pairs = np.stack([scan.width, scan.height], 1)[ok]
    sizes, counts = np.unique(pairs, axis=0, return_counts=True)
    if len(sizes) == 1:
        return []
    common = sizes[counts.argmax()]
    others = ok & ((scan.width != common[0]) | (scan.height != common[1]))
    (w0, h0), (w1, h1) = pairs.min(0), pairs.max(0)
    return finding_on(
        dataset,
        "sizes-differ",
        "info",
        others,
        f"{len(sizes):,} sizes, widths {w0} to {w1}, heights {h0} to {h1}; the commonest is "
        f"{common[0]} x {common[1]}, {{n}} images have another",
        "Nothing to do: all are brought to one size for training.",
    )


def _channels(dataset: Dataset, scan: Scan, ok: np.ndarray) -> list[Finding]:
    few = 1 if (scan.channels[ok] == 3).sum() >= ok.sum() / 2 else 3
    what = "grey among colour images" if few == 1 else "in colour among grey ones"
    return finding_on(
        dataset,
        "channels-differ",
        "info",
        ok & (scan.channels == few) & bool((scan.channels[ok] != few).any()),
        f"{{n}} images ({{share}}) are {what}; all are read with the same number of channels",
        "Look whether the grey ones belong to certain classes: a network will use that.",
    )
