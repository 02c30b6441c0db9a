"""Class tables of well-known data sets that contain no table of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightline.data.parsing.class_tables import Entry, Table, table_of
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
    if is_there(root / _SCENES):
        lines = (root / _SCENES).read_text(encoding="utf-8-sig", errors="replace").splitlines()
        rows = [cells for line in lines if len(cells := line.split("\t")) > 1 and cells[0].strip().isdigit()]
        names = [Entry(cells[-1].split(",")[0].strip(), int(cells[0])) for cells in rows]
        if names:
            return table_of(names, str(root / _SCENES), (0,)), [
                f"Classes are from {_SCENES}; 0 is none of them."
            ]
    return None, []
