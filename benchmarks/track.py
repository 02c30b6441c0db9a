"""Speed of the trackers without a detector: frames per second of one core, with 10, 50 and 200 objects.

Objects of 30 to 80 pixels move at constant speeds through 1920 x 1080; 5 % of the boxes are missing, the
others are moved by a pixel. CPU time is counted, so that other programs do not matter.
Run: python -m benchmarks.track
"""

from __future__ import annotations

import time

import numpy as np

from sightline.runtime.track import TRACKERS, tracker_type

FRAMES = 300


def frames(objects: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Boxes (M, 4) and scores (M,) of each frame."""
    rng = np.random.default_rng(0)
    corners, speeds = rng.uniform(0, 1, (objects, 2)) * [1920, 1080], rng.normal(0, 3, (objects, 2))
    sides = rng.uniform(30, 80, (objects, 2))
    result = []
    for t in range(FRAMES):
        places = corners + t * speeds
        boxes = np.concatenate([places, places + sides], 1) + rng.normal(0, 1, (objects, 4))
        keep = rng.random(objects) < 0.95
        result.append((boxes[keep], rng.uniform(0.3, 1, int(keep.sum()))))
    return result


def main() -> None:
    """Print frames per CPU second and the number of identities."""
    for name in TRACKERS.names():
        for objects in (10, 50, 200):
            given, tracker = frames(objects), tracker_type(name)()
            started = time.process_time()
            for boxes, scores in given:
                tracker.update(boxes, scores)
            seconds = time.process_time() - started
            print(
                f"{name:10} {objects:4} objects  {FRAMES / seconds:7.0f} frames/s  {tracker.count} identities"
            )


if __name__ == "__main__":
    main()
