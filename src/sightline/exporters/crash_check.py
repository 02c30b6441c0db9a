"""Run an exported file in a child process to detect a native crash."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sightline.errors import SightlineError

_CODE = """
import sys
from pathlib import Path
import numpy as np
from sightline.exporters.formats import EXPORTERS
runner = EXPORTERS.load(sys.argv[1]).runner
try:
    answer = runner(Path(sys.argv[2]))
    for text in sys.argv[4:]:
        shape = [int(n) for n in text.split("x")]
        answer(np.random.default_rng(0).integers(0, 256, shape).astype(sys.argv[3]))
except Exception:
    pass  # the validation meets it too, and says it
"""


def check(to: str, file: Path, kind: str, shapes: Sequence[Sequence[int]]) -> None:
    """Run a file on noise in a child process. Its outputs and exceptions are left to the validation.

    Args:
        to: Name of the format.
        file: What was written.
        kind: Type of its input, as numpy names it.
        shapes: Of the inputs that are tried.

    Raises:
        SightlineError: If the process was ended by the system, or could not try the file.
    """
    sizes = ["x".join(map(str, shape)) for shape in shapes]
    command = [sys.executable, "-c", _CODE, to, str(file), kind, *sizes]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 1:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise SightlineError(f"{file.name} is not kept: a child process could not run it ({last}).")
    if done.returncode:
        raise SightlineError(
            f"{file.name} is not kept: the runtime of '{to}' crashed on it on this processor (the process "
            f"ended with {done.returncode}). Export without --quantize int8, or to another format with --to."
        )
