"""Do the intervals hold what they say? Actual coverage and type-I error, by simulation.

    python benchmarks/coverage.py [--json FILE] [--sets 1000] [--sizes 50 200 1000 5000] [--only NAME ...]
    python benchmarks/coverage.py --cases boxes --sizes 50 200 1000

Each case is a population of 200,000 images with known target, from which test sets are drawn; the
true value of a metric is its value on the population. Printed is how many of the test sets have an
interval that holds it (nominal 95 %), for the method of sightline.metrics.intervals and, beside it,
for the percentile bootstrap with --bootstrap. Then how often two models that are equally good are
called different at p <= 0.05 (nominal 5 %). Of the metrics on boxes only mAP50 is looked at, unless
--only names others.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from sightline.core.metric import Metric, Statistics
from sightline.core.targets.instances import Instances
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.metrics import METRICS
from sightline.metrics.compare import paired
from sightline.metrics.intervals import score, under

POPULATION = 200_000
Answers = tuple[Any, Any, Any]  # two models' predictions, target
CHOSEN = {"instances": ("mAP50",)}
"""Metrics looked at where none is named, by kind of target; all of any other kind."""


def classes(shares: list[float], skill: float) -> Answers:
    """Two equally good classifiers: the same evidence for each class, with noise of their own."""
    rng = np.random.default_rng(0)
    share = np.array(shares) / np.sum(shares)
    target = rng.choice(len(share), POPULATION, p=share)
    signal = 0.9 * rng.normal(size=(POPULATION, len(share)))
    signal[np.arange(POPULATION), target] += skill
    models = []
    for _ in range(2):
        logits = 0.8 * skill * (signal + 0.45 * rng.normal(size=signal.shape)) + np.log(share)
        p = torch.tensor(logits).softmax(1)
        models.append(ClassLabels(p.argmax(1), p))
    return models[0], models[1], ClassLabels(torch.tensor(target))


def several() -> Answers:
    """Five labels of which an image may have several; the first is rare (3 %)."""
    rng = np.random.default_rng(0)
    common = np.linspace(-2.2, 0, 5)
    target = rng.normal(size=(POPULATION, 5)) + 0.5 * rng.normal(size=(POPULATION, 1)) + common > 0
    signal = 2.0 * target - 1 + common / 2 + 0.9 * rng.normal(size=target.shape)
    models = []
    for _ in range(2):
        p = torch.tensor(1.5 * (signal + 0.45 * rng.normal(size=target.shape))).sigmoid()
        models.append(ClassLabels(p > 0.5, p))
    return models[0], models[1], ClassLabels(torch.tensor(target))


def numbers(freedom: float) -> Answers:
    """A number; errors follow Student's distribution (5 degrees of freedom: heavy tails)."""
    rng = np.random.default_rng(0)
    target = rng.normal(size=(POPULATION, 1))
    shared = rng.standard_t(freedom, size=target.shape)
    a, b = (
        RegressionValues(torch.tensor(target + 0.3 * (shared + rng.standard_t(freedom, size=target.shape))))
        for _ in range(2)
    )
    return a, b, RegressionValues(torch.tensor(target))


