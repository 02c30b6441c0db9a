"""Blocks of consecutive frames of a single film, in place of the sequences that an interval counts.

Matches and identities are those of the whole film. Each match is counted in the block of its frame, with the
share that its two tracks have in the whole film. So the blocks add up to the film exactly. An interval from
them is approximate: it takes those shares as fixed, though without a block they would be a little different.
Its coverage is simulated in benchmarks/track_coverage.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from sightline.core.metric import Evaluation, Statistics
from sightline.metrics.functional.tracks import EPS, MATCH, Boxes, Overlaps, assign, overlaps
from sightline.metrics.functional.weighted import Array, Blocks

LEAST = 10
"""Blocks below which there is no interval."""
_QUIET = 5
"""Lags in a row with a small correlation, after which no lag counts."""


def film_blocks(
    name: str, evaluation: Evaluation, statistics: Callable[[Overlaps], Statistics], least: int = 0
) -> Blocks | None:
    """Statistics of the blocks of a single film; None for several films.

    A block is at least twice as long as the track of a box lasts on average, and at least as long as the
    errors of frames depend on each other (`dependence`).

    Args:
        name: Of the statistics.
        evaluation: Of whole films.
        statistics: From overlaps to the statistics of each of their parts.
        least: Frames that a block has at least.
    """
    if len(evaluation.target) != 1:
        return None
    whole, frames = overlaps(evaluation), int(evaluation.target.lengths[0])
    length = max(least, evaluation.once("block length", lambda: _length(whole, frames)))
    count = frames // length
    if count < LEAST:
        words = f"fewer than {LEAST} blocks of {length:,} frames in one film of {frames:,}"
        return Blocks(words, None, length)

    def cut(side: Boxes) -> Boxes:
        return replace(side, part=((side.moment - 1) * count // frames).clip(0, count - 1))

    parts = replace(whole, parts=count, target=cut(whole.target), prediction=cut(whole.prediction))
    words = f"{count:,} blocks of {frames // count:,} frames of one film"
    return Blocks(words, evaluation.once(f"{name} of {count} blocks", lambda: statistics(parts)), length)


def _length(o: Overlaps, frames: int) -> int:
    """Frames of a block; all, if there is nothing that tells."""
    sure = o.at(o.iou >= MATCH - EPS)
    sure = sure.at(assign(sure.moment, sure.t, sure.p, sure.iou))
    if not len(sure.t):
        return max(1, frames)
    boxes = [np.bincount(side.track) for side in (o.target, o.prediction)]
    pair = np.unique(sure.tracks, axis=0, return_inverse=True)[1].ravel()
    hits = np.bincount(pair)[pair]
    both = boxes[0][sure.tracks[:, 0]] + boxes[1][sure.tracks[:, 1]]

    def by_frame(moment: Array, values: Array | None = None) -> Array:
        return np.bincount((moment - 1).clip(0, frames - 1), values, minlength=frames).astype(float)

    matched, quality = by_frame(sure.moment), by_frame(sure.moment, hits / (both - hits))
    either = by_frame(o.target.moment) + by_frame(o.prediction.moment) - matched
    lasting = 2 * float(boxes[0] @ boxes[0]) / float(boxes[0].sum())
    return math.ceil(max(lasting, dependence(matched, either), dependence(quality, matched)))


def dependence(part: Array, whole: Array) -> float:
    """Best length in frames of the blocks of a ratio of sums, from the autocorrelation of its errors.

    Args:
        part: (T,) numerator of each frame.
        whole: (T,) denominator of each frame; its sum is above 0.

    Source: Politis & White, Automatic block-length selection for the dependent bootstrap, Econometric Reviews
    23, 2004, section 3; with the correction of Patton, Politis & White, 2009.
    """
    error = part - part.sum() / whole.sum() * whole
    error, n = error - error.mean(), len(part)
    spectrum = np.fft.rfft(error, 2 * n)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), 2 * n)[:n]
    if covariance[0] <= 1e-12 * n:
        return 1.0
    correlation = covariance / covariance[0]
    small = np.abs(correlation[1:]) < 2 * math.sqrt(math.log10(n) / n)
    quiet = np.flatnonzero(np.convolve(small, np.ones(_QUIET, dtype=int), "valid") == _QUIET)
    last = int(quiet[0]) if len(quiet) else n // 4  # lags up to here count
    lags = np.arange(1, min(2 * max(last, 1), n - 1) + 1)
    window = np.minimum(1, 2 * (1 - lags / len(lags)))
    first = 2 * float((window * lags * correlation[lags]).sum())
    total = 1 + 2 * float((window * correlation[lags]).sum())
    return float((1.5 * (first / total) ** 2 * n) ** (1 / 3)) if total > 0 else 1.0
