"""Splits: given ones are used; otherwise stratified, grouped and seeded, independent of the order of the
items.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sightline.core.dataset import SPLITS, Dataset
from sightline.errors import DataError, UsageError

FRACTIONS = (0.7, 0.15, 0.15)
SPLITS_FILE = "splits.json"
"""Where a run keeps which item is in which part."""


@dataclass(frozen=True)
class Split:
    """Assignment of items to parts.

    Attributes:
        assignment: (N,) "train", "val" or "test".
        messages: What was decided and why, for the user to read.
    """

    assignment: np.ndarray
    messages: tuple[str, ...] = ()


def split(
    dataset: Dataset,
    *,
    seed: int = 0,
    strata: np.ndarray | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
    together: np.ndarray | None = None,
    least: int = 1,
) -> Split:
    """Divide a data set into train, val and test.

    A split that the data give is kept. If only val or only test is missing, it is cut from train; the
    given part is never touched. Items of one group (`dataset.groups`, `together`) stay in one part. Each
    class keeps its proportions to within one unit, and one of three units or more is in every part.

    Args:
        dataset: What to divide.
        seed: Another seed, another split. The order of the items does not matter.
        strata: (N,) int, what is kept in proportion (the class); None for all alike.
        fractions: Shares of train, val and test; a part may be 0.
        together: (N,) int; items of the same number stay together (duplicates).
        least: Units (items or groups) that each part has at least, where there are enough.

    Raises:
        DataError: If the data give a split without a training part.
    """
    given = {s for s in dataset.splits.tolist() if s}
    notes: list[str] = []
    if given and "train" not in given:
        raise DataError(
            f"'{dataset.name}' gives {' and '.join(sorted(given))} but no train. Add training images, "
            "or evaluate a run on it: sightline evaluate RUN DATA."
        )
    assignment = dataset.splits.copy()
    loose = int((assignment == "").sum())
    if given and loose:
        notes.append(f"{loose} items have no split while others have; they were put to train.")
        assignment[assignment == ""] = "train"
    shares = _shares(given, fractions, notes)
    if shares is None:
        return Split(assignment, tuple(notes))
    pool = np.arange(len(dataset)) if len(given) < 2 else np.flatnonzero(assignment == "train")
    units = _units(dataset, together, pool)
    layer = np.zeros(len(pool), dtype=np.int64) if strata is None else np.asarray(strata)[pool]
    names = [dataset.ids[i] for i in pool.tolist()]
    parts, few = _deal(names, units, layer, shares, seed, least=least)
    assignment[pool] = np.array(SPLITS, dtype=object)[parts]
    if few:
        notes.append(f"{few} classes have too few images to be in every part; they went to train first.")
    return Split(assignment, tuple(notes))


def _shares(given: set[str], fractions: Sequence[float], notes: list[str]) -> list[float] | None:
    """Shares for dividing the pool, or None if nothing has to be divided."""
    if min(fractions) < 0 or fractions[0] <= 0:
        raise UsageError(f"Fractions must be 0 or more, and train above 0. Received {tuple(fractions)}.")
    _, val, test = (f / sum(fractions) for f in fractions)
    if given == set(SPLITS):
        notes.append("train, val and test are taken as the data give them.")
        return None
    if given == {"train", "test"}:
        notes.append(f"train and test are as the data give them; val is {val:.0%} of train.")
        return [1 - val, val, 0.0]
    if given == {"train", "val"}:
        notes.append(
            f"train and val are as the data give them; they give no test, so {test:.0%} of train was set "
            "aside for it."
        )
        return [1 - test, 0.0, test]
    notes.append(
        f"The data give no split: {1 - val - test:.0%} train, {val:.0%} val, {test:.0%} test by seed."
    )
    return [1 - val - test, val, test]


def folds(
    dataset: Dataset,
    k: int,
    *,
    seed: int = 0,
    strata: np.ndarray | None = None,
    together: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Indices of the test items of each of k folds, grouped and stratified like `split`.

    Every item is tested once. Splits that the data give play no part.

    Raises:
        UsageError: If k is below 2, or there are fewer groups than folds.
    """
    everything = np.arange(len(dataset))
    units = _units(dataset, together, everything)
    n = int(units.max()) + 1 if len(units) else 0
    if not 2 <= k <= n:
        raise UsageError(f"--folds must be 2 to {n} (independent items or groups). Received {k}.")
    layer = np.zeros(len(dataset), dtype=np.int64) if strata is None else np.asarray(strata)
    parts, _ = _deal(list(dataset.ids), units, layer, [1 / k] * k, seed, least=0)
    return [np.flatnonzero(parts == fold) for fold in range(k)]