def boxes(objects: int, near: float, far: float, blur: float, right: float) -> Answers:
    """Detection: objects of five classes, the rarest one in nine, in images of 640 x 480 pixels.

    Both models see the same things clearly or blurred, each with noise of its own.

    Args:
        objects: Objects an image.
        near: Boxes an image that lie near an object, which may be found twice or not at all.
        far: Boxes an image that lie anywhere, mostly with little confidence.
        blur: How badly the worst of them are placed, as a share of the object's sides; the best: 0.01.
        right: Share of boxes that have the class of their object; the others any.
    """
    rng = np.random.default_rng(0)
    n, near_count, astray = (round(k * POPULATION) for k in (objects, near, far))
    share = 1 / np.arange(1, 6) ** 0.7
    share /= share.sum()
    image, label, box = rng.integers(0, POPULATION, n), rng.choice(5, n, p=share), places(rng, n)
    of, spread = (
        rng.integers(0, n, near_count),
        np.exp(rng.uniform(np.log(0.01), np.log(blur), (near_count, 1))),
    )
    sides = np.tile(box[of, 2:] - box[of, :2], 2)
    models = []
    for _ in range(2):
        off = spread * rng.normal(size=(near_count, 4))
        named = np.where(rng.random(near_count) < right, label[of], rng.choice(5, near_count, p=share))
        sure = rng.beta(2, 2, near_count) * np.exp(-2 * np.abs(off).mean(1))
        models.append(instances(
            np.concatenate([image[of], rng.integers(0, POPULATION, astray)]),
            np.concatenate([ordered(box[of] + off * sides), places(rng, astray)]),
            np.concatenate([named, rng.choice(5, astray, p=share)]),
            np.concatenate([sure, rng.beta(1, 8, astray)]),
        ))  # fmt: skip
    return models[0], models[1], instances(image, box, label)


