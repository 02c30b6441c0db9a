"""What every exported file answers beside its network: each task, format, numbers and level of --include.

python benchmarks/parity.py [--runs FOLDER ...] [--to NAME ...] [--epochs 20] [--json FILE]

Without --runs a small model of each task is trained on synthetic images: what files do to answers shows
there too, scores mean nothing. Nothing is tolerated or refused: the gate's numbers are printed as they are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sightline as sl
from _common import report
from sightline.exporters.formats import EXPORTERS

SMALL: dict[str, tuple[str, dict[str, Any]]] = {
    "classify": ("shapes:one:200", {"model": "lenet5", "size": 32}),
    "regress": ("shapes:count:200", {"model": "lenet5", "size": 32}),
    "detect": ("shapes:boxes:120", {"model": "yolo-n", "size": 64}),
    "semantic": ("shapes:masks:120", {"model": "unet2015", "variant": "small", "size": 64}),
    "instance": ("shapes:outlines:120", {"model": "yolo-n", "size": 64}),
}
OPTIONS: dict[str, dict[str, bool]] = {
    "fp32": {},
    "fp16": {"fp16": True},
    "int8": {"int8": True},
    "int8-dynamic": {"int8": True, "dynamic": True},
}


def small(folder: Path, epochs: int) -> list[Path]:
    """A run of each task."""
    for task, (data, options) in SMALL.items():
        sl.train(data, task=task, out=folder / task, device="cpu", epochs=epochs, batch_size=8, **options)
    return [folder / task for task in SMALL]


def files(run: Path, formats: list[str], folder: Path) -> Iterator[dict[str, Any]]:
    """One line for each file that a run can become."""
    for name in formats:
        card = EXPORTERS.load(name).CARD
        for precision in card.precisions:
            for inside in card.includes:
                line = {"run": run.name, "format": name, "numbers": precision, "include": inside}
                try:
                    out = folder / f"{run.name}-{precision}-{inside}"
                    how: dict[str, Any] = {"to": name, "include": inside, "out": out, **OPTIONS[precision]}
                    result = sl.export(run, max_score_drop=1e9, **how)
                except Exception as error:  # a converter that breaks is a line of the table too
                    yield {**line, "why": f"{type(error).__name__}: {error}"[:300]}
                    continue
                gate = result.gate
                yield {
                    **line, "apart": gate.apart, "most": most(gate.apart), "changed": gate.changed,
                    "n": gate.n, "metric": gate.metric, "before": gate.before.value,
                    "after": gate.after.value, "fell": gate.fell, "bytes": result.bytes, "why": gate.why,
                }  # fmt: skip


def most(apart: dict[str, float]) -> float:
    """Greatest difference of an output; candidates may change places, which the scores alone do not show."""
    differences = {
        key: value for key, value in apart.items() if "boxes" not in apart or key not in ("boxes", "labels")
    }
    return max(differences.values())


def table(lines: list[dict[str, Any]]) -> list[str]:
    """Rows for docs/benchmarks.md; what could not be written is left to the JSON."""
    rows = [
        "| run | file | apart | answers changed | score before | after |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for entry in lines:
        if "most" not in entry:
            continue
        inside = "" if entry["include"] == "postprocess" else f", `--include {entry['inside']}`"
        name = f"{entry['format']}, {entry['numbers']}{inside}"
        rows.append(
            f"| {entry['run']} | {name} | {100 * entry['most']:.2g} % | {entry['changed']} of {entry['n']} "
            f"| {entry['metric']} {entry['before']:.4f} | {entry['after']:.4f} |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--to", nargs="*", default=EXPORTERS.names(), choices=EXPORTERS.names())
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs = args.runs or small(Path(folder), args.epochs)
        lines = []
        for run in runs:
            for line in files(run, args.to, Path(folder) / "files"):
                print(line, file=sys.stderr, flush=True)  # what is done is not lost if it is broken off
                lines.append(line)
    report("parity", {"rows": table(lines), "lines": lines}, args.json)
    print("\n".join(table(lines)))


if __name__ == "__main__":
    main()
