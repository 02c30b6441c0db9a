"""Hyperparameter search on the validation part, trial by trial.

The folder of a search is a run (`run.json`, `splits.json`) with one run for each trial, and `tune.json`, the
completed trials. Proposals follow from the seed and from the scores of trials. So a stopped search is resumed
by proposing again: for a completed trial, the proposal must equal the recorded one, and its scores are
reported again.
"""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sightline import storage
from sightline.config import Tunable, marks
from sightline.console import say
from sightline.core.run import Run
from sightline.devices import Devices
from sightline.errors import Interrupted, MissingExtra, TrainingFailed, UsageError
from sightline.training import first_step, seen_images
from sightline.training.arguments import TrainArguments
from sightline.training.callbacks.base import Callback
from sightline.training.plan import Plan, make_plan
from sightline.training.prepare_data import PreparedData
from sightline.training.recipe import Recipe
from sightline.training.runner import fit, run_record
from sightline.training.state import Training

FILE = "tune.json"
"""In the folder of a search: what was asked, and the trials that are done, in order."""
DECAY = 1e-5, 0.3
"""Least and most weight decay that is tried; it is drawn on a scale of logarithms, which has no 0."""


@dataclass(frozen=True)
class Search:
    """State of a hyperparameter search.

    Attributes:
        arguments: Arguments of the command.
        prepared: The data, opened and checked once for all trials.
        first: Plan of the recommended recipe.
        whole: The run that is the search's folder.
        rows: A record of each trial that is done.
    """

    arguments: TrainArguments
    prepared: PreparedData
    first: Plan
    whole: Run
    rows: list[dict[str, Any]]

    @property
    def fixed(self) -> set[str]:
        """Settings that were given."""
        return set(self.arguments.settings)

    def add(self, row: dict[str, Any]) -> None:
        """One more trial is done."""
        self.rows.append(row)
        content = {"asked": self.whole.record.arguments, "trials": self.rows}
        storage.write_json(self.whole.path / FILE, content)


