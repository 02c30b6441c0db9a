"""Near-duplicates: recall of each planted change, precision, and seconds.

    python benchmarks/near_duplicates.py --data DIR [--json FILE] [--drawings DIR]

DIR holds `cifar10` (binary records) and `mnist` (idx files). Into CIFAR-10 copies of images are planted,
each of another source image and changed in one way. The thresholds of the check were chosen on the
copies of seed 0 (`cifar10_chosen`); `cifar10_confirmed` draws sources and changes anew (seed 1; about a
tenth of the sources are the same).

Precision: of the flagged pairs with a planted copy in them, how many join it to its source, or to an
image that this same check calls a near-duplicate of the source in the data as they are. Pairs of two
images that were there before planting are left out, for CIFAR-10 has true near-duplicates of its own;
`--drawings` draws them, to be looked at. The second precision counts each of those as wrong, which is a
lower bound.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from sightline.core.targets.label import ClassLabels
from sightline.data.check import look
from sightline.data.checks import near_duplicates
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data
from sightline.data.scan import scan

SHIFTS = [(2, 0), (-2, 0), (0, 2), (0, -2), (2, 2), (-2, 2), (2, -2), (-2, -2)]


def resized(a: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(a).resize((side, side), Image.Resampling.BILINEAR))


def jpeg_50(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    out = io.BytesIO()
    Image.fromarray(a).save(out, "JPEG", quality=50)
    return np.asarray(Image.open(out))


def resize(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return resized(resized(a, 24), 32)


def flip(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return a[:, ::-1]


def noise(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.clip(a + rng.normal(0, 10, a.shape), 0, 255).round().astype(np.uint8)


def crop_10(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = rng.integers(0, 4, 2)
    return resized(np.ascontiguousarray(a[y : y + 29, x : x + 29]), 32)


def shift_2_wrap(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.roll(a, SHIFTS[rng.integers(8)], (0, 1))


def shift_2_edge(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    y, x = SHIFTS[rng.integers(8)]
    return np.pad(a, ((2, 2), (2, 2), (0, 0)), mode="edge")[2 - y : 34 - y, 2 - x : 34 - x]


def brightness(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    changed = a * rng.choice([0.7, 1.3]) + rng.integers(-10, 11)
    return np.clip(changed, 0, 255).round().astype(np.uint8)


CHANGES = [jpeg_50, resize, flip, noise, crop_10, shift_2_wrap, shift_2_edge, brightness]


def plant(images: np.ndarray, each: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Changed copies, the index of the source of each, and the number of its change."""
    rng = np.random.default_rng(seed)
    source = rng.choice(len(images), each * len(CHANGES), replace=False)
    kind = np.repeat(np.arange(len(CHANGES)), each)
    copies = [CHANGES[k](images[s], rng) for k, s in zip(kind, source, strict=True)]
    return np.stack(copies), source, kind


def cifar(data: Path, each: int, seed: int) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Plant, search, and score. Also gives all images and the pairs that nobody planted."""
    dataset = open_data(data / "cifar10")
    images = dataset.pixels.array  # type: ignore[attr-defined]
    copies, source, kind = plant(images, each, seed)
    n, everything = len(images), np.concatenate([images, copies])
    targets = ClassLabels(torch.cat([dataset.targets.value, dataset.targets.value[source]]))
    ids = [*dataset.ids, *(f"planted/{i}" for i in range(len(copies)))]
    blank = np.full(len(ids), "", dtype=object)
    planted = replace(dataset, ids=ids, pixels=Arrays(everything), targets=targets, splits=blank)
    before, _ = near_duplicates.search(scan(dataset))
    started = time.perf_counter()
    pairs, _ = near_duplicates.search(scan(planted))
    seconds = time.perf_counter() - started
    native = {(int(a), int(b)) for a, b in before}
    old, hit, wrong = [], set(), 0
    for a, b in pairs.tolist():
        if b < n:
            old.append((a, b))
            continue
        origin = [source[x - n] if x >= n else x for x in (a, b)]
        if origin[0] == origin[1]:
            hit.add(b - n)
        elif (min(origin), max(origin)) not in native:
            wrong += 1
    recall = {
        CHANGES[k].__name__: sum(int(i) in hit for i in np.flatnonzero(kind == k)) / each
        for k in range(len(CHANGES))
    }
    result = {
        "seed": seed,
        "planted": len(copies),
        "recall": len(hit) / len(copies),
        "recall_of_each": recall,
        "precision": len(hit) / max(len(hit) + wrong, 1),
        "pairs_not_planted": len(old),
        "precision_if_all_of_those_were_wrong": len(hit) / max(len(hit) + wrong + len(old), 1),
        "seconds": round(seconds, 1),
    }
    return result, everything, np.array(old).reshape(-1, 2)


def mnist(data: Path) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """The whole check on 70,000 digits."""
    dataset = open_data(data / "mnist")
    started = time.perf_counter()
    scanned, findings = look(dataset)
    seconds = time.perf_counter() - started
    pairs = np.empty((0, 2), np.int64) if scanned.near is None else scanned.near
    result = {"images": len(dataset), "seconds": round(seconds, 1), "near_duplicate_pairs": len(pairs)}
    return result | {"findings": {f.name: f.count for f in findings}}, dataset.pixels.array, pairs  # type: ignore[attr-defined]


def draw(images: np.ndarray, pairs: np.ndarray, path: Path, most: int = 100) -> None:
    """Pairs side by side, ten to a row."""
    some = pairs[np.linspace(0, len(pairs) - 1, min(most, len(pairs))).astype(int)]
    height, width = images.shape[1:3]
    page = np.full((-(-len(some) // 10) * (height + 4), 10 * (2 * width + 6), 3), 255, np.uint8)
    for k, (a, b) in enumerate(some):
        y, x = k // 10 * (height + 4), k % 10 * (2 * width + 6)
        page[y : y + height, x : x + 2 * width] = np.concatenate([images[a], images[b]], 1)
    Image.fromarray(page).resize((page.shape[1] * 2, page.shape[0] * 2), Image.Resampling.NEAREST).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--drawings", type=Path, help="folder for drawings of the pairs nobody planted")
    parser.add_argument("--each", type=int, default=200, help="copies of each change")
    args = parser.parse_args()
    results: dict[str, Any] = {"threads": torch.get_num_threads()}
    for name, seed in (("cifar10_chosen", 0), ("cifar10_confirmed", 1)):
        results[name], images, pairs = cifar(args.data, args.each, seed)
    results["mnist"], digits, digit_pairs = mnist(args.data)
    if args.drawings:
        args.drawings.mkdir(parents=True, exist_ok=True)
        draw(images, pairs, args.drawings / "cifar10.png")
        if len(digit_pairs):
            draw(digits, digit_pairs, args.drawings / "mnist.png")
    text = json.dumps(results, indent=2)
    print(text)
    if args.json:
        args.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
