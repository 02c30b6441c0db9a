"""Check of near-duplicates: images that were saved again, resized, mirrored, cropped, shifted, brightened.

If images are alike by nature (digits, scans, frames of one video), a shift or a crop of an image cannot be
distinguished from another image. The check recognizes such data, and then reports only copies with nearly the
same pixels. Up to `EXACT` images, every image is compared with every other (quadratic: 70,000 in about half
a minute). Above that, images are compared only with images that are near the same of some hundred pivots.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sightline.console import track
from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.data.checks._report import join_names
from sightline.data.scan import Scan
from sightline.ops.near_duplicates import agreement, align, descriptors, neighbors, spectra

NEIGHBOURS = 8
CANDIDATE = 0.955  # dot product of descriptors
ALIGNED = 0.88  # correlation of low frequencies at the best shift
WHOLE, DETAIL = 0.94, 0.80  # agreement of the aligned images; benchmarks/near_duplicates.py shows why
STRICT_CANDIDATE, STRICT = 0.993, 0.99  # for images that are alike by nature
ALIKE = 0.02  # share of images whose 8th neighbour passes for a duplicate: then they are
SAMPLE = 2000
EXACT = 100_000
BLOCK = 4096
MANY_SHARE = 0.05
STRICTLY = "; these images are alike by nature, so only those with nearly the same pixels are listed"
CARD = CheckCard(
    name="near-duplicates",
    summary="Near-duplicate images, in one split or across splits",
    findings=("near-duplicates", "near-duplicates-across-splits"),
    of_pixels=True,
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Near-duplicates inside splits and across them. Exact ones are another check's."""
    scan.near, strict = search(scan)
    if not len(scan.near):
        return []
    torn = dataset.splits[scan.near[:, 0]] != dataset.splits[scan.near[:, 1]]
    return [*_across(dataset, scan.near[torn], strict), *_inside(dataset, scan.near[~torn], strict)]


def search(scan: Scan) -> tuple[np.ndarray, bool]:
    """All pairs of near-duplicates among readable images that are not constant.

    Returns:
        (P, 2) indices, the smaller first, sorted; and whether the images are alike by nature.
    """
    _, first = np.unique(scan.pixels.astype(str), return_index=True)
    keep = np.sort(first)
    keep = keep[scan.readable[keep] & (scan.low[keep] < scan.high[keep])]
    if len(keep) < 2:
        return np.empty((0, 2), np.int64), False
    thumbs = scan.thumbs[keep]
    pairs, likeness, last = candidates(descriptors(_spectra(thumbs)))
    strict = _alike_by_nature(thumbs, last)
    pairs = pairs[likeness >= (STRICT_CANDIDATE if strict else CANDIDATE)]
    whole, detail = compare(thumbs, pairs)
    good = (whole > STRICT) & (detail > STRICT) if strict else (whole > WHOLE) & (detail > DETAIL)
    return keep[pairs[good]], strict


