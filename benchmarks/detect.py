"""Detection: what `yolo-n` learns in a fixed time on BCCD, and how fast it is beside a rival's nano model.

    python benchmarks/detect.py --data FOLDER [--minutes 30] [--rival PYTHON] [--sizes 320,640]
                                [--rival-minutes 10] [--pretrained auto|no] [--json FILE]

FOLDER is BCCD. PYTHON is the interpreter of an environment with `ultralytics` in it (AGPL: measured from
outside, never imported here); without it only our side is measured. Both sides train on the same images
from random weights with their own default augmentation, batch 16 and two workers, and take turns;
--pretrained is what ours starts from in --minutes. With --rival-minutes both train that long, from random
weights, and our evaluation scores both on the test part.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

import sightline as sl
from _common import arguments, report
from sightline.core.model import Model
from sightline.core.run import Run
from sightline.core.run_record import RunRecord
from sightline.core.targets.instances import Instances
from sightline.data.formats import yolo
from sightline.data.open import open_data
from sightline.devices import Devices
from sightline.metrics.mean_average_precision import MeanAveragePrecision
from sightline.training.arguments import TrainArguments
from sightline.training.callbacks.base import Callback
from sightline.training.plan import make_plan
from sightline.training.recipe import Recipe
from sightline.training.runner import build_model, loader
from sightline.training.trainers import gradient

RIVAL = """
import csv, json, os, sys, time
from pathlib import Path
import torch
from ultralytics import YOLO, settings
def all_cores(_): torch.set_num_threads(os.cpu_count())  # left alone it takes one less than there are
settings.update({"sync": False, "mlflow": False, "tensorboard": False, "wandb": False})
asked = json.loads(sys.argv[1])
quiet = {"device": "cpu", "verbose": False}
if asked["do"] == "train":
    model = YOLO("yolov8n.yaml")
    model.add_callback("on_train_start", all_cores)
    short = asked["minutes"] is None
    more = {"epochs": 4, "val": False} if short else {"time": asked["minutes"] / 60, "epochs": 1000}
    model.train(data=asked["data"], imgsz=asked["size"], batch=16, workers=2, plots=False, pretrained=False,
                project=asked["out"], name="r", exist_ok=True, seed=0, **more, **quiet)
    rows = list(csv.DictReader(open(Path(asked["out"]) / "r/results.csv")))
    times = [float(r["time"]) for r in rows]
    print("ANSWER", json.dumps({"epochs": [b - a for a, b in zip(times, times[1:])]}))
else:
    model = YOLO(Path(asked["out"]) / "r/weights/best.pt") if asked["weights"] else YOLO("yolov8n.yaml")
    model.add_callback("on_predict_start", all_cores)
    files = sorted(str(p) for p in Path(asked["files"]).glob("*.jpg"))
    for _ in model.predict(files[:8], imgsz=asked["size"], stream=True, **quiet): pass
    started, rows = time.perf_counter(), []
    for found in model.predict(files, imgsz=asked["size"], conf=0.001, stream=True, **quiet):
        b = found.boxes
        rows.append({"boxes": b.xyxy.tolist(), "labels": b.cls.int().tolist(), "scores": b.conf.tolist()})
    seconds = time.perf_counter() - started
    out = {"images a second": len(files) / seconds, "files": [Path(f).name for f in files], "rows": rows}
    (Path(asked["out"]) / "rows.json").write_text(json.dumps(out))
"""


class Watch(Callback):
    """Seconds of each epoch's training alone; `validate` stops the watch."""

    def __init__(self) -> None:
        self.spans: list[float] = []
        self.began = 0.0

    def start(self, training: Any) -> None:
        self.began = time.perf_counter()

    def validate(self, model: Model) -> dict[str, float]:
        self.spans.append(time.perf_counter() - self.began)
        return {"val_loss": 1.0, "val_score": 0.0}

    def epoch(self, training: Any, logs: dict[str, Any]) -> bool:
        self.began = time.perf_counter()
        return False


def ours(data: Path, size: int, out: Path) -> float:
    """Training images a second, without validation and checkpoints at the ends of epochs."""
    run_plan = make_plan(
        TrainArguments(str(data), pretrained="no", recipe=Recipe(size=size, epochs=4, batch_size=16))
    )
    devices, run, watch = Devices.start("cpu"), Run.create(out, RunRecord(), overwrite=True), Watch()
    model = build_model(run_plan).to(memory_format=torch.channels_last)
    batches = loader(run_plan, run_plan.part("train"), devices, train=True)
    gradient.fit(model, batches, watch.validate, run_plan.recipe, run, devices, seed=0, callbacks=[watch])
    return len(run_plan.part("train")) / median(watch.spans[1:])


