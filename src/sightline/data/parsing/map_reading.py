"""Reading of class map files to a data set: the meaning of numbers and colors, and their errors."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from sightline.console import track
from sightline.core.dataset import Dataset, Pixels
from sightline.core.targets.bitmaps import CompressedMaps
from sightline.core.targets.masks import IGNORE_INDEX, MAX_CLASSES, SemanticMasks
from sightline.data.io.label_maps import Keys, LabelMap, composed, look
from sightline.data.io.pixels import Files, Pages
from sightline.data.parsing.class_tables import FILES, Entry, Table, table_of
from sightline.data.parsing.map_discovery import Item
from sightline.data.parsing.map_files import MaskFiles
from sightline.data.parsing.map_problems import MapProblems, report
from sightline.errors import DataError, UnreadableImage

UNDECLARED = (255, 65535, -1)
"""Numbers that by wide custom stand for no class, where no table says what they are."""
BINARY = {0, 255}
BACKGROUND = "background"
_BLOCK = 64
_RAMPS = 0.2
"""Share of the edges of maps that go through numbers in between, from which the maps were smoothed."""
_BETWEEN = 3
"""So many numbers in between at least: one may be a rim that is drawn around objects."""
_IDS = 40
"""Ids below this may have gaps; higher ones beside 255 are grey levels, unless a quarter of them is there."""
T = TypeVar("T")
R = TypeVar("R")


def dataset(files: MaskFiles, source: Path, format: str) -> Dataset:
    """The data set of all images whose maps can be used.

    Args:
        files: Images and maps.
        source: What the user named.
        format: Name of the format.

    Raises:
        DataError: If no map can be used, or nothing says what they mean.
    """
    files.spread()
    findings = MapProblems()
    total = len(files.items)
    table, rows = _read(files, findings)
    rows = _smoothed(files, rows, findings)
    if table is None:
        table = _settled(files, [label_map for _, label_map in rows])
    findings.by_palette = _reordered([label_map for _, label_map in rows], table)
    if findings.by_palette:
        files.messages.append(
            "Palettes show the table's colours in another order: read by colour, not by number."
        )

    def finish(row: tuple[Item, LabelMap]) -> CompressedMaps | None:
        return _mapped(files.name(row[0]), row[1], table, findings)

    maps = _each(finish, rows)
    report(files, findings, table)
    mapped = [
        (item, label_map) for (item, _), label_map in zip(rows, maps, strict=True) if label_map is not None
    ]
    if not mapped:
        why = " ".join(f"{f.message} {f.fix}" for f in files.read_findings if f.severity == "error")
        raise DataError(f"{source}: none of the {total:,} masks can be used. {why}".strip())
    items = [item for item, _ in mapped]
    return Dataset(
        name=source.resolve().name,
        format=format,
        ids=[files.name(item) for item in items],
        pixels=_pixels(items),
        targets=SemanticMasks(
            torch.tensor([m.shape for _, m in mapped], dtype=torch.int64), tuple(m for _, m in mapped)
        ),
        classes=table.classes,
        splits=np.array([item.split for item in items], dtype=object),
        root=source,
        read_findings=tuple(files.read_findings),
        messages=(f"Images with masks: {len(mapped):,}; classes: {len(table.ids)}.", *files.messages),
    )


def _pixels(items: list[Item]) -> Pixels:
    if any(item.pages > 1 for item in items):
        return Pages([(item.image, item.page) for item in items])
    return Files([item.image for item in items])


def _each(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply a function to many items in threads; results in order."""
    done: list[R] = []
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for start in track(range(0, len(items), _BLOCK), "reading the masks", -(-len(items) // _BLOCK)):
            done += pool.map(function, items[start : start + _BLOCK])
    return done


def _read(files: MaskFiles, findings: MapProblems) -> tuple[Table | None, list[tuple[Item, LabelMap]]]:
    """Read all maps. Where each class has its own the table follows from that, and they are put together."""
    names = sorted({name for item in files.items for name, _ in item.masks if name}, key=str.casefold)
    background = next((n for n in names if n.casefold() == BACKGROUND), None)
    order = [background or BACKGROUND, *(n for n in names if n != background)]
    if len(order) > MAX_CLASSES:
        raise DataError(
            f"{files.root}: {len(names)} folders or endings of masks; at most {MAX_CLASSES} classes can be."
        )

    def read_one(item: Item) -> LabelMap | None:
        try:
            parts = [(name, look(path, item.page)) for name, path in item.masks]
        except UnreadableImage as error:
            files.broken.append(str(error))
            return None
        if not names:
            return parts[0][1]
        return _combine_class_masks(
            files.name(item), parts, order, IGNORE_INDEX if background else 0, findings
        )

    maps = _each(read_one, files.items)
    what = "masks cannot be read; their images were left out"
    fix = "Fetch or export these files again."
    files.note("masks-broken", "error", sorted(files.broken), what, fix)
    rows = [
        (item, label_map) for item, label_map in zip(files.items, maps, strict=True) if label_map is not None
    ]
    if not names:
        return None, rows
    files.messages.append(f"Each class has masks of its own: {', '.join(names)}.")
    return table_of([Entry(name) for name in order], str(files.root), (IGNORE_INDEX,)), rows


def _combine_class_masks(
    name: str, parts: list[tuple[str, LabelMap]], order: list[str], rest: int, findings: MapProblems
) -> LabelMap | None:
    """The map of one image, of maps of one class each; None where they cannot be such."""
    odd = [part for _, part in parts if np.count_nonzero(part.keys) > 1]
    shapes = {part.shape for _, part in parts}
    if odd or len(shapes) > 1:
        why = f"{len(odd[0].keys)} values" if odd else f"sizes {' and '.join(map(str, sorted(shapes)))}"
        (findings.lossy if any(part.lossy for part in odd) else findings.mixed).append(f"{name} ({why})")
        return None
    numbered = [(order.index(word), part) for word, part in parts]
    whole, several, none = composed(numbered, shapes.pop(), rest)
    if several:
        findings.overlapping.append(f"{name} ({several:,} pixels)")
    if none and rest == IGNORE_INDEX:
        findings.bare.append(f"{name} ({none:,} pixels)")
    return whole


def _settled(files: MaskFiles, maps: list[LabelMap]) -> Table:
    """Meaning of the numbers in maps: from the table, else from the numbers.

    Raises:
        DataError: If there are more numbers than classes can be.
    """
    table = files.table
    coded = table is not None and bool(table.colors)
    plain = [m for m in maps if not m.colored or (m.gray and not coded)]
    exact = [m for m in plain if not m.lossy]
    ids = {int(v) for m in exact or plain for v in _numbers(m)}
    is_binary = 255 in ids and ids <= BINARY
    if table is not None:
        few = table.counted and not table.void and not coded and len(table.ids) <= 2
        if is_binary and few:
            names = [e.name for e in table.entries]
            names = names if len(names) == 2 else [BACKGROUND, *names]
            files.messages.append(f"The masks hold 0 and 255: 0 is '{names[0]}', 255 is '{names[1]}'.")
            return table_of([Entry(n, i) for n, i in zip(names, (0, 255), strict=True)], table.source)
        return table
    if is_binary or (plain and not exact):  # ids cannot be known from files that may have changed them
        if is_binary or ids >= BINARY:
            files.messages.append("The masks hold 0 and 255: background and foreground.")
        return table_of([Entry(BACKGROUND, 0), Entry("foreground", 255)], str(files.root))
    known_ids = sorted(ids - {*UNDECLARED})
    if len(known_ids) > MAX_CLASSES:
        raise DataError(
            f"{files.root}: the masks hold {len(known_ids):,} different numbers ({known_ids[0]} to "
            f"{known_ids[-1]}), and "
            f"at most {MAX_CLASSES} classes can be. They may number objects, or be photographs. Expected "
            "class ids."
        )
    _must_be_ids(files, known_ids, ids)
    if not known_ids:
        known_ids = [0]  # nothing is there to be told apart; what there is, is said of each map
    else:
        files.messages.append(
            f"No class table ({', '.join(FILES[:3])}, ...): classes are called by their numbers."
        )
    return table_of([Entry(str(i), i) for i in known_ids], str(files.root))


def _must_be_ids(files: MaskFiles, known_ids: Sequence[int], ids: set[int]) -> None:
    """Refuse to take 255 for no class where the other numbers are grey levels spread up to it.

    Raises:
        DataError: If they are.
    """
    top = known_ids[-1] if known_ids else 0
    if max(ids, default=0) != 255 or top < _IDS or len(known_ids) >= top / 4:
        return
    shown = ", ".join(map(str, sorted(ids)[:8])) + (", ..." if len(ids) > 8 else "")
    raise DataError(
        f"{files.root}: the masks hold {shown}: grey levels, of which 255 may be a class or none. Add "
        f"a table classes.txt with a line for each, such as '{known_ids[0]} background' and '255 object' (or "
        "'255 void')."
    )


def _smoothed(
    files: MaskFiles, rows: list[tuple[Item, LabelMap]], findings: MapProblems
) -> list[tuple[Item, LabelMap]]:
    """The maps, those with soft edges marked as changed, where the maps as a whole have soft edges.

    What stands between two classes at an edge is no third class. Where all numbers are small ids it may be
    label_map: then it is said only, and the maps are used.
    """
    maps = [label_map for _, label_map in rows]
    edges, ramps = sum(m.edges for m in maps), sum(m.ramps for m in maps)
    between = frozenset[int]().union(*(m.between for m in maps))
    if ramps <= _RAMPS * edges or len(between) < _BETWEEN:
        return rows
    soft = [bool(m.ramps) for m in maps]
    known_ids = {*files.table.numbers} if files.table is not None else {*range(_IDS)}
    ids = {int(v) for m in maps if not m.colored for v in m.keys}
    if ids and ids <= {*known_ids, *UNDECLARED}:
        share = f"{m.ramps / m.edges:.0%} of its edges" if (m := maps[soft.index(True)]).edges else ""
        findings.smooth += [files.name(item) for (item, _), yes in zip(rows, soft, strict=True) if yes]
        files.messages.append(f"Edges of masks go through numbers in between (first: {share}).")
        return rows
    return [(item, replace(label_map, lossy=True) if yes else label_map)
            for (item, label_map), yes in zip(rows, soft, strict=True)]  # fmt: skip


def _numbers(label_map: LabelMap) -> Keys:
    """The numbers in a map; grey colours are numbers that were written three times."""
    return label_map.keys & 255 if label_map.colored else label_map.keys


def _mapped(name: str, label_map: LabelMap, table: Table, findings: MapProblems) -> CompressedMaps | None:
    """A map in indices of classes; None where it cannot be used. Oddities go into `findings`."""
    colors, colored = table.colors, label_map.colored
    if colored and not colors and not label_map.gray:
        findings.colored.append(f"{name} ({len(label_map.keys)} colours)")
        return None
    keys = label_map.keys if colors else _numbers(label_map)
    colored = colored and bool(colors)
    if findings.by_palette and label_map.shown is not None:
        keys, colored = label_map.shown, True
    places = colors if colored else table.numbers
    index = np.array([places.get(k, -1) for k in keys.tolist()], dtype=np.int64)
    none = np.isin(keys, UNDECLARED) & (index < 0) & (not colored)
    strange = (index < 0) & ~none
    if none.any() and keys[~none].tolist() == [0]:
        findings.bare_of_ids.append(name)
    if strange.any() and label_map.lossy:
        findings.lossy.append(f"{name} ({len(keys)} values)")
        return None
    for which, into in (
        (strange, findings.colors if colored else findings.unknown),
        (none, findings.undeclared),
    ):
        if which.any():
            into[name] = Counter(
                dict(zip(keys[which].tolist(), label_map.counts[which].tolist(), strict=True))
            )
    return label_map.mapped(np.where(index < 0, IGNORE_INDEX, index).astype(np.uint8))


def _reordered(maps: list[LabelMap], table: Table) -> bool:
    """Whether all palettes show the table's colours, and in another order than the table has them.

    Programs that make files smaller turn colours into a palette of their own order.
    """
    colors, numbers, differs = table.colors, table.numbers, False
    for label_map in maps if colors else ():
        if label_map.shown is not None:
            shown = label_map.shown.tolist()
            if not all(code in colors for code in shown):
                return False
            apart = 1 < len(shown) == len(set(shown))
            pairs = zip(label_map.keys.tolist(), shown, strict=True)
            differs = differs or (apart and any(numbers.get(k) != colors[code] for k, code in pairs))
    return differs
