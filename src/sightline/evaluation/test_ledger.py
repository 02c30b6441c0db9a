"""Test ledger: counts uses of test images, because each use makes choosing by them more optimistic."""

from __future__ import annotations

import json
import time

from sightline.core.dataset import Dataset
from sightline.core.run import Run
from sightline.errors import SightlineError


def record_test_access(run: Run, dataset: Dataset, verb: str) -> int:
    """Record a use of the test items in the ledger; returns the number of uses, including this one.

    Counts the looks of all runs in the folder that holds this one.
    """
    name = dataset.fingerprint()
    entry = {"test": name, "verb": verb, "run": run.path.name, "time": time.strftime("%Y-%m-%d %H:%M:%S")}
    try:
        with (run.path / "ledger.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(entry) + "\n")
    except OSError as error:
        raise SightlineError(f"{run.path}/ledger.jsonl could not be written: {error.strerror}.") from error
    looks = 0
    for file in run.path.absolute().parent.glob("*/ledger.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            looks += json.loads(line).get("test") == name
    return looks
