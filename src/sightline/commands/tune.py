"""Search for better settings on the validation part. The test part stays closed.

The folder of a search is a run (`run.json`, `splits.json`) with a run a trial and `tune.json`, the trials
that are done. Proposals follow from the seed and from what trials said, so a search that was stopped is
taken up by proposing anew: for a trial that is done the proposal must be the one on record, and what it said
is said again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sightline import storage
from sightline.console import say
from sightline.core.report import Table
from sightline.core.run import Run
from sightline.data.split import splits_from_json, splits_to_json
from sightline.devices import Devices
from sightline.errors import DataError, Interrupted, MissingExtra, TrainingFailed, UsageError
from sightline.models.weights import load as weight_files
from sightline.training import first_step, seen_images
from sightline.training.arguments import Asked
from sightline.training.callbacks.base import Callback
from sightline.training.plan import Plan, make_plan
from sightline.training.prepare_data import Looked, look_at
from sightline.training.recipe import Recipe
from sightline.training.resumed_arguments import resumed, same_data
from sightline.training.runner import facts, fit

if TYPE_CHECKING:
    from sightline.training.state import Training

FILE = "tune.json"
"""In the folder of a search: what was asked, and the trials that are done, in order."""
DECAY = 1e-5, 0.3
"""Least and most weight decay that is tried; it is drawn on a scale of logarithms, which has no 0."""


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


@dataclass(frozen=True)
class _Search:
    """A search under way: what was asked and looked at, the first plan, the folder, the trials done."""

    asked: Asked
    looked: Looked
    first: Plan
    whole: Run
    rows: list[dict[str, Any]]

    @property
    def fixed(self) -> set[str]:
        """Settings that were given."""
        return set(self.asked.recipe or {}) | {name.replace("-", "_") for name in self.asked.options or {}}

    def add(self, row: dict[str, Any]) -> None:
        """One more trial is done."""
        self.rows.append(row)
        content = {"asked": self.whole.facts["asked"], "trials": self.rows}
        storage.write_json(self.whole.path / FILE, content)


def run(
    data: str,
    *,
    trials: int = 20,
    task: str | None = None,
    model: str | None = None,
    format: str | None = None,
    target: str | None = None,
    pixel_range: str | None = None,
    exif: Literal["apply", "ignore"] | None = None,
    data_dir: Path | None = None,
    splits: Path | None = None,
    weights: str | None = None,
    pretrained: Literal["no", "auto", "yes"] = "auto",
    seed: int = 0,
    device: str = "auto",
    accept: Sequence[str] = (),
    out: Path | None = None,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    **options: Any,
) -> Searched:
    """See `sightline.api.tune`."""
    _library()
    if trials < 1:
        raise UsageError(f"--trials must be at least 1. Received {trials}.")
    _one_process()
    arguments = Asked.of(
        recipe, accept, {"data_dir": data_dir, "splits": splits}, data=str(data), task=task, model=model,
        format=format, target=target, pixel_range=pixel_range, exif=exif, weights=weights,
        pretrained=pretrained, seed=seed, device=device,
        options=options,
    )  # fmt: skip
    prepared = look_at(arguments)
    first = seen_images.checked(make_plan(arguments, prepared))
    for line in first.notes:
        say(line)
    folder = Path(out) if out else Run.free(f"{prepared.dataset.name}-tune")
    if folder.exists():
        raise UsageError(f"{folder} exists. Choose another --out, or go on with it: --resume {folder}.")
    record = {
        "verb": "tune",
        **facts(first),
        "trials": trials,
        "began": _digest(arguments),
        "optuna": _version(),
    }
    whole = Run.create(folder, record)
    storage.write_json(folder / "splits.json", splits_to_json(first.dataset, first.dataset.splits))
    return _carried_out(_Search(arguments, prepared, first, whole, []))


def resume(given: Mapping[str, Any]) -> Searched:
    """Go on with a search; see `sightline.api.tune`.

    Args:
        given: What the verb was called with, by name.

    Raises:
        UsageError: If an option is among it that would have no effect, or there is nothing to resume.
        DataError: If the data, or the weights that trials begin with, have changed.
    """
    _library()
    wish = resumed(given)
    _one_process()
    whole = Run.open(wish.path)
    if whole.facts["verb"] != "tune":
        raise UsageError(
            f"{wish.path} is no search. Go on with `sightline train {wish.data} --resume {wish.path}`."
        )
    if "trials" not in whole.facts:
        raise UsageError(f"{wish.path} is one trial. Go on with the search: --resume {wish.path.parent}.")
    if whole.facts["state"] == "done":
        raise UsageError(
            f"{wish.path} is finished: there is nothing to resume. See {wish.path / FILE}, or start another "
            "search with --out."
        )
    arguments = Asked(**wish.asked(whole.facts["asked"]))
    prepared = look_at(arguments)
    splits_file = (
        wish.path / "splits.json"
    )  # missing where it was stopped at once: they are made as they were then
    stored = json.loads(splits_file.read_text(encoding="utf-8")) if splits_file.is_file() else None
    first = make_plan(
        arguments, prepared, splits=None if stored is None else splits_from_json(prepared.dataset, stored)
    )
    same_data(whole, first.dataset, wish.data)
    if _digest(arguments) != whole.facts["began"]:
        raise DataError(f"--weights {arguments.weights} are others than when {wish.path} began. Start anew.")
    say(f"Resuming {wish.path}.")
    file = wish.path / FILE
    rows = json.loads(file.read_text(encoding="utf-8"))["trials"] if file.is_file() else []
    return _carried_out(_Search(arguments, prepared, first, whole, rows))


def _one_process() -> None:
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError("tune runs in one process. Start it without torchrun.")


def _digest(arguments: Asked) -> str | None:
    """SHA-256 of the weights that every trial begins with, where there are any."""
    if arguments.weights is None:
        return None
    return hashlib.sha256(weight_files.find(Path(arguments.weights)).read_bytes()).hexdigest()


def _library() -> Any:
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


def _version() -> str:
    return str(_library().__version__)


def _carried_out(search: _Search) -> Searched:
    """Every trial: those that are done as they were, the others trained."""
    optuna, whole = _library(), search.whole
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=3)
    sampler = optuna.samplers.TPESampler(seed=search.asked.seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    study.enqueue_trial(_told(_recommended(search)))
    with _state(whole):
        try:
            for number in range(whole.facts["trials"]):
                trial = study.ask()
                drawn = _space(trial, search)
                drawn = drawn if number else _recommended(search)
                if number < len(search.rows):
                    row = _again(trial, drawn, search)
                else:
                    row = _trained(trial, drawn, search)
                    search.add(row)
                score = _score(row, search)
                if score is None:
                    study.tell(trial, state=optuna.trial.TrialState.FAIL)
                else:
                    study.tell(trial, score)
        except Interrupted:
            if not any("failed" not in row for row in search.rows):
                raise
            whole.update(state="interrupted")
            return _table(search, interrupted=True)
        whole.update(state="done")
    return _table(search)


@contextmanager
def _state(whole: Run) -> Iterator[None]:
    """Lock the search; write down how it ended."""
    whole.lock()
    whole.update(state="running")
    try:
        yield
    except BaseException as error:
        stopped = isinstance(error, Interrupted | KeyboardInterrupt)
        whole.update(state="interrupted" if stopped else "failed", error=str(error))
        say(f"Go on with `sightline tune {whole.facts['data']['source']} --resume {whole.path}`.")
        raise
    finally:
        whole.unlock()


def _recommended(search: _Search) -> dict[str, Any]:
    """What trial 1 is trained with, of what is searched."""
    names = ("lr", "weight_decay", "batch_size", "augment")
    return {name: getattr(search.first.recipe, name) for name in names if name not in search.fixed}


def _told(recommended: dict[str, Any]) -> dict[str, Any]:
    """The same as the search is told of it: within what it draws from."""
    decay = recommended.get("weight_decay")
    if decay is None:
        return recommended
    return {**recommended, "weight_decay": min(max(decay, DECAY[0]), DECAY[1])}


def _space(trial: Any, search: _Search) -> dict[str, Any]:
    """One draw of every setting that matters and was not fixed, around what is recommended."""
    recipe = search.first.recipe
    lr, batch = recipe.lr or 1e-3, recipe.batch_size or 32
    batches = sorted({max(8, batch // 2), batch, batch * 2})
    augments = sorted({"light", "standard", "strong", recipe.augment or "standard"})
    draws: dict[str, Callable[[], Any]] = {
        "lr": lambda: trial.suggest_float("lr", lr / 10, lr * 10, log=True),
        "weight_decay": lambda: trial.suggest_float("weight_decay", *DECAY, log=True),
        "batch_size": lambda: trial.suggest_categorical("batch_size", batches),
        "augment": lambda: trial.suggest_categorical("augment", augments),
    }
    return {name: draw() for name, draw in draws.items() if name not in search.fixed}


def _again(trial: Any, drawn: dict[str, Any], search: _Search) -> dict[str, Any]:
    """A trial that is done: what it said is said again, so that what follows is as if nothing had stopped.

    Raises:
        UsageError: If other settings are proposed for it now.
    """
    row: dict[str, Any] = search.rows[trial.number]
    whole = search.whole
    if any(row.get(name) != value for name, value in drawn.items()):
        raise UsageError(
            f"{whole.path} was made with Optuna {whole.facts['optuna']} and Sightline "
            f"{whole.facts['sightline']}; Optuna {_version()} and this Sightline propose other settings for "
            f"trial {trial.number + 1}. Go on with those versions, or start another search."
        )
    _report(trial, row["said"])
    return row


def _report(trial: Any, scores: Sequence[Sequence[Any]]) -> None:
    for epoch, score in scores:
        trial.report(math.nan if score is None else score, epoch)


def _trained(trial: Any, drawn: dict[str, Any], search: _Search) -> dict[str, Any]:
    """Train once with drawn settings: its line of the file of trials."""
    arguments, first, number = search.asked, search.first, trial.number + 1
    folder, report = search.whole.path / f"trial-{number}", _Report(trial)
    row = {"trial": number, **drawn}
    say(f"Trial {number}: " + ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                                        for k, v in drawn.items()))  # fmt: skip
    try:
        trial_plan = make_plan(
            replace(arguments, recipe={**(arguments.recipe or {}), **drawn}),
            search.looked,
            splits=first.dataset.splits,
        )
        first_step.tried(trial_plan)
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
    run.update(state="tuned")
    main = trial_plan.task.card.score
    return {**row, main: best[f"val_{main}"], "val loss": best["val_loss"], "epochs": len(events),
            "run": str(folder), "said": report.said}  # fmt: skip


def _begun(trial_plan: Plan, folder: Path) -> tuple[Run, bool]:
    """The run of a trial, and whether it was begun: it is taken up at its checkpoint, if it has one."""
    if (folder / "run.json").is_file():
        run = Run.open(folder)
        if run.facts["recipe"] == asdict(trial_plan.recipe) and run.checkpoint("last") is not None:
            return run, True
    run = Run.create(folder, {"verb": "tune", **facts(trial_plan)}, overwrite=folder.exists())
    seen_images.write(trial_plan, run.path)
    return run, False


class _Report(Callback):
    """Tell the search about every epoch; stop what falls behind the median."""

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


def _score(row: Mapping[str, Any], search: _Search) -> float | None:
    """What the search is told of a trial: higher is better; None if it failed."""
    main = search.first.task.card.score
    if "failed" in row:
        return None
    return float(row[main] if search.first.task.metrics()[main].card.higher_is_better else -row[main])


def _table(search: _Search, interrupted: bool = False) -> Searched:
    rows = [row for row in search.rows if "failed" not in row]
    if not rows:
        raise TrainingFailed("Every trial failed; see the messages above.")
    folder, wanted = search.whole.path, search.whole.facts["trials"]
    ranked = sorted(rows, key=lambda row: _score(row, search) or 0.0, reverse=True)
    best = {k: v for k, v in ranked[0].items() if k in Recipe.names() and k != "epochs"}
    command = " ".join(f"--{k.replace('_', '-')} {v:.4g}" if isinstance(v, float)
                       else f"--{k.replace('_', '-')} {v}" for k, v in best.items())  # fmt: skip
    n = len(search.first.dataset.where("val"))
    note = (
        f"Scores on {n} validation images; the test images stayed closed. Trial 1 is the recommended recipe. "
        f"The best of many is optimistic: train anew with {command}"
    )
    if failed := [str(row["trial"]) for row in search.rows if "failed" in row]:
        note += f". Failed, for the reasons in {folder / FILE}: trial {', '.join(failed)}"
    if interrupted:
        data = search.asked.data
        note += f". Interrupted after {len(search.rows)} of {wanted} trials; the rest: "
        note += f"sightline tune {data} --resume {folder}"
    columns = [c for c in ranked[0] if c not in ("run", "said")]
    cells = [[f"{r[c]:.4g}" if isinstance(r[c], float) else r[c] for c in columns] for r in ranked]
    return Searched(f"{len(rows)} trials in {folder}", columns, cells, note, best, search.rows, str(folder),
                    130 if interrupted else 0)  # fmt: skip