def _units(dataset: Dataset, together: np.ndarray | None, pool: np.ndarray) -> np.ndarray:
    """(len(pool),) unit of each item: items joined by group, by `together`, or both."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = len(pool)
    rows, columns, nodes = [], [], n
    for keys in (dataset.groups, together):
        if keys is None:
            continue
        _, inverse = np.unique(np.asarray(keys)[pool], return_inverse=True)
        rows.append(np.arange(n))
        columns.append(nodes + inverse)
        nodes += int(inverse.max()) + 1 if n else 0
    if not rows:
        return np.arange(n)
    row, column = np.concatenate(rows), np.concatenate(columns)
    graph = coo_matrix((np.ones(len(row), dtype=np.int8), (row, column)), shape=(nodes, nodes))
    labels = connected_components(graph, directed=False)[1][:n]
    return np.unique(labels, return_inverse=True)[1]


def _deal(
    names: list[str], units: np.ndarray, layer: np.ndarray, shares: list[float], seed: int, *, least: int
) -> tuple[np.ndarray, int]:
    """Assign a part to each item; also the number of strata that are too small for every part.

    Layer by layer, the largest units first, each unit goes to the part that lacks most of this layer;
    where two lack alike, to the one that lacks most over all.
    """
    members = _members(units)
    keys = [min(names[i] for i in unit) for unit in members]
    order = [hashlib.blake2b(f"{seed}\0{key}".encode(), digest_size=16).digest() for key in keys]
    main = [_main(layer[unit]) for unit in members]
    parts = np.zeros(len(members), dtype=np.int64)
    total, few = [0.0] * len(shares), 0
    wanted = [p for p in range(len(shares)) if shares[p] > 0]
    for value in sorted(set(main)):
        mine = [u for u in range(len(members)) if main[u] == value]
        mine.sort(key=lambda u: (-len(members[u]), order[u]))
        size = sum(len(members[u]) for u in mine)
        lacks = [share * size for share in shares]
        total = [a + b for a, b in zip(total, lacks, strict=True)]
        for u in mine:
            part = max(wanted, key=lambda p: (round(lacks[p], 9), round(total[p], 9), -p))
            parts[u] = part
            lacks[part] -= len(members[u])
            total[part] -= len(members[u])
        if least and len(mine) >= least * len(wanted):
            _fill(parts, mine, wanted, members, least)
        few += bool(least) and len(mine) < least * len(wanted)
    return parts[units], few


def _fill(
    parts: np.ndarray, mine: list[int], wanted: list[int], members: list[np.ndarray], least: int
) -> None:
    """Give every requested part at least so many units, the smallest ones of the largest part."""
    for part in wanted:
        while sum(parts[u] == part for u in mine) < least:
            richest = max(wanted, key=lambda p: sum(parts[u] == p for u in mine))
            smallest = min((u for u in mine if parts[u] == richest), key=lambda u: len(members[u]))
            parts[smallest] = part


def _members(units: np.ndarray) -> list[np.ndarray]:
    """Items of each unit."""
    if not len(units):
        return []
    order = np.argsort(units, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(units[order])) + 1)


def _main(values: np.ndarray) -> Any:
    """Stratum of a unit: the most frequent of its items, the smallest of those."""
    if len(values) == 1:
        return int(values[0])
    classes, counts = np.unique(values, return_counts=True)
    return int(classes[counts.argmax()])


def read_splits(path: Path) -> dict[str, list[str]]:
    """Ids of the items of each part, as `splits_to_json` gave them.

    Args:
        path: A run folder, or a JSON file.

    Raises:
        DataError: If no split can be read there.
    """
    file = path / SPLITS_FILE if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: no split can be read there ({error}).") from error
    parts = content if isinstance(content, dict) else {}
    if not parts or not all(isinstance(items, list) for items in parts.values()):
        raise DataError(f"{file} holds no split. Expected an object with lists of ids: {', '.join(SPLITS)}.")
    return parts


def splits_to_json(dataset: Dataset, assignment: np.ndarray) -> dict[str, list[str]]:
    """Ids of each part, sorted, as stored in a run."""
    ids = np.array(dataset.ids, dtype=object)
    return {name: sorted(ids[assignment == name].tolist()) for name in SPLITS}


def splits_from_json(dataset: Dataset, data: dict[str, list[str]]) -> np.ndarray:
    """Inverse of `splits_to_json`, for the same items in any order.

    Raises:
        DataError: If the items are not the same.
    """
    part = {item: name for name, items in data.items() for item in items}
    here = set(dataset.ids)
    new, gone = sorted(here - part.keys()), sorted(part.keys() - here)
    if new or gone:
        raise DataError(
            f"The stored split does not fit '{dataset.name}': {len(new)} items are new "
            f"({', '.join(new[:3]) or 'none'}), {len(gone)} are gone ({', '.join(gone[:3]) or 'none'}). "
            "Use the data of that run, or start a new one."
        )
    return np.array([part[item] for item in dataset.ids], dtype=object)


def grown(dataset: Dataset, data: dict[str, list[str]], together: np.ndarray | None = None) -> Split:
    """Extend a stored split to data with additional images: test items stay test items.

    New items go to train; one of the same group as an item of val or test, or alike, goes there.

    Args:
        dataset: What to divide.
        data: As `splits_to_json` gave it.
        together: (N,) int; items of the same number stay together (duplicates).

    Raises:
        DataError: If items of the stored split are gone, or it names other parts.
    """
    part = {item: name for name, items in data.items() for item in items}
    new = [item for item in dataset.ids if item not in part]
    if not new or len(new) == len(dataset) or part.keys() - set(dataset.ids):
        return Split(splits_from_json(dataset, data))
    units = _units(dataset, together, np.arange(len(dataset))).tolist()
    home: dict[int, str] = {}
    for unit, item in zip(units, dataset.ids, strict=True):
        if part.get(item, "train") != "train":
            home.setdefault(unit, part[item])
    pairs = zip(units, dataset.ids, strict=True)
    parts = np.array([part.get(item) or home.get(unit, "train") for unit, item in pairs], dtype=object)
    added = [parts[i] for i, item in enumerate(dataset.ids) if item not in part]
    beside = sum(name != "train" for name in added)
    note = f"{len(added)} images are not in that split and were put to train"
    return Split(parts, (note + (f", but {beside} to val or test, beside images alike." if beside else "."),))