def places(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 4) boxes of all sizes, anywhere in an image."""
    side = np.exp(rng.uniform(np.log(12), np.log(300), (n, 1)))
    sides = np.clip(side * np.exp(0.3 * rng.normal(size=(n, 2))), 4, 470)
    corner = rng.random((n, 2)) * ([640, 480] - sides)
    return np.concatenate([corner, corner + sides], 1)


def ordered(box: np.ndarray) -> np.ndarray:
    """(n, 4) boxes whose first corner is the upper left one."""
    return np.concatenate([np.minimum(box[:, :2], box[:, 2:]), np.maximum(box[:, :2], box[:, 2:])], 1)


def instances(image: np.ndarray, box: np.ndarray, label: np.ndarray, sure: np.ndarray | None = None) -> Any:
    """Boxes of the population, by image and falling confidence."""
    order = np.lexsort((image,) if sure is None else (-sure, image))
    counts = torch.from_numpy(np.bincount(image, minlength=POPULATION))
    sizes = torch.tensor([480, 640]).repeat(POPULATION, 1)
    scores = None if sure is None else torch.from_numpy(sure[order]).float()
    return Instances(
        counts, sizes, torch.from_numpy(box[order]).float(), torch.from_numpy(label[order]), scores
    )


CASES: dict[str, Callable[[], Answers]] = {
    "10 classes, 67 % right": lambda: classes([1.0] * 10, 2.0),
    "5 classes, 96 % right": lambda: classes([1.0] * 5, 3.2),
    "long tail 50:25:15:7:3": lambda: classes([50, 25, 15, 7, 3], 2.0),
    "2 classes 90:10": lambda: classes([90, 10], 1.6),
    "5 labels": several,
    "numbers, normal errors": lambda: numbers(200),
    "numbers, heavy tails": lambda: numbers(5),
    "boxes, easy": lambda: boxes(3, 6, 5, 0.1, 0.95),
    "boxes, hard": lambda: boxes(5, 7.5, 22.5, 0.5, 0.8),
}


def metrics_for(target: Any, only: list[str] | None) -> Iterator[Metric]:
    """The metrics named, or all of `CHOSEN`, that have a meaning for this target."""
    chosen = only or CHOSEN.get(target.kind)
    for name in METRICS.names():
        metric = METRICS.load(name).METRIC()
        if chosen and metric.card.name not in chosen:
            continue
        multi = target.kind == "label" and target.multilabel
        if target.kind in metric.card.target_types and (metric.several or not multi):
            yield metric


def test_sets(sets: int, n: int) -> Iterator[np.ndarray]:
    """Indices into the population, one test set after the other; the same for every metric."""
    rng = np.random.default_rng(1)
    for _ in range(sets):
        yield rng.integers(0, POPULATION, n)


def percentile(metric: Metric, stats: Statistics, n: int, seed: int) -> tuple[float, float]:
    """The percentile bootstrap with 1,000 replicates, to compare with."""
    rng = np.random.default_rng(seed)
    step = max(1, 500_000 // n)
    drawn = (rng.multinomial(n, np.full(n, 1 / n), step) for _ in range(math.ceil(1000 / step)))
    values = np.concatenate([under(metric, stats, w.astype(np.float64)) for w in drawn])
    low, high = np.nanquantile(values, [0.025, 0.975]) if np.isfinite(values).any() else (np.nan, np.nan)
    return float(low), float(high)


def coverage(metric: Metric, stats: Statistics, n: int, sets: int, bootstrap: bool) -> dict[str, Any]:
    """How often the interval of a test set of n images holds the true value, and where it misses."""
    true, inside, below, above, undefined, boot, width = metric.compute_from(stats), 0, 0, 0, 0, 0, 0.0
    for seed, chosen in enumerate(test_sets(sets, n)):
        drawn = {k: v[chosen] for k, v in stats.items()}
        interval = score(metric, drawn, seed=seed)
        if not interval.low <= interval.high:
            undefined += 1
            continue
        inside += interval.low <= true <= interval.high
        below, above = below + (true < interval.low), above + (true > interval.high)
        width += interval.high - interval.low
        if bootstrap:
            low, high = percentile(metric, drawn, n, seed)
            boot += low <= true <= high
    defined = max(1, sets - undefined)
    row = {"true": true, "coverage": inside / defined, "true value below": below / defined,
           "true value above": above / defined, "width": width / defined,
           "not defined": undefined}  # fmt: skip
    return row | ({"percentile bootstrap": boot / defined} if bootstrap else {})


def type_one(metric: Metric, a: Statistics, b: Statistics, n: int, sets: int) -> float:
    """How often equally good models are called different at 5 %.

    Which of the two is called A is drawn for each image, so that they are equal in the population.
    """
    rng, called, defined = np.random.default_rng(2), 0, 0
    for seed, chosen in enumerate(test_sets(sets, n)):
        swap = rng.random(n) < 0.5
        first, other = {}, {}
        for key in a:
            turn = swap.reshape(-1, *[1] * (a[key].ndim - 1))
            first[key] = np.where(turn, b[key][chosen], a[key][chosen])
            other[key] = np.where(turn, a[key][chosen], b[key][chosen])
        p = paired(metric, first, other, seed=seed).p
        defined += p == p
        called += p <= 0.05
    return called / max(1, defined)


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    percent = {k: f"{100 * v:5.1f}" for k, v in row.items() if isinstance(v, float)}
    text = (
        f"{row['case']:24} {row['metric']:18} n {row['n']:5}  true {row['true']:.4f}  coverage "
        f"{percent['coverage']} (missed: {percent['true value below']} below, "
        f"{percent['true value above']} above)"
        f"  type I {percent['type-I error']}  not defined {row['not defined']}"
    )
    boot = percent.get("percentile bootstrap")
    return text + (f"  percentile bootstrap {boot}" if boot else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sets", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200, 1000, 5000])
    parser.add_argument("--only", nargs="+", help="metric names")
    parser.add_argument("--cases", nargs="+", help="beginnings of case names")
    parser.add_argument("--bootstrap", action="store_true", help="the percentile bootstrap too (slow)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for case, make in CASES.items():
        if args.cases and not case.startswith(tuple(args.cases)):
            continue
        first, second, target = make()
        for metric in metrics_for(target, args.only):
            name = metric.card.name
            a, b = metric.sample_statistics(first, target), metric.sample_statistics(second, target)
            if metric.compute_from(a) == metric.card.best:
                continue  # top-5 of five classes
            for n in args.sizes:
                started = time.perf_counter()
                row = {"case": case, "metric": name, "n": n}
                row |= coverage(metric, a, n, args.sets, args.bootstrap)
                row["type-I error"] = type_one(metric, a, b, n, args.sets)
                rows.append(row | {"seconds": round(time.perf_counter() - started, 1)})
                print(line(row), flush=True)
    if args.json:
        args.json.write_text(json.dumps({"sets": args.sets, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
