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
from sightline.core.metric import Metric
from sightline.core.model import Model
from sightline.core.report import Results
from sightline.core.run import Run
from sightline.data.split import splits_from_json, splits_to_json
from sightline.engine.devices import Devices
from sightline.engine.recipe import Recipe
from sightline.errors import DataError, Interrupted, SightlineError, UsageError
from sightline.talk import say
from sightline.verbs import _first_step, _judge, _page, _pruned, _seen, _teacher
from sightline.verbs._fit import card_of, facts, fit, frozen_for, predict_part, sized
from sightline.verbs._frozen import Frozen
from sightline.verbs._plan import Asked, Plan, plan


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
    asked = Asked.of(
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
        from sightline.verbs._folds import cross_validate

        return cross_validate(asked, folds, None if out is None else Path(out), overwrite)
    _writable(out, overwrite, weights)
    made = _slim(asked)
    return carry_out(made, Path(out) if out else Run.free(made.dataset.name), overwrite=overwrite)


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


def _slim(asked: Asked) -> Plan:
    """The plan, once it is known that the run it learns from, or makes smaller, will do."""
    made = _seen.checked(_teacher.checked(_pruned.checked(plan(_pruned.asked_for(asked)))))
    _pruned.tried(made)
    _teacher.tried(made)
    return made


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


def carry_out(made: Plan, out: Path, *, overwrite: bool = False) -> Run:
    """Make the run folder and do everything that the plan says."""
    devices = Devices.start(made.asked.device, made.recipe.precision)
    made = sized(made, devices)
    _first_step.tried(made, devices.world)
    for line in made.lines():
        say(line)
    out = devices.gather(out)[0]
    if devices.first:
        created = Run.create(out, {"verb": "train", **facts(made)}, overwrite=overwrite)
        assignment = splits_to_json(made.dataset, made.dataset.splits)
        storage.write_json(out / "splits.json", assignment)
        _seen.write(made, out)
        storage.write_json(out / "findings.json", [vars(f) for f in made.findings])
    devices.wait()
    created = Run.open(out)
    say(f"run       {out}")
    return _train(made, created, devices, resume=False)


def resume_one(data: str, path: Path, device: str, data_dir: Path | None) -> Run:
    """Go on with a run: same data, wherever they lie now, same split, same recipe."""
    found = Run.open(path)
    kept = dict(found.facts["asked"])
    if found.facts["verb"] == "tune":
        raise UsageError(f"{path} is a trial of a search and is not resumed. Train with its settings.")
    if "folds" in found.facts:
        from sightline.verbs import _folds

        return _folds.resume(found, data, device, data_dir)
    if not (path / "splits.json").is_file():
        raise DataError(f"{path} was stopped before training began. Start it anew with --overwrite.")
    if found.facts["state"] == "done":
        raise UsageError(f"{path} is finished: there is nothing to resume. See {path}/report.html.")
    kept["accept"] = tuple(kept["accept"])
    kept["data_dir"] = kept["data_dir"] if data_dir is None else str(data_dir)
    asked = Asked(**{**kept, "data": data})
    stored = json.loads((path / "splits.json").read_text(encoding="utf-8"))
    made = plan(replace(asked, splits=str(path / "splits.json"), weights=None, prune=None))
    splits_from_json(made.dataset, stored)
    now, then = made.dataset.fingerprint(), found.facts["data"]["fingerprint"]
    if now != then:
        raise DataError(
            f"{data} is not what {path} was trained on (fingerprint {now[:12]}, then {then[:12]}): an image, "
            "a label or a name changed. Resume with the same data, or start a new run."
        )
    made = replace(
        made, asked=asked, recipe=Recipe(**found.facts["recipe"]), settings=found.facts["settings"],
        why=found.facts["why"], notes=tuple(found.facts["notes"]),
    )  # fmt: skip
    _teacher.unchanged(made, found)
    began = found.facts.get("weights", "scratch") != "scratch" and asked.weights is None
    if began and made.start.pretrained == "no" and found.checkpoint("last") is None:
        raise DataError(f"{path} began with weights that cannot be had now. {made.start.reason}.")
    devices = Devices.start(device if device != "auto" else asked.device, made.recipe.precision)
    say(f"Resuming {path}.")
    return _train(made, found, devices, resume=True)


def _train(made: Plan, run: Run, devices: Devices, *, resume: bool) -> Run:
    with _state(run, devices):
        model, elapsed = _fitted(made, run, devices, resume)
        results = _tested(made, run, model, devices, elapsed)
        if devices.first:
            storage.write_json(run.path / "results.json", results.to_json())
            _judge.attempt("The report", lambda: _page.write(run, made, model, results), None, [])
            run.update(state="done", seconds=round(elapsed, 1))
    devices.wait()
    return run


def _fitted(made: Plan, run: Run, devices: Devices, resume: bool) -> tuple[Model, float]:
    """The trained and calibrated model, written to model/, and the seconds it took."""
    model, elapsed = fit(made, run, devices, resume=resume)
    part = made.part("val")
    val = predict_part(model, made, part, devices)
    model.settings.update(made.task.calibrate(val.prediction, val.truth))
    if said := model.settings.get("calibration"):
        say(f"calibrate {said}")
    val = predict_part(model, made, part, devices)
    if devices.first:
        run.save_model(model.state_dict(), card_of(made, model.settings))
        val = val.in_order(part.ids)
        run.save_predictions("val", val.ids, val.prediction, val.truth, part.groups)
    return model, elapsed


def _tested(made: Plan, run: Run, model: Model, devices: Devices, elapsed: float) -> Results:
    """Open the test set: network and baselines on the same images."""
    test = made.part("test")
    looks = _judge.look_at_test(run, test, "train") if devices.first else 0
    found = predict_part(model, made, test, devices)
    if not devices.first:
        return Results(made.task.card.name, "", "test", 0, {})
    found = found.in_order(test.ids)
    groups = test.groups
    scores, network = _judge.scored(made.task, found.prediction, found.truth, groups)
    results = Results(made.task.card.name, made.dataset.name, "test", len(test), scores)
    run.save_predictions("test", found.ids, found.prediction, found.truth, groups)
    storage.write_json(run.path / "results.json", results.to_json())  # what follows takes time and may fail
    failed: list[str] = []
    beside = _beside(made, run, results, frozen_for(made, devices), failed)
    results.verdicts = _judge.verdicts(made.task, results, network, beside, groups, found.truth) + failed
    results.verdicts += _judge.without_leaks(made.task, made.findings, found, groups) + _judge.diagnose(run)
    results.verdicts += _judge.advise(run, results, len(made.dataset), elapsed) + _test_origin(made)
    if looks > 1:
        results.verdicts.append(
            f"These test images have now been looked at {looks} times by runs in {run.path.parent}: "
            "choosing among runs by them makes the numbers optimistic."
        )
    results.exhibits = _judge.exhibits(
        made.task, found.prediction, found.truth, found.ids, model.settings, results.verdicts
    )
    results.extra = {"test looks": looks, "cost": _judge.cost(model, made.settings, run, elapsed)}
    results.extra |= {k: v for k, v in model.settings.items() if k in ("temperature", "calibration")}
    if "calibration" in model.settings:
        results.verdicts.append(f"Confidence: {model.settings['calibration']}")
    results.extra |= {k: v for k, v in run.facts.items() if k == "pruned"}
    return results


def _beside(
    made: Plan, run: Run, results: Results, frozen: Frozen | None, failed: list[str]
) -> dict[str, dict[str, Metric]]:
    """Score the baselines into `results` and keep what they said; the metrics with their statistics."""
    train, test = made.part("train"), made.part("test")
    beside = {}
    said = _judge.baselines(made.task, train, test, made.settings, frozen, failed)
    for name, prediction in said.items():
        score = partial(_judge.scored, made.task, prediction, test.targets, test.groups)
        judged = _judge.attempt(f"The score of the baseline {name}", score, None, failed)
        if judged is not None:
            results.baselines[name], beside[name] = judged
            run.save_predictions(f"test.{name}", test.ids, prediction, test.targets, test.groups)
    return beside


def _test_origin(made: Plan) -> list[str]:
    """What is to be said of a test part that was cut from train while a val part lies beside."""
    if made.given != {"train", "val"}:
        return []
    test, val = (len(made.dataset.where(s)) for s in ("test", "val"))
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
            kept = {k: run.facts[k] for k in ("settings", "info", "task_options")}
            run.save_model(best[0]["model"], kept)
        run.update(state="interrupted" if interrupted else "failed", error=str(error))
    except SightlineError:
        say(f"{run.path} could not be updated; its checkpoints are as they were.")
