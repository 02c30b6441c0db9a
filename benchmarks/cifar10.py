"""CIFAR-10 in a fixed time: the default recipe beside a plain torchvision ResNet-18.

python benchmarks/cifar10.py --data FOLDER [--minutes 15] [--full]
"""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.models import resnet18

import sightline as sl
from _common import arguments, report
from sightline.data.open import open_data
from sightline.metrics.intervals import exact


class ImageGrid(torch.utils.data.Dataset[Any]):
    """One part of the set as the usual script reads it."""

    def __init__(self, dataset: Any, transform: Any) -> None:
        from PIL import Image

        self.images = [Image.fromarray(dataset.pixels.read(i)) for i in range(len(dataset))]
        self.labels = dataset.targets.value.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Any:
        return self.transform(self.images[i]), self.labels[i]


def plain(folder: Path, budget: float) -> dict[str, Any]:
    """ResNet-18, SGD 0.1, momentum 0.9, weight decay 5e-4, batch 128, crop and flip, cosine over time.

    It trains on all training images: it needs no validation part.
    """
    data = open_data(folder)
    normal = transforms.Normalize((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616))
    moved = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    moving = transforms.Compose([*moved, transforms.ToTensor(), normal])
    train = ImageGrid(data.subset(data.indices_of("train")), moving)
    test = ImageGrid(
        data.subset(data.indices_of("test")), transforms.Compose([transforms.ToTensor(), normal])
    )
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = resnet18(num_classes=10).to(device)
    optimizer = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    started, epochs = time.perf_counter(), 0
    loader = DataLoader(train, 128, shuffle=True, num_workers=2, persistent_workers=True)

    def share(_: int) -> float:
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (time.perf_counter() - started) / budget)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    while time.perf_counter() - started < budget:
        for x, y in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x.to(device)), y.to(device)).backward()
            optimizer.step()
            schedule.step()
            if time.perf_counter() - started >= budget:
                break
        epochs += 1
    took = time.perf_counter() - started
    model.eval()
    with torch.no_grad():
        right = sum(int((model(x.to(device)).argmax(1).cpu() == y).sum()) for x, y in DataLoader(test, 500))
    low, high = exact(right, len(test))
    return {"accuracy": right / len(test), "low": low, "high": high, "epochs": epochs, "seconds": took}


def ours(folder: Path, minutes: float, seed: int = 0) -> dict[str, Any]:
    """The default recipe with a time budget; 15 % of the training images are its validation part."""
    with tempfile.TemporaryDirectory() as out:
        recipe = sl.Recipe(time=f"{minutes}m")
        run = sl.train(str(folder), out=Path(out) / "run", recipe=recipe, seed=seed,
                       accept=["duplicates-across-splits", "near-duplicates-across-splits"])  # fmt: skip
        score, events = run.results.scores["accuracy"], list(run.events())
        return {"accuracy": score.value, "low": score.low, "high": score.high, "epochs": len(events),
                "seconds": sum(e["seconds"] for e in events)}  # fmt: skip


def main() -> None:
    args = arguments(__doc__ or "", data="cifar10", minutes=15.0, only="", full=False)
    results: dict[str, Any] = {"training images": int((open_data(args.data).splits == "train").sum())}
    if args.full and results["training images"] < 50_000:
        raise SystemExit("--full needs all 50,000 training images")
    if args.only != "plain":
        results["sightline"] = ours(args.data, args.minutes)
    if args.only != "sightline":
        results["plain ResNet-18"] = plain(args.data, args.minutes * 60)
    if not args.only:
        gap = results["sightline"]["accuracy"] - results["plain ResNet-18"]["accuracy"]
        results["points better"] = round(100 * gap, 2)
    report("cifar10", results, args.json)


if __name__ == "__main__":
    main()
