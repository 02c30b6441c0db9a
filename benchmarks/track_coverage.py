"""How often the interval of a single film, from blocks of its frames, holds the score expected of such films;
and how often two equally good trackers of such a film are called different at p <= 0.05.

    python benchmarks/track_coverage.py [--films N]

Films are planted: objects come and go; each has its own rate of detection, is hidden at times, and changes
its identity now and then; in bad weather all are seen less. The expected score is the mean over the films.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.core.metric import Evaluation
from sightline.core.targets.tracks import Tracks
from sightline.evaluation.comparison import LEVEL, compared
from sightline.metrics.clear import METRICS as CLEAR
from sightline.metrics.functional.weighted import Weighted
from sightline.metrics.hota import METRICS as HOTA
from sightline.metrics.idf1 import Idf1
from sightline.metrics.intervals import score_in_blocks
from sightline.tasks import task_type

SETTINGS = {
    "3000 frames, objects stay 40, bad weather 60": (3000, 40, 5, 60),
    "4000 frames, objects stay 50, bad weather 200": (4000, 50, 5, 200),
    "6000 frames, objects stay 50, bad weather 150": (6000, 50, 4, 150),
}


def film(frames: int, stay: float, present: float, weather: float, seed: int) -> tuple[Tracks, Tracks]:
    """Prediction and target of a film.

    Args:
        frames: Length of the film.
        stay: Mean frames that an object stays.
        present: Mean number of objects.
        weather: Mean frames of bad weather, which rules a fifth of the time.
        seed: Another seed, another film.
    """
    rng = np.random.default_rng(seed)
    births = rng.poisson(present * (frames + 5 * stay) / stay)
    begins = rng.uniform(-5 * stay, frames, births).astype(int)
    ends = begins + 1 + rng.exponential(stay, births).astype(int)
    bad = _spells(rng, frames, weather, 4 * weather)
    target, prediction, named = [np.zeros((0, 6))], [np.zeros((0, 6))], 1
    for k in range(births):
        when = np.arange(max(0, begins[k]), min(frames, ends[k]))
        if not len(when):
            continue
        box = np.tile([1000.0 * k, 0, 1000 * k + 50, 100], (len(when), 1))  # far from all others
        hidden = _spells(rng, len(when), 12, 60)
        target.append(np.column_stack([when + 1, np.full(len(when), k + 1), box]))
        found = rng.beta(8, 1.5) * np.where(hidden, 0.3, 1) * np.where(bad[when], 0.7, 1)
        ids = named + np.cumsum(rng.random(len(when)) < np.where(hidden, 0.02, 0.007))
        moved = (
            box + rng.normal(0, rng.gamma(3, 1), (len(when), 1)) * [1, 0, 1, 0] + rng.normal(0, 2, box.shape)
        )
        prediction.append(np.column_stack([when + 1, ids, moved])[rng.random(len(when)) < found])
        named = int(ids.max()) + 1
    for _ in range(rng.poisson(frames * present / 150)):  # objects that are none
        begin = int(rng.integers(frames))
        when = np.arange(begin, min(frames, begin + 1 + int(rng.geometric(1 / 15))))
        box = np.tile([-5000.0 - 100 * named, 0, -4950.0 - 100 * named, 100], (len(when), 1))
        prediction.append(np.column_stack([when + 1, np.full(len(when), named), box]))
        named += 1
    sides = (np.concatenate(rows) for rows in (prediction, target))
    return tuple(Tracks.of([rows], [(0, 0)], [frames]) for rows in sides)  # type: ignore[return-value]


def _spells(rng: np.random.Generator, length: int, on: float, off: float) -> np.ndarray:
    """(length,) bool: times of these mean lengths in turn."""
    state, parts = bool(rng.random() < on / (on + off)), [np.zeros(0, dtype=bool)]
    while sum(map(len, parts)) < length:
        parts.append(np.full(1 + rng.geometric(1 / (on if state else off)), state))
        state = not state
    return np.concatenate(parts)[:length]


def coverage(frames: int, stay: float, present: float, weather: float, films: int) -> dict[str, Any]:
    """Share of films whose interval holds the mean of all, by metric; and their mean number of blocks."""
    metrics: list[Weighted] = [HOTA["hota"](), HOTA["deta"](), HOTA["assa"](), CLEAR["mota"](), Idf1()]
    scores: dict[str, list[Any]] = {metric.card.name: [] for metric in metrics}
    for seed in range(films):
        evaluation = Evaluation(*film(frames, stay, present, weather, seed))
        for metric in metrics:
            blocks = metric.blocks(evaluation)
            assert blocks is not None
            stats = metric.from_evaluation(evaluation)
            scores[metric.card.name].append(score_in_blocks(metric, blocks, stats))
    result: dict[str, Any] = {}
    for name, each in scores.items():
        expected, with_interval = np.mean([s.value for s in each]), [s for s in each if s.low == s.low]
        result[name] = round(float(np.mean([s.low <= expected <= s.high for s in with_interval])), 3)
    result["films with an interval"] = len(with_interval)
    result["blocks"] = round(float(np.mean([s.n for s in with_interval])), 1)
    return result


def worse(tracks: Tracks, share: float, spell: float, seed: int) -> Tracks:
    """Another tracker: in spells of its own it misses a third of the boxes, and confuses identities.

    Args:
        tracks: Prediction of a film.
        share: Share of the film that the spells take.
        spell: Mean frames of a spell.
        seed: Another seed, another tracker as good as this.
    """
    rng, frames = np.random.default_rng(seed), int(tracks.lengths[0])
    when = tracks.frames.numpy() - 1
    bad = _spells(rng, frames, spell, spell * (1 - share) / share)[when]
    confused = np.cumsum(_spells(rng, frames, 1, 8 * spell))[when]  # all identities change at once
    rows = np.column_stack([when + 1, tracks.ids.numpy() + 10_000 * confused, tracks.boxes.numpy()])
    return Tracks.of([rows[~bad | (rng.random(len(rows)) > 1 / 3)]], [(0, 0)], [frames])


def called_different(frames: int, stay: float, present: float, weather: float, films: int) -> dict[str, Any]:
    """Share of pairs of trackers that differ at p <= 0.05, by metric: of two that are equally good, and of
    one whose bad spells take three times as long.
    """
    task, result = task_type("track")(None, None), {}
    for title, share in (("equal", 0.15), ("worse", 0.45)):
        pairs = []
        for seed in range(films):
            found, target = film(frames, stay, present, weather, seed)
            a, b = worse(found, 0.15, weather, 2 * seed), worse(found, share, weather, 2 * seed + 1)
            pairs.append(compared(task, ("a", "b"), (a, b), target, None).lines)
        for name in pairs[0]:
            tests = [lines[name].test.p for lines in pairs]
            known = np.array([p for p in tests if p == p])
            result[f"{title}, {name}"] = round(float(np.mean(known <= LEVEL)), 3)
            result[f"{title}, tests"] = len(known)
    return result


def main() -> None:
    from _common import arguments, report

    args = arguments(__doc__ or "", films=200)
    results = {title: coverage(*setting, args.films) for title, setting in SETTINGS.items()}
    for title, setting in SETTINGS.items():
        results[f"compared, {title}"] = called_different(*setting, args.films)
    report("track_coverage", results, args.json)


if __name__ == "__main__":
    main()