def import_optuna() -> Any:
    """The library optuna, which speaks only of trouble.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise MissingExtra("sightline tune", "tune") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def version() -> str:
    """Of Optuna: another may propose other settings."""
    return str(import_optuna().__version__)


def check_searchable(first: Plan) -> None:
    """Refuse a search over settings that have no effect.

    Raises:
        UsageError: If the model is not trained by steps, and its task has no option to search; or weights are
            chosen by attacked images.
    """
    if first.recipe.robust is not None:
        raise UsageError(
            f"--robust {first.recipe.robust}: a search goes by the score of images as they are. Search "
            "without it, and train with it and the settings that were found."
        )
    if first.recipe.fair is not None:
        raise UsageError(
            f"--fair {first.recipe.fair}: a search goes by the score of all images. Search without it, and "
            "train with it and the settings that were found."
        )
    if not first.trainer.steps and not tunable(first):
        raise UsageError(
            f"Model '{first.method.CARD.name}' {first.trainer.verb}: there is no learning rate and no batch "
            "size to search for. Use `sightline train`."
        )


def tunable(plan: Plan) -> dict[str, Tunable]:
    """Options of the task that are searched, with their ranges; without those that the model ignores."""
    hints = typing.get_type_hints(type(plan.task.options), include_extras=True)
    spans = {name: mark for name, hint in hints.items() for mark in marks(hint) if isinstance(mark, Tunable)}
    return {name: span for name, span in spans.items() if name not in plan.method.CARD.ignores}


def run_trials(search: Search) -> bool:
    """Run every trial: completed ones are replayed, the others are trained.

    Returns:
        False if it was interrupted after at least one trial that can be ranked.

    Raises:
        Interrupted: If it was interrupted before.
        UsageError: If other settings are proposed for a trial that is done.
    """
    optuna, whole = import_optuna(), search.whole
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=3)
    sampler = optuna.samplers.TPESampler(seed=search.arguments.seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.enqueue_trial(_within_ranges({k: v for k, v in _recommended(search).items() if v is not None}))
    with _state(whole):
        try:
            for number in range(whole.record.trials or 0):
                trial = study.ask()
                drawn = _space(trial, search)
                drawn = drawn if number else _recommended(search)
                if number < len(search.rows):
                    row = _again(trial, drawn, search)
                else:
                    row = _trained(trial, drawn, search)
                    search.add(row)
                score = score_of(row, search)
                if score is None or None in drawn.values():  # defaults of a model are no point of the space
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
                else:
                    study.tell(trial, score)
        except Interrupted:
            if not any("failed" not in row for row in search.rows):
                raise
            whole.update(status="interrupted")
            return False
        whole.update(status="done")
    return True


@contextmanager
def _state(whole: Run) -> Iterator[None]:
    """Lock the search; write down how it ended."""
    whole.lock()
    whole.update(status="running")
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        whole.update(status="interrupted" if stopped else "failed", error=str(error))
        say(f"Go on with `sightline tune {whole.record.data.source} --resume {whole.path}`.")
        raise
    finally:
        whole.unlock()


def _recommended(search: Search) -> dict[str, Any]:
    """Settings of trial 1: the recommended ones."""
    recipe, options = search.first.recipe, search.first.task.options
    return {name: getattr(recipe if name in Recipe.names() else options, name) for name in _draws(search)}


def _within_ranges(recommended: dict[str, Any]) -> dict[str, Any]:
    """Clip the recommended settings to the ranges of the search."""
    decay = recommended.get("weight_decay")
    if decay is None:
        return recommended
    return {**recommended, "weight_decay": min(max(decay, DECAY[0]), DECAY[1])}


def _space(trial: Any, search: Search) -> dict[str, Any]:
    """Sample every setting that is searched."""
    return {name: draw(trial) for name, draw in _draws(search).items()}


def _draws(search: Search) -> dict[str, Callable[[Any], Any]]:
    """What samples each setting that is searched: of the recipe, around the recommended values, where
    training takes steps; and options of the task.
    """
    recipe = search.first.recipe
    lr, batch = recipe.lr or 1e-3, recipe.batch_size or 32
    batches = sorted({max(8, batch // 2), batch, batch * 2})
    augments = sorted({"light", "standard", "strong", recipe.augment or "standard"})
    learned: dict[str, Callable[[Any], Any]] = {
        "lr": lambda trial: trial.suggest_float("lr", lr / 10, lr * 10, log=True),
        "weight_decay": lambda trial: trial.suggest_float("weight_decay", *DECAY, log=True),
        "batch_size": lambda trial: trial.suggest_categorical("batch_size", batches),
        "augment": lambda trial: trial.suggest_categorical("augment", augments),
    }
    draws = learned if search.first.trainer.steps else {}
    draws |= {name: partial(_number_within, name, span) for name, span in tunable(search.first).items()}
    return {name: draw for name, draw in draws.items() if name not in search.fixed}


def _number_within(name: str, span: Tunable, trial: Any) -> float:
    return float(trial.suggest_float(name, span.low, span.high))


def _again(trial: Any, drawn: dict[str, Any], search: Search) -> dict[str, Any]:
    """Replay a completed trial: report its scores again, so that later proposals are the same.

    Raises:
        UsageError: If other settings are proposed for it now.
    """
    row: dict[str, Any] = search.rows[trial.number]
    whole = search.whole
    if any(row.get(name) != value for name, value in drawn.items()):
        raise UsageError(
            f"{whole.path} was made with Optuna {whole.record.optuna} and Sightline "
            f"{whole.record.sightline}; Optuna {version()} and this Sightline propose other settings for "
            f"trial {trial.number + 1}. Go on with those versions, or start another search."
        )
    _report(trial, row["said"])
    return row


def _report(trial: Any, scores: Sequence[Sequence[Any]]) -> None:
    for epoch, score in scores:
        trial.report(math.nan if score is None else score, epoch)


def _trained(trial: Any, drawn: dict[str, Any], search: Search) -> dict[str, Any]:
    """Train with sampled settings; returns the entry for tune.json."""
    arguments, first, number = search.arguments, search.first, trial.number + 1
    folder, report = search.whole.path / f"trial-{number}", _Report(trial)
    row = {"trial": number, **drawn}
    say(f"Trial {number}: " + ", ".join(f"{k} {in_words(v)}" for k, v in drawn.items()))
    try:
        recipe = {name: value for name, value in drawn.items() if name in Recipe.names()}
        options = {k: v for k, v in drawn.items() if k not in recipe and v is not None}
        trial_plan = make_plan(
            replace(
                arguments,
                recipe=replace(arguments.recipe, **recipe),
                options={**arguments.options, **options},
            ),
            search.prepared,
            splits=first.dataset.splits,
        )
        first_step.dry_run(trial_plan)
        run, begun = _begun(trial_plan, folder)
        fit(
            trial_plan,
            run,
            Devices.start(arguments.device, trial_plan.recipe.precision),
            resume=begun,
            extra=[report],
        )
        events = [e for e in run.events() if e.get("val_score") is not None]
    except TrainingFailed as error:
        say(f"Trial {number} failed: {error}")
        return {**row, "failed": str(error), "run": str(folder), "said": report.said}
    best = max(events, key=lambda e: e["val_score"])
    run.update(status="tuned")
    main = trial_plan.task.card.primary_metric
    return {**row, main: best[f"val_{main}"], "val loss": best.get("val_loss"), "epochs": len(events),
            "run": str(folder), "said": report.said}  # fmt: skip


def _begun(trial_plan: Plan, folder: Path) -> tuple[Run, bool]:
    """The run of a trial, and whether it was started before; it is resumed from its checkpoint."""
    if (folder / "run.json").is_file():
        run = Run.open(folder)
        if run.record.recipe == asdict(trial_plan.recipe) and run.checkpoint("last") is not None:
            return run, True
    run = Run.create(folder, run_record(trial_plan, "tune"), overwrite=folder.exists())
    seen_images.write(trial_plan, run.path)
    return run, False


class _Report(Callback):
    """Callback that reports every epoch to the search, and prunes trials below the median."""

    def __init__(self, trial: Any) -> None:
        self.trial = trial
        self.said: list[list[Any]] = []

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """Stop if the trial falls behind."""
        self.said.append([training.epoch, logs["val_score"]])
        _report(self.trial, self.said[-1:])
        return bool(self.trial.should_prune())

    def state(self) -> dict[str, Any]:
        """What was said so far."""
        return {"said": self.said}

    def restore(self, state: dict[str, Any]) -> None:
        """Say it again: this search has not heard it."""
        self.said = state["said"]
        _report(self.trial, self.said)


def in_words(value: Any) -> str:
    """A setting of a trial; None is left to the task or the model."""
    return "default" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def score_of(row: Mapping[str, Any], search: Search) -> float | None:
    """Objective of a trial: higher is better; None if it failed."""
    main = search.first.task.card.primary_metric
    if "failed" in row:
        return None
    return float(row[main] if search.first.task.metrics()[main].card.higher_is_better else -row[main])
