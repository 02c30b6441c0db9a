"""Actions in far-infrared clips: each model, scored on people that it has not seen, and on reversed clips.

    python benchmarks/actions.py [--data FOLDER] [--models c3d,tsm,gru] [--seeds 0]

FOLDER holds nagoya_fir_actions. Training on sessions 1 and 2, validation on 3, test on 4. Counts the seconds
of the processor of the whole command, with reading, check and baselines.
"""

from __future__ import annotations

import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import sightline as sl
from _common import arguments, report

PARTS = ("train", "train", "val", "test")
"""Part of each of the four sessions, in their order."""


def by_session(data: Path, folder: Path) -> Path:
    """clips.csv with a column `split`, beside a link to the clips."""
    with (data / "clips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    part = dict(zip(sorted({row["session"] for row in rows}), PARTS, strict=True))
    folder.mkdir()
    (folder / "clips").symlink_to(data / "clips")
    with (folder / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "split"])
        writer.writeheader()
        writer.writerows({**row, "split": part[row["session"]]} for row in rows)
    return folder / "clips.csv"


def measured(clips: Path, model: str, seed: int, out: Path) -> dict[str, Any]:
    """Scores and baselines of one training, and what it says of reversed and shuffled clips."""
    started = time.process_time()
    run = sl.train(str(clips), model=model, seed=seed, device="cpu", out=out)
    taken = time.process_time() - started
    results = run.results
    main, score = next(iter(results.scores.items()))
    return {
        "seconds of the processor": round(taken),
        "n": results.n,
        main: [round(v, 4) for v in (score.value, score.low, score.high)],
        "baselines": {name: round(row[main].value, 4) for name, row in results.baselines.items()},
        "conclusions": [text for text in results.conclusions if "revers" in text or "shuffl" in text],
    }


def main() -> None:
    args = arguments(__doc__ or "", data="nagoya_fir_actions", models="c3d,tsm,gru", seeds="0")
    data = args.data if (args.data / "clips.csv").is_file() else args.data / "nagoya_fir_actions"
    results = {}
    with tempfile.TemporaryDirectory() as work:
        clips = by_session(data.resolve(), Path(work) / "nagoya")
        for model in args.models.split(","):
            for seed in map(int, args.seeds.split(",")):
                name = f"{model}, seed {seed}"
                results[name] = measured(clips, model, seed, Path(work) / name)
                print(name, results[name], flush=True)
    report("actions", results, args.json)


if __name__ == "__main__":
    main()
