"""Score a trained model: calibrate on validation, open the test set, stand it beside the baselines."""

from __future__ import annotations

import json
import math
import time
import traceback
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from sightline.console import say, track
from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec
from sightline.core.metric import Metric
from sightline.core.report import Exhibit, Finding, Results, Score
from sightline.core.run import Run
from sightline.core.sample import Batch
from sightline.core.task import Baseline, Task
from sightline.data.inputs import view_item
from sightline.data.loading.preprocess import seen
from sightline.errors import Interrupted, SightlineError
from sightline.evaluation.frozen_features import Frozen
from sightline.inference.predict_batches import Predicted
from sightline.metrics import intervals
from sightline.metrics.compare import paired

T = TypeVar("T")

LOOKED_AT = 5000
"""Images of 64 x 64 that a baseline looks at, in training and at once: enough for a baseline, in seconds."""
FEW = 100
"""Test images below which the report says that they are few."""
VERY_FEW, FOLDS = 50, 5
"""Test images below which so many folds are offered."""


def scored(
    task: Task, prediction: Any, truth: Any, groups: np.ndarray | None = None
) -> tuple[dict[str, Score], dict[str, Metric]]:
    """Every metric of the task with its interval, and the metrics with their statistics."""
    metrics = dict(task.metrics())
    scores = {}
    for name, metric in metrics.items():
        metric.update(prediction, truth)
        scores[name] = intervals.score(metric, metric.stats, groups=groups)
    return scores, metrics


def attempt(what: str, make: Callable[[], T], otherwise: T, failed: list[str]) -> T:
    """What `make` gives. Where it fails, `otherwise`: what stands beside the scores may not cost them.

    Args:
        what: Its name, as the first words of a sentence.
        make: Makes it.
        otherwise: What stands in for it.
        failed: Gets a sentence on what failed, which is said too.

    Raises:
        Interrupted: If the user stopped it.
    """
    try:
        return make()
    except Interrupted:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
        text = f"{what} failed and is left out ({where}: {error}). The scores do not depend on it."
        say(text)
        failed.append(text)
        return otherwise


def baselines(
    task: Task,
    train: Dataset,
    test: Dataset,
    settings: Mapping[str, Any],
    frozen: Frozen | None,
    failed: list[str],
) -> dict[str, Any]:
    """Predictions of every baseline on the test items.

    Args:
        task: The task.
        train: What they learn from.
        test: What they answer.
        settings: Of the model.
        frozen: The installed network, or None where the images are no photographs or it is not there.
        failed: Gets a sentence on each that failed and is left out.
    """
    predictions: dict[str, Any] = {}

    def ask(baseline: Baseline, answer: Callable[[], Any]) -> None:
        prediction = attempt(f"The baseline {baseline.name}", answer, None, failed)
        if prediction is not None:
            predictions[baseline.name] = prediction

    for baseline in task.baselines():
        if not baseline.frozen:
            ask(baseline, partial(_answers, baseline, train, test, settings))
        elif frozen is not None and baseline.maps:
            ask(baseline, partial(_mapped, baseline, train, test, settings, frozen))
    waiting = [b for b in task.baselines() if b.frozen and not b.maps]
    if frozen is None or not waiting:
        return predictions
    part = train.subset(np.sort(np.random.default_rng(0).permutation(len(train))[:LOOKED_AT]))
    look = partial(_features, frozen, part, test)
    features = attempt("The look through the frozen network", look, None, failed)
    if features is None:
        return predictions
    for baseline in waiting:
        ask(baseline, partial(_on_features, baseline, part, *features))
    return predictions


def _features(frozen: Frozen, train: Dataset, test: Dataset) -> tuple[Any, Any]:
    """(N, D) features of the training and of the test items."""
    started = time.monotonic()
    train_features, test_features = frozen.features(train), frozen.features(test)
    say(f"frozen    features of {len(train) + len(test)} images ({time.monotonic() - started:.1f} s)")
    return train_features, test_features


def _on_features(baseline: Baseline, train: Dataset, train_features: Any, test_features: Any) -> Any:
    """What a baseline on frozen features says of the test items."""
    started = time.monotonic()
    prediction = baseline.fit(train_features, train.targets)(test_features)
    say(f"baseline  {baseline.name}: {baseline.summary} ({time.monotonic() - started:.1f} s)")
    return prediction


def exhibits(
    task: Task,
    prediction: Any,
    truth: Any,
    ids: list[str],
    settings: Mapping[str, Any],
    failed: list[str],
) -> list[Exhibit]:
    """What the task shows of the predictions; none, and a sentence in `failed`, where it fails."""
    make = partial(task.exhibits, prediction, truth, ids, settings)
    return attempt("The closer look", make, [], failed)


def _answers(baseline: Baseline, train: Dataset, test: Dataset, settings: Mapping[str, Any]) -> Any:
    """What a baseline says of the test items, in the pixels of the stored pictures."""
    size, most = _looks(baseline, settings)
    order = np.random.default_rng(0).permutation(len(train))
    chosen = np.sort(order[:most] if baseline.looks else order)
    truth = seen(train.targets[torch.from_numpy(chosen)], size, settings["fit"])[0]
    images = _small(train, settings, chosen, size) if baseline.looks else None
    started, taken = time.monotonic(), 0.0
    answer = baseline.fit(images, truth)
    taken += time.monotonic() - started
    parts = []
    for start in range(0, len(test), most):
        where = np.arange(start, min(start + most, len(test)))
        pictures = _small(test, settings, where, size)
        _, *places = seen(test.targets[torch.from_numpy(where)], size, settings["fit"])
        started = time.monotonic()
        parts.append(Batch(torch.empty(0), None, (), *places).back(answer(pictures)))
        taken += time.monotonic() - started
    say(f"baseline  {baseline.name}: {baseline.summary} ({taken:.1f} s)")
    return type(parts[0]).cat(parts)


