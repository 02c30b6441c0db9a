"""Predict for pictures, folders, globs, videos and cameras; write tables, labels or annotated pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from sightline.cluster.start import library
from sightline.console import say, track
from sightline.errors import UsageError
from sightline.inference.crops import cut_out
from sightline.inference.filters import Wish, chosen_of, kept, least_of
from sightline.inference.presenters import kind_of
from sightline.inference.promptable import predictor as predictor_for
from sightline.inference.sources import Answer, Sources
from sightline.inference.summary import SHOWN, Predicted
from sightline.inference.writers import ALL_SCORES, Setting, form_of
from sightline.inference.writers import writer as writer_of


def run(
    run: Path,
    source: Sequence[str],
    *,
    out: Path | None = None,
    as_: str | None = None,
    batch_size: int = 64,
    device: str = "auto",
    top: int | None = None,
    min_score: float | None = None,
    classes: Sequence[str] = (),
    crops: Path | None = None,
    stream: bool = False,
    prompt: str | None = None,
    ray: str | None = None,
) -> Predicted:
    """See `sightline.api.predict`."""
    if ray is not None:
        others = {"--stream": stream, "--prompt": prompt is not None, "--crops": crops is not None}
        if clash := [option for option, given in others.items() if given]:
            raise UsageError(f"--ray cannot be given with {clash[0]}: leave one out.")
        return _on_ray(
            run, source, ray, out=out, as_=as_, batch_size=batch_size, device=device, top=top,
            min_score=min_score, classes=classes,
        )  # fmt: skip
    predictor = predictor_for(Path(run), prompt, device)
    settings = predictor.settings
    kind, names = kind_of(predictor.task.card.prediction), settings.get("classes", [])
    summary = Predicted(out=None if out is None else Path(out), without=0 if kind.objects else None)
    form = form_of(summary.out, as_, kind)
    chosen = chosen_of(kind, names, classes, min_score)
    sources = Sources.for_model(source, settings, stream)
    summary.left_out, summary.hidden = dict(sources.left_out), len(sources.hidden)
    wish = Wish(kind, names, top, least_of(settings, min_score), chosen, sources.films)
    measured = replace(wish, least=0.0) if form in ALL_SCORES and min_score is None else None
    ids = settings.get("class_ids") or list(range(len(names)))
    writer: Any = nullcontext(lambda answer: None)
    if form is not None and summary.out is not None:
        writer = writer_of(form, Setting(summary.out, kind, names, ids, sources, str(run)))
    with _named(summary.out or crops), cut_out(crops, kind, sources, names) as cut, writer as write:
        try:
            for answer in track(predictor.answers(sources, batch_size), "predicting"):
                mine = kept(predictor.task, answer, wish)
                _note(summary, mine, sources.live)
                write(mine if measured is None else kept(predictor.task, answer, measured))
                cut(mine)
        except KeyboardInterrupt:
            if not sources.live:
                raise
            say(f"Stopped after {summary.total} frames.")
    return summary


@contextmanager
def _named(out: Path | None) -> Iterator[None]:
    """Name what was written where the system's error does not: a full disk has no file's name."""
    try:
        yield
    except OSError as error:
        if error.filename is None and out is not None:
            error.filename = str(out)
        raise


def _on_ray(run: Path, source: Sequence[str], ray: str, **wishes: Any) -> Predicted:
    library(ray)  # else what follows could not be imported
    from sightline.cluster.predict import predict

    return predict(Path(run), source, ray, **wishes)


def _note(summary: Predicted, answer: Answer, live: bool) -> None:
    """Count it, and keep what the terminal or --json shows."""
    outcome = answer.outcome
    summary.total += 1
    if outcome.error:
        summary.errors.append((outcome.id, outcome.error))
        say(f"{outcome.id}: {outcome.error}")
        return
    if summary.without is not None and not len(outcome.prediction.labels):
        summary.without += 1
    if len(summary.rows) < SHOWN or (summary.out is None and not live):
        summary.rows.append(outcome.row)
    if len(summary.shown) < SHOWN:
        row = {
            k: v for k, v in outcome.row.items() if not k.startswith("p(") and not isinstance(v, list | dict)
        }
        summary.shown.append(row)
