"""A page with every kind of exhibit, from the real digits in scikit-learn.

Run it to look at one: `python tests/unit/report/report_demo.py FOLDER`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sightline.core.report import (
    BarPlot,
    Finding,
    ImageGrid,
    IntervalPlot,
    LinePlot,
    Matrix,
    PredictionGallery,
    Scatter,
    Score,
    Table,
)
from sightline.report.page import Page, Section

NASTY = 'cat <script>alert(1)</script> "$x_1$"\n👩‍🔬 & co'


def confusion(k: int, seed: int = 0) -> np.ndarray:
    """(k, k) counts as a decent classifier makes them."""
    rng = np.random.default_rng(seed)
    counts = np.diag(rng.integers(60, 99, k)).astype(float)
    for i in range(k):
        for j in rng.integers(0, k, 6):
            counts[i, j] += rng.integers(0, 9)
    return counts


def build() -> tuple[Page, Callable[[str], np.ndarray]]:
    """The page, and where its images come from."""
    x, y = load_digits(return_X_y=True)
    a, b, ya, yb = train_test_split(x, y, test_size=360, random_state=0, stratify=y)
    model = LogisticRegression(max_iter=300, C=0.01).fit(a / 16, ya)
    probability = model.predict_proba(b / 16)
    result, sure = probability.argmax(1), probability.max(1)
    right = result == yb
    images = (b.reshape(-1, 8, 8, 1) * 15.9).astype(np.uint8)
    photo = np.linspace(0, 255, 300 * 400 * 3).reshape(300, 400, 3).astype(np.uint8)

    def image_of(id: str) -> np.ndarray:
        if id == "broken.jpg":
            raise OSError("broken.jpg: the file ends after 1,024 of 48,211 bytes.")
        return photo if id.startswith("photos/") else images[int(id.rpartition("/")[2])]

    counts = np.zeros((10, 10))
    np.add.at(counts, (yb, result), 1)
    accuracy = Score(right.mean(), right.mean() - 0.021, right.mean() + 0.017, len(yb), "exact")
    f1 = Score(right.mean() - 0.002, right.mean() - 0.023, right.mean() + 0.015, len(yb))
    majority, forest = Score(0.103, 0.073, 0.139, 360), Score(0.911, 0.877, 0.938, 360)
    rows = [
        [str(d), int((yb == d).sum()), f1, f1, Score(0.9 + d / 120, 0.85, 0.999, int((yb == d).sum()))]
        for d in range(10)
    ]
    epochs = np.arange(1, 31)
    loss = {
        "training": [(int(e), float(2.2 * np.exp(-e / 5) + 0.02)) for e in epochs],
        "validation": [(int(e), float(2.1 * np.exp(-e / 5) + 0.12 + 0.002 * e)) for e in epochs],
    }
    good = {
        "training": [(e, 1 - v / 2.4) for e, v in loss["training"]],
        "validation": [(e, 1 - v / 2.4) for e, v in loss["validation"]],
    }
    edges = np.linspace(0.05, 0.95, 10)
    share = np.histogram(sure, bins=10, range=(0, 1))[0] / len(sure)
    calibration = {
        "share of images": list(zip(edges.tolist(), share.tolist(), strict=True)),
        "as trained": [(float(e), float(np.clip(e + 0.12 * np.sin(6 * e), 0, 1))) for e in edges[2:]],
        "after temperature scaling": [(float(e), float(e + 0.02)) for e in edges[2:]],
    }
    wrong = np.flatnonzero(~right)[np.argsort(-sure[~right])]
    rng = np.random.default_rng(0)
    target = rng.normal(50, 20, 400)
    findings = (
        Finding(
            "duplicates-across-splits",
            "error",
            "12 images are in the training and in the test set.",
            "Keep each image in one split only, or let Sightline split: put all into one folder.",
            12,
            tuple(f"train/{i}/img_{i:04}.png = test/{i}/img_{i + 7:04}.png" for i in range(12)),
        ),
        Finding("imbalance", "warning", "Class '8' has 4 times the images of '3'.", "Gather more.", 2),
        Finding(
            "odd-names", "info", f"A class has an odd name: {NASTY}", "Rename it.", 900,
            tuple(f"{'deep/' * 12}file-{i}.jpg" for i in range(900)),
        ),
    )  # fmt: skip
    sections = [
        Section(
            "What was asked",
            "Classify 8 x 8 grey images into 10 classes. The network was chosen on the validation set; the "
            "test set was opened once.\n\nThe same again:\n\n    sightline train digits --seed 3 --epochs 30",
        ),
        Section(
            "The data",
            "1,797 images, 10 classes, none left out.",
            [
                PredictionGallery(
                    "Some of the training images",
                    [f"train/{i:05}" for i in range(20)],
                    [str(v) for v in yb[:20]],
                ),
                BarPlot(
                    "Images of each class",
                    "class",
                    "images",
                    {str(d): int((y == d).sum()) for d in range(10)},
                ),
                BarPlot(
                    "Images of each of 100 classes",
                    "classes",
                    "images",
                    {f"class number {i}": float(rng.integers(20, 700)) for i in range(100)},
                ),
            ],
            findings,
        ),
        Section(
            "Training",
            "It stopped after 30 epochs: validation loss had not fallen for 8.",
            [LinePlot("Loss", "epoch", "loss", loss), LinePlot("Accuracy", "epoch", "accuracy", good)],
        ),
        Section(
            "Scores",
            "",
            [
                IntervalPlot(
                    "Accuracy beside simple baselines",
                    "test accuracy",
                    {
                        "lenet5 (the network)": accuracy,
                        "largest class": majority,
                        "HOG + logistic regression": forest,
                    },
                    percent=True,
                    note="Points with 95 % intervals; 360 test images.",
                ),
                LinePlot(
                    "Reliability",
                    "confidence",
                    "share that is right",
                    calibration,
                    diagonal=True,
                    bars="share of images",
                    note="On the dotted line, 80 % sure is right 80 times in 100.",
                ),
                Table(
                    "Scores",
                    ("score", "network", "largest class", "HOG + logistic"),
                    [
                        ["accuracy", accuracy.text(True), majority.text(True), forest.text(True)],
                        ["macro F1", f1, majority, forest],
                        ["log loss", Score(float("nan"), 0, 0, 360), None, forest],
                    ],
                    "95 % intervals: exact binomial for accuracy, bootstrap over images for the others.",
                ),
                Table("Each class", ("class", "images", "precision", "recall", "F1"), rows),
            ],
        ),
        Section(
            "Mistakes",
            "",
            [
                Matrix(
                    "Confusion matrix",
                    [str(d) for d in range(10)],
                    counts.tolist(),
                    "Shade: share of the true class.",
                ),
                Matrix(
                    "Two classes with long names", ["Golden retriever (adult)", NASTY], [[12345, 7], [0, 998]]
                ),
                Matrix("Twenty classes", [f"species {i}" for i in range(20)], confusion(20).tolist()),
                Matrix("A hundred classes", [f"category {i}" for i in range(100)], confusion(100).tolist()),
                PredictionGallery(
                    "Surest mistakes",
                    [*(f"test/{i:05}" for i in wrong[:9]), "photos/a.jpg", "broken.jpg"],
                    [*(f"{result[i]} ({sure[i]:.0%}), is {yb[i]}" for i in wrong[:9]), NASTY, "is 4"],
                    "What the network was surest of, and wrong.",
                ),
            ],
        ),
        Section(
            "Regression",
            "",
            [
                Scatter(
                    "Predicted against true",
                    "true price",
                    "predicted price",
                    [(float(t), float(t + rng.normal(0, 6))) for t in target],
                    diagonal=True,
                ),
                Scatter("Many points", "x", "y", rng.normal(size=(5000, 2)).tolist()),
            ],
        ),
        Section(
            "Inside",
            "",
            [
                ImageGrid(
                    "Filters of the first layer",
                    [
                        np.kron(rng.integers(0, 255, (5, 5, 3)), np.ones((1, 1, 1))).astype(np.uint8)
                        for _ in range(12)
                    ],
                    [f"filter {i}" for i in range(12)],
                )
            ],
        ),
        Section(
            "Loading it",
            'In Python:\n\n    import sightline as sl\n    model = sl.load("runs/digits-1")\n'
            '    model.predict("new/seven.png")',
        ),
    ]
    page = Page(
        "Digits: lenet5 on 10 classes",
        "Train a classifier on the 1,797 handwritten digits that come with scikit-learn.",
        [
            ("accuracy", accuracy.text(True)),
            ("best baseline", forest.text(True)),
            ("images", "1,797"),
            ("parameters", "61,706"),
            ("time", "24 s"),
        ],
        [
            f"The network is right on {accuracy.text(True)} of the test images.",
            "That is better than HOG + logistic regression beyond chance (exact McNemar test, p = 0.003).",
            "360 test images are few: differences under about 4 points cannot be seen with them.",
        ],
        sections,
    )
    return page, image_of


if __name__ == "__main__":
    from sightline.report.page import write

    write(*build(), Path(sys.argv[1]) / "demo.html")
