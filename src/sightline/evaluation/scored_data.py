"""Data for scoring a run: which part, their findings, and reasons why the scores look too good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sightline import storage
from sightline.console import say
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Results
from sightline.core.run import Run, scoreboard
from sightline.data.check import look
from sightline.data.inputs import finder, of_items
from sightline.data.open import open_data
from sightline.data.split import read_splits, splits_from_json
from sightline.errors import DataError, UsageError
from sightline.evaluation.run_data import as_trained, open_own, recast, same_question
from sightline.report import page
from sightline.report.page import Page, Section
from sightline.tasks import TASKS


@dataclass(frozen=True)
class Scored:
    """Data and part that a run is scored on.

    Attributes:
        dataset: All readable images.
        part: Those that are scored.
        name: Of the part: train, val, test or all.
        held: Those that the run's test part is among.
        is_own: Whether they are the run's own data.
    """

    dataset: Dataset
    part: Dataset
    name: str
    held: Dataset
    is_own: bool


def images_to_score(run: Run, dataset: Dataset, settings: Any, split: str | None, data: str | None) -> Scored:
    """Readable images of a split; the run's own data are split as in the run.

    Args:
        run: The run.
        dataset: Its own data, or others, as `open_for` gives them.
        settings: Of its model.
        split: The part that was asked for, or None.
        data: What other data were named, or None for the run's own.

    Raises:
        DataError: If the data do not fit the model, or have no such part.
    """
    is_own = data is None
    dataset = same_question(dataset, run)
    card = TASKS.load(run.record.model_config.task).CARD
    scan, findings = look(dataset, open_set=card.open_set)
    if not is_own:
        warn(dataset, findings)
    dataset = dataset.subset(np.flatnonzero(scan.readable))
    if not scan.readable.all():
        lost = int((~scan.readable).sum())
        say(of_items(f"{lost} unreadable images are left out.", dataset.input))
    mine = as_trained(dataset, run)
    if mine is None and is_own:
        stored = read_splits(run.path)
        dataset = mine = dataset.with_splits(splits_from_json(dataset, stored))
    elif mine is not None and not is_own:
        say(f"{data} holds the data that {run.path} was made with; they are split as they were then.")
    if mine is not None and (is_own or split != "all"):
        is_own, dataset = True, mine
    part, name = part_of(dataset, split)
    held = mine.subset(mine.indices_of("test")) if mine is not None and name == "all" else part
    return Scored(dataset, part, name, held, is_own)


def open_for(
    run: Run, data: str | None, format: str | None, target: str | None, data_dir: Path | None
) -> Dataset:
    """Open the run's own data, or other data.

    Raises:
        UsageError: If the data are the run's own and are to be read otherwise.
    """
    if data is not None:
        card = TASKS.load(run.record.model_config.task).CARD
        span, exif = run.record.model_config.pixel_range, run.record.arguments.get("exif")
        dataset = open_data(
            str(data),
            target_type=card.target_type,
            input=card.input,
            format=format,
            target=target,
            pixel_range=span,
            exif=exif,
            data_dir=data_dir,
        )
        return recast(dataset, run)
    for name, value in (("format", format), ("target", target)):
        if value is not None:
            raise UsageError(f"--{name} says how other data are read. Name them: evaluate RUN DATA.")
    return open_own(run, None if data_dir is None else str(data_dir))


def warn(dataset: Dataset, findings: list[Finding]) -> None:
    """Print findings of other data. Errors stop training, but not scoring."""
    serious = [f for f in findings if f.severity != "info"]
    for f in serious:
        some = ", ".join(f.items[:3]) + (f" and {len(f.items) - 3:,} more" if len(f.items) > 3 else "")
        say(f"{f.severity}: {f.name}: {f.message}" + (f" ({some})" if some else "") + f". {f.fix}")
    if any(f.severity == "error" for f in serious):
        say(f"The scores are those on {dataset.name} as the data are, errors included.")


def caveats(run: Run, scored: Scored, looks: int) -> list[str]:
    """Known reasons why the scores look better than they are."""
    sentences = []
    trained = read_splits(run.path)["train"]
    shared = len(set(trained) & set(scored.part.ids))
    if shared and scored.name != "train":
        sentences.append(
            f"{shared} of these images have the names of images that the model was trained on. If they are "
            "the same, the score says little about new images."
        )
    if scored.is_own and scored.dataset.fingerprint() != run.record.data.fingerprint:
        sentences.append(
            "The data have changed since the run was trained: an image, a label or a name is new."
        )
    if looks > 1:
        sentences.append(f"These images have now been looked at {looks} times by runs in {run.path.parent}.")
    return sentences


def part_of(dataset: Dataset, split: str | None) -> tuple[Dataset, str]:
    """Items of a split, and its name; all items of data without splits, unless a split was requested."""
    if split == "all" or (split is None and not any(dataset.splits)):
        return dataset, "all"
    if not any(dataset.splits):
        raise DataError(
            f"{dataset.name} names no parts, and is not what the run was trained on (a name, a label or a "
            f"byte differs), so --split {split} means nothing in it. Leave it out to score all of it."
        )
    split = split or "test"
    part = dataset.subset(dataset.indices_of(split))
    if not len(part):
        raise DataError(
            f"{dataset.name} has no {split} part. It has {', '.join(sorted(set(dataset.splits)))}."
        )
    return part, split


def write(results: Results, part: Dataset, name: str, file: Path) -> None:
    """Write the evaluation of a run, or of predictions, of this name as a page and as JSON beside it."""
    lead = f"{name} evaluated on {results.data}, {results.split}."
    facts = [(k, s.text()) for k, s in list(results.scores.items())[:1]]
    facts.append((f"{results.item}s", str(results.n)))
    sections = [
        Section("Scores", figures=[replace(scoreboard(results), title="")]),
        Section("A closer look", figures=results.figures),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    title = f"{name}: {results.data}"
    storage.write_json(file.with_suffix(".json"), results.to_json())
    page.write(Page(title, lead, facts, results.conclusions, sections), finder(part), file)
    say(f"Report: {file}")
