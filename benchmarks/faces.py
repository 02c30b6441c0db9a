"""ORL faces, open-set: 16 people train, 4 choose the weights and the threshold, 19 others test. Beside it the
list of pairs that comes with the data, without the pairs of people of training and validation.

python benchmarks/faces.py --data FOLDER/orl_faces [--epochs 8] [--model arcface]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import sightline as sl
from _common import arguments, report

TRAIN, VAL = 16, 4


def main() -> None:
    args = arguments(__doc__ or "", data="orl_faces", epochs=8, model="arcface")
    data = Path(args.data).absolute()
    people = sorted((p.name for p in data.iterdir() if p.is_dir()), key=lambda name: int(name[1:]))
    parts = ["train"] * TRAIN + ["val"] * VAL + ["test"] * (len(people) - TRAIN - VAL)
    rows = [
        f"{data / name / file.name},{name},{part}"
        for name, part in zip(people, parts, strict=True)
        for file in sorted((data / name).glob("*.pgm"))
    ]
    with tempfile.TemporaryDirectory() as below:
        table = Path(below) / "people.csv"
        table.write_text("\n".join(["path,identity,split", *rows]), encoding="utf-8")
        started = time.process_time()
        run = sl.train(
            table, task="embed", model=args.model, epochs=args.epochs, hflip="yes", out=Path(below) / "run"
        )
        seconds = round(time.process_time() - started, 1)
        verified = sl.predict(run.path, pairs=data / "pairs.txt").to_json()
    results = {
        name: scores for name, scores in {"network": run.results.scores, **run.results.baselines}.items()
    }
    shown = {k: {name: s.text(percent=True) for name, s in scores.items()} for k, scores in results.items()}
    pairs = {**verified["scores"], "left out": verified["left_out_pairs"]}
    report("faces", {"CPU-s of everything": seconds, **shown, "pairs.txt": pairs}, args.json)


if __name__ == "__main__":
    main()
