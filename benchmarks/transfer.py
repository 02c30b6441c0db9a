"""Few photographs: fine-tuning by default beside a plain script with the same weights and the same time.

    python benchmarks/transfer.py --data FOLDER [--only hymenoptera,flowers,cifar20,...]

The parts: hymenoptera, flowers, cifar20, cifar, first, bccd, bccd40, camvid. FOLDER holds hymenoptera,
flowers600, cifar10, bccd and camvid. Every part prints what the whole command took and its score on the test
part, with interval. The plain script is the recipe of PyTorch's transfer-learning tutorial (SGD 1e-3,
momentum 0.9, batch 4, a step at 7/25 and 14/25 of training) with the network, weights and minutes of ours; it
is scored after its last epoch, on the same test images.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torchvision import transforms
from torchvision.datasets import ImageFolder

import sightline as sl
from _common import arguments, report
from sightline.core.run import Run
from sightline.data.loading.tiles import batches
from sightline.data.open import open_data
from sightline.devices import Devices
from sightline.evaluation import scoring
from sightline.evaluation.run_data import open_own
from sightline.inference.model_folder import restore
from sightline.inference.predict_batches import predict
from sightline.metrics.intervals import exact
from sightline.models import registry
from sightline.models.weights import embedded

SECONDS = {"hymenoptera": 150, "flowers": 150, "cifar20": 150, "cifar": 840, "camvid": 1740, "bccd": 1740,
           "bccd40": 570}  # fmt: skip
"""Of training; the rest of the round minutes is for the check, baselines and report."""


def folder_of(data: Path, name: str, work: Path) -> Path:
    """A folder with train and test, one folder a class."""
    folder = work / name
    for part, source in (("train", "train"), ("test", "val" if name == "hymenoptera" else "test")):
        shutil.copytree(data / name / source, folder / part)
    return folder


def few_cifar(data: Path, work: Path, per_class: int) -> Path:
    """CIFAR-10 as files: so many training images a class, and the first 2,000 test images."""
    from PIL import Image

    dataset = open_data(data / "cifar10")
    names, value = dataset.classes.names, dataset.targets.value.numpy()
    train, test = dataset.indices_of("train"), dataset.indices_of("test")[:2000]
    chosen = [train[value[train] == k][:per_class] for k in range(len(names))]
    for part, where in (("train", np.concatenate(chosen)), ("test", test)):
        for i in where:
            place = work / "cifar-few" / part / names[value[i]]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(dataset.pixels.read(int(i))).save(place / f"{i}.png")
    return work / "cifar-few"


def choices(run: Run) -> dict[str, list[float]]:
    """Accuracy and log loss on the test images of what a run chose among: the head alone, the mean of its
    weights and those after the last epoch, and these. No run sees this."""
    head, last = run.checkpoint("head"), run.checkpoint("last")
    if head is None or last is None:
        return {}
    model, task, _ = restore(run.path)
    test = open_own(run)
    test = test.subset(test.indices_of("test"))
    before = head[0]["model"]
    after = {name.removeprefix("module."): value for name, value in last[0]["ema"].items()}
    scores_by_name = {}
    for name, share in (("head alone", 0.0), ("mean", 0.5), ("last epoch", 1.0)):
        mixed = {k: v.lerp(after[k], share) if v.is_floating_point() else v for k, v in before.items()}
        model.load_state_dict(mixed)
        prediction = predict(model, batches(test, model.settings, batch_size=64), Devices.start("cpu"))
        scores, _ = scoring.score(task, prediction.prediction, prediction.target)
        scores_by_name[name] = [round(scores[metric].value, 4) for metric in ("accuracy", "log loss")]
    return scores_by_name


def ours(source: Path, out: Path, seconds: int, **options: Any) -> dict[str, Any]:
    """`sightline train` with a budget, as a user would."""
    started = time.perf_counter()
    run = sl.train(str(source), time=f"{seconds}s", out=out, accept=options.pop("accept", ()), **options)
    whole = time.perf_counter() - started
    results = run.results
    main = next(iter(results.scores))
    score = results.scores[main]
    beside = {name: round(s[main].value, 4) for name, s in results.baselines.items()}
    events = list(run.events())
    return {
        "seconds of the whole command": round(whole, 1),
        "n": results.n,
        main: [round(v, 4) for v in (score.value, score.low, score.high)],
        "baselines": beside,
        "choices": choices(run),
        "curve": [
            [e["epoch"], round(e["val_score"], 4), round(e["seconds"], 1)] for e in events
        ],
    }  # fmt: skip


def tutorial(source: Path, seconds: int) -> dict[str, Any]:
    """The tutorial's recipe on the network and weights that we start from."""
    normal = transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    moving = transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(),
                                 transforms.ToTensor(), normal])  # fmt: skip
    still = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), normal]
    )
    train = ImageFolder(source / "train", moving, is_valid_file=_readable)
    test = ImageFolder(source / "test", still, is_valid_file=_readable)
    torch.manual_seed(0)
    model = registry.create(embedded.DEFAULT, outputs=len(train.classes), channels=3, size=(224, 224),
                       pretrained="yes")  # fmt: skip
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, momentum=0.9)
    loader = torch.utils.data.DataLoader(train, 4, shuffle=True, num_workers=2, persistent_workers=True)
    started, epochs = time.perf_counter(), 0
    while (done := (time.perf_counter() - started) / seconds) < 1:
        model.train()
        for images, labels in loader:
            share = (time.perf_counter() - started) / seconds
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * 0.1 ** int(share / 0.28)
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            if share >= 1:
                break
        epochs += done < 1
    model.eval()
    hits = 0
    with torch.no_grad():
        for images, labels in torch.utils.data.DataLoader(test, 32):
            hits += int((model(images).argmax(1) == labels).sum())
    low, high = exact(hits, len(test))
    return {
        "epochs": epochs,
        "n": len(test),
        "accuracy": [round(v, 4) for v in (hits / len(test), low, high)],
    }


