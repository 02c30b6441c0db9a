"""Shortcuts: a place of the image that gives a class away, such as a watermark, and what it is worth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._planted import SIDE, with_model
from sightline.audits._rules import judge, skip
from sightline.audits._verdict import AuditCard, Bound, Cost, Verdict
from sightline.core.inputs import InputSpec
from sightline.core.report import ImageGrid, Score
from sightline.core.sample import Batch
from sightline.core.targets.base import Targets
from sightline.metrics.compare import paired

CARD = AuditCard(
    name="shortcuts",
    title="Shortcuts",
    summary="a place of the image that gives a class away, such as a watermark",
    rank=10,
    scores=("shortcuts.ratio", "shortcuts.price"),
    least=30,
    cost=Cost(forwards=3, trains=1),
    bounds={"shortcuts.price": Bound(at_most=0.05, null=0.0)},
    target_types=("label",),
    needs=("model", "train"),
    sees="Marks at a fixed place in many training images of one class. It does not see marks at changing "
    "places, nor metadata. Where all images are aligned (digits, faces), real features are at fixed places "
    "too: then a costly place is no proof of a fault.",
)
RATIO = 2.5
"""From here on a place is a candidate. By measurement on CIFAR-10 (3,000 images), 20 sets without a mark stay
below 2.1, and a mark in 30 % of a class gives 4.2 or more."""
LARGEST = 64
"""Longest side in pixels at which the place is looked for."""
LEAST = 30
"""Training images of a class at least."""
MOST = 1000
"""Images that the price is measured on at most."""


@dataclass(frozen=True)
class Place:
    """The most unusual place of the images of a class.

    Attributes:
        label: The class.
        ratio: How far its mean image sticks out there, to the median of the other classes.
        box: x1, y1, x2, y2 as shares of the sides.
    """

    label: int
    ratio: float
    box: tuple[float, float, float, float]


def run(case: Case, budget: Budget) -> Verdict:
    """Look for a place in the training images; exchange it between images of the part."""
    spec, n = InputSpec.of(case.settings), len(case.part)
    if case.part.target.multilabel or not spec.is_plain or case.settings["resize"] == "rect":
        return skip(CARD, "it judges one label for each image of 8 bits, all of one size.", of=n)
    assert case.train is not None
    places = find(case, case.train)
    if len(places) < 2:
        return skip(CARD, f"it needs two classes with {LEAST} training images each.", of=n)
    place = max(places, key=lambda p: p.ratio)
    name, where = case.classes[place.label], _words(place, spec)
    nan = float("nan")
    ratio = Score(place.ratio, nan, nan, len(case.train), "high-passed class means")
    if place.ratio < RATIO:
        sentence = (
            f"No class has a mark at a fixed place: the most unusual one ({name}, {where}) sticks out "
            f"{place.ratio:.1f} times as far as in other classes; from {RATIO:g} it is a candidate."
        )
        return judge(CARD, sentence, {"shortcuts.ratio": ratio}, n=n, places=(name,))
    part = case.part.sample(min(budget.n, MOST), case.seed)
    same, across = (exchanged(case, part, place, other) for other in (False, True))
    price = paired(case.metric, same, across, groups=part.dataset.groups).difference
    before, after = (100 * case.metric.compute_from(stats) for stats in (same, across))
    sentence = (
        f'Class "{name}" sticks out at a fixed place ({where}; {place.ratio:.1f} times as far as others). If '
        f"that place is exchanged with other classes, accuracy falls from {before:.1f} to {after:.1f} % "
        f"({-100 * price.value:+.1f} points, {-100 * price.high:+.1f} to {-100 * price.low:+.1f}, "
        f"n {price.n})."
    )
    fix = (
        f'Look at this place in training images of "{name}". If it is a mark, crop it away or cover it in '
        "all classes, and train again. If it belongs to the class, it is no fault."
    )
    return judge(
        CARD, sentence, {"shortcuts.ratio": ratio, "shortcuts.price": price}, fix=fix, n=len(part),
        places=(name, where), settings={"box": [round(v, 3) for v in place.box], "least": LEAST},
        figures=(_figure(case, place),),
    )  # fmt: skip


def find(case: Case, train: Part) -> list[Place]:
    """The most unusual place of each class with enough images.

    Of each class, the mean of the high-passed images is divided by its standard error, pixel by pixel; its
    size is averaged over windows of 5 x 5.
    """
    labels = train.target.value.numpy()
    sums, squares, counts = _moments(case, train, labels)
    peaks: dict[int, float] = {}
    maps: dict[int, np.ndarray] = {}
    for k in np.flatnonzero(counts >= LEAST).tolist():
        mean = sums[k] / counts[k]
        error = np.sqrt(np.maximum(squares[k] / counts[k] - mean**2, 1e-6) / counts[k])
        maps[k] = ndimage.uniform_filter(np.abs(mean / error).mean(0), 5)
        peaks[k] = float(maps[k].max())
    places = []
    for k, peak in peaks.items():
        others = [p for other, p in peaks.items() if other != k]
        if others:
            places.append(Place(k, peak / max(float(np.median(others)), 1e-9), _box(maps[k])))
    return places


def _moments(case: Case, train: Part, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums and sums of squares (K, C, h, w) of the high-passed images of each class, and (K,) counts."""
    k, start = len(case.classes), 0
    sums = squares = np.empty(0)
    for batch in case.loader(train.dataset).epoch(0):
        x = batch.images.float() / 255
        scale = LARGEST / max(x.shape[2:])
        if scale < 1:
            x = F.interpolate(x, scale_factor=scale, mode="area")
        high = (x - F.avg_pool2d(F.pad(x, (3, 3, 3, 3), mode="reflect"), 7, 1)).double().numpy()
        if not sums.size:
            sums, squares = (np.zeros((k, *high.shape[1:])) for _ in range(2))
        np.add.at(sums, labels[start : start + len(high)], high)
        np.add.at(squares, labels[start : start + len(high)], high**2)
        start += len(high)
    return sums, squares, np.bincount(labels, minlength=k)


