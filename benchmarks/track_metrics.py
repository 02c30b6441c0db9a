"""Scores of tracking beside TrackEval: equal, and how much faster.

python benchmarks/track_metrics.py          (needs `pip install trackeval==1.3.0` and SIGHTLINE_DATA)

`--constants` prints the numbers that tests/unit/metrics/test_track_values.py compares with.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.metric import Evaluation, MetricCollection
from sightline.core.targets.tracks import Tracks
from sightline.data.open import open_data
from sightline.data.parsing.mot_classes import roles_of
from sightline.metrics import METRICS
from sightline.metrics.clear import clear_counts

NAMES = ("hota", "deta", "assa", "loca", "mota", "motp", "idf1")
COUNTS = ("TP", "FP", "FN", "IDSW", "Frag", "MT", "ML")
DATA = Path(os.environ.get("SIGHTLINE_DATA", "."))
TUD = ("TUD-Campus", "TUD-Stadtmitte")


def random_pair(seed: int, objects: int = 8, frames: int = 40) -> tuple[Tracks, Tracks]:
    """(prediction, annotation) of one sequence: objects that cross, gaps, identities that change and return,
    wrong boxes, frames without any.
    """
    rng = np.random.default_rng(seed)
    n, length = int(rng.integers(0, objects + 1)), int(rng.integers(1, frames + 1))
    start, speed, side = rng.uniform(0, 200, (n, 2)), rng.normal(0, 4, (n, 2)), rng.uniform(15, 60, (n, 2))
    annotated, predicted = [], []
    names = rng.permutation(n) + 1
    empty = rng.random((2, length)) < 0.05
    for frame in range(1, length + 1):
        if rng.random() < 0.1 and n > 1:  # two predicted identities are exchanged
            i, j = rng.choice(n, 2, replace=False)
            names[i], names[j] = names[j], names[i]
        corner = start + speed * frame
        for k in range(n):
            box = [*corner[k], *(corner[k] + side[k])]
            if rng.random() < 0.9 and not empty[0, frame - 1]:
                annotated.append([frame, k + 1, *box])
            if rng.random() < 0.8 and not empty[1, frame - 1]:
                noise = rng.normal(0, 0.12 * side[k].mean(), 4)
                predicted.append([frame, names[k], *(np.array(box) + noise), rng.random()])
        if rng.random() < 0.2 and not empty[1, frame - 1]:
            corner_of_wrong = rng.uniform(0, 200, 2)
            predicted.append(
                [frame, 100 + int(rng.integers(3)), *corner_of_wrong, *(corner_of_wrong + 30), 0.5]
            )
    rows = [
        np.array(part, dtype=float).reshape(-1, width) for part, width in ((predicted, 7), (annotated, 6))
    ]
    prediction, annotation = (Tracks.of([part], [(240, 320)], [length]) for part in rows)
    return prediction, annotation


def flagged(seed: int) -> tuple[Tracks, Tracks, np.ndarray]:
    """As `random_pair`, with flags and the classes of MOT17; and the class numbers."""
    prediction, target = random_pair(seed, 20)
    rng = np.random.default_rng(seed)
    of_track = rng.choice([1, 1, 1, 2, 3, 7, 8, 12], 40)
    classes = of_track[target.ids.numpy() % 40]
    ignored = torch.from_numpy(rng.random(len(classes)) < 0.1)
    return (
        prediction,
        replace(target, ignored=ignored, roles=torch.from_numpy(roles_of(classes, 16))),
        classes,
    )


def ours(prediction: Tracks, target: Tracks) -> dict[str, float]:
    """Our scores and counts."""
    evaluation = Evaluation(prediction, target)
    metrics = MetricCollection({name: METRICS.load(name).METRIC() for name in NAMES})
    for metric in metrics.values():
        metric.add(evaluation)
    counts = {name: float(clear_counts(evaluation)[name].sum()) for name in COUNTS}
    return metrics.compute() | counts


def reference(prediction: Tracks, target: Tracks, classes: np.ndarray | None = None) -> dict[str, float]:
    """TrackEval's, over all sequences."""
    from trackeval.metrics import CLEAR, HOTA, Identity

    quiet = {"PRINT_CONFIG": False}
    every: dict[str, Any] = {}
    for metric in (HOTA(), CLEAR(quiet), Identity(quiet)):
        each = {
            str(i): metric.eval_sequence(_data(prediction[i], target[i], classes)) for i in range(len(target))
        }
        every |= metric.combine_sequences(each)
    names = {
        "hota": "HOTA",
        "deta": "DetA",
        "assa": "AssA",
        "loca": "LocA",
        "mota": "MOTA",
        "motp": "MOTP",
        "idf1": "IDF1",
    }
    scores = {name: float(np.mean(every[key])) for name, key in names.items()}
    fields = {"TP": "CLR_TP", "FP": "CLR_FP", "FN": "CLR_FN"}
    return scores | {name: float(every[fields.get(name, name)]) for name in COUNTS}


