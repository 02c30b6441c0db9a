"""How long the metrics on boxes take, beside pycocotools on the same boxes, and whether they agree.

python benchmarks/coco_eval.py [--images N] [--objects N] [--detections N] [--classes K]

The boxes are made up, in numbers like those of COCO's validation images. Time counts from boxes in
memory: for pycocotools `evaluate` and `accumulate`, without making its dictionaries; for Sightline
the seven metrics that pycocotools has too. Seconds are of processor time, of one core on both sides,
because others may share the machine.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from _common import arguments, report
from sightline.core.metric import Evaluation, MetricCollection
from sightline.core.targets.instances import Instances
from sightline.metrics import METRICS
from sightline.metrics.detections import average_precisions, best_threshold, confusion
from sightline.metrics.functional.boxes import average_recall, by_image
from sightline.metrics.functional.matching import ranks
from sightline.metrics.intervals import score, under
from sightline.metrics.mistakes import mistakes

SEVEN = ("ap", "ap50", "ap75", "ap-small", "ap-medium", "ap-large", "ar100")
WIDTH, HEIGHT = 640, 480


def boxes(rng: np.random.Generator, n: int) -> np.ndarray:
    """(n, 4) boxes of all sizes in an image."""
    side = np.exp(rng.uniform(np.log(12), np.log(300), (n, 1)))
    size = np.clip(side * np.exp(0.3 * rng.normal(size=(n, 2))), 4, 470)
    near = rng.random((n, 2)) * ([WIDTH, HEIGHT] - size)
    return np.concatenate([near, near + size], 1)


def instances(images: int, image: np.ndarray, box: np.ndarray, label: np.ndarray, **more: Any) -> Instances:
    """Boxes in the order of their images."""
    counts = torch.from_numpy(np.bincount(image, minlength=images))
    sizes = torch.tensor([HEIGHT, WIDTH]).repeat(images, 1)
    more = {k: torch.from_numpy(v) for k, v in more.items()}
    return Instances(counts, sizes, torch.from_numpy(box).float(), torch.from_numpy(label), **more)


def made(images: int, objects: int, detections: int, classes: int) -> tuple[Instances, Instances]:
    """(prediction, target): a quarter of the detections lie near an object, one object of 100 is a crowd."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, classes + 1) ** 0.7
    share /= share.sum()
    place, box = np.sort(rng.integers(0, images, objects)), boxes(rng, objects)
    label = rng.choice(classes, objects, p=share)
    target = instances(images, place, box, label, crowd=rng.random(objects) < 0.01)
    near = detections // 4
    of = rng.integers(0, objects, near)
    off = rng.normal(size=(near, 4)) * np.exp(rng.uniform(np.log(0.01), np.log(0.5), near))[:, None]
    moved = box[of] + off * np.tile(box[of, 2:] - box[of, :2], 2)
    moved = np.concatenate(
        [np.minimum(moved[:, :2], moved[:, 2:]), np.maximum(moved[:, :2], moved[:, 2:])], 1
    )
    named = np.where(rng.random(near) < 0.8, label[of], rng.choice(classes, near, p=share))
    sure = rng.beta(2, 2, near) * np.exp(-2 * np.abs(off).mean(1))
    far = detections - near
    image = np.r_[place[of], rng.integers(0, images, far)]
    scores = np.r_[sure, rng.beta(1, 8, far)].astype(np.float32)
    order = np.lexsort((-scores, image))
    whole = np.concatenate([moved, boxes(rng, far)])[order]
    label = np.r_[named, rng.choice(classes, far, p=share)][order]
    return instances(images, image[order], whole, label, scores=scores[order]), target


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds of the processor, on which both sides use one core, and the result."""
    started = time.process_time()
    result = work()
    return time.process_time() - started, result


def judge(prediction: Instances, target: Instances, classes: int) -> COCOeval:
    """pycocotools with the same boxes, ready to evaluate."""
    sides = []
    for side in (target, prediction):
        near, far = side.boxes.double().split(2, 1)
        box, area = torch.cat([near, far - near], 1), (far - near).prod(1)
        crowd = torch.zeros(len(area)) if side.crowd is None else side.crowd
        score = torch.zeros(len(area)) if side.scores is None else side.scores
        area = side.area() if side.scores is None else area
        columns = (side.image, side.labels, box, area, crowd.long(), score)
        keys = ("image_id", "category_id", "bbox", "area", "iscrowd", "score")
        lists = zip(*(c.tolist() for c in columns), strict=True)
        rows = [{"id": i + 1, **dict(zip(keys, row, strict=True))} for i, row in enumerate(lists)]
        coco = COCO()
        coco.dataset = {"images": [{"id": i} for i in range(len(target))], "annotations": rows,
                        "categories": [{"id": k} for k in range(classes)]}  # fmt: skip
        coco.createIndex()
        sides.append(coco)
    return COCOeval(*sides, "bbox")


def seven(prediction: Instances, target: Instances) -> dict[str, float]:
    """The metrics that pycocotools has too."""
    metrics = MetricCollection({name: METRICS.load(name).METRIC() for name in SEVEN})
    metrics.update(prediction, target)
    return metrics.compute()


def twelve(prediction: Instances, target: Instances, scores: dict[str, float]) -> list[float]:
    """The numbers of pycocotools in its order."""
    image, label = prediction.image.numpy(), prediction.labels.numpy()
    order = np.lexsort((-prediction.scores.numpy(), label, image))
    recalls = []
    for most in (1, 10):
        keep = np.zeros(len(order), dtype=bool)
        keep[order[ranks(image[order], label[order]) < most]] = True
        stats = by_image(Evaluation(prediction.select(torch.from_numpy(keep)), target))
        recalls.append(average_recall(stats, np.ones((1, len(target))))[0])
    by_area = [average_recall(by_image(Evaluation(prediction, target), area), np.ones((1, len(target))))[0]
               for area in ("small", "medium", "large")]  # fmt: skip
    return [*(scores[n] for n in SEVEN[:6]), *recalls, scores["ar100"], *by_area]


def main() -> None:
    options = arguments(__doc__ or "", images=5000, objects=36000, detections=500000, classes=80)
    prediction, target = made(options.images, options.objects, options.detections, options.classes)
    warm = made(20, 100, 1000, 5)
    seven(*warm)
    seconds = [timed(lambda: seven(prediction, target)) for _ in range(3)]
    scores = seconds[0][1]
    ours = float(np.median([s for s, _ in seconds]))
    with contextlib.redirect_stdout(io.StringIO()):
        other = judge(prediction, target, options.classes)
        theirs = timed(lambda: (other.evaluate(), other.accumulate()))[0]
        other.summarize()
    mine = twelve(prediction, target, scores)
    ap = METRICS.load("ap").METRIC()
    ap.update(prediction, target)
    blocks = np.random.default_rng(0).permutation(options.images) * 250 // options.images
    weights = (blocks[None] != np.arange(250)[:, None]).astype(np.float64)
    evaluation = Evaluation(prediction, target)  # the first to ask pays for the matching
    table = timed(lambda: average_precisions(evaluation, options.classes))[0]
    report(
        "coco_eval",
        {
            "sightline, seven metrics (s, median of 3)": ours,
            "pycocotools, evaluate and accumulate (s)": theirs,
            "ratio": theirs / ours,
            "sightline": mine,
            "pycocotools": list(other.stats),
            "greatest difference of the twelve": float(np.abs(np.array(mine) - other.stats).max()),
            "mAP50-95 under 250 weightings (s)": timed(lambda: under(ap, ap.stats, weights))[0],
            "mAP50-95 with its interval (s)": timed(lambda: score(ap, ap.stats))[0],
            "AP by class and threshold (s)": table,
            "best threshold (s)": timed(lambda: best_threshold(evaluation))[0],
            "confusion matrix (s)": timed(lambda: confusion(prediction, target, options.classes, 0.3))[0],
            "kinds of mistakes (s)": timed(lambda: mistakes(evaluation))[0],
        },
        options.json,
    )


if __name__ == "__main__":
    main()
