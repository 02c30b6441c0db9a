"""Trackers of given detections, one object followed from its first box, and the speed of the trackers.

    python benchmarks/track.py [--data FOLDER] [--only speed,boxes,crossing]

FOLDER holds tud_campus_mot, tud_mot_text and otb_crossing. boxes and crossing run `sightline predict`, as a
user would. Speed is without a detector: objects of 30 to 80 pixels move at constant speeds through
1920 x 1080; 5 % of the boxes are missing, the others are moved by a pixel. It counts the seconds of the
processor.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import sightline as sl
from _common import arguments, report
from sightline.runtime.track import TRACKERS, tracker_type
from sightline.runtime.track.association import iou

FRAMES = 300
BOXES = {
    "TUD-Campus, ACF": "tud_campus_mot/TUD-Campus/det/det.txt",
    "TUD-Campus, Faster R-CNN": "tud_mot_text/TUD-Campus/det/det_faster_rcnn.txt",
    "TUD-Stadtmitte, Faster R-CNN": "tud_mot_text/TUD-Stadtmitte/det/det_faster_rcnn.txt",
}
"""Detections; gt/gt.txt lies beside their folder."""


def moving(objects: int) -> list[tuple[np.ndarray, np.ndarray]]:
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


def speed(data: Path | None, work: Path) -> dict[str, Any]:
    """Frames a second of one core, and identities, with 10, 50 and 200 objects."""
    del data, work
    results = {}
    for name in TRACKERS.names():
        for objects in (10, 50, 200):
            given, tracker = moving(objects), tracker_type(name)()
            started = time.process_time()
            for boxes, scores in given:
                tracker.update(boxes, scores)
            taken = time.process_time() - started
            results[f"{name}, {objects} objects"] = {
                "frames/s": round(FRAMES / taken),
                "identities": tracker.count,
            }
    return results


def boxes(data: Path | None, work: Path) -> dict[str, Any]:
    """HOTA, MOTA and IDF1 of each tracker with its defaults."""
    assert data is not None
    results: dict[str, Any] = {}
    for title, path in BOXES.items():
        file = data / path
        for name in TRACKERS.names():
            out = work / f"{title}-{name}.txt"
            sl.predict(f"track:{name}", str(file), out=out)
            scores = sl.evaluate(out, str(file.parent.parent / "gt/gt.txt"), task="track").scores
            results[f"{title}: {name}"] = {k: round(scores[k].value, 4) for k in ("HOTA", "MOTA", "IDF1")}
    return results


def crossing(data: Path | None, work: Path) -> dict[str, Any]:
    """One walker of OTB: success AUC, share of frames within 20 pixels, frames a second with decoding."""
    assert data is not None
    folder, out = data / "otb_crossing/Crossing", work / "Crossing.txt"
    target = np.loadtxt(folder / "groundtruth_rect.txt", delimiter=",")
    target[:, :2] -= 1  # counted from 1
    target[:, 2:] += target[:, :2]
    started = time.process_time()
    sl.predict(
        "track:mosse", str(folder / "img"), prompt="box " + ",".join(f"{v:g}" for v in target[0]), out=out
    )
    taken = time.process_time() - started
    boxes = np.loadtxt(out, delimiter=",")[:, 2:6]
    boxes[:, 2:] += boxes[:, :2]
    overlap = np.array([iou(boxes[[i]], target[[i]])[0, 0] for i in range(len(target))])
    apart = (boxes[:, :2] + boxes[:, 2:] - target[:, :2] - target[:, 2:]) / 2
    return {
        "success AUC": round(float(np.mean([(overlap > t).mean() for t in np.linspace(0, 1, 21)])), 4),
        "within 20 pixels": float((np.hypot(*apart.T) <= 20).mean()),
        "frames/s, with decoding": round(len(target) / taken),
    }


PARTS: dict[str, Callable[[Path | None, Path], dict[str, Any]]] = {
    "speed": speed,
    "boxes": boxes,
    "crossing": crossing,
}


def main() -> None:
    args = arguments(__doc__ or "", data="", only=",".join(PARTS))
    results = {}
    with tempfile.TemporaryDirectory() as work:
        for name in args.only.split(","):
            results[name] = PARTS[name](args.data, Path(work))
    report("track", results, args.json)


if __name__ == "__main__":
    main()
