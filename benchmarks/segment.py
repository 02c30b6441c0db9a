"""Segmentation: what is learnt on CamVid, ISBI-2012 and nuclei, what the loop costs, and large images.

    python benchmarks/segment.py --data FOLDER [--only camvid|isbi|nuclei|loop|large] [--minutes 30]
                                 [--pretrained auto|no]

FOLDER holds camvid, isbi2012_membrane and dsb2018_nuclei. CamVid: official split, U-Net with the default
start, or with `--pretrained no` on ResNet-18 from random weights, so many minutes. ISBI: five folds of six
neighbouring slices, a fifth of the minutes each. Nuclei: `yolo-n` with that start, and `mask-rcnn` on
ResNet-18 from random weights, half of the minutes each.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy import ndimage
from sklearn.metrics.cluster import contingency_matrix

import sightline as sl
from _common import arguments, report
from sightline.core.run import Run
from sightline.core.run_record import RunRecord
from sightline.core.targets.masks import SemanticMasks
from sightline.data.open import open_data
from sightline.data.split import splits_to_json
from sightline.devices import Devices
from sightline.metrics import intervals
from sightline.metrics.miou import MeanIoU
from sightline.metrics.pixel_accuracy import PixelAccuracy
from sightline.training.arguments import TrainArguments
from sightline.training.plan import make_plan
from sightline.training.recipe import Recipe
from sightline.training.runner import build_model, loader
from sightline.training.trainers import gradient

FOLDS = 5
PRECISION = "bf16"
"""Twice as fast as fp32 on processors that have it (AVX512-BF16, AMX), and of use on others too."""
ROUNDS = 3
IMAGES = 128
"""That the loop is timed on."""
SIDES = (2_500, 10_000, 20_000)
"""Of the large images, in pixels."""


def shown(run: Any) -> dict[str, Any]:
    """Scores with their intervals, of the network and the baselines, and the curve of the run."""
    results = run.results
    scores = {name: [round(v, 4) for v in (s.value, s.low, s.high)] for name, s in results.scores.items()}
    beside = {
        who: {name: round(s.value, 4) for name, s in scores_of_baseline.items()}
        for who, scores_of_baseline in results.baselines.items()
    }
    events = list(run.events())
    main = next(
        (k for k in events[-1] if k.startswith("val_") and k not in ("val_loss", "val_score")), "val_loss"
    )
    every = max(1, len(events) // 20)
    curve = {e["epoch"]: round(e[main], 4) for e in events[::every]}
    return {"scores": scores, "baselines": beside, "epochs": len(events), f"curve of {main}": curve}


def camvid(data: Path, minutes: float, work: Path, start: str) -> dict[str, Any]:
    """Official 367 / 101 / 233, 11 classes, void ignored; seen at 240 x 320, scored at 360 x 480."""
    run = sl.train(
        str(data / "camvid"), model="unet", pretrained=start, loss="ce+jaccard", size=320,
        precision=PRECISION, time=f"{minutes}m", out=work / "camvid",
    )  # fmt: skip
    return shown(run)


def isbi(data: Path, minutes: float, work: Path, start: str) -> dict[str, Any]:
    """Each slice is tested once, by a network that saw no slice of its fold; neighbours share a fold."""
    source = str(data / "isbi2012_membrane")
    dataset = open_data(source)
    order = sorted(range(len(dataset)), key=lambda i: int("".join(c for c in dataset.ids[i] if c.isdigit())))
    folds = np.array_split(np.array(order), FOLDS)
    predictions, target = [], []
    for k in range(FOLDS):
        assignment = np.full(len(dataset), "train", dtype=object)
        assignment[folds[k]], assignment[folds[(k + 1) % FOLDS]] = "test", "val"
        splits = work / f"fold{k}.json"
        splits.write_text(json.dumps(splits_to_json(dataset, assignment)), encoding="utf-8")
        run = sl.train(source, model="unet", pretrained=start, time=f"{minutes / FOLDS}m", splits=splits,
                       precision=PRECISION, loss="ce+jaccard", batch_size=2, hflip="yes",
                       out=work / f"isbi{k}")  # fmt: skip
        _, prediction_of_fold, truth_of_fold = run.predictions("test")
        predictions.append(prediction_of_fold)
        target.append(truth_of_fold)
    prediction, folder = SemanticMasks.cat(predictions), SemanticMasks.cat(target)
    numbers: dict[str, Any] = {}
    for metric in (MeanIoU(), PixelAccuracy()):
        metric.update(prediction, folder)
        score = intervals.score(metric, metric.stats)
        numbers[metric.card.name] = [round(v, 4) for v in (score.value, score.low, score.high)]
    numbers["pixel error"] = round(1 - numbers["pixel accuracy"][0], 4)
    inside = int(np.argmax([dataset.targets.pixels(2).sum(0)[k] for k in (0, 1)]))
    pairs = [cells(folder.map(i) == inside, prediction.map(i) == inside) for i in range(len(folder))]
    numbers["Rand, foreground-restricted"] = round(float(np.mean([p[0] for p in pairs])), 4)
    numbers["information, foreground-restricted"] = round(float(np.mean([p[1] for p in pairs])), 4)
    return numbers


def cells(target: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """How well connected cells agree: Rand and information F-scores over the pixels of true cells.

    Arganda-Carreras et al., Crowdsourcing the creation of image segmentation algorithms for connectomics,
    Frontiers in Neuroanatomy 2015: both replace the warping and Rand errors of the 2012 challenge.
    """
    t, s = ndimage.label(target)[0], ndimage.label(predicted)[0]
    joint = contingency_matrix(t[target], s[target]) / target.sum()
    of_truth, of_said = joint.sum(1), joint.sum(0)
    rand = 2 * (joint**2).sum() / ((of_truth**2).sum() + (of_said**2).sum())

    def entropy(p: np.ndarray) -> float:
        p = p[p > 0]
        return float(-(p * np.log(p)).sum())

    shared = entropy(of_truth) + entropy(of_said) - entropy(joint.ravel())
    return float(rand), 2 * shared / max(entropy(of_truth) + entropy(of_said), 1e-12)


def nuclei(data: Path, minutes: float, work: Path, start: str) -> dict[str, Any]:
    """Two networks, and the watershed among the baselines."""
    half = f"{minutes / 2}m"
    source = str(data / "dsb2018_nuclei")
    how = {"task": "instance", "time": half, "precision": PRECISION}
    yolo = sl.train(source, model="yolo-n", pretrained=start, out=work / "yolo", **how)
    rcnn = sl.train(source, model="mask-rcnn", variant="resnet18", pretrained="no", out=work / "rcnn", **how)
    return {"yolo-n": shown(yolo), "mask-rcnn resnet18": shown(rcnn)}


def loop(data: Path, minutes: float, work: Path, start: str) -> dict[str, Any]:
    """Training images a second beside the plainest loop over the same network, batches and loss."""
    del minutes, start
    recipe = Recipe(epochs=1, batch_size=8, workers=2)
    arguments = TrainArguments(str(data / "camvid"), model="unet", pretrained="no", recipe=recipe)
    train_plan = make_plan(arguments)
    part = train_plan.part("train").subset(range(IMAGES))
    devices = Devices.start("cpu", "fp32")

    def by_hand() -> float:
        model = build_model(train_plan).to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.01)
        rng = torch.Generator()
        batches = loader(train_plan, part, devices, train=True)
        started = time.perf_counter()
        for batch in batches.epoch(0):
            optimizer.zero_grad(set_to_none=True)
            model.loss(batch, rng)["loss"].backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return time.perf_counter() - started

    def by_engine(n: int) -> float:
        ended: list[float] = []

        def validate(model: Any) -> dict[str, float]:
            ended.append(time.perf_counter())
            return {"val_loss": 1.0, "val_score": 0.0}

        model = build_model(train_plan).to(memory_format=torch.channels_last)
        run = Run.create(work / f"loop{n}", RunRecord())
        batches = loader(train_plan, part, devices, train=True)
        started = time.perf_counter()
        gradient.fit(model, batches, validate, train_plan.recipe, run, devices, seed=0, callbacks=[])
        return ended[0] - started

    pairs = [(by_hand(), by_engine(n)) for n in range(ROUNDS)]
    ratios = sorted(b / a for a, b in pairs)
    return {
        "by hand, images a second": round(len(part) / statistics.median(a for a, _ in pairs), 2),
        "engine, images a second": round(len(part) / statistics.median(b for _, b in pairs), 2),
        "engine / by hand, seconds": [round(r, 4) for r in ratios],
    }


def large(data: Path, minutes: float, work: Path, start: str) -> dict[str, Any]:
    """Peak memory of predicting one image by tiles, at several sizes."""
    del data, minutes, start
    run = sl.train(
        "shapes:masks:60",
        model="unet",
        pretrained="no",
        tile_size=256,
        size=128,
        epochs=1,
        out=work / "tiles",
    )
    results = {}
    for side in SIDES:
        file = work / f"{side}.tif"
        _apart(_noise, side, str(file))
        peak, seconds = _apart(_predicted, str(run.path), str(file))
        results[f"{side} x {side}"] = {
            "image, MiB": round(3 * side**2 / 2**20), "peak, MiB": peak, "seconds": seconds,
        }  # fmt: skip
        file.unlink()
    return results


def _apart(function: Any, *given: Any) -> Any:
    """What a function gives in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, given)


def _noise(side: int, file: str) -> None:
    """An image whose maps compress worst."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(file)


def _predicted(run: str, file: str) -> tuple[int, float]:
    """Peak resident memory in MiB, and seconds, of one prediction."""
    started = time.perf_counter()
    (prediction,) = sl.load(run).predict(file, batch_size=16)
    assert prediction.error is None or not prediction.error, prediction.error
    seconds = round(time.perf_counter() - started, 1)
    # Not ru_maxrss: a process inherits that of the one that started it.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak) // 1024, seconds


PARTS = {"camvid": camvid, "isbi": isbi, "nuclei": nuclei, "loop": loop, "large": large}


def main() -> None:
    args = arguments(__doc__ or "", data="", minutes=30.0, only="", pretrained="auto")
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, part in PARTS.items():
            if args.only in ("", name):
                results[name] = part(args.data, args.minutes, Path(folder), args.pretrained)
    report("segment", results, args.json)


if __name__ == "__main__":
    main()
