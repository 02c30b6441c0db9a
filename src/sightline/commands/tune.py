"""Search for better settings on the validation part. The test part stays closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sightline import storage
from sightline.console import say
from sightline.core.report import Table
from sightline.core.run import Run
from sightline.devices import Devices
from sightline.errors import Interrupted, MissingExtra, TrainingFailed, UsageError
from sightline.training import first_step, seen_images
from sightline.training.arguments import Asked
from sightline.training.callbacks.base import Callback
from sightline.training.plan import Plan, make_plan
from sightline.training.prepare_data import Looked, look_at
from sightline.training.recipe import Recipe
from sightline.training.runner import facts, fit

if TYPE_CHECKING:
    from sightline.training.state import Training


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
) -> Table:
    """See `sightline.api.tune`."""
    optuna = _library()
    if trials < 1:
        raise UsageError(f"--trials must be at least 1. Received {trials}.")
    arguments = Asked.of(
        recipe, accept, {"data_dir": data_dir, "splits": splits}, data=str(data), task=task, model=model,
        format=format, target=target, pixel_range=pixel_range, exif=exif, weights=weights,
        pretrained=pretrained, seed=seed, device=device,
        options=options,
    )  # fmt: skip
    prepared = look_at(arguments)
    first = _said(seen_images.checked(make_plan(arguments, prepared)))
    folder = Path(out) if out else Run.free(f"{prepared.dataset.name}-tune")
    if folder.exists():
        raise UsageError(f"{folder} exists. Choose another --out.")
    pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=3)
    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    rows: list[dict[str, Any]] = []

    def objective(trial: Any) -> float:
        return _trial(trial, arguments, first, prepared, folder, rows)

    try:
        study.optimize(objective, n_trials=trials, catch=(TrainingFailed,))
    except Interrupted:
        say(f"Interrupted after {len(rows)} trials; these are ranked.")
    return _table(rows, first, folder)


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


def _said(train_plan: Plan) -> Plan:
    """The plan, once its notes are said."""
    for line in train_plan.notes:
        say(line)
    return train_plan


def _space(trial: Any, first: Plan, fixed: set[str]) -> dict[str, Any]:
    """One draw of every setting that matters and was not fixed, around what is recommended."""
    recipe = first.recipe
    lr, batch = recipe.lr or 1e-3, recipe.batch_size or 32
    draws: dict[str, Callable[[], Any]] = {
        "lr": lambda: trial.suggest_float("lr", lr / 10, lr * 10, log=True),
        "weight_decay": lambda: trial.suggest_float("weight_decay", 1e-5, 0.3, log=True),
        "batch_size": lambda: trial.suggest_categorical("batch_size", [max(8, batch // 2), batch, batch * 2]),
        "augment": lambda: trial.suggest_categorical("augment", ["light", "standard", "strong"]),
    }
    return {name: draw() for name, draw in draws.items() if name not in fixed}


def _trial(
    trial: Any, arguments: Asked, first: Plan, prepared: Looked, folder: Path, rows: list[dict[str, Any]]
) -> float:
    """Train once with drawn settings; the best validation score, turned so that higher is better."""
    drawn = _space(trial, first, set(arguments.recipe or {}) | set(arguments.options or {}))
    if trial.number == 0:
        drawn = {name: getattr(first.recipe, name) for name in drawn}
    train_plan = make_plan(
        replace(arguments, recipe={**(arguments.recipe or {}), **drawn}),
        prepared,
        splits=first.dataset.splits,
    )
    first_step.tried(train_plan)
    run = Run.create(folder / f"trial-{trial.number + 1}", {"verb": "tune", **facts(train_plan)})
    seen_images.write(train_plan, run.path)
    say(f"Trial {trial.number + 1}: " + ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}"
                                                   for k, v in drawn.items()))  # fmt: skip
    devices = Devices.start(arguments.device, train_plan.recipe.precision)
    fit(train_plan, run, devices, extra=[_Report(trial)])
    events = list(run.events())
    best = max(events, key=lambda e: e["val_score"])
    main = train_plan.task.card.score
    rows.append({"trial": trial.number + 1, **drawn, main: best[f"val_{main}"], "val loss": best["val_loss"],
                 "epochs": len(events), "run": str(run.path)})  # fmt: skip
    run.update(state="tuned")
    storage.write_json(folder / "tune.json", {"asked": asdict(arguments), "trials": rows})
    return float(best["val_score"])


class _Report(Callback):
    """Tell the search about every epoch; stop what falls behind the median."""

    def __init__(self, trial: Any) -> None:
        self.trial = trial

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """Stop if the trial falls behind."""
        self.trial.report(logs["val_score"], training.epoch)
        return bool(self.trial.should_prune())


def _table(rows: list[dict[str, Any]], first: Plan, folder: Path) -> Table:
    if not rows:
        raise TrainingFailed("Every trial failed; see the messages above.")
    main = first.task.card.score
    higher = first.task.metrics()[main].card.higher_is_better
    ranked = sorted(rows, key=lambda r: r[main], reverse=higher)
    best = {k: v for k, v in ranked[0].items() if k in Recipe.names() and k != "epochs"}
    command = " ".join(f"--{k.replace('_', '-')} {v:.4g}" if isinstance(v, float)
                       else f"--{k.replace('_', '-')} {v}" for k, v in best.items())  # fmt: skip
    n = len(first.dataset.where("val"))
    note = (
        f"Scores on {n} validation images; the test images stayed closed. Trial 1 is the recommended recipe. "
        f"The best of many is optimistic: train anew with {command}"
    )
    columns = [c for c in ranked[0] if c != "run"]
    cells = [[f"{r[c]:.4g}" if isinstance(r[c], float) else r[c] for c in columns] for r in ranked]
    return Table(f"{len(rows)} trials in {folder}", columns, cells, note)