def rival(python: str, **options: Any) -> dict[str, Any]:
    """What the rival's process answers."""
    settings = os.environ | {"YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}
    command = [python, "-c", RIVAL, json.dumps(options)]
    place = str(options["out"])  # what it leaves behind goes with the temporary folder
    done = subprocess.run(command, capture_output=True, text=True, env=settings, cwd=place, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    answers = [line for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    return json.loads(answers[-1][7:]) if answers else {}


def scores(answers: dict[str, Any], data: Path) -> dict[str, float]:
    """Our evaluation of the rival's boxes on the test part."""
    dataset = open_data(str(data))
    test = dataset.subset(dataset.indices_of("test"))
    by_name = dict(zip(answers["files"], answers["rows"], strict=True))
    sizes = test.targets.sizes.tolist()
    rows = [{"size": s, **by_name[Path(i).name]} for i, s in zip(test.ids, sizes, strict=True)]
    prediction, names = Instances.from_json(rows), {}
    for metric in (MeanAveragePrecision(), MeanAveragePrecision(iou=0.5)):
        metric.update(prediction, test.targets)
        names[metric.card.name] = metric.compute()
    return names


def speed(data: Path, python: str | None, size: int, work: Path) -> dict[str, Any]:
    """Training and prediction, images a second, of both sides at one size."""
    files = work / "images"
    train = [ours(data, size, work / "run") for _ in range(2)]
    run = sl.train(str(data), pretrained="no", size=size, epochs=1, out=work / f"run{size}", overwrite=True)
    model = sl.load(run.path)
    list(model.predict([str(p) for p in sorted(files.glob("*.jpg"))[:8]]))
    began = time.perf_counter()
    n = len(list(model.predict(str(files), batch_size=16)))
    row: dict[str, Any] = {"train, ours": max(train), "predict, ours": n / (time.perf_counter() - began)}
    if python is None:
        return row
    same = {"data": str(work / "yolo/data.yaml"), "size": size, "out": str(work)}
    spent = rival(python, do="train", minutes=None, **same)
    images = len(list((work / "yolo/images/train").iterdir()))
    row["train, rival"] = images / median(spent["epochs"])
    rival(python, do="predict", files=str(files), weights=False, **same)
    row["predict, rival"] = json.loads((work / "rows.json").read_text())["images a second"]
    row["train, ratio"] = row["train, ours"] / row["train, rival"]
    row["predict, ratio"] = row["predict, ours"] / row["predict, rival"]
    return row


def main() -> None:
    args = arguments(__doc__ or "", data="bccd", minutes=30, rival="", rival_minutes=0, sizes="320,640",
                      pretrained="auto")  # fmt: skip
    python = args.rival or None
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        dataset = open_data(str(args.data))
        yolo.write(dataset, work / "yolo")
        (work / "images").mkdir()
        for i in dataset.indices_of("test"):
            name = Path(dataset.ids[i]).name
            (work / "images" / name).write_bytes((args.data / dataset.ids[i]).read_bytes())
        for size in map(int, args.sizes.split(",")):
            results[f"images a second at {size}"] = speed(args.data, python, size, work)
        if args.minutes:
            results["ours"] = fixed_time(args.data, args.minutes, work / "long", args.pretrained)
        if args.rival_minutes and python:
            minutes = args.rival_minutes
            results[f"ours in {minutes} minutes"] = fixed_time(args.data, minutes, work / "short", "no")
            rival(
                python,
                do="train",
                data=str(work / "yolo/data.yaml"),
                size=320,
                minutes=minutes,
                out=str(work),
            )
            rival(python, do="predict", files=str(work / "images"), size=320, weights=True, out=str(work))
            answer = json.loads((work / "rows.json").read_text())
            results[f"rival in {minutes} minutes"] = scores(answer, args.data)
    report("detect", results, args.json)


def fixed_time(data: Path, minutes: float, out: Path, start: Any) -> dict[str, Any]:
    """Scores on the test part after so many minutes of training with the default recipe."""
    run = sl.train(str(data), pretrained=start, time=f"{minutes}m", out=out)
    scores = run.results.scores
    return {name: [s.value, s.low, s.high] for name, s in scores.items()} | {
        "epochs": len(list(run.events()))
    }


if __name__ == "__main__":
    main()
