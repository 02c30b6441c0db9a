"""train: a new run, or a resumed one."""

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
from sightline.training.resumed_arguments import resumed


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
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    **options: Any,
) -> Run:
    """See `sightline.api.train`."""
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


def resume(given: Mapping[str, Any]) -> Run:
    """Go on with a run; see `sightline.api.train`.

    Args:
        given: What the command was called with, by name.

    Raises:
        UsageError: If an option is among it that would have no effect.
    """
    wish = resumed(given)
    run = Run.open(wish.path)
    go_on = cross_validation.resume if run.record.folds is not None else session.resume
    return go_on(run, wish.data, wish.device, wish.data_dir)


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
