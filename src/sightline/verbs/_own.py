"""The data that a run was made with, split as they were then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sightline.core.dataset import Dataset
from sightline.core.run import Run
from sightline.data.open import open_data
from sightline.data.split import splits_from_json
from sightline.errors import DataError
from sightline.tasks import TASKS
from sightline.verbs.evaluate import same_question


def data_of(run: Run, settings: dict[str, Any]) -> Dataset:
    """The data set of a run, with the splits of the run.

    Raises:
        DataError: If the data are no longer there, are others, or have no validation images.
    """
    asked = run.facts["asked"]
    dataset = open_data(
        asked["data"],
        truth=TASKS.load(settings["task"]).CARD.truth,
        format=asked["format"],
        target=asked["target"],
        exif=asked.get("exif"),
        data_dir=Path(asked["data_dir"]) if asked["data_dir"] else None,
    )
    dataset = same_question(dataset, run, settings)
    stored = json.loads((run.path / "splits.json").read_text(encoding="utf-8"))
    dataset = dataset.with_splits(splits_from_json(dataset, stored))
    if not len(dataset.where("val")):
        raise DataError(f"{run.path} has no validation images to check a file on.")
    return dataset
