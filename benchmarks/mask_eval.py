"""How long the metrics on masks take, beside pycocotools on the same masks, and whether they agree.

python benchmarks/mask_eval.py [--images N] [--objects N] [--detections N] [--classes K]

The masks are made up: round shapes with a wavy rim, of all sizes, in images of 640 x 480. Time counts
from masks in memory as each side keeps them, compressed crops and run lengths: for pycocotools `evaluate`
and `accumulate`, without making its dictionaries; for Sightline the three metrics on masks. The overlaps
alone, and what it takes to pack whole images, are timed beside it. Seconds are of processor time, of one
core on both sides, because others may share the machine.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from _common import arguments, report
from sightline.core.metric import Evaluation, MetricCollection
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.metrics import METRICS
from sightline.metrics.functional.masks import mask_pairs
from sightline.metrics.intervals import score

THREE = ("mask-ap", "mask-ap50", "mask-ap75")
WIDTH, HEIGHT = 640, 480
PACKED = 500


def drawn(box: np.ndarray, wave: np.ndarray) -> CroppedMasks:
    """One shape that fills a box: an ellipse whose rim has waves of some number, depth and phase."""
    x1, y1, x2, y2 = box.round().astype(int).clip(0, (WIDTH, HEIGHT, WIDTH, HEIGHT)).tolist()
    x2, y2 = max(x2, x1 + 1), max(y2, y1 + 1)
    y = (2 * np.arange(y1, y2) + 1 - y1 - y2)[:, None] / (y2 - y1)
    x = (2 * np.arange(x1, x2) + 1 - x1 - x2) / (x2 - x1)
    rim = 1 - wave[1] * (1 + np.sin(wave[0] * np.arctan2(y, x) + wave[2])) / 2
    bitmaps = CroppedMasks.of([np.hypot(x, y) <= rim])
    return CroppedMasks(bitmaps.corners + torch.tensor([x1, y1]), bitmaps.crops)


def shapes(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(n, 4) boxes of all sizes in an image, and (n, 3) waves."""
    side = np.exp(rng.uniform(np.log(12), np.log(300), (n, 1)))
    size = np.clip(side * np.exp(0.3 * rng.normal(size=(n, 2))), 4, 470)
    near = rng.random((n, 2)) * ([WIDTH, HEIGHT] - size)
    waves = [rng.integers(2, 9, n), rng.uniform(0, 0.5, n), rng.uniform(0, 2 * np.pi, n)]
    return np.concatenate([near, near + size], 1), np.stack(waves, 1)


def outlines(images: int, image: np.ndarray, box: np.ndarray, wave: np.ndarray, **more: Any) -> InstanceMasks:
    """Shapes in the order of their images."""
    masks = CroppedMasks.cat([drawn(b, w) for b, w in zip(box, wave, strict=True)])
    values = {k: torch.from_numpy(v) for k, v in more.items()}
    counts = torch.from_numpy(np.bincount(image, minlength=images))
    sizes = torch.tensor([HEIGHT, WIDTH]).repeat(images, 1)
    return InstanceMasks(counts, sizes, masks.boxes(), areas=masks.areas(), masks=masks, **values)


