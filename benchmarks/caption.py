"""Captions in a fixed time: scenes of two shapes, and 1,000 photographs of Flickr8k.

    python benchmarks/caption.py [--data FOLDER] [--only shapes,flickr] [--seconds 600]

FOLDER holds flickr8k_1000, of which 700 images are for training, 150 for validation and 150 for the test.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import sightline as sl
from _common import arguments, report
from sightline.core.run import Run


def trained(name: str, data: Path, work: Path, seconds: int) -> Run:
    """A run of the default model."""
    time, out = f"{seconds}s", work / name
    if name == "shapes":
        return sl.train("shapes:captions:3000", time=time, augment="none", out=out)
    return sl.train(str(data / "flickr8k_1000"), time=time, batch_size=16, out=out)


def scores_of(run: Run) -> dict[str, Any]:
    """All scores with their intervals, and those of the baselines."""
    rows = {"network": run.results.scores, **run.results.baselines}
    return {
        "n": run.results.n,
        "epochs": len(list(run.events())),
        **{
            name: {k: [round(v, 4) for v in (s.value, s.low, s.high)] for k, s in row.items()}
            for name, row in rows.items()
        },
    }


def main() -> None:
    args = arguments(__doc__ or "", data="", only="shapes,flickr", seconds=600)
    results = {}
    with tempfile.TemporaryDirectory() as work:
        for name in args.only.split(","):
            results[name] = scores_of(trained(name, Path(args.data), Path(work), args.seconds))
            print(name, results[name], flush=True)
    report("caption", results, args.json)


if __name__ == "__main__":
    main()
