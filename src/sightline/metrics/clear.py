"""CLEAR metrics of tracking: MOTA, MOTP, tracks mostly found and mostly lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from sightline.core.card import MetricCard
from sightline.core.metric import Evaluation, Statistics
from sightline.core.report import Table
from sightline.metrics.functional.film_blocks import film_blocks
from sightline.metrics.functional.tracks import EPS, MATCH, Overlaps, alone, best_pairs, overlaps
from sightline.metrics.functional.weighted import Array, Blocks, Weighted

_MOSTLY, _HARDLY = 0.8, 0.2
"""Share of a track's boxes above which it is mostly tracked, and below which it is mostly lost."""


class Mota(Weighted):
    """MOTA (multiple object tracking accuracy): 1 - (FN + FP + identity switches) / annotated boxes.

    Boxes match from IoU 0.5. In each frame, matches of the frame before are kept, and then the sum of IoU is
    largest. An identity switch is a track that is matched by another predicted track than the last time.

    Source: Bernardin and Stiefelhagen, Evaluating multiple object tracking performance: the CLEAR MOT
    metrics, EURASIP Journal on Image and Video Processing, 2008.
    """

    card = MetricCard(
        name="MOTA",
        summary="1 - (missed + wrong boxes + identity switches) / annotated boxes, at IoU 0.5",
        higher_is_better=True,
        best=1.0,
        target_types=("tracks",),
        least_units=5,
    )
    scale: ClassVar[Literal["share", "ratio"]] = "ratio"

    def from_evaluation(self, evaluation: Evaluation) -> Statistics:
        """Of each sequence (N,): see `clear_counts`."""
        return clear_counts(evaluation)

    def blocks(self, evaluation: Evaluation, length: int = 0) -> Blocks | None:
        """Of a single film."""
        return film_blocks("clear", evaluation, _counts, length)

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        right, wrong, missed, switches = (weights @ stats[k] for k in ("TP", "FP", "FN", "IDSW"))
        return np.where(right + missed > 0, (right - wrong - switches) / (right + missed), np.nan)


class Motp(Mota):
    """MOTP: mean IoU of the matches of MOTA.

    Source: Bernardin and Stiefelhagen, EURASIP Journal on Image and Video Processing, 2008.
    """

    card = MetricCard("MOTP", "mean IoU of the matches of MOTA", True, 1.0, ("tracks",), least_units=5)
    scale = "share"

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray((weights @ stats["IoU"]) / (weights @ stats["TP"]))


class MostlyTracked(Mota):
    """Share of the annotated tracks of which more than 80 % of the boxes are matched (MT).

    Source: Li et al., Learning to associate: HybridBoosted multi-target tracker, CVPR 2009.
    """

    card = MetricCard(
        "mostly tracked", "tracks found in over 80 % of their frames", True, 1.0, ("tracks",), percent=True,
        least_units=5,
    )  # fmt: skip
    scale = "share"
    column = "MT"

    def blocks(self, evaluation: Evaluation, length: int = 0) -> Blocks | None:
        """None: a track lies in several blocks."""
        del evaluation
        return None

    def values(self, stats: Statistics, weights: Array) -> Array:
        """See `Weighted.values`."""
        return np.asarray((weights @ stats[self.column]) / (weights @ stats["tracks"]))


class MostlyLost(MostlyTracked):
    """Share of the annotated tracks of which less than 20 % of the boxes are matched (ML).

    Source: Li et al., Learning to associate: HybridBoosted multi-target tracker, CVPR 2009.
    """

    card = MetricCard(
        "mostly lost", "tracks found in under 20 % of their frames", False, 0.0, ("tracks",), percent=True,
        least_units=5,
    )  # fmt: skip
    column = "ML"


def clear_counts(evaluation: Evaluation) -> Statistics:
    """Counts of each sequence (N,): boxes TP, FP, FN at IoU 0.5, sum of IoU of the matches, switches (IDSW),
    fragments (Frag), annotated tracks, and how many of them are mostly tracked (MT) or lost (ML).
    """
    return evaluation.once("clear", lambda: _counts(overlaps(evaluation)))


