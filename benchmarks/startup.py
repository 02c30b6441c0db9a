"""How long `sightline --help` and `import sightline` take, as whole processes.

python benchmarks/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from _common import arguments, report


def seconds(command: list[str], times: int = 15) -> float:
    """Median wall time."""
    took = []
    for _ in range(times + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        took.append(time.perf_counter() - started)
    return statistics.median(took[1:])


def main() -> None:
    args = arguments(__doc__ or "")
    bare = seconds([sys.executable, "-c", "pass"])
    imported = seconds([sys.executable, "-c", "import sightline"])
    helped = seconds([str(Path(sys.executable).with_name("sightline")), "--help"])
    train = seconds([str(Path(sys.executable).with_name("sightline")), "train", "--help"])
    results = {
        "bare interpreter": bare,
        "import sightline, above the bare interpreter": imported - bare,
        "sightline --help": helped,
        "sightline train --help": train,
    }
    report("startup", {k: round(v, 4) for k, v in results.items()}, args.json)


if __name__ == "__main__":
    main()
