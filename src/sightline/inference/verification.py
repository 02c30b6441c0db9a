"""Verification of a list of pairs: whether two images show the same identity, at a threshold of "
"validation."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.console import say
from sightline.core.report import Figure, Table
from sightline.core.run import Run
from sightline.core.targets.vector import Vector
from sightline.data.parsing.pair_lists import ImagePair, read_pairs
from sightline.data.split import SPLITS_FILE, read_splits
from sightline.errors import DataError, UsageError
from sightline.inference.embedder import Embedder
from sightline.inference.model_folder import read_card
from sightline.inference.summary import MAX_SHOWN, Predicted
from sightline.metrics.functional.accept_threshold import Threshold, fit_threshold
from sightline.metrics.functional.pairs import STEPS, Counts, area, equal_error_rate
from sightline.tasks import TASKS

_CSV, _LINES = ".csv", ".jsonl"


@dataclass
class Verified(Predicted):
    """Result of a verification.

    Attributes:
        threshold: The cosine from which on a pair is accepted, and how it was fitted.
        scores: By name; only those that the pairs can tell.
        left_out_pairs: Pairs that name images of training or validation.
    """

    threshold: Threshold = field(default_factory=lambda: Threshold(None, ""))
    scores: dict[str, float] = field(default_factory=dict)
    left_out_pairs: int = 0

    def to_json(self) -> dict[str, Any]:
        """Threshold, scores, errors and rows."""
        return {
            **super().to_json(),
            "threshold": self.threshold.cosine,
            "threshold_text": self.threshold.text,
            "scores": self.scores,
            "left_out_pairs": self.left_out_pairs,
        }

    def figures(self) -> list[Figure]:
        """The scores, the first pairs, and what could not be read."""
        rows = [[name, f"{100 * value:.2f} %"] for name, value in self.scores.items()]
        note = f"{self.threshold.text}. Pairs share images and people: no interval follows from their number."
        if self.left_out_pairs:
            note += f" {self.left_out_pairs:,} pairs name images of training or validation and were left out."
        scores = Table(f"Verification of {self.total:,} pairs", ["score", "value"], rows, note)
        return [scores, *super().figures()]


def verify(
    run: Path,
    root: Sequence[str],
    pairs: Path,
    far: float | None,
    out: Path | None,
    device: str,
    batch_size: int,
) -> Verified:
    """Accept or reject each pair of a list, and score the decisions.

    Args:
        run: Run folder, or with `far` None a model folder.
        root: The folder that the names of the list are of; none for that of the list.
        pairs: The list; see `read_pairs`.
        far: False accept rate that the threshold is fitted for; None for that of the training.
        out: File for the decisions, .csv or .jsonl.
        device: auto, cpu, cuda, cuda:N or mps.
        batch_size: Images at a time.

    Raises:
        UsageError: If the run gives no vectors, or its validation pairs do not carry the rate.
        DataError: If the list cannot be used.
    """
    if out is not None and out.suffix not in (_CSV, _LINES):
        raise UsageError(f"Decisions on pairs are written to a {_CSV} or {_LINES} file. Received '{out}'.")
    if len(root) > 1:
        raise UsageError(f"--pairs takes one folder that its names are of. Received {len(root)}.")
    _, card = read_card(run)
    task = TASKS.load(card["model_config"]["task"]).CARD
    if task.prediction_type != Vector.kind:
        raise UsageError(f"{run} is of task '{task.name}'; pairs are verified by a run of embed.")
    threshold = _threshold(run, card["model_config"], far)
    listed = read_pairs(pairs, Path(root[0]) if root else None)
    fresh = _fresh(run, listed)
    result = Verified(out=out, threshold=threshold, left_out_pairs=len(listed) - len(fresh))
    if not fresh:
        raise DataError(
            f"All {len(listed):,} pairs of {pairs} are of images that {run} was trained or validated on."
        )
    vectors = _vectors(Embedder(run, device), fresh, batch_size, result)
    _decide(result, fresh, vectors)
    if out is not None:
        _write(out, result.rows)
    return result


def _threshold(run: Path, settings: Mapping[str, Any], far: float | None) -> Threshold:
    """The threshold of the training, or one for another rate from the validation predictions of the run.

    Raises:
        UsageError: If there is none.
    """
    if far is None or far == settings.get("far"):
        cosine, text = settings.get("threshold"), str(settings.get("calibration", "there is no threshold"))
        fitted = Threshold(cosine, text)
    else:
        if not 0 < far < 1:
            raise UsageError(f"--far must lie in (0, 1). Received {far}.")
        _, prediction, target = Run.open(run).predictions("val")
        fitted = fit_threshold(prediction, target, far)
    if fitted.cosine is None:
        raise UsageError(f"{run}: {fitted.text}")
    return fitted


def _fresh(run: Path, pairs: Sequence[ImagePair]) -> list[ImagePair]:
    """Pairs without an image of training or validation, by the names that the run has for them."""
    if not (run / SPLITS_FILE).is_file():
        say(f"{run} does not say which images it was trained on: all pairs are used.")
        return list(pairs)
    stored = read_splits(run)
    source = Path(Run.open(run).record.data.source)
    root = source if source.is_dir() else source.parent
    learnt = {(root / name).resolve() for part in ("train", "val") for name in stored.get(part, ())}
    return [p for p in pairs if p.first.resolve() not in learnt and p.second.resolve() not in learnt]


def _vectors(
    embedder: Embedder, pairs: Sequence[ImagePair], batch_size: int, result: Verified
) -> dict[str, NDArray[np.float32]]:
    """Vector of each file; what cannot be read goes to the errors of the result."""
    files = list(dict.fromkeys(path for pair in pairs for path in (pair.first, pair.second)))
    vectors = {}
    for name, vector, error in embedder.vectors(files, batch_size):
        if vector is None:
            say(f"{name}: {error}")
            result.errors.append((name, error))
        else:
            vectors[name] = vector.numpy()
    return vectors


def _decide(result: Verified, pairs: Sequence[ImagePair], vectors: Mapping[str, NDArray[np.float32]]) -> None:
    """Rows and scores of the pairs whose images could be read."""
    read = [p for p in pairs if str(p.first) in vectors and str(p.second) in vectors]
    assert result.threshold.cosine is not None
    level = round(result.threshold.cosine * STEPS)
    cosines = [float(vectors[str(p.first)] @ vectors[str(p.second)]) for p in read]
    levels = np.rint(np.array(cosines) * STEPS).astype(np.int32)
    for pair, value in zip(read, levels.tolist(), strict=True):
        result.rows.append({
            "fold": pair.fold, "first": str(pair.first), "second": str(pair.second), "same": pair.same,
            "cosine": round(value / STEPS, 6), "accepted": value >= level,
        })  # fmt: skip
    result.total, result.shown = len(read), result.rows[:MAX_SHOWN]
    same, folds = np.array([p.same for p in read], dtype=bool), np.array([p.fold for p in read])
    result.scores = _scores(levels, same, folds, level)


def _scores(
    levels: NDArray[np.int32], same: NDArray[np.bool_], folds: NDArray[np.str_], level: int
) -> dict[str, float]:
    """Scores that are defined: rates at the threshold, error rates over all thresholds, and accuracy of "
    "folds."""
    genuine, impostor = (np.sort(levels[rows]) for rows in (same, ~same))
    scores = {}
    if len(genuine):
        scores["true accept rate"] = float((genuine >= level).mean())
    if len(impostor):
        scores["false accept rate"] = float((impostor >= level).mean())
    if not len(genuine) or not len(impostor):
        say("All pairs are of one kind (same, or different): only the rate of accepted ones can be told.")
        return scores
    scores["accuracy"] = float(((levels >= level) == same).mean())
    counts = [Counts(values, values[:0]) for values in (genuine, impostor)]
    scores |= {"EER": equal_error_rate(*counts), "AUC": area(*counts)}
    names = np.unique(folds)
    if len(names) > 1:
        each = [_accuracy(levels, same, folds == name) for name in names]
        scores["accuracy of folds"] = float(np.mean(each))
    return scores


def _accuracy(levels: NDArray[np.int32], same: NDArray[np.bool_], held: NDArray[np.bool_]) -> float:
    """Accuracy of one fold at the best threshold of the others (the protocol of LFW)."""
    rest, target = levels[~held], same[~held]
    order = np.argsort(rest, kind="stable")
    right = target.sum() + np.concatenate([[0], np.cumsum(np.where(target[order], -1, 1))])
    best = int(right.argmax())
    threshold = rest[order[best]] if best < len(rest) else rest.max() + 1
    return float(((levels[held] >= threshold) == same[held]).mean())


def _write(out: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The decisions as a table or as JSON lines."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="") as stream:
        if out.suffix == _LINES:
            stream.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return
        writer = csv.DictWriter(stream, list(rows[0]) if rows else ["fold"])
        writer.writeheader()
        writer.writerows(rows)
