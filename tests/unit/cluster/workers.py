"""A worker that is slow, and a driver that is to be killed."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from sightline.cluster.predict_worker import PredictWorker


class Slow(PredictWorker):
    """Takes half a second for each block."""

    def __call__(self, block: list[dict[str, Any]]) -> dict[str, Any]:
        time.sleep(0.5)
        return super().__call__(block)


if __name__ == "__main__":
    from sightline.cluster import parts
    from sightline.cluster import predict as _ray
    from sightline.commands.predict import predict
    from tests.unit.cluster import workers

    model, images, out, address = sys.argv[1:]
    parts.SECONDS = 0  # a part for each block
    _ray.Worker = workers.Slow  # type: ignore[misc]
    predict(Path(model), [images], out=Path(out), ray=address, batch_size=1, device="cpu")
