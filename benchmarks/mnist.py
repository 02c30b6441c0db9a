"""MNIST: seconds of training to 99.0 % on the test images, beside the plain script of the lectures;
and what the default recipe reaches.

python benchmarks/mnist.py --data FOLDER [--default]
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision.transforms import ToTensor

import sightline as sl
from _common import arguments, report
from sightline.data.open import open_data

GOAL = 0.99


class ImageGrid(torch.utils.data.Dataset[Any]):
    """One part of the set as the plain script reads it: a PIL image, ToTensor, one at a time."""

    def __init__(self, dataset: Any) -> None:
        from PIL import Image

        self.images = [Image.fromarray(dataset.pixels.read(i)[:, :, 0]) for i in range(len(dataset))]
        self.labels = dataset.targets.value.tolist()
        self.transform = ToTensor()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Any:
        return self.transform(self.images[i]), self.labels[i]


def plain(folder: Path, most: int) -> dict[str, Any]:
    """The lectures' CNN, Adam 1e-3, batch 32; the test set is looked at every quarter of an epoch.

    Only training is timed, not the looks.
    """
    data = open_data(folder)
    train, test = (ImageGrid(data.subset(data.indices_of(s))) for s in ("train", "test"))
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    seconds, curve = 0.0, []
    for epoch in range(most):
        started = time.perf_counter()
        for i, (x, y) in enumerate(DataLoader(train, 32, shuffle=True)):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            if (i + 1) % 468 == 0 or i + 1 == 1875:
                seconds += time.perf_counter() - started
                curve.append((round(epoch + (i + 1) / 1875, 2), round(seconds, 1), accuracy(model, test)))
                if curve[-1][2] >= GOAL:
                    epochs, _, right = curve[-1]
                    return {"seconds": seconds, "epochs": epochs, "accuracy": right, "curve": curve}
                started = time.perf_counter()
    return {"seconds": None, "curve": curve}


@torch.no_grad()
def accuracy(model: nn.Module, test: Any) -> float:
    """Share of the test images that are right."""
    model.eval()
    right = sum(int((model(x).argmax(1) == y).sum()) for x, y in DataLoader(test, 500))
    model.train()
    return right / len(test)


def ours(folder: Path, seed: int, recipe: sl.Recipe, model: str | None) -> dict[str, Any]:
    """One run; seconds of training with loading, augmentation and validation."""
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        run = sl.train(str(folder), model=model, seed=seed, out=Path(out) / "run", recipe=recipe)
        whole = time.perf_counter() - started
        score = run.results.scores["accuracy"]
        training = sum(e["seconds"] for e in run.events())
        return {"seed": seed, "seconds": training, "whole command": whole,
                "accuracy": score.value, "low": score.low, "high": score.high}  # fmt: skip


def main() -> None:
    args = arguments(__doc__ or "", data="mnist", default=False, epochs=0, most=8, seeds=3, skip_plain=False)
    results: dict[str, Any] = {}
    if args.default:
        results["default recipe"] = ours(args.data, 0, sl.Recipe(), None)
    else:
        recipe = sl.Recipe(epochs=args.epochs or 3)
        quick = [ours(args.data, seed, recipe, "cnn-tiny") for seed in range(args.seeds)]
        results["cnn-tiny"] = quick
        if not args.skip_plain:
            results["plain"] = plain(args.data, args.most)
            took = sorted(q["seconds"] for q in quick)[len(quick) // 2]
            if results["plain"]["seconds"]:
                results["times faster"] = results["plain"]["seconds"] / took
    report("mnist", results, args.json)


if __name__ == "__main__":
    main()
