"""Hyperparameter search on the validation part; the test part is not used."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sightline import storage
from sightline.console import say
from sightline.core.report import Table
from sightline.core.run import Run
from sightline.data.inputs import input_kind
from sightline.data.split import SPLITS_FILE, read_splits, splits_from_json, splits_to_json
from sightline.errors import DataError, TrainingFailed, UsageError
from sightline.models.weights import load as weight_files
from sightline.training import seen_images
from sightline.training.arguments import TrainArguments, TuneArguments
from sightline.training.plan import make_plan
from sightline.training.prepare_data import look_at
from sightline.training.recipe import Recipe
from sightline.training.resumed_arguments import Resumed, same_data
from sightline.training.runner import run_record
from sightline.training.search import (
    FILE,
    Search,
    check_searchable,
    import_optuna,
    in_words,
    run_trials,
    score_of,
    tunable,
    version,
)


@dataclass(frozen=True)
class Searched(Table):
    """The trials, best first.

    Attributes:
        best: Settings of the best trial, as `train` takes them.
        trials: Every trial in order: settings, score, what its epochs said, its run, or why it failed.
        folder: Where all of it lies.
        exit_code: 130 if the search was interrupted.
    """

    best: Mapping[str, Any] = field(default_factory=dict)
    trials: Sequence[Mapping[str, Any]] = ()
    folder: str = ""
    exit_code: int = 0


def start(called: TuneArguments) -> Searched:
    """Start a search; see `sightline.tune`.

    Raises:
        UsageError: If the folder is there, or this is one of several processes.
    """
    import_optuna()
    _one_process()
    arguments = called.each()
    prepared = look_at(arguments)
    first = seen_images.validate(make_plan(arguments, prepared))
    check_searchable(first)
    for line in first.messages:
        say(line)
    folder = called.out or Run.next_path(f"{prepared.dataset.name}-tune")
    if folder.exists():
        raise UsageError(f"{folder} exists. Choose another --out, or go on with it: --resume {folder}.")
    record = run_record(first, "tune", trials=called.trials, began=_digest(arguments), optuna=version())
    whole = Run.create(folder, record)
    storage.write_json(folder / SPLITS_FILE, splits_to_json(first.dataset, first.dataset.splits))
    return _searched(Search(arguments, prepared, first, whole, []))


def resume(again: Resumed) -> Searched:
    """Resume a search; see `sightline.tune`.

    Raises:
        UsageError: If there is nothing to resume.
        DataError: If the data, or the weights that trials begin with, have changed.
    """
    import_optuna()
    _one_process()
    whole = Run.open(again.path)
    if whole.record.command != "tune":
        raise UsageError(
            f"{again.path} is no search. Go on with `sightline train {again.data} --resume {again.path}`."
        )
    if whole.record.trials is None:
        raise UsageError(f"{again.path} is one trial. Go on with the search: --resume {again.path.parent}.")
    if whole.record.status == "done":
        raise UsageError(
            f"{again.path} is finished: there is nothing to resume. See {again.path / FILE}, or start "
            "another search with --out."
        )
    arguments = again.arguments(whole.record.arguments)
    prepared = look_at(arguments)
    splits_file = again.path / SPLITS_FILE  # none where it was stopped at once: made as it was then
    stored = read_splits(splits_file) if splits_file.is_file() else None
    first = make_plan(
        arguments, prepared, splits=None if stored is None else splits_from_json(prepared.dataset, stored)
    )
    same_data(whole, first.dataset, again.data)
    if _digest(arguments) != whole.record.began:
        raise DataError(f"--weights {arguments.weights} are others than when {again.path} began. Start anew.")
    say(f"Resuming {again.path}.")
    file = again.path / FILE
    rows = json.loads(file.read_text(encoding="utf-8"))["trials"] if file.is_file() else []
    return _searched(Search(arguments, prepared, first, whole, rows))


def _one_process() -> None:
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError("tune runs in one process. Start it without torchrun.")


def _digest(arguments: TrainArguments) -> str | None:
    """SHA-256 of the initial weights of every trial, if there are any."""
    if arguments.weights is None:
        return None
    return hashlib.sha256(weight_files.find(Path(arguments.weights)).read_bytes()).hexdigest()


def _searched(search: Search) -> Searched:
    """Run the remaining trials, and rank all of them."""
    interrupted = not run_trials(search)
    rows = [row for row in search.rows if "failed" not in row]
    if not rows:
        raise TrainingFailed("Every trial failed; see the messages above.")
    folder, wanted = search.whole.path, search.whole.record.trials
    ranked = sorted(rows, key=lambda row: score_of(row, search) or 0.0, reverse=True)
    names = {*Recipe.names(), *tunable(search.first)} - {"epochs"}
    best = {k: v for k, v in ranked[0].items() if k in names and v is not None}
    command = " ".join(f"--{k.replace('_', '-')} {in_words(v)}" for k, v in best.items())
    n, item = len(search.first.dataset.indices_of("val")), input_kind(search.first.dataset.input).item
    items = item if n == 1 else f"{item}s"
    note = (
        f"Scores on {n} validation {items}; the test {item}s stayed closed. Trial 1 is the recommended "
        f"recipe. The best of many is optimistic: train anew with {command or 'the defaults'}"
    )
    if failed := [str(row["trial"]) for row in search.rows if "failed" in row]:
        note += f". Failed, for the reasons in {folder / FILE}: trial {', '.join(failed)}"
    if interrupted:
        data = search.arguments.data
        note += f". Interrupted after {len(search.rows)} of {wanted} trials; the rest: "
        note += f"sightline tune {data} --resume {folder}"
    columns = [c for c in ranked[0] if c not in ("run", "said")]
    columns = [c for c in columns if any(r[c] is not None for r in ranked)]
    cells = [[r[c] if isinstance(r[c], int) else in_words(r[c]) for c in columns] for r in ranked]
    return Searched(f"{len(rows)} trials in {folder}", columns, cells, note, best, search.rows, str(folder),
                    130 if interrupted else 0)  # fmt: skip