def _looks(baseline: Baseline, settings: Mapping[str, Any]) -> tuple[tuple[int, ...], int]:
    """Size of the items that a baseline looks at, and how many of them at once."""
    size = settings["size"]
    scale = min(1.0, baseline.side / max(size, default=1))
    return tuple(round(side * scale) for side in size), LOOKED_AT * 64**2 // baseline.side**2


def _mapped(
    baseline: Baseline, train: Dataset, test: Dataset, settings: Mapping[str, Any], frozen: Frozen
) -> Any:
    """What a baseline on frozen maps says of the test items, in the pixels of the stored pictures."""
    (height, width), most = _looks(baseline, settings)
    size = height, width
    part = train.subset(np.sort(np.random.default_rng(0).permutation(len(train))[:most]))
    started = time.monotonic()
    answer = baseline.fit(frozen.maps(part, size), seen(part.targets, size, settings["fit"])[0])
    _, *places = seen(test.targets, size, settings["fit"])
    prediction = Batch(torch.empty(0), None, (), *places).back(answer(frozen.maps(test, size)))
    say(f"baseline  {baseline.name}: {baseline.summary} ({time.monotonic() - started:.1f} s)")
    return prediction


def _small(
    dataset: Dataset, settings: Mapping[str, Any], where: np.ndarray, size: tuple[int, ...]
) -> np.ndarray:
    spec, fit = replace(InputSpec.of(settings), spatial_shape=size), settings["fit"]
    look = (view_item(dataset.pixels, int(i), spec, fit) for i in where)
    return np.stack(list(track(look, "pictures for the baselines", len(where))))


def verdicts(
    task: Task,
    results: Results,
    network: Mapping[str, Metric],
    beside: Mapping[str, Mapping[str, Metric]],
    groups: np.ndarray | None,
    truth: Any,
) -> list[str]:
    """Sentences that the numbers allow: network against each baseline, and how many images there are."""
    main = task.card.score
    metric = network[main]
    card = metric.card
    part = "all images" if results.split == "all" else results.split
    sentences = [f"{capital(main)} on {part}: {results.scores[main].text(card.percent)}."]
    if limit := metric.limit(truth):
        sentences.append(f"{capital(main)} {limit}.")
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
    if results.n < FEW:
        kind = "" if results.split == "all" else f"{results.split} "
        sentences.append(
            f"The {kind}images are few ({results.n}), so the intervals are wide: "
            "small differences cannot be told from chance."
        )
    return sentences


def capital(name: str) -> str:
    """A score's name as the first word of a sentence; names with capitals of their own stay (mAP50)."""
    return name if any(map(str.isupper, name)) else name.capitalize()


def without_leaks(
    task: Task, findings: Sequence[Finding], predictions: Predicted, groups: np.ndarray | None
) -> list[str]:
    """The main score without the test images that have a copy in another part of the split."""
    leaks = [f for f in findings if f.name.endswith("-across-splits") and f.items]
    leaked = {item for f in leaks for line in f.items for item in line.split(" = ")}
    return without(
        task, leaked, predictions, groups, "have a copy, or nearly one, in another part of the split"
    )


def without(
    task: Task, left_out: Container[str], prediction: Predicted, groups: np.ndarray | None, says: str
) -> list[str]:
    """How many test images are among `left_out`, what is said of these, and the main score without them."""
    clean = np.array([item not in left_out for item in prediction.ids])
    if clean.all():
        return []
    if not clean.any():
        return [f"All {len(clean)} test images {says}: there is no score without them."]
    keep = torch.from_numpy(np.flatnonzero(clean))
    metric = task.metrics()[task.card.score]
    metric.update(prediction.prediction[keep], prediction.truth[keep])
    score = intervals.score(metric, metric.stats, groups=None if groups is None else groups[clean])
    return [
        f"{int((~clean).sum())} test images {says}; without them {metric.card.name} is "
        f"{score.text(metric.card.percent)}."
    ]


def look_at_test(run: Run, dataset: Dataset, verb: str) -> int:
    """Write down that the test items are looked at; returns how often they have been, now included.

    Counts the looks of all runs in the folder that holds this one.
    """
    name = dataset.fingerprint()
    entry = {"test": name, "verb": verb, "run": run.path.name, "time": time.strftime("%Y-%m-%d %H:%M:%S")}
    try:
        with (run.path / "ledger.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise SightlineError(f"{run.path}/ledger.jsonl could not be written: {error.strerror}.") from error
    looks = 0
    for file in run.path.absolute().parent.glob("*/ledger.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            looks += json.loads(line).get("test") == name
    return looks


def diagnose(run: Run) -> list[str]:
    """Under- and overfitting, named from the curves, where they show it."""
    events = [e for e in run.events() if e.get("val_loss") is not None and e["epoch"]]
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
    """What few test images ask for, and whether training was worth more than its head.

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


def cost(model: torch.nn.Module, settings: Mapping[str, Any], run: Run, elapsed: float) -> dict[str, Any]:
    """What the run took: seconds, energy where it can be measured, parameters, FLOPs of one image."""
    from torch.utils.flop_counter import FlopCounterMode

    device = next(model.parameters()).device
    inputs = [value.float().to(device) for value in InputSpec.of(settings).zeros(1).values()]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(*inputs)
    return {
        "seconds": round(elapsed, 1),
        "joules": run.facts.get("joules"),
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "flops": counter.get_total_flops(),
        "device": str(device),
    }
