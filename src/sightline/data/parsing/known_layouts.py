"""Folders of well-known data sets of class maps that do not lie as those of others do."""

from __future__ import annotations

from pathlib import Path

from sightline.core.dataset import SPLITS
from sightline.data.parsing.splits import SPLIT_WORDS, split_folders

_SAME = ("", "")
_LAYOUTS = (
    ("leftImg8bit/*", "gtFine/*", ("_leftImg8bit", "_gtFine_labelIds")),  # Cityscapes
    ("*/Urban/images_png", "*/Urban/masks_png", _SAME),  # LoveDA
    ("*/Rural/images_png", "*/Rural/masks_png", _SAME),
    ("*/images", "*/v2.0/labels", _SAME),  # Mapillary Vistas 2, which also holds the maps of version 1.2
    ("*/images", "*/v1.2/labels", _SAME),
)
"""Folders of images and of maps, where * is a split, and what their names end with. Of several kinds of maps
of the same images the first is read."""


def known_places(root: Path) -> tuple[list[tuple[Path, Path, str, tuple[str, str]]], list[Path]]:
    """Folders of a data set, or of one of its splits, that is laid out as a well-known one.

    Returns:
        Folder of images, folder of maps, split, and what names of images and of maps end with, of each part;
        and folders that are left aside: other maps of the same images, and images without maps.
    """
    parts: dict[Path, tuple[Path, Path, str, tuple[str, str]]] = {}
    all_images, aside = [], []
    itself = [(root, SPLIT_WORDS[root.name.lower()])] if root.name.lower() in SPLIT_WORDS else []
    for of_images, of_masks, ends in _LAYOUTS:
        above, _, below = of_images.partition("*")
        for folder, split in split_folders(root / above) or ([] if above else itself):
            top = root if above else folder.parent
            images, masks = folder / below.strip("/"), top / of_masks.replace("*", folder.name)
            all_images += [images] if images.is_dir() else []
            if images.is_dir() and masks.is_dir():
                aside += [masks] if images in parts else []
                parts.setdefault(images, (images, masks, split, ends))
    aside += [images for images in dict.fromkeys(all_images) if images not in parts]
    return sorted(parts.values(), key=lambda part: SPLITS.index(part[2])), aside
