"""Launch: start or resume a training, as a single run or one run for each fold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sightline.core.run import Run
from sightline.errors import UsageError
from sightline.training import cross_validation, fair, pruned_run, robust, seen_images, session, teacher_run
from sightline.training.arguments import TrainArguments
from sightline.training.plan import Plan, make_plan
from sightline.training.resumed_arguments import Resumed


def start_run(arguments: TrainArguments) -> Run:
    """Train with these arguments.

    Raises:
        UsageError: If something asked for cannot be.
        DataError: If the data cannot be used, or have faults that were not accepted.
    """
    if arguments.teacher is not None:
        arguments = replace(arguments, teacher=arguments.teacher.absolute())
    if arguments.folds is not None:
        return cross_validation.cross_validate(arguments)
    _require_room(arguments)
    plan = _plan(arguments)
    out = arguments.out or Run.next_path(plan.dataset.name)
    return session.execute_plan(plan, out, overwrite=arguments.overwrite)


def resume_run(again: Resumed) -> Run:
    """Resume a run, or the folds of a cross-validation.

    Raises:
        UsageError: If there is nothing to resume.
        DataError: If the data have changed.
    """
    run = Run.open(again.path)
    go_on = cross_validation.resume if run.record.folds is not None else session.resume
    return go_on(run, again)


def _plan(arguments: TrainArguments) -> Plan:
    """The plan, after its teacher, its pruned run and its promise were validated."""
    plan = make_plan(pruned_run.asked_for(arguments))
    for part in (pruned_run, teacher_run, robust, fair, seen_images):
        plan = part.validate(plan)
    pruned_run.dry_run(plan)
    teacher_run.dry_run(plan)
    return plan


def _require_room(arguments: TrainArguments) -> None:
    """Refuse to overwrite existing output, before anything is read.

    Raises:
        UsageError: If `out` is there and is not to be overwritten, or holds the weights to begin with.
    """
    out, weights = arguments.out, arguments.weights
    if out is None:
        return
    folder = out.absolute()
    if folder.exists() and not arguments.overwrite and (folder.is_file() or any(folder.iterdir())):
        raise UsageError(f"{out} exists. Choose another --out, or --overwrite it.")
    if weights is not None and Path(weights).absolute().is_relative_to(folder):
        raise UsageError(f"--weights {weights} would be overwritten with --out {out}. Choose another --out.")