def made(images: int, objects: int, detections: int, classes: int) -> tuple[InstanceMasks, InstanceMasks]:
    """(prediction, target): half of the detections lie near an object, one object of 100 is a crowd."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, classes + 1) ** 0.7
    share /= share.sum()
    place, (box, wave) = np.sort(rng.integers(0, images, objects)), shapes(rng, objects)
    label = rng.choice(classes, objects, p=share)
    target = outlines(images, place, box, wave, labels=label, crowd=rng.random(objects) < 0.01)
    near = detections // 2
    of = rng.integers(0, objects, near)
    off = rng.normal(size=(near, 4)) * np.exp(rng.uniform(np.log(0.01), np.log(0.3), near))[:, None]
    moved = box[of] + off * np.tile(box[of, 2:] - box[of, :2], 2)
    moved = np.concatenate(
        [np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])], 1
    )
    other_box, other_wave = shapes(rng, detections - near)
    predicted = np.where(rng.random(near) < 0.8, label[of], rng.choice(classes, near, p=share))
    sure = rng.beta(2, 2, near) * np.exp(-2 * np.abs(off).mean(1))
    image = np.r_[place[of], rng.integers(0, images, detections - near)]
    scores = np.r_[sure, rng.beta(1, 8, detections - near)].astype(np.float32)
    order = np.lexsort((-scores, image))
    prediction = outlines(
        images,
        image[order],
        np.concatenate([moved, other_box])[order],
        np.concatenate([wave[of], other_wave])[order],
        labels=np.r_[predicted, rng.choice(classes, detections - near, p=share)][order],
        scores=scores[order],
    )
    return prediction, target


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor, on which both sides use one core, and the result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def judge(prediction: InstanceMasks, target: InstanceMasks, classes: int) -> COCOeval:
    """pycocotools with the same masks as run lengths, ready to evaluate."""
    sides = []
    for side in (target, prediction):
        crowd = torch.zeros(len(side.labels)) if side.crowd is None else side.crowd
        score = torch.zeros(len(side.labels)) if side.scores is None else side.scores
        columns = (side.image, side.labels, side.area(), crowd.long(), score)
        keys = ("image_id", "category_id", "area", "iscrowd", "score")
        rows = []
        for i, row in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            whole = side.bitmaps[torch.tensor([i])].dense(HEIGHT, WIDTH)[0].numpy()
            runs = coco_mask.encode(np.asfortranarray(whole.view(np.uint8)))
            rows.append({"id": i + 1, "segmentation": runs, **dict(zip(keys, row, strict=True))})
        coco = COCO()
        coco.dataset = {"images": [{"id": i, "height": HEIGHT, "width": WIDTH} for i in range(len(target))],
                        "annotations": rows, "categories": [{"id": k} for k in range(classes)]}  # fmt: skip
        coco.createIndex()
        sides.append(coco)
    return COCOeval(*sides, "segm")


def three(prediction: InstanceMasks, target: InstanceMasks) -> list[float]:
    """The metrics that pycocotools has too."""
    metrics = MetricCollection({name: METRICS.load(name).METRIC() for name in THREE})
    metrics.update(prediction, target)
    return list(metrics.compute().values())


def alone(other: COCOeval, classes: int) -> float:
    """Seconds that pycocotools takes for the overlaps of masks, after `evaluate`."""
    pairs = [(i, k) for i in other.params.imgIds for k in range(classes)]
    return timed(lambda: [other.computeIoU(i, k) for i, k in pairs])[0]


def main() -> None:
    options = arguments(__doc__ or "", images=500, objects=3600, detections=20000, classes=80)
    prediction, target = made(options.images, options.objects, options.detections, options.classes)
    three(*made(20, 100, 1000, 5))
    runs = [timed(lambda: three(prediction, target)) for _ in range(3)]
    ours, mine = float(np.median([s for s, _ in runs])), runs[0][1]
    seconds = [timed(lambda: mask_pairs(Evaluation(prediction, target)))[0] for _ in range(3)]
    overlaps = float(np.median(seconds))
    with contextlib.redirect_stdout(io.StringIO()):
        other = judge(prediction, target, options.classes)
        theirs = timed(lambda: (other.evaluate(), other.accumulate()))[0]
        other.summarize()
    their_overlaps = alone(other, options.classes)
    whole = prediction.bitmaps[torch.arange(min(PACKED, len(prediction.labels)))].dense(HEIGHT, WIDTH).numpy()
    pack = timed(lambda: CroppedMasks.of(whole))[0] / len(whole)
    encode = timed(lambda: [coco_mask.encode(np.asfortranarray(m)) for m in whole.view(np.uint8)])[0]
    ap = METRICS.load("mask-ap").METRIC()
    ap.update(prediction, target)
    report(
        "mask_eval",
        {
            "sightline, three metrics (s, median of 3)": ours,
            "pycocotools, evaluate and accumulate (s)": theirs,
            "ratio": theirs / ours,
            "sightline, overlaps alone (s, median of 3)": overlaps,
            "pycocotools, overlaps alone (s)": their_overlaps,
            "ratio of the overlaps": their_overlaps / overlaps,
            "sightline, packing a whole image (ms)": 1000 * pack,
            "pycocotools, encoding a whole image (ms)": 1000 * encode / len(whole),
            "sightline": mine,
            "pycocotools": list(other.stats[:3]),
            "greatest difference of the three": float(np.abs(np.array(mine) - other.stats[:3]).max()),
            "mask mAP50-95 with its interval (s)": timed(lambda: score(ap, ap.stats))[0],
        },
        options.json,
    )


if __name__ == "__main__":
    main()