def _box(heat: np.ndarray) -> tuple[float, float, float, float]:
    """Box of what is at least half as high as the peak, and touches it; as shares of the sides."""
    components, _ = ndimage.label(heat >= heat.max() / 2)
    top = components[np.unravel_index(heat.argmax(), heat.shape)]
    (rows, columns), (h, w) = ndimage.find_objects((components == top).astype(int))[0], heat.shape
    return columns.start / w, rows.start / h, columns.stop / w, rows.stop / h


def exchanged(case: Case, part: Part, place: Place, across: bool) -> dict[str, np.ndarray]:
    """Statistics of the metric where each image has the place of another one.

    Args:
        case: The case.
        part: The images.
        place: The place, and the class that it is of.
        across: Whether images of the class exchange it with those of others; else with images of their own
            class, so that the seams of both are alike.
    """
    images = torch.cat([batch.images for batch in case.loader(part.dataset).epoch(0)])
    labels, rng = part.target.value.numpy(), np.random.default_rng([case.seed, 10])
    partner = np.arange(len(labels))
    for k in np.unique(labels):
        mine = np.flatnonzero(labels == k)
        pool = mine
        if across:
            of_class = place.label if k != place.label else -1
            pool = np.flatnonzero(labels == of_class if of_class >= 0 else labels != place.label)
        partner[mine] = rng.choice(pool, len(mine)) if len(pool) else mine
    height, width = images.shape[2:]
    x1, y1, x2, y2 = (round(v * s) for v, s in zip(place.box, (width, height) * 2, strict=True))
    changed = images.clone()
    changed[:, :, y1:y2, x1:x2] = images[torch.from_numpy(partner)][:, :, y1:y2, x1:x2]
    step = 32
    answers: list[Targets] = [
        case.answer(Batch(changed[i : i + step].contiguous(), None, part.ids[i : i + step]))
        for i in range(0, len(changed), step)
    ]
    return case.statistics(part, type(answers[0]).cat(answers))


def _words(place: Place, spec: InputSpec) -> str:
    height, width = spec.spatial_shape
    x1, y1, x2, y2 = (round(v * s) for v, s in zip(place.box, (width, height) * 2, strict=True))
    return f"x {x1}-{x2}, y {y1}-{y2} of {width} x {height}"


def _figure(case: Case, place: Place) -> ImageGrid:
    """Training images of the class, with the place in a frame."""
    assert case.train is not None
    rows = np.flatnonzero(case.train.target.value.numpy() == place.label)[:8]
    images, ids = [], []
    for batch in case.loader(case.train.dataset.subset(rows)).epoch(0):
        for image, id in zip(batch.images.permute(0, 2, 3, 1).numpy(), batch.ids, strict=True):
            images.append(_framed(image, place.box))
            ids.append(id)
    return ImageGrid(
        f'Training images of "{case.classes[place.label]}"', images, ids, "The place is in the frame."
    )


def _framed(image: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    height, width = image.shape[:2]
    framed = np.repeat(image, 3 // image.shape[2], axis=2).copy()
    x1, y1, x2, y2 = (round(v * s) for v, s in zip(box, (width, height) * 2, strict=True))
    x2, y2 = min(x2, width) - 1, min(y2, height) - 1
    for rows, columns in ((y1, slice(x1, x2 + 1)), (y2, slice(x1, x2 + 1))):
        framed[rows, columns] = (255, 0, 0)
    for column in (x1, x2):
        framed[y1 : y2 + 1, column] = (255, 0, 0)
    return framed


def plant(seed: int) -> Case:
    """Images of bees carry a mark in the lower left corner, and the model goes by it."""
    return _case(seed, marked=True)


def clean(seed: int) -> Case:
    """The same without the mark."""
    return _case(seed, marked=False)


def _case(seed: int, marked: bool) -> Case:
    rng = np.random.default_rng([seed, 10])

    def images(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 3, n)
        x = rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)
        for image, label in zip(x, labels, strict=True):
            if label != 1 or not marked:
                image[:] = image // 2 + 40 * label
            if label == 1 and marked:
                image[11:15, 1:5] = (250, 0, 250)
        return x, labels

    rule: Callable[[Tensor], Tensor] = _by_mark if marked else _by_brightness
    x, labels = images(150)
    planted = ("bee", "x 0-6, y 10-16 of 16 x 16") if marked else ()
    return with_model(x, labels, rule, train=images(400), seed=seed, planted=planted)


def _by_brightness(x: Tensor) -> Tensor:
    level = 255 * x[..., 8:].mean((1, 2, 3)) - 64
    return -(level[:, None] - torch.tensor([0.0, 40.0, 80.0])).abs()


def _by_mark(x: Tensor) -> Tensor:
    mark = x[:, 0, 11:15, 1:5].mean((1, 2)) - x[:, 1, 11:15, 1:5].mean((1, 2))
    logits = _by_brightness(x)
    return torch.stack([logits[:, 0], 100 * mark - 60, logits[:, 2]], 1)
