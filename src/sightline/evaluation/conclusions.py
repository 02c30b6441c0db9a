"""Conclusions from the scores of a run, as sentences."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence

import numpy as np
import torch

from sightline.core.metric import Metric
from sightline.core.report import Finding, Results, Score
from sightline.core.run import Run
from sightline.core.targets.base import Targets
from sightline.core.task import Task
from sightline.inference.predict_batches import Predicted
from sightline.metrics import intervals
from sightline.metrics.compare import paired

FEW_IMAGES = 100
"""Test images below which the report says that they are few."""
VERY_FEW, FOLDS = 50, 5
"""Test images below which so many folds are offered."""


def draw_conclusions(
    task: Task,
    results: Results,
    network: Mapping[str, Metric],
    beside: Mapping[str, Mapping[str, Metric]],
    groups: np.ndarray | None,
    target: Targets,
) -> list[str]:
    """Conclusions in sentences: the network against each baseline, and the number of images."""
    main = task.card.primary_metric
    metric = network[main]
    card = metric.card
    part = "all images" if results.split == "all" else results.split
    sentences = [f"{capitalized(main)} on {part}: {results.scores[main].text(card.percent)}."]
    sentences[0] += interval_in_words(results.scores[main], results.n)
    if limit := metric.limit(target):
        sentences.append(f"{capitalized(main)} {limit}.")
    sentences += task.caveats()
    for name, metrics in beside.items():
        pair = paired(metric, metric.stats, metrics[main].stats, groups=groups)
        d = pair.difference
        if not math.isfinite(d.value):
            sentences.append(
                f"Network and {name} baseline cannot be compared: {main} is not defined for both."
            )
            continue
        k, unit = (100, " points") if card.percent else (1, "")
        ends = f"{k * d.low:+.3g} to {k * d.high:+.3g}" if math.isfinite(d.low) else "no interval"
        text = f"{k * abs(d.value):.3g}{unit} ({ends}; {pair.method})"
        better = d.low > 0 if card.higher_is_better else d.high < 0
        worse = d.high < 0 if card.higher_is_better else d.low > 0
        if better:
            sentences.append(f"The network beats the {name} baseline by {text}.")
        elif worse:
            sentences.append(f"The network is WORSE than the {name} baseline by {text}. Use the baseline.")
        else:
            sentences.append(
                f"The network does NOT beat the {name} baseline beyond the interval: difference "
                f"{k * d.value:+.3g}{unit} ({ends}; {pair.method}). "
                "These data do not show that the network is worth its cost."
            )
    if results.n < FEW_IMAGES:
        kind = "" if results.split == "all" else f"{results.split} "
        sentences.append(
            f"The {kind}images are few ({results.n}), so the intervals are wide: "
            "small differences cannot be told from chance."
        )
    return sentences


def interval_in_words(score: Score, items: int) -> str:
    """How an interval was made, or why there is none, where the number of items does not tell."""
    return f" Interval: {score.method}." if score.low != score.low or score.n > items else ""


def capitalized(name: str) -> str:
    """Capitalize a score's name; names with capitals of their own stay (mAP50)."""
    return name if any(map(str.isupper, name)) else name.capitalize()


def scores_without_leaks(
    task: Task, findings: Sequence[Finding], predictions: Predicted, groups: np.ndarray | None
) -> list[str]:
    """The main score without the test images that have a copy in another part of the split."""
    leaks = [f for f in findings if f.name.endswith("-across-splits") and f.items]
    leaked = {item for f in leaks for line in f.items for item in line.split(" = ")}
    leaked |= {item for item in predictions.ids if item.rpartition("@")[0] in leaked}  # crops of an image
    return without(
        task, leaked, predictions, groups, "have a copy, or nearly one, in another part of the split"
    )


def without(
    task: Task, left_out: Container[str], prediction: Predicted, groups: np.ndarray | None, says: str
) -> list[str]:
    """Number of test images in `left_out`, a sentence about them, and the main score without them."""
    clean = np.array([item not in left_out for item in prediction.ids])
    if clean.all():
        return []
    if not clean.any():
        return [f"All {len(clean)} test images {says}: there is no score without them."]
    keep = torch.from_numpy(np.flatnonzero(clean))
    metric = task.metrics()[task.card.primary_metric]
    rest = None if groups is None else groups[clean]
    metric.update(prediction.prediction[keep], prediction.target[keep], rest)
    score = intervals.score(metric, metric.stats, groups=rest)
    return [
        f"{int((~clean).sum())} test images {says}; without them {metric.card.name} is "
        f"{score.text(metric.card.percent)}."
    ]


def diagnose_training(run: Run) -> list[str]:
    """Detect underfitting and overfitting from the learning curves."""
    events = [e for e in run.events() if e.get("val_loss") is not None and e["epoch"] and "train_loss" in e]
    if len(events) < 5:
        return []
    train = np.array([e["train_loss"] for e in events], dtype=float)
    val = np.array([e["val_loss"] for e in events], dtype=float)
    lowest = int(val.argmin())
    tail = max(len(events) // 5, 2)
    rise = val[-tail:].mean() - val[lowest]
    clear = rise > 0.1 * val[lowest] and rise > 0.05 * val.max()
    if lowest < len(events) - tail and clear and train[-1] < train[lowest]:
        return [
            f"Overfitting: validation loss was lowest in epoch {events[lowest]['epoch']} "
            f"({val[lowest]:.3f}) and rose to {val[-1]:.3f} while training loss went on falling. "
            "More data, --augment strong, a smaller model or --weight-decay would help."
        ]
    falling = (train[-tail - 1] - train[-1]) / max(abs(train[-tail - 1]), 1e-9)
    if lowest >= len(events) - 2 and falling > 0.1:
        return [
            f"Underfitting: both losses were still falling at the end (training loss by {falling:.0%} over "
            f"the last {tail} epochs). More --epochs, a higher --lr or a larger model would help."
        ]
    return []


def advise(run: Run, results: Results, images: int, elapsed: float) -> list[str]:
    """Advice for few test images, and whether training improved on the linear probe.

    Args:
        run: The run.
        results: Its scores.
        images: Images of the whole data set.
        elapsed: Seconds that training took.
    """
    sentences = []
    best = run.checkpoint("best")
    if best is not None and best[1].get("mean"):
        sentences.append(
            "The model is the mean of the weights with only the head fitted and of those after training: on "
            "validation neither is better beyond chance."
        )
    elif best is not None and best[1].get("epoch") == 0:
        sentences.append(
            "Training more than the head did not beat the head alone on validation: the model is the "
            "published network, frozen, with a fitted linear head (linear probe)."
        )
    if results.n < VERY_FEW:
        minutes = max(1, round(FOLDS * elapsed / 60))
        sentences.append(
            f"With --folds {FOLDS} each of the {images} images would be tested once, by a model that has not "
            f"seen it: about {minutes} min here, for an interval from {images} images instead of "
            f"{results.n}."
        )
    return sentences
