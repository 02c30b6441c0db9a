"""Train: the plan of a new run, or a run that goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from sightline.core.run import Run
from sightline.errors import UsageError
from sightline.training import cross_validation, pruned_run, seen_images, session, teacher_run
from sightline.training.arguments import Asked
from sightline.training.plan import Plan, make_plan
from sightline.training.recipe import Recipe


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
        stopped = Run.open(Path(resume))
        go_on = cross_validation.resume if "folds" in stopped.facts else session.resume
        return go_on(stopped, str(data), device, data_dir)
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
        place = None if out is None else Path(out)
        return cross_validation.cross_validate(arguments, folds, place, overwrite)
    _writable(out, overwrite, weights)
    plan = _slim(arguments)
    return session.execute_plan(plan, Path(out or Run.free(plan.dataset.name)), overwrite=overwrite)


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
    plan = seen_images.checked(
        teacher_run.checked(pruned_run.checked(make_plan(pruned_run.asked_for(arguments))))
    )
    pruned_run.tried(plan)
    teacher_run.tried(plan)
    return plan


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
