"""Class tables of well-known data sets: built in, or in a file of a form of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightline.data.parsing.class_tables import Entry, Table, table_of
from sightline.data.parsing.json import glance, read_json
from sightline.data.parsing.map_discovery import Item
from sightline.data.parsing.splits import is_there

_CITIES = {
    7: "road", 8: "sidewalk", 11: "building", 12: "wall", 13: "fence", 17: "pole", 19: "traffic light",
    20: "traffic sign", 21: "vegetation", 22: "terrain", 23: "sky", 24: "person", 25: "rider", 26: "car",
    27: "truck", 28: "bus", 31: "train", 32: "motorcycle", 33: "bicycle",
}  # fmt: skip
"""Classes that count in Cityscapes (M. Cordts et al., CVPR 2016), by the ids in *_labelIds.png."""
_CITY_IDS = 34
_PETS = {1: "pet", 2: "background", 3: "border"}
"""Numbers in annotations/trimaps of Oxford-IIIT Pet (O. Parkhi et al., CVPR 2012)."""
_LAND = ("no data", "background", "building", "road", "water", "barren", "forest", "agriculture")
"""Classes of LoveDA (J. Wang et al., NeurIPS 2021) in the order of their numbers; 0 is no class."""
_SCENES = "objectInfo150.txt"
"""Names of the 150 classes of ADE20K's scene parsing (B. Zhou et al., CVPR 2017), where 0 is none of them."""


def known_table(root: Path, items: Sequence[Item]) -> tuple[Table | None, list[str]]:
    """The table of a set that is known by how it is laid out, and a note on it; None for others."""
    maps = [path for item in items for _, path in item.masks]
    if any(path.stem.endswith("_labelIds") for path in maps):
        void = [i for i in range(-1, _CITY_IDS) if i not in _CITIES]
        note = "Classes are the 19 of Cityscapes; its other ids are no class."
        return table_of([Entry(name, i) for i, name in _CITIES.items()], "Cityscapes", void), [note]
    if maps and all("trimaps" in path.parent.parts for path in maps):
        note = (
            "Classes are those of Oxford-IIIT Pet's trimaps: 1 is the pet, 2 the background, 3 the border, a "
        )
        note += "class of its own. To leave the border out of training and scores, write three lines into "
        note += f"{maps[0].parent / 'classes.txt'}: '1 pet', '2 background', '3 void'."
        return table_of([Entry(name, i) for i, name in _PETS.items()], "the trimaps of Oxford-IIIT Pet"), [
            note
        ]
    if maps and all(_is_land(path) for path in maps):
        note = "Classes are the 7 of LoveDA; its 0 (no data) is no class."
        return table_of([Entry(name, i) for i, name in enumerate(_LAND)], "LoveDA", (0,)), [note]
    if is_there(root / _SCENES):
        lines = (root / _SCENES).read_text(encoding="utf-8-sig", errors="replace").splitlines()
        rows = [cells for line in lines if len(cells := line.split("\t")) > 1 and cells[0].strip().isdigit()]
        names = [Entry(cells[-1].split(",")[0].strip(), int(cells[0])) for cells in rows]
        if names:
            return table_of(names, str(root / _SCENES), (0,)), [
                f"Classes are from {_SCENES}; 0 is none of them."
            ]
    return _vistas(root, maps)


def _is_land(path: Path) -> bool:
    """Whether a map lies as those of LoveDA do: Urban/masks_png/1366.png."""
    return path.parent.name == "masks_png" and path.parent.parent.name in ("Urban", "Rural")


def _vistas(root: Path, maps: Sequence[Path]) -> tuple[Table | None, list[str]]:
    """The table of Mapillary Vistas (G. Neuhold et al., ICCV 2017): config.json, or one for each version.

    A number is the place of a class in the list, which also says what is not evaluated. Colors are not used:
    some of them stand for two classes.
    """
    version = maps[0].parent.parent.name if maps else ""
    above = [folder for folder in maps[0].parents if folder.is_relative_to(root)] if maps else []
    tried = [folder / name for folder in above for name in (f"config_{version}.json", "config.json")]
    for path in tried:
        if not is_there(path) or '"evaluate"' not in glance(path):  # of something else, perhaps no sound JSON
            continue
        data = read_json(path)
        rows = data.get("labels") if isinstance(data, dict) else None
        if not isinstance(rows, list) or not rows or not all(map(_is_label, rows)):
            continue
        shown = [str(row.get("readable", "")) for row in rows]
        names = shown if len({*shown}) == len(rows) and all(shown) else [row["name"] for row in rows]
        void = [i for i, row in enumerate(rows) if not row["evaluate"]]
        table = table_of([Entry(name, i) for i, name in enumerate(names)], str(path), void)
        none = f" No class, as it is not evaluated: {', '.join(table.names)}." if void else ""
        return table, [f"Classes are from {path.name}.{none}"]
    return None, []


def _is_label(row: object) -> bool:
    """Whether an entry of a list is one of Mapillary Vistas."""
    return (
        isinstance(row, dict) and isinstance(row.get("name"), str) and isinstance(row.get("evaluate"), bool)
    )
