"""Check, train, compare with baselines, open the test set once, write the report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sightline import storage
from sightline.console import say
from sightline.core.metric import Metric
from sightline.core.model import Model
from sightline.core.report import Results
from sightline.core.run import Run
from sightline.data.split import splits_from_json, splits_to_json
from sightline.devices import Devices
from sightline.errors import DataError, Interrupted, SightlineError, UsageError
from sightline.evaluation import conclusions
from sightline.evaluation.frozen_features import Frozen
from sightline.training import first_step, pruned_run, run_report, seen_images, teacher_run
from sightline.training.plan import Asked, Plan, plan
from sightline.training.recipe import Recipe
from sightline.training.runner import card_of, facts, fit, frozen_for, predict_part, sized


def run(
    data: str,
    *,
    task: str | None = None,
    model: str | None = None,
    format: str | None = None,
    target: str | None = None,
    pixel_range: str | None = None,
    exif: Literal["apply", "ignore"] | None = None,
    data_dir: Path | None = None,
    splits: Path | None = None,
    folds: int | None = None,
    weights: str | None = None,
    pretrained: Literal["no", "auto", "yes"] = "auto",
    teacher: Path | None = None,
    prune: float | None = None,
    seed: int = 0,
    device: str = "auto",
    accept: Sequence[str] = (),
    out: Path | None = None,
    overwrite: bool = False,
    resume: Path | None = None,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    **options: Any,
) -> Run:
    """See `sightline.api.train`."""
    if resume is not None:
        named = {"model": model, "task": task, "folds": folds, "out": out, "teacher": teacher, "prune": prune,
                 "format": format, "target": target, "pixel_range": pixel_range, "exif": exif,
                 "splits": splits, "weights": weights,
                 "pretrained": None if pretrained == "auto" else pretrained, "seed": seed or None,
                 "accept": accept or None, "overwrite": overwrite or None}  # fmt: skip
        _refuse_beside_resume(recipe, {**options, **named})
        return resume_one(str(data), Path(resume), device, data_dir)
    arguments = Asked.of(
        recipe,
        accept,
        {"splits": splits, "data_dir": data_dir, "teacher": teacher and Path(teacher).absolute()},
        data=str(data),
        task=task,
        model=model,
        format=format,
        target=target,
        pixel_range=pixel_range,
        exif=exif,
        weights=weights,
        pretrained=pretrained,
        prune=prune,
        seed=seed,
        device=device,
        options=options,
    )
    if folds is not None:
        from sightline.training.cross_validation import cross_validate

        return cross_validate(arguments, folds, None if out is None else Path(out), overwrite)
    _writable(out, overwrite, weights)
    train_plan = _slim(arguments)
    return carry_out(train_plan, Path(out) if out else Run.free(train_plan.dataset.name), overwrite=overwrite)


def _refuse_beside_resume(recipe: Recipe, named: Mapping[str, Any]) -> None:
    """Refuse what would have no effect on a run that goes on.

    Raises:
        UsageError: If anything was asked for.
    """
    given = [name for name in Recipe.names() if getattr(recipe, name) is not None]
    given += [name for name, value in named.items() if value is not None]
    if given:
        raise UsageError(
            f"--resume goes on with the settings of the run; leave out --{given[0].replace('_', '-')}, "
            "or start a new run."
        )


def _slim(arguments: Asked) -> Plan:
    """The plan, once it is known that the run it learns from, or makes smaller, will do."""
    train_plan = seen_images.checked(
        teacher_run.checked(pruned_run.checked(plan(pruned_run.asked_for(arguments))))
    )
    pruned_run.tried(train_plan)
    teacher_run.tried(train_plan)
    return train_plan


def _writable(out: Path | None, overwrite: bool, weights: str | None) -> None:
    """Refuse, before anything is read, what would be overwritten.

    Raises:
        UsageError: If `out` is there and is not to be overwritten, or holds the weights to begin with.
    """
    if out is None:
        return
    folder = Path(out).absolute()
    if folder.exists() and not overwrite and (folder.is_file() or any(folder.iterdir())):
        raise UsageError(f"{out} exists. Choose another --out, or --overwrite it.")
    if weights is not None and Path(weights).absolute().is_relative_to(folder):
        raise UsageError(f"--weights {weights} would be overwritten with --out {out}. Choose another --out.")


def carry_out(train_plan: Plan, out: Path, *, overwrite: bool = False) -> Run:
    """Make the run folder and do everything that the plan says."""
    devices = Devices.start(train_plan.asked.device, train_plan.recipe.precision)
    train_plan = sized(train_plan, devices)
    first_step.tried(train_plan, devices.world)
    for line in train_plan.lines():
        say(line)
    out = devices.gather(out)[0]
    if devices.first:
        created = Run.create(out, {"verb": "train", **facts(train_plan)}, overwrite=overwrite)
        assignment = splits_to_json(train_plan.dataset, train_plan.dataset.splits)
        storage.write_json(out / "splits.json", assignment)
        seen_images.write(train_plan, out)
        storage.write_json(out / "findings.json", [vars(f) for f in train_plan.findings])
    devices.wait()
    created = Run.open(out)
    say(f"run       {out}")
    return _train(train_plan, created, devices, resume=False)


def resume_one(data: str, path: Path, device: str, data_dir: Path | None) -> Run:
    """Go on with a run: same data, wherever they lie now, same split, same recipe."""
    opened_run = Run.open(path)
    arguments_stored = dict(opened_run.facts["asked"])
    if opened_run.facts["verb"] == "tune":
        raise UsageError(f"{path} is a trial of a search and is not resumed. Train with its settings.")
    if "folds" in opened_run.facts:
        from sightline.training import cross_validation

        return cross_validation.resume(opened_run, data, device, data_dir)
    if not (path / "splits.json").is_file():
        raise DataError(f"{path} was stopped before training began. Start it anew with --overwrite.")
    if opened_run.facts["state"] == "done":
        raise UsageError(f"{path} is finished: there is nothing to resume. See {path}/report.html.")
    arguments_stored["accept"] = tuple(arguments_stored["accept"])
    arguments_stored["data_dir"] = arguments_stored["data_dir"] if data_dir is None else str(data_dir)
    arguments = Asked(**{**arguments_stored, "data": data})
    stored = json.loads((path / "splits.json").read_text(encoding="utf-8"))
    train_plan = plan(replace(arguments, splits=str(path / "splits.json"), weights=None, prune=None))
    splits_from_json(train_plan.dataset, stored)
    now, then = train_plan.dataset.fingerprint(), opened_run.facts["data"]["fingerprint"]
    if now != then:
        raise DataError(
            f"{data} is not what {path} was trained on (fingerprint {now[:12]}, then {then[:12]}): an image, "
            "a label or a name changed. Resume with the same data, or start a new run."
        )
    record = opened_run.facts
    train_plan = replace(
        train_plan, asked=arguments, recipe=Recipe(**record["recipe"]), settings=record["settings"],
        why=record["why"], notes=tuple(record["notes"]),
    )  # fmt: skip
    teacher_run.unchanged(train_plan, opened_run)
    began = opened_run.facts.get("weights", "scratch") != "scratch" and arguments.weights is None
    if began and train_plan.start.pretrained == "no" and opened_run.checkpoint("last") is None:
        raise DataError(f"{path} began with weights that cannot be had now. {train_plan.start.reason}.")
    devices = Devices.start(device if device != "auto" else arguments.device, train_plan.recipe.precision)
    say(f"Resuming {path}.")
    return _train(train_plan, opened_run, devices, resume=True)


def _train(train_plan: Plan, run: Run, devices: Devices, *, resume: bool) -> Run:
    with _state(run, devices):
        model, elapsed = _fitted(train_plan, run, devices, resume)
        results = _tested(train_plan, run, model, devices, elapsed)
        if devices.first:
            storage.write_json(run.path / "results.json", results.to_json())
            conclusions.attempt(
                "The report", lambda: run_report.write(run, train_plan, model, results), None, []
            )
            run.update(state="done", seconds=round(elapsed, 1))
    devices.wait()
    return run


def _fitted(train_plan: Plan, run: Run, devices: Devices, resume: bool) -> tuple[Model, float]:
    """The trained and calibrated model, written to model/, and the seconds it took."""
    model, elapsed = fit(train_plan, run, devices, resume=resume)
    part = train_plan.part("val")
    val = predict_part(model, train_plan, part, devices)
    model.settings.update(train_plan.task.calibrate(val.prediction, val.truth))
    if calibration := model.settings.get("calibration"):
        say(f"calibrate {calibration}")
    val = predict_part(model, train_plan, part, devices)
    if devices.first:
        run.save_model(model.state_dict(), card_of(train_plan, model.settings))
        val = val.in_order(part.ids)
        run.save_predictions("val", val.ids, val.prediction, val.truth, part.groups)
    return model, elapsed


def _tested(train_plan: Plan, run: Run, model: Model, devices: Devices, elapsed: float) -> Results:
    """Open the test set: network and baselines on the same images."""
    test = train_plan.part("test")
    looks = conclusions.look_at_test(run, test, "train") if devices.first else 0
    prediction = predict_part(model, train_plan, test, devices)
    if not devices.first:
        return Results(train_plan.task.card.name, "", "test", 0, {})
    prediction = prediction.in_order(test.ids)
    groups = test.groups
    scores, network = conclusions.scored(train_plan.task, prediction.prediction, prediction.truth, groups)
    results = Results(train_plan.task.card.name, train_plan.dataset.name, "test", len(test), scores)
    run.save_predictions("test", prediction.ids, prediction.prediction, prediction.truth, groups)
    storage.write_json(run.path / "results.json", results.to_json())  # what follows takes time and may fail
    failed: list[str] = []
    beside = _beside(train_plan, run, results, frozen_for(train_plan, devices), failed)
    results.verdicts = (
        conclusions.verdicts(train_plan.task, results, network, beside, groups, prediction.truth) + failed
    )
    results.verdicts += conclusions.without_leaks(
        train_plan.task, train_plan.findings, prediction, groups
    ) + conclusions.diagnose(run)
    results.verdicts += conclusions.advise(run, results, len(train_plan.dataset), elapsed) + _test_origin(
        train_plan
    )
    if looks > 1:
        results.verdicts.append(
            f"These test images have now been looked at {looks} times by runs in {run.path.parent}: "
            "choosing among runs by them makes the numbers optimistic."
        )
    results.exhibits = conclusions.exhibits(
        train_plan.task,
        prediction.prediction,
        prediction.truth,
        prediction.ids,
        model.settings,
        results.verdicts,
    )
    results.extra = {"test looks": looks, "cost": conclusions.cost(model, train_plan.settings, run, elapsed)}
    results.extra |= {k: v for k, v in model.settings.items() if k in ("temperature", "calibration")}
    if "calibration" in model.settings:
        results.verdicts.append(f"Confidence: {model.settings['calibration']}")
    results.extra |= {k: v for k, v in run.facts.items() if k == "pruned"}
    return results


def _beside(
    train_plan: Plan, run: Run, results: Results, frozen: Frozen | None, failed: list[str]
) -> dict[str, dict[str, Metric]]:
    """Score the baselines into `results` and keep what they said; the metrics with their statistics."""
    train, test = train_plan.part("train"), train_plan.part("test")
    beside = {}
    predictions = conclusions.baselines(train_plan.task, train, test, train_plan.settings, frozen, failed)
    for name, prediction in predictions.items():
        score = partial(conclusions.scored, train_plan.task, prediction, test.targets, test.groups)
        judged = conclusions.attempt(f"The score of the baseline {name}", score, None, failed)
        if judged is not None:
            results.baselines[name], beside[name] = judged
            run.save_predictions(f"test.{name}", test.ids, prediction, test.targets, test.groups)
    return beside


def _test_origin(train_plan: Plan) -> list[str]:
    """What is to be said of a test part that was cut from train while a val part lies beside."""
    if train_plan.given != {"train", "val"}:
        return []
    test, val = (len(train_plan.dataset.where(s)) for s in ("test", "val"))
    return [
        f"The data name no test part: the test images ({test}) were set aside from train, and those of val "
        f"({val}) chose the weights. Name that folder test to be scored on it; val is then cut from train."
    ]


@contextmanager
def _state(run: Run, devices: Devices) -> Iterator[None]:
    """Lock the run; write down how it ended."""
    if devices.first:
        run.lock()
        run.update(state="running")
    try:
        yield
    except BaseException as error:
        if devices.first:
            _note_end(run, error)
        raise
    finally:
        if devices.first:
            run.unlock()


def _note_end(run: Run, error: BaseException) -> None:
    """What is left is made usable: the best weights so far become the model."""
    interrupted = isinstance(error, Interrupted | KeyboardInterrupt)
    try:
        best = run.checkpoint("best")
        if best is not None and not (run.path / "model" / "model.json").is_file():
            record = {k: run.facts[k] for k in ("settings", "info", "task_options")}
            run.save_model(best[0]["model"], record)
        run.update(state="interrupted" if interrupted else "failed", error=str(error))
    except SightlineError:
        say(f"{run.path} could not be updated; its checkpoints are as they were.")