def candidates(d: Tensor, exact: int = EXACT) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of near neighbours.

    Args:
        d: (N, D) descriptors.
        exact: Up to how many images all are compared with all.

    Returns:
        (P, 2) pairs, the smaller index first, sorted, each once; (P,) their dot products; and (Q, 2)
        a sample of images with the last of their neighbours.
    """
    everyone = torch.arange(len(d))
    cells = [everyone] if len(d) <= exact else _cells(d)
    rows, columns, values, last = [], [], [], []
    for members in track(cells, "looking for near-duplicates"):
        members_spectra = d[members]
        near, value = neighbors(
            members_spectra, members_spectra, NEIGHBOURS, torch.arange(len(members_spectra))
        )
        rows.append(members[:, None].expand_as(near).flatten())
        columns.append(members[near].flatten())
        values.append(value.flatten())
        last.append(torch.stack([members, members[near[:, -1]]], 1)[value[:, -1] >= CANDIDATE])
    row, column, likeness = (torch.cat(x).numpy() for x in (rows, columns, values))
    good = likeness >= CANDIDATE
    low, high = np.minimum(row, column)[good], np.maximum(row, column)[good]
    _, once = np.unique(low * len(d) + high, return_index=True)
    return np.stack([low, high], 1)[once], likeness[good][once], torch.cat(last).numpy()


def _cells(d: Tensor) -> list[Tensor]:
    """Overlapping sets of near images: each image is in the cells of its three nearest pivots."""
    count = int(len(d) ** 0.5)
    pivots = d[torch.linspace(0, len(d) - 1, count).long()]
    near, _ = neighbors(d, pivots, 3)
    order = near.flatten().argsort(stable=True)
    sizes = torch.bincount(near.flatten(), minlength=count).tolist()
    return [cell // 3 for cell in torch.split(order, sizes) if len(cell) > 1]  # type: ignore[no-untyped-call]


def _alike_by_nature(thumbs: np.ndarray, last: np.ndarray) -> bool:
    """Whether many images have so many near-duplicates that they can hardly be copies.

    Args:
        thumbs: (N, SIDE, SIDE).
        last: (Q, 2) images with their 8th neighbour, where that is a candidate at all.
    """
    some = last[np.unique(np.linspace(0, max(len(last) - 1, 0), SAMPLE).astype(int))] if len(last) else last
    whole, detail = compare(thumbs, some)
    share = float(((whole > WHOLE) & (detail > DETAIL)).mean()) if len(some) else 0.0
    return share * len(last) > ALIKE * len(thumbs)


def compare(thumbs: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Agreement of pairs of thumbnails after alignment, of the whole and of the detail; -1 if unlike."""
    whole, detail = np.full(len(pairs), -1.0, np.float32), np.full(len(pairs), -1.0, np.float32)
    for start in track(range(0, len(pairs), 16 * BLOCK), "comparing", -(-len(pairs) // (16 * BLOCK))):
        block = pairs[start : start + 16 * BLOCK]
        items, where = np.unique(block, return_inverse=True)
        spectra = _spectra(thumbs[items])
        for low in range(0, len(block), BLOCK):
            a, b = torch.from_numpy(where.reshape(block.shape)[low : low + BLOCK]).T
            value, variant, shift = align(spectra[a], spectra[b])
            good = torch.nonzero(value >= ALIGNED).flatten()
            first, second = (thumbs[items[x[good].numpy()]] for x in (a, b))
            some = agreement(first, second, variant[good], shift[good])
            rows = start + low + good.numpy()
            whole[rows], detail[rows] = some[0].numpy(), some[1].numpy()
    return whole, detail


def _spectra(thumbs: np.ndarray) -> Tensor:
    return torch.cat([spectra(thumbs[i : i + BLOCK]) for i in range(0, len(thumbs), BLOCK)])


def _across(dataset: Dataset, pairs: np.ndarray, strict: bool) -> list[Finding]:
    """Pairs whose two images are in different splits."""
    if not len(pairs):
        return []
    test = np.flatnonzero(dataset.splits == "test")
    leaked = np.intersect1d(pairs, test)
    share = len(leaked) / max(len(test), 1)
    severity: Severity = "error" if share > MANY_SHARE else "info" if strict else "warning"
    return [
        Finding(
            "near-duplicates-across-splits",
            severity,
            f"{len(pairs):,} pairs of nearly the same image are torn apart by the split; they touch "
            f"{len(leaked):,} images of test ({share:.2%}), whose scores say little about new ones"
            + (STRICTLY if strict else ""),
            "Take the copies out of train and val, or score without these images.",
            len(np.unique(pairs)),
            join_names(dataset, pairs),
        )
    ]


def _inside(dataset: Dataset, pairs: np.ndarray, strict: bool) -> list[Finding]:
    """Pairs inside one split, or where no split is given."""
    if not len(pairs):
        return []
    n = len(np.unique(pairs))
    severity: Severity = "warning" if n > MANY_SHARE * len(dataset) else "info"
    split_text = "" if (dataset.splits != "").any() else "; they are kept in one part of the split"
    return [
        Finding(
            "near-duplicates",
            severity,
            f"{n:,} images ({n / len(dataset):.2%}) are nearly the same as another, in {len(pairs):,} pairs"
            + split_text
            + (STRICTLY if strict else ""),
            "Look at the pairs; keep one of each if they add nothing.",
            n,
            join_names(dataset, pairs),
        )
    ]
