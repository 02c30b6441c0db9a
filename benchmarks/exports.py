"""Exported files: accuracy and latency of each format, and JPEG in, JSON out beside a rival's ONNX file.

    python benchmarks/exports.py --data FOLDER [--minutes 2] [--rival PYTHON] [--only end] [--json FILE]

FOLDER holds bccd and orl_faces. `yolo-n` at 320 pixels is trained on BCCD and ResNet-18 at 224 on the faces,
so many minutes each; every format is written and measured with one thread and with two, and ONNX with 8 bits
in turn with 32 (shared machines are quicker now and slower then). PYTHON is the
interpreter of an environment with `ultralytics` and `onnxruntime` in it (AGPL: measured from outside, never
imported here): its nano model trains as long, is exported by its own command to the same input of 256 x 320,
and predicts the same files. Both sides run on one core, take turns, and drop boxes below a score of 0.25.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import sightline as sl
from _common import arguments, report
from sightline.data.formats import yolo
from sightline.data.open import open_data
from sightline.exporters.formats import EXPORTERS
from sightline.exporters.graph import Graph
from sightline.inference.model_folder import restore

FORMATS = ({"to": "onnx"}, {"to": "onnx", "int8": True}, {"to": "openvino"}, {"to": "openvino", "int8": True})
ROUNDS = 3
TURNS, TURN = 8, 0.7
"""Rounds of 8 bits in turn with 32, and seconds of each."""
LEAST = 0.25
"""Score from which boxes are told."""
OURS = """
import sys, time
from pathlib import Path
from sightline.runtime import rows
from sightline.runtime.session import Session
file, folder, least = sys.argv[1], sys.argv[2], float(sys.argv[3])
session, files = Session(file, threads=1, min_score=least), sorted(Path(folder).glob("*.jpg"))
for _ in session.predict(files[:8], 1): pass
started, size = time.perf_counter(), 0
for said in session.predict(files, 1):
    size += len(rows.line(rows.full(said.id, said.row, said.prediction, session.names)))
print(len(files) / (time.perf_counter() - started))
"""
TRAIN = """
import sys
from ultralytics import YOLO, settings
settings.update({"sync": False, "mlflow": False, "tensorboard": False, "wandb": False})
data, minutes, out = sys.argv[1], float(sys.argv[2]), sys.argv[3]
YOLO("yolov8n.yaml").train(data=data, imgsz=320, batch=16, time=minutes / 60, epochs=1000, workers=2,
    plots=False, pretrained=False, project=out, name="r", exist_ok=True, device="cpu", verbose=False)
