"""Files of images and class maps, collected before it is known which of them can be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sightline.core.report import Finding, Severity
from sightline.data.io.pages import full_pages
from sightline.data.parsing.class_tables import Table
from sightline.data.parsing.map_discovery import Item, by_lists
from sightline.data.parsing.splits import name_of
from sightline.errors import UnreadableImage


@dataclass
class MaskFiles:
    """Images with their maps, and what is known about the meaning of the maps.

    Attributes:
        root: Folder that the names of items are relative to.
        items: The images.
        table: What numbers and colours stand for, as far as it is written anywhere.
        read_findings: What was found on the way.
        messages: What was found out.
        broken: Maps that cannot be read, and why.
    """

    root: Path
    items: list[Item] = field(default_factory=list)
    table: Table | None = None
    read_findings: list[Finding] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def note(self, name: str, severity: Severity, items: Sequence[str], message: str, fix: str) -> None:
        """Record a finding, if it has items."""
        if items:
            shown = ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
            text = f"{len(items):,} {message}: {shown}."
            self.read_findings.append(Finding(name, severity, text, fix, len(items), tuple(items)))

    def name(self, item: Item) -> str:
        """Name of an item; pages are counted from 0."""
        page = f"@{item.page:0{len(str(item.pages - 1))}d}" if item.pages > 1 else ""
        return name_of(item.image, self.root) + page

    def alone(self, masks: Sequence[Path]) -> None:
        """Maps that belong to no image."""
        names = [name_of(path, self.root) for path in masks]
        what = "masks belong to no image, or to one that has another, and were left aside"
        fix = "Give each mask the name of its image (a.jpg and a.png), or put the images there."
        self.note("masks-without-image", "error", names, what, fix)

    def split_by(self, named: dict[str, list[str]]) -> None:
        """Take splits from lists; only what they name is read."""
        if not named:
            return
        chosen, rest, gone, torn = by_lists(self.items, named)
        if not chosen:
            self.messages.append("The lists train.txt, val.txt, test.txt name none of the images: not used.")
            return
        self.items = chosen
        what = "images are named by a list and are not there"
        self.note("files-missing", "error", gone, what, "Put the files there, or take them out of the list.")
        what = "images are named in two splits, and were taken for the first one"
        fix = "Take them out of one split; what is tested must not be trained on."
        self.note("images-in-two-splits", "error", torn, what, fix)
        what = "images are named by no list, and were left aside"
        names = [self.name(item) for item in rest]
        self.note("images-not-listed", "info", names, what, "List them, if they are meant.")

    def spread(self) -> None:
        """Leave out images without maps, and make each page of a stack an item."""
        bare = [self.name(item) for item in self.items if not item.masks]
        what = "images have no mask, and were left out"
        self.note("masks-missing", "error", bare, what, "Draw their masks, or move them to another folder.")
        items, uneven = [], []
        for item in self.items:
            if not item.masks:
                continue
            try:
                files = (item.image, *(path for _, path in item.masks))
                pages = {tuple(full_pages(path)) for path in files}
            except UnreadableImage as error:
                self.broken.append(str(error))
                continue
            if len(pages) > 1:
                counts = sorted(len(p) for p in pages)
                uneven.append(f"{self.name(item)} ({' and '.join(map(str, counts))} pages)")
            else:
                (of_it,) = pages
                items += [replace(item, page=k, pages=len(of_it)) for k in of_it]
        what = "images and their masks have different numbers of pages, and were left out"
        self.note("pages-differ", "error", uneven, what, "Store as many masks as images, in the same order.")
        self.items = items
