"""Workers without a model, which start at once."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any


class Light:
    """Doubles numbers. Is killed by 13 whenever it comes, and by 7 the first time."""

    def __init__(self, factor: int, once: str) -> None:
        self.factor, self.once = factor, Path(once)

    def __call__(self, block: list[dict[str, Any]]) -> dict[str, Any]:
        numbers = [item["n"] for item in block]
        first = 7 in numbers and not self.once.exists()
        if first:
            self.once.touch()
        if first or 13 in numbers:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"doubled": [self.factor * n for n in numbers]}