def _readable(path: str) -> bool:
    from PIL import Image

    try:
        Image.open(path).load()
    except OSError:
        return False
    return path.lower().endswith((".jpg", ".jpeg", ".png"))


def photographs(name: str) -> Callable[[Path, Path], dict[str, Any]]:
    """A set with one folder a class, beside the tutorial's recipe."""

    def part(data: Path, work: Path) -> dict[str, Any]:
        source = folder_of(data, "flowers600" if name == "flowers" else name, work)
        return {
            "sightline": ours(source, work / f"run-{name}", SECONDS[name]),
            "tutorial": tutorial(source, SECONDS[name]),
        }

    return part


def cifar20(data: Path, work: Path) -> dict[str, Any]:
    """20 images a class."""
    return {"sightline": ours(few_cifar(data, work, 20), work / "run-cifar20", SECONDS["cifar20"])}


def cifar(data: Path, work: Path) -> dict[str, Any]:
    """7,000 training images, all 10,000 test images."""
    return {"sightline": ours(data / "cifar10", work / "run-cifar", SECONDS["cifar"])}


def first(data: Path, work: Path) -> dict[str, Any]:
    """Seconds from the start of the command to a model within a point of the final one: flowers600."""
    source = folder_of(data, "flowers600", work / "first")
    events = ours(source, work / "first-run", SECONDS["flowers"])
    final = max(score for _, score, _ in events["curve"])
    taken, reached = 0.0, None
    for epoch, score, seconds in events["curve"]:
        taken += seconds
        if reached is None and score >= final - 0.01:
            reached = {"epoch": epoch, "seconds of training": round(taken, 1)}
    return {"sightline": events, "within a point of the best": reached}


def camvid(data: Path, work: Path) -> dict[str, Any]:
    """Official split, 11 classes."""
    options = {"precision": "bf16", "size": 320, "loss": "ce+jaccard"}
    return {"sightline": ours(data / "camvid", work / "run-camvid", SECONDS["camvid"], **options)}


def bccd(data: Path, work: Path) -> dict[str, Any]:
    """Blood cells, official split."""
    return {"sightline": ours(data / "bccd", work / "run-bccd", SECONDS["bccd"])}


def bccd40(data: Path, work: Path) -> dict[str, Any]:
    """40 of its training images: from installed weights, and from scratch."""
    dataset = open_data(data / "bccd")
    few = work / "bccd40"
    sl.check(str(data / "bccd"))
    from sightline.data.formats import coco

    keep = np.concatenate(
        [dataset.indices_of("train")[:40], dataset.indices_of("val"), dataset.indices_of("test")]
    )
    coco.write(dataset.subset(keep), few)
    seconds = SECONDS["bccd40"]
    backbones = {"installed weights": embedded.DEFAULT, "scratch": "own"}
    return {
        name: ours(
            few, work / f"run-bccd40-{b}", seconds, backbone=b, pretrained="no" if b == "own" else "auto"
        )
        for name, b in backbones.items()
    }


PARTS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "hymenoptera": photographs("hymenoptera"),
    "flowers": photographs("flowers"),
    "cifar20": cifar20,
    "cifar": cifar,
    "first": first,
    "camvid": camvid,
    "bccd": bccd,
    "bccd40": bccd40,
}


def main() -> None:
    args = arguments(__doc__ or "", data="hymenoptera, flowers600 ...", only=",".join(PARTS))
    data = args.data if (args.data / "hymenoptera").is_dir() else args.data.parent
    results = {}
    with tempfile.TemporaryDirectory() as work:
        for name in args.only.split(","):
            results[name] = PARTS[name](data, Path(work))
            print(name, results[name], flush=True)
    report("transfer", results, args.json)


if __name__ == "__main__":
    main()