def counts_table(prediction: Any, target: Any, ids: Sequence[str]) -> Table:
    """The counts of each sequence, and of all together."""
    counts = clear_counts(Evaluation(prediction, target))
    counts["boxes"] = counts["TP"] + counts["FN"]
    columns = ("boxes", "TP", "FP", "FN", "IDSW", "Frag", "tracks", "MT", "ML")
    rows: list[list[Any]] = [[name, *(int(counts[k][i]) for k in columns)] for i, name in enumerate(ids)]
    if len(ids) > 1:
        rows.append(["all", *(int(counts[k].sum()) for k in columns)])
    note = (
        "At IoU 0.5: boxes that are found (TP), wrong (FP) and missed (FN); identity switches (IDSW), "
        "interruptions of tracks (Frag); tracks mostly tracked (MT) and mostly lost (ML)."
    )
    return Table("Counts", ["sequence", *columns], rows, note)


def _counts(o: Overlaps) -> Statistics:
    n = o.parts
    both = np.intersect1d(o.target.moment, o.prediction.moment)  # frames with boxes on both sides
    sure = o.at(o.iou >= MATCH - EPS)
    sequence = np.zeros(len(both), dtype=int)
    where = np.searchsorted(both, o.target.moment)
    shared = np.isin(o.target.moment, both)
    sequence[where[shared]] = o.target.sequence[shared]
    chosen = _match(sure, np.searchsorted(both, sure.moment), sequence)
    pairs = sure.at(chosen)
    moment, (track, other) = np.searchsorted(both, pairs.moment), pairs.tracks.T
    order = np.lexsort((moment, track))
    moment, track, other, owner = (v[order] for v in (moment, track, other, o.target.part[pairs.t]))
    again = track[1:] == track[:-1]
    switched = again & (other[1:] != other[:-1])
    resumed = again & (moment[1:] != moment[:-1] + 1)
    lengths = np.bincount(o.target.track, minlength=int(o.target.count.sum()))
    share = np.bincount(track, minlength=len(lengths)) / lengths
    home = o.target.part[np.unique(o.target.track, return_index=True)[1]]  # where a track begins
    right, targets, predictions = (
        np.bincount(v, minlength=n) for v in (owner, o.target.part, o.prediction.part)
    )
    counts = {
        "TP": right,
        "FP": predictions - right,
        "FN": targets - right,
        "IoU": np.bincount(o.target.part[pairs.t], pairs.iou, minlength=n),
        "IDSW": np.bincount(owner[1:][switched], minlength=n),
        "Frag": np.bincount(owner[1:][resumed], minlength=n),
        "tracks": np.bincount(home, minlength=n),
        "MT": np.bincount(home[share > _MOSTLY], minlength=n),
        "ML": np.bincount(home[share < _HARDLY], minlength=n),
    }
    return {name: np.asarray(value, dtype=np.float64) for name, value in counts.items()}


def _match(o: Overlaps, moment: Array, sequence: Array) -> Array:
    """(P,) bool: matches in each frame, those of the frame before first.

    Args:
        o: Pairs that overlap enough.
        moment: (P,) number of the frame of each among those with boxes on both sides, rising.
        sequence: Of each such frame.
    """
    chosen = alone(o.t, o.p)
    open_rows = np.flatnonzero(~chosen)
    track, other = o.tracks.T
    bounds = np.searchsorted(moment, np.arange(len(sequence) + 1))
    for rows in np.split(open_rows, np.flatnonzero(np.diff(moment[open_rows])) + 1) if len(open_rows) else ():
        now = moment[rows[0]]
        score = o.iou[rows]
        if now and sequence[now - 1] == sequence[now]:
            before = slice(bounds[now - 1], bounds[now])
            matches = chosen[before]
            last = dict(zip(track[before][matches].tolist(), other[before][matches].tolist(), strict=True))
            same = [last.get(a) == b for a, b in zip(track[rows].tolist(), other[rows].tolist(), strict=True)]
            score = score + 1000 * np.array(same)
        chosen[rows[best_pairs(o.t[rows], o.p[rows], score)]] = True
    return chosen


METRICS = {"mota": Mota, "motp": Motp, "mostly-tracked": MostlyTracked, "mostly-lost": MostlyLost}
