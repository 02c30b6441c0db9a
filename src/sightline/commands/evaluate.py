"""Score a run on its own data or on other data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from sightline import storage
from sightline.console import say
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Results
from sightline.core.run import Run, scoreboard
from sightline.data.check import look
from sightline.data.loading.tiles import batches
from sightline.data.open import open_data
from sightline.data.split import splits_from_json
from sightline.devices import Devices
from sightline.errors import DataError, UsageError
from sightline.evaluation import conclusions
from sightline.evaluation.run_data import as_trained, open_own, same_question
from sightline.inference import threads
from sightline.inference.model_folder import restore
from sightline.inference.predict_batches import predict
from sightline.report import page
from sightline.report.page import Page, Section
from sightline.tasks import TASKS
from sightline.training.run_report import finder


def run(
    run: Path,
    data: str | None = None,
    *,
    split: Literal["train", "val", "test", "all"] | None = None,
    format: str | None = None,
    target: str | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    out: Path | None = None,
) -> Results:
    """See `sightline.api.evaluate`."""
    opened_run = Run.open(run)
    model, task, _ = restore(opened_run.path)
    is_own = data is None
    dataset = _opened(opened_run, data, format, target, data_dir)
    dataset = same_question(dataset, opened_run, model.settings)
    scan, findings = look(dataset)
    if not is_own:
        _warn(dataset, findings)
    dataset = dataset.subset(np.flatnonzero(scan.readable))
    if not scan.readable.all():
        say(f"{int((~scan.readable).sum())} unreadable images are left out.")
    mine = as_trained(dataset, opened_run)
    if mine is None and is_own:
        stored = json.loads((opened_run.path / "splits.json").read_text(encoding="utf-8"))
        dataset = mine = dataset.with_splits(splits_from_json(dataset, stored))
    elif mine is not None and not is_own:
        say(f"{data} holds the data that {opened_run.path} was made with; they are split as they were then.")
    if mine is not None and (is_own or split != "all"):
        is_own, dataset = True, mine
    part, name = _part(dataset, split)
    held = mine.subset(mine.where("test")) if mine is not None and name == "all" else part
    looks = conclusions.look_at_test(opened_run, held, "evaluate") if name in ("test", "all") else 0
    devices = Devices.start(device)
    settings = model.settings
    loader = batches(part, model.settings, batch_size=64)
    model = model.to(devices.device)
    with threads.few([model], 64, devices):
        prediction = predict(model, loader, devices)
    scores, metrics = conclusions.scored(task, prediction.prediction, prediction.truth, part.groups)
    results = Results(task.card.name, dataset.name, name, len(part), scores)
    results.verdicts = conclusions.verdicts(task, results, metrics, {}, part.groups, prediction.truth)
    results.verdicts += _doubts(opened_run, dataset, part, is_own, name, looks)
    results.exhibits = conclusions.exhibits(
        task, prediction.prediction, prediction.truth, prediction.ids, settings, results.verdicts
    )
    results.extra = {"run": str(opened_run.path), "looks": looks}
    _write(
        results,
        part,
        opened_run,
        Path(out) if out else opened_run.path / f"evaluation-{dataset.name}-{name}.html",
    )
    return results


def _opened(
    run: Run, data: str | None, format: str | None, target: str | None, data_dir: Path | None
) -> Dataset:
    """The run's own data, or others.

    Raises:
        UsageError: If the data are the run's own and are to be read otherwise.
    """
    if data is not None:
        card = TASKS.load(run.facts["settings"]["task"]).CARD
        span, exif = run.facts["settings"].get("pixel_range"), run.facts["asked"].get("exif")
        return open_data(
            str(data),
            truth=card.truth,
            input=card.input,
            format=format,
            target=target,
            pixel_range=span,
            exif=exif,
            data_dir=data_dir,
        )
    for name, value in (("format", format), ("target", target)):
        if value is not None:
            raise UsageError(f"--{name} says how other data are read. Name them: evaluate RUN DATA.")
    return open_own(run, None if data_dir is None else str(data_dir))


def _warn(dataset: Dataset, findings: list[Finding]) -> None:
    """Say what is wrong with other data. Training refuses errors; scores can be had all the same."""
    serious = [f for f in findings if f.severity != "info"]
    for f in serious:
        some = ", ".join(f.items[:3]) + (f" and {len(f.items) - 3:,} more" if len(f.items) > 3 else "")
        say(f"{f.severity}: {f.name}: {f.message}" + (f" ({some})" if some else "") + f". {f.fix}")
    if any(f.severity == "error" for f in serious):
        say(f"The scores are those on {dataset.name} as the data are, errors included.")


def _doubts(run: Run, dataset: Dataset, part: Dataset, is_own: bool, name: str, looks: int) -> list[str]:
    """What makes the scores look better than they are, as far as can be told."""
    sentences = []
    trained = json.loads((run.path / "splits.json").read_text(encoding="utf-8"))["train"]
    shared = len(set(trained) & set(part.ids))
    if shared and name != "train":
        sentences.append(
            f"{shared} of these images have the names of images that the model was trained on. If they are "
            "the same, the score says little about new images."
        )
    if is_own and dataset.fingerprint() != run.facts["data"]["fingerprint"]:
        sentences.append(
            "The data have changed since the run was trained: an image, a label or a name is new."
        )
    if looks > 1:
        sentences.append(f"These images have now been looked at {looks} times by runs in {run.path.parent}.")
    return sentences


def _part(dataset: Dataset, split: str | None) -> tuple[Dataset, str]:
    """The items of a split, and its name; of data without splits all, unless a split was asked for."""
    if split == "all" or (split is None and not any(dataset.splits)):
        return dataset, "all"
    if not any(dataset.splits):
        raise DataError(
            f"{dataset.name} names no parts, and is not what the run was trained on (a name, a label or a "
            f"byte differs), so --split {split} means nothing in it. Leave it out to score all of it."
        )
    split = split or "test"
    part = dataset.subset(dataset.where(split))
    if not len(part):
        raise DataError(
            f"{dataset.name} has no {split} part. It has {', '.join(sorted(set(dataset.splits)))}."
        )
    return part, split


def _write(results: Results, part: Dataset, run: Run, file: Path) -> None:
    """The evaluation as a page and as JSON beside it."""
    lead = f"{run.path.name} evaluated on {results.data}, {results.split}."
    facts = [(k, s.text()) for k, s in list(results.scores.items())[:1]] + [("images", str(results.n))]
    sections = [
        Section("Scores", exhibits=[replace(scoreboard(results), title="")]),
        Section("A closer look", exhibits=results.exhibits),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    title = f"{run.path.name}: {results.data}"
    storage.write_json(file.with_suffix(".json"), results.to_json())
    page.write(Page(title, lead, facts, results.verdicts, sections), finder(part), file)
    say(f"Report: {file}")
