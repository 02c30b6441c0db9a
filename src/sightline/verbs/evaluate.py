"""Score a run on its own data or on other data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from sightline import storage
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Results
from sightline.core.run import Run, scoreboard
from sightline.data.open import open_data
from sightline.data.split import splits_from_json
from sightline.data.tiles import batches
from sightline.engine import threads
from sightline.engine.devices import Devices
from sightline.engine.inference import predict
from sightline.errors import DataError
from sightline.report import page
from sightline.report.page import Page, Section
from sightline.talk import say
from sightline.tasks import TASKS
from sightline.verbs import _judge
from sightline.verbs._page import finder
from sightline.verbs.check import look
from sightline.verbs.load import restore


def run(
    run: Path,
    data: str | None = None,
    *,
    split: Literal["train", "val", "test", "all"] = "test",
    format: str | None = None,
    target: str | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    out: Path | None = None,
) -> Results:
    """See `sightline.api.evaluate`."""
    found = Run.open(run)
    model, task, _ = restore(found.path)
    asked = found.facts["asked"]
    own = data is None
    dataset = open_data(
        asked["data"] if own else str(data),
        truth=TASKS.load(task.card.name).CARD.truth,
        format=asked["format"] if own else format,
        target=asked["target"] if own else target,
        exif=asked.get("exif") if own else None,
        data_dir=Path(asked["data_dir"]) if own and asked["data_dir"] else data_dir,
    )
    dataset = same_question(dataset, found, model.settings)
    scan, findings = look(dataset)
    if not own:
        _warn(dataset, findings)
    dataset = dataset.subset(np.flatnonzero(scan.readable))
    if not scan.readable.all():
        say(f"{int((~scan.readable).sum())} unreadable images are left out.")
    if own:
        stored = json.loads((found.path / "splits.json").read_text(encoding="utf-8"))
        dataset = dataset.with_splits(splits_from_json(dataset, stored))
    part, name = _part(dataset, split)
    held = dataset.subset(dataset.where("test")) if own and name == "all" else part
    looks = _judge.look_at_test(found, held, "evaluate") if name in ("test", "all") else 0
    devices = Devices.start(device)
    settings = model.settings
    seen = batches(part, model.settings, batch_size=64)
    model = model.to(devices.device)
    with threads.few([model], 64, devices):
        said = predict(model, seen, devices)
    scores, metrics = _judge.scored(task, said.prediction, said.truth, part.groups)
    results = Results(task.card.name, dataset.name, name, len(part), scores)
    results.verdicts = _judge.verdicts(task, results, metrics, {}, part.groups)
    results.verdicts += _doubts(found, dataset, part, own, name, looks)
    results.exhibits = task.exhibits(said.prediction, said.truth, said.ids, settings)
    results.extra = {"run": str(found.path), "looks": looks}
    _write(results, part, found, Path(out) if out else found.path / f"evaluation-{dataset.name}-{name}.html")
    return results


def same_question(dataset: Dataset, run: Run, settings: dict[str, Any]) -> Dataset:
    """The data, if they ask what the model answers.

    Raises:
        DataError: If the truths are of another kind, or the numbers have other names.
    """
    multi = bool(getattr(dataset.targets, "multi", False))
    if multi != bool(settings.get("multi", False)):
        several = "one label" if multi else "several labels"
        raise DataError(f"{dataset.name} does not fit: the model gives {several} an image, these data not.")
    names = tuple(run.facts["data"]["outputs"])
    if dataset.outputs != names:
        raise DataError(
            f"{dataset.name} gives {', '.join(dataset.outputs)}; the model gives {', '.join(names)}. "
            f"Name the column: --target {','.join(names)}."
        )
    return _same_classes(dataset, run.classes)


def _warn(dataset: Dataset, findings: list[Finding]) -> None:
    """Say what is wrong with other data. Training refuses errors; scores can be had all the same."""
    serious = [f for f in findings if f.severity != "info"]
    for f in serious:
        some = ", ".join(f.items[:3]) + (f" and {len(f.items) - 3:,} more" if len(f.items) > 3 else "")
        say(f"{f.severity}: {f.name}: {f.message}" + (f" ({some})" if some else "") + f". {f.fix}")
    if any(f.severity == "error" for f in serious):
        say(f"The scores are those on {dataset.name} as the data are, errors included.")


def _same_classes(dataset: Dataset, names: tuple[str, ...]) -> Dataset:
    """The data with classes counted as the model counts them: matched by name, never by number.

    Raises:
        DataError: If the data have a class that the model does not know.
    """
    if dataset.classes is None or dataset.classes.names == names:
        return dataset
    unknown = sorted(set(dataset.classes.names) - set(names))
    if unknown:
        raise DataError(
            f"{dataset.name} has classes that the model was not trained on: {', '.join(unknown)}. "
            f"It knows {', '.join(names)}. Rename or leave them out."
        )
    to = torch.tensor([names.index(name) for name in dataset.classes.names])
    targets = dataset.targets.renumbered(to, len(names))
    return replace(dataset, targets=targets, classes=replace(dataset.classes, names=names, ids=()))


def _doubts(run: Run, dataset: Dataset, part: Dataset, own: bool, name: str, looks: int) -> list[str]:
    """What makes the scores look better than they are, as far as can be told."""
    said = []
    trained = json.loads((run.path / "splits.json").read_text(encoding="utf-8"))["train"]
    known = len(set(trained) & set(part.ids))
    if known and name != "train":
        said.append(
            f"{known} of these images have the names of images that the model was trained on. If they are "
            "the same, the score says little about new images."
        )
    if own and dataset.fingerprint() != run.facts["data"]["fingerprint"]:
        said.append("The data have changed since the run was trained: an image, a label or a name is new.")
    if looks > 1:
        said.append(f"These images have now been looked at {looks} times by runs in {run.path.parent}.")
    return said


def _part(dataset: Dataset, split: str) -> tuple[Dataset, str]:
    """The items of a split; data without splits are taken whole."""
    if split == "all" or not any(dataset.splits):
        return dataset, "all"
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
    page.write(Page(title, lead, facts, results.verdicts, sections), finder(part), file)
    storage.write_json(file.with_suffix(".json"), results.to_json())
    say(f"Report: {file}")
