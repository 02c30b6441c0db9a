"""Check of conversion losses: dark data, more than three bands, alpha channels."""

from __future__ import annotations

import math

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks._report import finding_on
from sightline.data.io.items import ItemFiles
from sightline.data.scan import Scan

FEW, SOME = 48, 128
"""Of 256 levels: so few are too few, and so few are worth a word."""
PARTLY = 0.5
"""Share of half opaque pixels from which an alpha channel is not about transparency."""
CARD = CheckCard(
    name="levels",
    summary="Dark data of more than 8 bits, bands that are not read, alpha channels with data",
    findings=(
        "levels-lost",
        "levels-fewer",
        "color-levels-lost",
        "own-range",
        "beyond-range",
        "extra-bands",
        "alpha-is-data",
    ),
    of_pixels=True,
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """What is lost on the way to 8 bits. Nothing for images in memory, and where all values are kept."""
    if isinstance(dataset.pixels, ItemFiles):
        return []
    span = getattr(dataset.pixels, "span", None)
    low, high, top = np.where(scan.readable[:, None], scan.raw[:, :3], np.nan).T
    if span is not None:
        gray = _beyond(dataset, low, high, span)
    else:
        gray = [*_of_type(dataset, low, high, top), *_of_its_own(dataset, low, high, top)]
    return [*gray, *_colors(dataset, scan), *_bands(dataset, scan), *_alpha(dataset, scan)]


def _of_type(dataset: Dataset, low: np.ndarray, high: np.ndarray, top: np.ndarray) -> list[Finding]:
    """Grey values that fill little of the range of their type, over all images."""
    where = ~np.isnan(top)
    if not where.any():
        return []
    least, most, full = low[where].min(), high[where].max(), top[where].max()
    levels = (most - least) / full * 255 + 1
    levels_text = (
        f"values from {least:g} to {most:g} of 0 to {full:g}: {math.ceil(levels)} of 256 levels are left"
    )
    fix = f"Say --pixel-range {_range(least, most)}, which is then used wherever the model is."
    if levels < FEW:
        return finding_on(
            dataset, "levels-lost", "error", where, f"{{n}} files hold {levels_text} when scaled by that", fix
        )
    if levels < SOME:
        return finding_on(
            dataset, "levels-fewer", "warning", where, f"{{n}} files hold {levels_text} when scaled so", fix
        )
    return []


def _of_its_own(dataset: Dataset, low: np.ndarray, high: np.ndarray, top: np.ndarray) -> list[Finding]:
    """Values that have no range of their type: each image was scaled by its own."""
    where = np.isnan(top) & ~np.isnan(low)
    if not where.any():
        return []
    least, most = low[where].min(), high[where].max()
    return finding_on(
        dataset, "own-range", "warning", where,
        "{n} files hold 32-bit values or fractions beyond 0 to 1, and each was scaled by its own lowest and "
        f"highest value ({least:g} to {most:g} over all): how bright one is beside another is lost",
        f"Say --pixel-range {_range(least, most)}, unless each is meant by itself.",
    )  # fmt: skip


def _beyond(dataset: Dataset, low: np.ndarray, high: np.ndarray, span: tuple[float, float]) -> list[Finding]:
    """Values that the range that was asked for has not, and how much of it is used."""
    where = (low < span[0]) | (high > span[1])
    wide = ~np.isnan(low)
    if not wide.any():
        return []
    least, most = low[wide].min(), high[wide].max()
    text = f"{{n}} files hold values beyond --pixel-range {span[0]:g},{span[1]:g}, which were cut to it; all "
    text += f"are from {least:g} to {most:g}"
    fix = "Nothing, if what lies beyond does not matter; else name a wider range."
    findings = finding_on(dataset, "beyond-range", "warning", where, text, fix)
    levels = (min(most, span[1]) - max(least, span[0])) / (span[1] - span[0]) * 255 + 1
    if levels < FEW:
        left = max(0, math.ceil(levels))
        text = f"{{n}} files hold values from {least:g} to {most:g}: {left} of 256 levels are left"
        fix = f"Say --pixel-range {_range(least, most)}."
        findings += finding_on(dataset, "levels-lost", "error", wide, text, fix)
    return findings


def _range(low: float, high: float) -> str:
    """A range that holds all values: that of so many bits where they fill it, else their own."""
    bits = 2 ** max(1, math.ceil(math.log2(max(high, 1) + 1))) - 1
    if low >= 0 and low % 1 == high % 1 == 0 and (high - low) / bits * 256 > FEW:
        return f"0,{bits}"  # what a camera of so many bits may show tomorrow
    return f"{low:.6g},{high:.6g}"


def _colors(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Colours of more than 8 bits, of which the upper 8 are read."""
    wide = [f is not None and f.bits > 8 and f.channels > 1 for f in scan.facts]
    where = np.array(wide, dtype=bool) & scan.readable & np.isnan(scan.raw[:, 0])
    if not where.any() or int(scan.high[where].max()) - int(scan.low[where].min()) >= FEW:
        return []
    least, most = int(scan.low[where].min()), int(scan.high[where].max())
    return finding_on(
        dataset, "color-levels-lost", "error", where,
        f"{{n}} files hold colours of more than 8 bits that fill little of their range: "
        f"{most - least + 1} of 256 levels are left",
        "Write them as 8 bits a channel, scaled by the range that they have (4095 for 12 bits).",
    )  # fmt: skip


def _bands(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Bands beyond grey or three colours that are no transparency."""
    more = [f is not None and (f.bands > f.channels or f.mode == "RGBX") for f in scan.facts]
    where = np.array(more, dtype=bool) & scan.readable
    return finding_on(
        dataset, "extra-bands", "error", where,
        "{n} files hold further bands, such as near infrared, which are left aside; only the first three (or "
        "the first) are used",
        "Accept it if these are red, green and blue. Else write the bands that matter as three of a file.",
    )  # fmt: skip


def _alpha(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Alpha channels that say nothing of what is to be seen: data, or one value all over."""
    least, most, partly = scan.raw[:, 3], scan.raw[:, 4], scan.raw[:, 5]
    where = scan.readable & ((partly > PARTLY) | ((least == most) & (least > 0) & (least < 255)))
    return finding_on(
        dataset, "alpha-is-data", "error", where,
        "{n} files have a fourth channel that is read as transparency and is half opaque nearly all over: "
        "colours were laid on white by it",
        "If it is a measurement (near infrared, depth) write the files without it; accept it if it is meant.",
    )  # fmt: skip
