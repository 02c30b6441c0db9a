"""Cross-validation: every image is tested once, by a model that was not trained on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t

from sightline import storage
from sightline.console import say
from sightline.core.report import Results, Table
from sightline.core.run import Run, scoreboard
from sightline.data.checks.duplicates import group_duplicates
from sightline.data.inputs import finder
from sightline.data.split import SPLITS_FILE, folds, split
from sightline.errors import UsageError
from sightline.evaluation import conclusions, scoring
from sightline.evaluation.attempt import exhibits
from sightline.inference.model_folder import read_card
from sightline.report import page
from sightline.report.page import Page, Section
from sightline.training import fair, robust, seen_images, session
from sightline.training.arguments import TrainArguments
from sightline.training.plan import Plan, make_plan
from sightline.training.prepare_data import PreparedData, look_at
from sightline.training.resumed_arguments import Resumed, same_data
from sightline.training.run_report import command_section as asked_section
from sightline.training.run_report import data as data_section
from sightline.training.runner import run_record


def cross_validate(arguments: TrainArguments) -> Run:
    """Train as often as there are `folds`, each time on others; out-of-fold predictions, scores, the spread.

    Raises:
        UsageError: If there is one fold or none, or a split, a teacher or pruning was asked for too.
    """
    k = arguments.folds or 0
    if k < 2:
        raise UsageError(f"--folds must be at least 2. Received {k}.")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError("--folds runs in one process. Start it without torchrun.")
    if arguments.teacher is not None or arguments.prune is not None:
        raise UsageError(
            "--folds tests every image, and the run of --teacher or --prune has been trained on most of "
            "them. Leave one of the two out."
        )
    if arguments.splits is not None:
        raise UsageError("--folds makes splits of its own. Leave out --splits.")
    plans = _plans(arguments, k)
    out = arguments.out or Run.next_path(f"{plans[0].dataset.name}-folds")
    whole = Run.create(out, run_record(plans[0], "train", folds=k), overwrite=arguments.overwrite)
    return _carry_out(plans, whole)


def resume(whole: Run, again: Resumed) -> Run:
    """Resume a cross-validation: completed folds stay, an interrupted one continues.

    Raises:
        UsageError: If it is finished.
        DataError: If the data have changed.
    """
    if whole.record.status == "done":
        raise UsageError(
            f"{whole.path} is finished: there is nothing to resume. See {whole.path}/report.html."
        )
    arguments = again.arguments(whole.record.arguments)
    plans = _plans(arguments, whole.record.folds or 0)
    same_data(whole, plans[0].dataset, again.data)
    say(f"Resuming {whole.path}.")
    return _carry_out(plans, whole)


def _plans(arguments: TrainArguments, k: int) -> list[Plan]:
    """A plan for each fold; the same ones for the same data and seed."""
    prepared = look_at(arguments)
    same = group_duplicates(prepared.dataset, prepared.scan)
    tests = folds(prepared.dataset, k, seed=arguments.seed, strata=prepared.stratify_labels, together=same)
    plans = [make_plan(arguments, prepared, splits=_splits(prepared, test, arguments)) for test in tests]
    for part in (robust, fair, seen_images):
        plans = [part.validate(plan) for plan in plans]
    return plans


def _carry_out(plans: list[Plan], whole: Run) -> Run:
    """Train the missing folds, and pool the predictions."""
    runs = []
    for i, fold_plan in enumerate(plans):
        say(f"Fold {i + 1} of {len(plans)}")
        runs.append(_fold(fold_plan, whole.path / f"fold-{i + 1}"))
    results, parts = _pooled(plans, runs)
    storage.write_json(whole.path / "results.json", results.to_json())
    whole.update(status="done")
    _report(whole, plans[0], results, parts)
    return whole


def _fold(fold_plan: Plan, folder: Path) -> Run:
    """One fold: unchanged if complete, resumed if interrupted, else trained."""
    if not (folder / SPLITS_FILE).is_file():
        return session.execute_plan(fold_plan, folder, overwrite=folder.exists())
    run = Run.open(folder)
    if run.record.status == "done":
        say(f"{folder} is done.")
        return run
    arguments = fold_plan.arguments
    return session.resume(run, Resumed(arguments.data, folder, arguments.device, arguments.data_dir))


def _splits(prepared: PreparedData, test: np.ndarray, arguments: TrainArguments) -> np.ndarray:
    """The fold is the test part; validation is cut from the rest, grouped and stratified."""
    given = np.full(len(prepared.dataset), "train", dtype=object)
    given[test] = "test"
    dataset = prepared.dataset.with_splits(given)
    divided = split(
        dataset,
        seed=arguments.seed,
        strata=prepared.stratify_labels,
        together=group_duplicates(prepared.dataset, prepared.scan),
        least=prepared.least_units,
    )
    return divided.assignment


def _pooled(plans: list[Plan], runs: list[Run]) -> tuple[Results, list[Table]]:
    """Scores over all out-of-fold predictions, and the spread over the folds."""
    task, dataset = plans[0].task, plans[0].dataset

    def all_of(name: str) -> tuple[list[str], Any, Any]:
        predictions = [run.predictions(name) for run in runs]
        ids = [i for f in predictions for i in f[0]]
        return (
            ids,
            type(predictions[0][1]).cat([f[1] for f in predictions]),
            type(predictions[0][2]).cat([f[2] for f in predictions]),
        )

    ids, prediction, target = all_of("test")
    where = {item: i for i, item in enumerate(dataset.ids)}
    groups = None if dataset.groups is None else dataset.groups[[where[i] for i in ids]]
    scores, network = scoring.score(task, prediction, target, groups)
    results = Results(task.card.name, dataset.name, "out-of-fold", len(ids), scores)
    beside = {}
    everywhere = [n for n in runs[0].results.baselines if all(n in run.results.baselines for run in runs)]
    for name in everywhere:
        _, predicted, true = all_of(f"test.{name}")
        results.baselines[name], beside[name] = scoring.score(task, predicted, true, groups)
    results.conclusions = conclusions.draw_conclusions(task, results, network, beside, groups, target)
    sentences = (v for run in runs for v in run.results.conclusions)
    results.conclusions += dict.fromkeys(
        v for v in sentences if "is left out" in v
    )  # why a baseline is not there
    settings = read_card(runs[0].path)[1]["model_config"]
    results.figures = exhibits(task, prediction, target, ids, settings, results.conclusions)
    per_fold = {m: [run.results.scores[m].value for run in runs] for m in scores}
    results.metadata = {"folds": per_fold, "runs": [str(r.path) for r in runs]}
    Run.open(runs[0].path.parent).save_predictions("test", ids, prediction, target, groups)
    return results, [_mean_with_interval(per_fold)]


def _mean_with_interval(per_fold: dict[str, list[float]]) -> Table:
    """Mean over folds with the t interval."""
    rows = []
    for name, values in per_fold.items():
        k, mean, sd = len(values), float(np.mean(values)), float(np.std(values, ddof=1))
        half = float(t.ppf(0.975, k - 1)) * sd / k**0.5
        rows.append([name, f"{mean:.4f} ({mean - half:.4f} to {mean + half:.4f})", f"{sd:.4f}",
                     *(f"{v:.4f}" for v in values)])  # fmt: skip
    columns = ["score", "mean (95 % t interval)", "deviation", *(f"fold {i + 1}" for i in range(k))]
    return Table("Over the folds", columns, rows,
                 "Folds share training images, so this interval is somewhat too narrow.")  # fmt: skip


def _report(run: Run, first: Plan, results: Results, parts: list[Table]) -> None:
    main = results.scores[first.task.card.primary_metric]
    sections = [
        asked_section(run, first),
        data_section(first),
        Section("Scores", "Over all out-of-fold predictions.", [scoreboard(results), *parts]),
        Section("A closer look", figures=results.figures),
    ]
    model = first.decisions["model"].partition(":")[0]
    lead = f"{len(results.metadata['runs'])}-fold cross-validation of {model}."
    content = Page(
        run.path.name, lead, [(first.task.card.primary_metric, main.text())], results.conclusions, sections
    )
    page.write(content, finder(first.dataset), run.path / "report.html")
