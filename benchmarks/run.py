"""Run every benchmark, one after the other, and keep their JSON: about four hours on two cores.

python benchmarks/run.py [--data FOLDER] [--out FOLDER] [--only NAME]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS: dict[str, tuple[list[str], str | None]] = {
    "startup": (["startup.py"], None),
    "overhead": (["overhead.py"], None),
    "busy": (["busy.py"], None),
    "coco_eval": (["coco_eval.py"], None),
    "coverage": (["coverage.py"], None),
    "near_duplicates": (["near_duplicates.py"], ""),
    "loading": (["loading.py"], ""),
    "mnist": (["mnist.py", "--epochs", "1"], "mnist"),
    "mnist_default": (["mnist.py", "--default"], "mnist"),
    "cifar10": (["cifar10.py"], "cifar10"),
    "robust": (["robust.py"], "cifar10"),
    "detect": (["detect.py"], "bccd"),
    "memory": (["memory.py"], None),
    "mask_eval": (["mask_eval.py"], None),
    "segment": (["segment.py"], ""),
    "keypoints": (["keypoints.py"], ""),
    "track": (["track.py"], ""),
    "actions": (["actions.py"], "nagoya_fir_actions"),
    "rect": (["rect.py"], "bccd"),
    "server": (["server.py"], None),
    "fuzz": (["fuzz.py"], None),
    "parity": (["parity.py"], None),
    "exports": (["exports.py"], ""),
    "fair": (["fair.py"], "mnist"),
    "faces": (["faces.py"], "orl_faces"),
    "search": (["search.py"], None),
    "export_time": (["export_time.py"], None),
}
"""Script with its options, and the subfolder of the data that it reads (None: no data)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=os.environ.get("SIGHTLINE_DATA"))
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    parser.add_argument("--only", choices=SCRIPTS)
    args = parser.parse_args()
    failed = []
    for name, (script, below) in SCRIPTS.items():
        if args.only not in (None, name):
            continue
        if below is not None and args.data is None:
            print(f"{name}: left out, it needs --data or SIGHTLINE_DATA")
            continue
        command = [
            sys.executable,
            str(HERE / script[0]),
            *script[1:],
            "--json",
            str(args.out / f"{name}.json"),
        ]
        command += [] if below is None else ["--data", str(Path(args.data) / below)]
        print(" ".join(command), flush=True)
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
