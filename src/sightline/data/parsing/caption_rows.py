"""Captions of annotations, row by row, gathered image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sightline.core.dataset import Dataset
from sightline.core.targets.text import Captions
from sightline.core.word_pieces import words_of
from sightline.data.parsing.findings import listed
from sightline.data.parsing.labeled import labeled
from sightline.data.parsing.targets import TargetBuilder
from sightline.errors import DataError


@dataclass
class CaptionRows:
    """The images of one data set with their captions.

    Attributes:
        texts: Captions of each image, by its path as annotated; an image may have none.
        splits: Split of each image, or "".
        groups: Group of each image, or "".
        empty: Rows without a word.
        broken: Rows that cannot be read.
    """

    texts: dict[Path, list[str]] = field(default_factory=dict)
    splits: dict[Path, str] = field(default_factory=dict)
    groups: dict[Path, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def add(self, path: Path, text: str, split: str = "", group: str = "") -> None:
        """Add a caption of an image; one without a word is left out, and reported.

        Raises:
            DataError: If another row of the image is of another split.
        """
        texts = self.texts.setdefault(path, [])
        before = self.splits.setdefault(path, split)
        self.groups.setdefault(path, group)
        if split != before:
            raise DataError(
                f"{path.name}: one caption is of the split '{before or 'none'}', another of "
                f"'{split or 'none'}'. All captions of an image are of one split."
            )
        if words_of(text):
            texts.append(" ".join(text.split()))
        else:
            self.empty.append(f"{path.name} ({text.strip()[:20] or 'empty'})")

    def dataset(self, source: Path, format: str, notes: Sequence[str]) -> Dataset:
        """The data set of all images that are there and have a caption; findings about the others.

        Raises:
            DataError: If there is none.
        """
        top = source if source.is_dir() else source.parent
        paths = list(self.texts)
        missing = np.array([not self.texts[path] for path in paths], dtype=bool)
        targets = Captions(tuple(tuple(self.texts[path]) for path in paths))
        groups = {"group": [self.groups[path] for path in paths]} if any(self.groups.values()) else {}
        counts = [len(texts) for texts in self.texts.values()]
        low, high = min(counts, default=0), max(counts, default=0)
        each = f"{low}" if low == high else f"{low} to {high}"
        read = [*notes, f"{sum(counts):,} captions of {len(paths):,} images, {each} an image."]
        labels, splits = TargetBuilder(targets, missing), [self.splits[path] for path in paths]
        dataset = labeled(source, top, format, paths, splits, labels, read, groups)
        what = "captions have no word, and were left out"
        findings = listed("captions-empty", "warning", self.empty, what, "Write them, or take the rows out.")
        what = "rows cannot be read, and were left out"
        fix = "Correct these lines: a caption that holds the divider of the cells stands between quotes."
        findings += listed("rows-broken", "error", self.broken, what, fix)
        findings_read = (*dataset.read_findings, *findings)
        if not groups:
            return replace(dataset, read_findings=findings_read)
        return replace(dataset, read_findings=findings_read, groups=dataset.columns["group"], columns={})
