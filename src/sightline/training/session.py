"""Training session: train, compare with baselines, open the test set once, write the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from sightline import storage
from sightline.console import say
from sightline.core.metric import Metric
from sightline.core.model import Model
from sightline.core.model_config import ModelConfig
from sightline.core.report import Results
from sightline.core.run import Run
from sightline.data.inputs import input_kind, of_items
from sightline.data.split import SPLITS_FILE, read_splits, splits_from_json, splits_to_json
from sightline.devices import Devices
from sightline.errors import DataError, Interrupted, SightlineError, UsageError
from sightline.evaluation import (
    baselines,
    conclusions,
    cost,
    frame_order,
    group_scores,
    scoring,
    test_ledger,
)
from sightline.evaluation.attempt import attempt, exhibits
from sightline.evaluation.frozen_features import Frozen
from sightline.training import fair, first_step, robust, run_report, seen_images, teacher_run
from sightline.training.plan import Plan, make_plan
from sightline.training.recipe import Recipe
from sightline.training.resumed_arguments import Resumed, same_data
from sightline.training.runner import (
    fit,
    frozen_for,
    loader,
    model_config,
    predict_part,
    run_record,
    validation,
    with_auto_batch_size,
)


def execute_plan(plan: Plan, out: Path, *, overwrite: bool = False) -> Run:
    """Create the run folder and execute all steps of the plan."""
    devices = Devices.start(plan.arguments.device, plan.recipe.precision)
    plan = with_auto_batch_size(plan, devices)
    first_step.dry_run(plan, devices.world)
    for line in plan.lines():
        say(line)
    out = devices.gather(out)[0]
    if devices.first:
        created = Run.create(out, run_record(plan, "train"), overwrite=overwrite)
        assignment = splits_to_json(plan.dataset, plan.dataset.splits)
        storage.write_json(out / SPLITS_FILE, assignment)
        seen_images.write(plan, out)
        storage.write_json(out / "findings.json", [vars(f) for f in plan.findings])
    devices.wait()
    created = Run.open(out)
    say(f"run       {out}")
    return _train(plan, created, devices, resume=False)


def resume(run: Run, again: Resumed) -> Run:
    """Resume a run: same data, wherever they are now, same split, same recipe."""
    path, data = run.path, again.data
    if run.record.command == "tune":
        search = path if run.record.trials is not None else path.parent
        raise UsageError(f"{path} is of a search: go on with `sightline tune {data} --resume {search}`.")
    if not (path / SPLITS_FILE).is_file():
        raise DataError(f"{path} was stopped before training began. Start it anew with --overwrite.")
    if run.record.status == "done":
        raise UsageError(f"{path} is finished: there is nothing to resume. See {path}/report.html.")
    arguments = again.arguments(run.record.arguments)
    plan = make_plan(replace(arguments, splits=path / SPLITS_FILE, weights=None, prune=None))
    splits_from_json(plan.dataset, read_splits(path))
    same_data(run, plan.dataset, data)
    record = run.record
    plan = replace(
        plan, arguments=arguments, recipe=Recipe(**record.recipe), settings=record.model_config.to_json(),
        decisions=record.decisions, messages=record.messages,
    )  # fmt: skip
    teacher_run.unchanged(plan, run)
    began = (run.record.weights or "scratch") != "scratch" and arguments.weights is None
    if began and plan.start.pretrained == "no" and run.checkpoint("last") is None:
        raise DataError(f"{path} began with weights that cannot be had now. {plan.start.reason}.")
    devices = Devices.start(arguments.device, plan.recipe.precision)
    say(f"Resuming {path}.")
    return _train(plan, run, devices, resume=True)


def _train(plan: Plan, run: Run, devices: Devices, *, resume: bool) -> Run:
    with _state(run, devices):
        model, elapsed = _fit_model(plan, run, devices, resume)
        results = _tested(plan, run, model, devices, elapsed)
        if devices.first:
            storage.write_json(run.path / "results.json", results.to_json())
            attempt("The report", lambda: run_report.write(run, plan, model, results), None, [])
            run.update(status="done", seconds=round(elapsed, 1))
    devices.wait()
    return run


def _fit_model(plan: Plan, run: Run, devices: Devices, resume: bool) -> tuple[Model, float]:
    """The trained and calibrated model, written to model/, and the seconds of training."""
    model, elapsed = fit(plan, run, devices, resume=resume)
    part = plan.part("val")
    batches: Any = loader(plan, part, devices)
    fair.fit_last_layer(
        model,
        plan,
        lambda items: cast(Any, loader(plan, items, devices)),
        lambda m: validation(m, batches, plan, devices),
        devices,
    )
    val = predict_part(model, plan, batches, devices)
    fitted = plan.task.calibrate(val.prediction, val.target)
    if "calibration" in fitted:
        fitted["calibration"] = of_items(fitted["calibration"], plan.task.card.input)
    model.settings.update(fitted)
    if calibration := model.settings.get("calibration"):
        say(f"calibrate {calibration}")
    val = predict_part(model, plan, batches, devices)
    if devices.first:
        run.update(model_config=ModelConfig.from_json(model.settings))  # with what was fitted on validation
        run.save_model(model.state_dict(), model_config(plan, model.settings))
        val = val.in_order(part.ids)
        run.save_predictions("val", val.ids, val.prediction, val.target, part.groups)
    return model, elapsed


def _tested(plan: Plan, run: Run, model: Model, devices: Devices, elapsed: float) -> Results:
    """Use the test set: network and baselines on the same images."""
    test = plan.part("test")
    looks = test_ledger.record_test_access(run, test, "train") if devices.first else 0
    batches = loader(plan, test, devices)
    prediction = predict_part(model, plan, batches, devices)
    reordered = frame_order.predict_reordered(model, batches, list(test.ids), devices)
    if not devices.first:
        return Results(plan.task.card.name, "", "test", 0, {})
    prediction = prediction.in_order(test.ids)
    groups = test.groups
    scores, network = scoring.score(plan.task, prediction.prediction, prediction.target, groups)
    kind = plan.task.card.input
    item = input_kind(kind).item
    results = Results(plan.task.card.name, plan.dataset.name, "test", len(test), scores, item=item)
    run.save_predictions("test", prediction.ids, prediction.prediction, prediction.target, groups)
    storage.write_json(run.path / "results.json", results.to_json())  # what follows takes time and may fail
    failed: list[str] = []
    beside = _score_baselines(plan, run, results, frozen_for(plan, devices, failed), failed)
    results.conclusions = conclusions.draw_conclusions(
        plan.task, results, network, beside, groups, prediction.target
    )
    results.conclusions += failed
    results.conclusions += conclusions.scores_without_leaks(plan.task, plan.findings, prediction, groups)
    results.conclusions += conclusions.diagnose_training(run)
    results.conclusions += robust.conclude(run, plan.recipe.robust, len(plan.part("val")))
    sentences, by_group = fair.conclude(plan, prediction, groups)
    results.conclusions += sentences
    chosen, says = seen_images.test_images_seen(run.path), "chose the weights that this run began with"
    results.conclusions += conclusions.without(plan.task, chosen, prediction, groups, says)
    results.conclusions += conclusions.advise(run, results, len(plan.dataset), elapsed) + _test_origin(plan)
    if looks > 1:
        results.conclusions.append(
            f"These test images have now been looked at {looks} times by runs in {run.path.parent}: "
            "choosing among runs by them makes the numbers optimistic."
        )
    results.figures = exhibits(
        plan.task,
        prediction.prediction,
        prediction.target,
        prediction.ids,
        model.settings,
        results.conclusions,
    )
    results.metadata = {
        "test_access_count": looks,
        "cost": cost.measure_cost(model, plan.settings, run, elapsed),
    }
    frame_order.add_to(results, plan.task, prediction, reordered)
    results.figures += by_group
    results.figures += group_scores.group_figures(plan.task, prediction.prediction, prediction.target, groups)
    results.metadata |= {k: v for k, v in model.settings.items() if k in ("temperature", "calibration")}
    if "calibration" in model.settings:
        results.conclusions.append(f"Confidence: {model.settings['calibration']}")
    if run.record.pruned is not None:
        results.metadata["pruned"] = run.record.pruned
    results.conclusions = [of_items(text, kind) for text in results.conclusions]
    return results


def _score_baselines(
    plan: Plan, run: Run, results: Results, frozen: Frozen | None, failed: list[str]
) -> dict[str, dict[str, Metric]]:
    """Score the baselines into `results` and store their predictions; returns metrics with statistics."""
    train, test = plan.part("train"), plan.part("test")
    beside = {}
    predictions = baselines.predict_baselines(plan.task, train, test, plan.settings, frozen, failed)
    for name, prediction in predictions.items():
        score = partial(scoring.score, plan.task, prediction, test.targets, test.groups)
        judged = attempt(f"The score of the baseline {name}", score, None, failed)
        if judged is not None:
            results.baselines[name], beside[name] = judged
            run.save_predictions(f"test.{name}", test.ids, prediction, test.targets, test.groups)
    return beside


def _test_origin(plan: Plan) -> list[str]:
    """Message about a test part that was cut from train although a val part exists."""
    if plan.given != {"train", "val"}:
        return []
    test, val = (len(plan.dataset.indices_of(s)) for s in ("test", "val"))
    return [
        f"The data name no test part: the test images ({test}) were set aside from train, and those of val "
        f"({val}) chose the weights. Name that folder test to be scored on it; val is then cut from train."
    ]


@contextmanager
def _state(run: Run, devices: Devices) -> Iterator[None]:
    """Lock the run; record how it ended."""
    if devices.first:
        run.lock()
        run.update(status="running")
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
    """After an interruption, make the best weights so far the model."""
    interrupted = isinstance(error, Interrupted | KeyboardInterrupt)
    try:
        best = run.checkpoint("best")
        if best is not None and not (run.path / "model" / "model.json").is_file():
            run.save_model(best[0]["model"], run.record.card)
        run.update(status="interrupted" if interrupted else "failed", error=str(error))
    except SightlineError:
        say(f"{run.path} could not be updated; its checkpoints are as they were.")