def _data(prediction: Tracks, target: Tracks, classes: np.ndarray | None = None) -> dict[str, Any]:
    """One sequence as TrackEval holds it."""
    from trackeval.datasets._base_dataset import _BaseDataset

    length = int(max(target.lengths[0], prediction.lengths[0]))
    data: dict[str, Any] = {"num_timesteps": length, "seq": ""}
    boxes: dict[str, list[np.ndarray]] = {}
    for name, tracks in (("gt", target), ("tracker", prediction)):
        ids = np.unique(tracks.ids.numpy(), return_inverse=True)[1]
        rows = [np.flatnonzero(tracks.frames.numpy() == frame) for frame in range(1, length + 1)]
        data[f"{name}_ids"] = [ids[row] for row in rows]
        data[f"num_{name}_ids"], data[f"num_{name}_dets"] = len(set(ids.tolist())), len(ids)
        boxes[name] = [tracks.boxes.numpy()[row] for row in rows]
    overlap = _BaseDataset._calculate_box_ious
    data["similarity_scores"] = [
        overlap(a, b, box_format="x0y0x1y1") for a, b in zip(boxes["gt"], boxes["tracker"], strict=True)
    ]
    return data if classes is None else _preprocessed(data, boxes, target, classes)


def _preprocessed(
    data: dict[str, Any], boxes: dict[str, list[np.ndarray]], target: Tracks, classes: np.ndarray
) -> dict[str, Any]:
    """Without what MOT17 does not score."""
    from trackeval.datasets import MotChallenge2DBox

    assert target.ignored is not None
    rows = [np.flatnonzero(target.frames.numpy() == frame + 1) for frame in range(data["num_timesteps"])]
    flags = (~target.ignored).numpy().astype(int)
    raw = {**data, "gt_dets": boxes["gt"], "tracker_dets": boxes["tracker"]}
    raw["gt_classes"] = [classes[row] for row in rows]
    raw["gt_extras"] = [{"zero_marked": flags[row]} for row in rows]
    raw["tracker_classes"] = [np.ones(len(ids), dtype=int) for ids in data["tracker_ids"]]
    raw["tracker_confidences"] = [np.ones(len(ids)) for ids in data["tracker_ids"]]
    dataset = object.__new__(MotChallenge2DBox)
    dataset.benchmark, dataset.do_preproc = "MOT17", True
    names = (
        "pedestrian", "person_on_vehicle", "car", "bicycle", "motorbike", "non_mot_vehicle", "static_person",
        "distractor", "occluder", "occluder_on_ground", "occluder_full", "reflection", "crowd",
    )  # fmt: skip
    dataset.class_name_to_class_id = {name: i for i, name in enumerate(names, 1)}
    dataset.valid_class_numbers = list(range(1, 14))
    preprocessed: dict[str, Any] = dataset.get_preprocessed_seq_data(raw, "pedestrian")
    return preprocessed


def tud(name: str) -> tuple[Tracks, Tracks]:
    """(prediction, annotation) of the example results that motmetrics brings along."""
    folder = DATA / "tud_mot_text" / name
    result, target = open_data(folder / "example_result.txt"), open_data(folder / "gt" / "gt.txt")
    return result.targets_as(Tracks).as_prediction(0), target.targets_as(Tracks)


def large(sequences: int = 5, frames: int = 300, objects: int = 40) -> tuple[Tracks, Tracks]:
    """(prediction, annotation) of several long random sequences."""
    pairs = []
    for seed in range(1000):
        prediction, target = random_pair(seed, objects, frames)
        if int(target.lengths[0]) > frames // 2 and len(target.ids) > 20 * frames // 2:
            pairs.append((prediction, target))
        if len(pairs) == sequences:
            break
    predictions, targets = zip(*pairs, strict=True)
    return Tracks.cat(predictions), Tracks.cat(targets)


def main() -> None:
    """Print the differences and the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--constants", action="store_true")
    parser.add_argument("--random", type=int, default=200, help="random sequences")
    args = parser.parse_args()
    cases: dict[str, Any] = {name: tud(name) for name in TUD} | {
        f"{i}": random_pair(i) for i in range(args.random)
    }
    both = [cases[f"{i}"] for i in range(args.random)]
    cases |= {f"flagged {i}": flagged(i) for i in range(args.random)}
    cases["all random"] = Tracks.cat([p for p, _ in both]), Tracks.cat([t for _, t in both])
    far: dict[str, float] = {}
    for name, (prediction, target, *classes) in cases.items():
        mine, theirs = ours(prediction, target), reference(prediction, target, *classes)
        if not len(target.ids) + len(prediction.ids):
            continue
        for key, value in theirs.items():
            defined = np.isfinite(mine[key])
            gap = abs(mine[key] - value) if defined else 0.0
            far[key] = max(far.get(key, 0.0), gap)
            if gap > 1e-9 or (not defined and value not in (0.0, 1.0) and target.scored().any()):
                print(f"{name}: {key} is {mine[key]}, TrackEval says {value}")
        if (
            args.constants
            and not name.isdigit()
            and name not in [f"flagged {i}" for i in range(3, args.random)]
        ):
            print(json.dumps({name: theirs}))
    print("largest difference", far)
    for name, (prediction, target) in {"TUD": _joined(), "5 x 300 frames, 40 objects": large()}.items():
        times = {}
        for label, function in (("ours", ours), ("TrackEval", reference)):
            each = []
            for _ in range(5):
                start = time.process_time()
                function(prediction, target)
                each.append(time.process_time() - start)
            times[label] = min(each)
        print(f"{name}: {len(target.ids):,} boxes, " + ", ".join(f"{k} {v:.3f} s" for k, v in times.items())
              + f", {times['TrackEval'] / times['ours']:.1f} times as fast")  # fmt: skip


def _joined() -> tuple[Tracks, Tracks]:
    (a, b), (c, d) = (tud(name) for name in TUD)
    return Tracks.cat([a, c]), Tracks.cat([b, d])


if __name__ == "__main__":
    main()