YOLO(out + "/r/weights/best.pt").export(format="onnx", imgsz=[256, 320], simplify=True)
"""
THEIRS = """
import sys, time
from pathlib import Path
from ultralytics import YOLO
file, folder, least = sys.argv[1], sys.argv[2], float(sys.argv[3])
model, files = YOLO(file, task="detect"), sorted(map(str, Path(folder).glob("*.jpg")))
how = {"imgsz": [256, 320], "conf": least, "device": "cpu", "verbose": False, "stream": True}
for _ in model.predict(files[:8], **how): pass
started, size = time.perf_counter(), 0
for found in model.predict(files, **how): size += len(found.to_json())
print(len(files) / (time.perf_counter() - started))
"""


def latencies(run: Path) -> dict[str, Any]:
    """A row for each file, by the number of threads; and what 8 bits gain in ONNX."""
    for how in FORMATS:
        sl.export(run, **how)
    results: dict[str, Any] = {}
    for threads in (1, 2):
        results[f"{threads} threads"] = {
            line.name: {
                "score": line.score.text(),
                "p50, ms": round(1000 * line.p50, 2), "p95, ms": round(1000 * line.p95, 2),
                "images/s": round(line.rate, 1), "memory, MiB": round(line.memory),
                "size, MiB": round(line.size, 1), "joules for 1,000": line.joules,
            }
            for line in sl.benchmark(run, threads=threads).lines
        }  # fmt: skip
        results[f"{threads} threads, 8 bits in turn with 32"] = in_turn(run, threads)
    return results


def in_turn(run: Path, threads: int) -> dict[str, Any]:
    """Times of both ONNX files that take turns: shared machines are quicker now and slower then."""
    load = EXPORTERS.load("onnx").runner
    files = [run / "export" / f"{run.name}{kind}.onnx" for kind in ("", "-int8")]
    runners = [load(file, threads) for file in files]
    images = Graph(restore(run)[0].eval()).example(1).numpy()
    rounds = []
    for _ in range(TURNS + 1):
        rounds.append([_p50(runner, images) for runner in runners])
    whole, eight = zip(*rounds[1:], strict=True)  # the first lays out memory
    ratios = sorted(a / b for a, b in zip(whole, eight, strict=True))
    return {
        "p50, ms": [round(1000 * median(whole), 2), round(1000 * median(eight), 2)],
        "times as fast": round(median(ratios), 2), "least, most": [round(ratios[0], 2), round(ratios[-1], 2)],
    }  # fmt: skip


def _p50(answer: Any, images: Any) -> float:
    times, end = [], time.perf_counter() + TURN
    while time.perf_counter() < end:
        started = time.perf_counter()
        answer(images)
        times.append(time.perf_counter() - started)
    return median(times)


def alone(python: str, script: str, *given: str, one_core: bool = False) -> float | None:
    """Run a script; the number it prints at last, if it is one."""
    settings = os.environ | {"YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}
    if one_core:
        settings |= {"OMP_NUM_THREADS": "1"}
    command = [*(["taskset", "-c", "0"] if one_core else []), python, "-c", script, *given]
    done = subprocess.run(command, capture_output=True, text=True, env=settings, cwd=given[-1] if
                          Path(given[-1]).is_dir() else None, check=False)  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    try:
        return float(done.stdout.split()[-1])
    except (ValueError, IndexError):
        return None


def end_to_end(run: Path, data: Path, python: str, minutes: float, work: Path) -> dict[str, Any]:
    """Images a second of both sides, on the test images as they lie on disk."""
    dataset = open_data(str(data))
    yolo.write(dataset, work / "yolo")
    images = work / "images"
    images.mkdir()
    for i in dataset.indices_of("test"):
        shutil.copy(data / dataset.ids[i], images / Path(dataset.ids[i]).name)
    alone(python, TRAIN, str(work / "yolo/data.yaml"), str(minutes), str(work))
    mine, theirs = run / "export" / f"{run.name}.onnx", work / "r/weights/best.onnx"
    rounds = [
        (
            alone(sys.executable, OURS, str(mine), str(images), str(LEAST), one_core=True),
            alone(python, THEIRS, str(theirs), str(images), str(LEAST), one_core=True),
        )
        for _ in range(ROUNDS)
    ]
    ours, rival = (median(r[k] or 0.0 for r in rounds) for k in (0, 1))
    return {
        "images": len(list(images.iterdir())), "ours, images/s": round(ours, 1),
        "rival, images/s": round(rival, 1), "ratio": round(ours / rival, 2), "rounds": rounds,
    }  # fmt: skip


def main() -> None:
    args = arguments(__doc__ or "", data="", minutes=2.0, rival="", only="")
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        how = {"time": f"{args.minutes}m", "precision": "bf16"}
        boxes = sl.train(str(args.data / "bccd"), model="yolo-n", size=320, out=work / "yolo-n", **how)
        if args.only == "end":
            sl.export(boxes.path)
        else:
            results |= tables(boxes.path, args.data, how, work)
        if args.rival:
            results["JPEG in, JSON out"] = end_to_end(
                boxes.path, args.data / "bccd", args.rival, args.minutes, work
            )
    report("exports", results, args.json)


def tables(boxes: Path, data: Path, how: dict[str, Any], work: Path) -> dict[str, Any]:
    """Latencies of both networks."""
    faces = sl.train(str(data / "orl_faces"), model="resnet18", size=224, out=work / "resnet18", **how)
    return {"yolo-n, 256 x 320": latencies(boxes), "resnet18, 224 x 224": latencies(faces.path)}


if __name__ == "__main__":
    main()
