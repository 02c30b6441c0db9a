"""Keypoints in a fixed time: a mouse in an open field, and people.

    python benchmarks/keypoints.py [--data FOLDER] [--only openfield,people] [--seconds 300]

FOLDER holds dlc_openfield and lspet_pose. Of the mouse every fifth frame is the test part, and every sixth of
the others is for validation. The people have a split of their own, and are shown as whole images.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sightline as sl
from _common import arguments, report
from sightline.core.run import Run
from sightline.data.open import open_data


def openfield(data: Path, work: Path, seconds: int) -> Run:
    """58 frames of 640 x 480."""
    ids = sorted(open_data(data / "dlc_openfield").ids)
    rest = [item for i, item in enumerate(ids) if i % 5]
    parts = {"test": ids[::5], "val": rest[::6], "train": [item for i, item in enumerate(rest) if i % 6]}
    splits = work / "splits.json"
    splits.write_text(json.dumps(parts), encoding="utf-8")
    return sl.train(str(data / "dlc_openfield"), splits=splits, time=f"{seconds}s", out=work / "openfield")


def people(data: Path, work: Path, seconds: int) -> Run:
    """320 people with 14 joints."""
    return sl.train(str(data / "lspet_pose"), time=f"{seconds}s", out=work / "people")


PARTS: dict[str, Callable[[Path, Path, int], Run]] = {"openfield": openfield, "people": people}


def scores_of(run: Run) -> dict[str, Any]:
    """All scores with their intervals, and those of the baselines."""
    results = run.results
    return {
        "n": results.n,
        "epochs": len(list(run.events())),
        "scores": {k: [round(v, 4) for v in (s.value, s.low, s.high)] for k, s in results.scores.items()},
        "baselines": {
            b: {k: round(s.value, 4) for k, s in row.items()} for b, row in results.baselines.items()
        },
    }


def main() -> None:
    args = arguments(__doc__ or "", data="", only=",".join(PARTS), seconds=300)
    results = {}
    with tempfile.TemporaryDirectory() as work:
        for name in args.only.split(","):
            results[name] = scores_of(PARTS[name](args.data, Path(work), args.seconds))
            print(name, results[name], flush=True)
    report("keypoints", results, args.json)


if __name__ == "__main__":
    main()
