"""Metadata: whether the class can be guessed from the files, without a look at their pixels."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._planted import SIDE, case_of, dataset_of, probabilities
from sightline.audits._rules import judge, skip
from sightline.audits._verdict import AuditCard, Bound, Verdict
from sightline.core.report import Score, Table
from sightline.data.io.encode import encode_png
from sightline.data.io.images import probe
from sightline.data.io.pixels import Files
from sightline.errors import UnreadableImage
from sightline.metrics.accuracy import Accuracy
from sightline.metrics.compare import paired

CARD = AuditCard(
    name="metadata",
    title="Files",
    summary="whether the class can be guessed from size, format or name of the file, without its pixels",
    rank=15,
    scores=("metadata.gain", "metadata.accuracy"),
    least=30,
    bounds={"metadata.gain": Bound(at_most=0.1, null=0.0)},
    target_types=("label",),
    needs=("train",),
    sees="Width, height, size and format of files, and the numbers in their names; not their folders, which "
    "are often the class. It does not see what the model makes of it: names and sizes of files are not "
    "shown to it, but resolution and compression leave traces in the pixels.",
)
LEAST = 30
"""Training images at least."""
LEAF = 10
"""Training images in a leaf of the tree at least, so that it does not learn single files."""
DEPTH = 4
NAMES = ("width", "height", "shape", "bytes", "bytes of a pixel", "format", "pixel type", "orientation",
         "number in the name", "length of the name")  # fmt: skip


def run(case: Case, budget: Budget) -> Verdict:
    """Fit a small tree of facts of the files on training images, and score it on the part."""
    part, train, n = case.part.sample(budget.n, case.seed), case.train, len(case.part)
    assert train is not None
    if not part.target.exclusive:
        return skip(CARD, "it judges one class for each image.", of=n)
    if len(train) < LEAST:
        return skip(CARD, f"it needs {LEAST} training images, and there are {len(train)}.", of=n)
    train_facts, shown = facts(train), facts(part)
    if train_facts is None or shown is None:
        return skip(CARD, "the images do not lie in files of their own.", of=n)
    label, target = train.target.value.numpy(), part.target.value.numpy()
    commonest = np.bincount(label).argmax() == target
    right = _guess(train_facts, label, shown) == target
    gain, accuracy = _gain(right, commonest), float(right.mean())
    alone = {
        name: float((_guess(train_facts[:, [i]], label, shown[:, [i]]) == target).mean())
        for i, name in enumerate(NAMES)
        if len(np.unique(train_facts[:, i])) > 1
    }
    order = sorted(alone, key=lambda name: -alone[name])
    best = f" Best single fact: {order[0]} ({100 * alone[order[0]]:.1f} %)." if order else ""
    sentence = (
        f"From their files alone {100 * accuracy:.1f} % of the images get the right class; the commonest "
        f"class has {100 * commonest.mean():.1f} % ({100 * gain.value:+.1f} points, {100 * gain.low:+.1f} to "
        f"{100 * gain.high:+.1f}, n {gain.n}).{best}"
    )
    fix = (
        f"Classes come from different sources ({', '.join(order[:2])}). A model may learn the source in "
        "place of the class: collect all classes from the same sources, or bring all files to one size and "
        "format, and train again."
    )
    nan = float("nan")
    scores = {"metadata.gain": gain, "metadata.accuracy": Score(accuracy, nan, nan, len(part), "tree")}
    rows = [[name, f"{100 * alone[name]:.1f} %"] for name in order]
    return judge(
        CARD, sentence, scores, fix=fix, n=len(part), places=tuple(order[:2]),
        settings={"depth": DEPTH, "leaf": LEAF}, figures=(Table("By one fact", ["fact", "right"], rows),),
    )  # fmt: skip


def _guess(train_facts: np.ndarray, label: np.ndarray, shown: np.ndarray) -> Any:
    """(N,) classes by a small tree; the same for the same data."""
    tree = DecisionTreeClassifier(max_depth=DEPTH, min_samples_leaf=LEAF, random_state=0)
    return tree.fit(train_facts, label).predict(shown)


def _gain(right: np.ndarray, commonest: np.ndarray) -> Score:
    """Difference of two shares of the same images."""
    a, b = ({"right": v.astype(np.float64)} for v in (right, commonest))
    return paired(Accuracy(), a, b).difference


def facts(part: Part) -> np.ndarray | None:
    """(N, facts) float64 of `NAMES`, the same value for unreadable files; None for images without files."""
    pixels = part.dataset.pixels
    if not isinstance(pixels, Files):
        return None
    return np.array([list(_facts(pixels.path(i))) for i in range(len(part))], dtype=np.float64)


def _facts(path: Path) -> Iterator[float]:
    try:
        header = probe(path)
    except UnreadableImage:
        yield from [-1.0] * len(NAMES)
        return
    yield from (header.width, header.height, header.width / header.height, header.file_size)
    yield header.file_size / (header.width * header.height)
    yield from (_code(header.format), _code(header.mode), header.orientation)
    number = re.search(r"\d{1,12}", path.stem)
    yield from (float(number[0]) if number else -1.0, len(path.stem))


def _code(text: str) -> float:
    """A number for a word: the same for the same word."""
    return float(int.from_bytes(text.encode()[:6], "big"))


class _Kept(Files):
    """Files of a planted case; their folder goes when they do."""

    def __init__(self, paths: Sequence[Path], folder: tempfile.TemporaryDirectory[str]) -> None:
        super().__init__(paths)
        self.folder = folder


def plant(seed: int) -> Case:
    """Images of bees are a little wider than the others."""
    return _case(seed, wider=4)


def clean(seed: int) -> Case:
    """All images are of one size."""
    return _case(seed, wider=0)


def _case(seed: int, wider: int) -> Case:
    rng = np.random.default_rng([seed, 15])
    folder = tempfile.TemporaryDirectory(prefix="sightline-")
    parts = []
    for name, n in (("val", 60), ("train", 120)):
        scores, labels = probabilities(n, 3, rng)
        paths = [Path(folder.name) / f"{name}-{rng.integers(10**6):06d}-{i}.png" for i in range(n)]
        for path, label in zip(paths, labels, strict=True):
            width = SIDE + (wider if label == 1 else 0)
            path.write_bytes(encode_png(rng.integers(0, 256, (SIDE, width, 3), dtype=np.uint8)))
        parts.append((scores, labels, _Kept(paths, folder)))
    (scores, labels, files), (train_scores, train_labels, train_files) = parts
    planted = ("width", "shape", "bytes") if wider else ()
    case = case_of(scores, labels, planted=planted, seed=seed)
    case.part = Part("val", _with(case.part, files), case.part.prediction)
    train = case_of(train_scores, train_labels).part
    case.train = Part("train", _with(train, train_files), train.prediction)
    return case


def _with(part: Part, files: Files) -> Any:
    dataset = dataset_of(part.target.value.numpy(), prefix=part.name)
    object.__setattr__(dataset, "pixels", files)
    return dataset
