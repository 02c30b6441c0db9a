"""Resolve the image paths of annotations to existing files.

Annotations are made on other machines. Their paths can have another root, the other slash, another case or
Unicode form, percent signs, the prefix of an upload, or no extension.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote

from sightline.core.report import Finding
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import walk
from sightline.data.parsing.findings import listed
from sightline.data.parsing.splits import SPLIT_WORDS, is_folder, is_there, name_of, split_of

ANNOTATIONS = ("annotations", "annotation", "ann", "labels", "anno", "annos", "anno_coarse", "anno_fine")
"""Folders of annotations; images then lie beside them."""
_MAPS = ("masks", "mask", "annotations", "labels", "gt", "segmentationclass", "segmentationobject")
_UPLOAD = re.compile(r"^[0-9a-f]{8}-(?=.)")
_Hit = tuple[tuple[str, ...], Path]
_Index = dict[str, list[_Hit]]
_MAX_CANDIDATES = 8
"""Images of one name, from which on they are told apart by the folders that they lie in."""


class Lookup:
    """Index of the images below a folder, for resolving paths of annotations.

    A path that is there is taken as it is. Of another one as much of its end as fits is looked for, whatever
    the slash, the case, the Unicode form, percent signs and a missing ending; one hit is taken and told in a
    finding, several are an error. Where the folder that a path names is there, only what is below that folder
    counts, and a path that speaks of one split never leads to an image of another: a lost image is lost.

    Attributes:
        root: The folder.
        top: Where images are looked for: in the folder, or beside it where it is one of annotations.
        moved: What was found elsewhere than it was said to be, in words.
        several: What could be one of several images, or what leads to an image that another name has.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        beside = root.absolute().name.lower() in ANNOTATIONS
        self.top = root.parent if beside else root
        self.moved: list[str] = []
        self.several: list[str] = []
        self._doubtful: set[str] = set()
        self._asked: dict[tuple[str, str, str], Path | None] = {}
        self._owners: dict[Path, Path] = {}
        self._index: _Index | None = None
        self._stems: _Index = defaultdict(list)
        self._below: dict[tuple[str, ...], _Index] = {}
        self._folders: dict[Path, bool] = {}

    def find(self, path: Path, split: str = "", likely: str = "") -> Path | None:
        """Image of a path, or None if no single image matches.

        Args:
            path: As annotated, from the folder that it counts from.
            split: Split that the annotation speaks of, or "".
            likely: Split that decides between several that fit, and excludes none; or "".
        """
        key = os.fspath(path), split, likely
        if key not in self._asked:
            self._asked[key] = self._found(path, split, likely)
        return self._asked[key]

    def doubtful(self, path: Path) -> bool:
        """Whether a path that was asked for is among `several`."""
        return os.fspath(path) in self._doubtful

    def findings(self) -> list[Finding]:
        """Findings about paths that were not resolved exactly."""
        what = "names lead nowhere as they are written, and were taken for the one image that fits"
        fix = "Nothing, if these are the images that are meant; else write paths that are there."
        moved = listed("files-found-elsewhere", "info", self.moved, what, fix)
        what = "names could be of several images, or lead to one that has another name; they were left out"
        fix = "Write the whole path from the folder of the annotation, or keep one of the images; a table "
        fix += "that is called after a split (train.csv) means those in the folder of that name."
        return [*moved, *listed("files-ambiguous", "error", self.several, what, fix)]

    def _found(self, path: Path, split: str, likely: str) -> Path | None:
        """See `find`."""
        name = self._said(path)
        hits = [path] if is_there(path) else self._hits(path, split, likely)
        if not hits:
            return None
        names = [name_of(hit, self.root) for hit in hits]
        if len(hits) > 1:
            some = " or ".join(names[:3]) + (" ..." if len(names) > 3 else "")
            self._doubtful.add(os.fspath(path))
            self.several.append(f"{name} ({some})")
            return None
        other = self._owners.setdefault(hits[0].absolute(), path)
        if other != path and _bare(other) != _bare(path):
            self._doubtful.add(os.fspath(path))
            self.several.append(f"{name} ({names[0]}, which is '{self._said(other)}' too)")
            return None
        if hits[0] is not path:
            self.moved.append(f"{name} is {names[0]}")
        return hits[0]

    def _said(self, path: Path) -> str:
        """What was looked for, as an annotation has it."""
        inside = path.is_relative_to(self.root)
        text = (path.relative_to(self.root) if inside else path).as_posix()
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")

    def _hits(self, path: Path, split: str, likely: str) -> list[Path]:
        """Images that match the longest end of a path."""
        keys = keys_of(path.relative_to(self.root) if path.is_relative_to(self.root) else path)
        if not keys:  # the annotation has no name
            return []
        best = self._best(keys, path.parent, split)
        wanted = split or likely
        for narrower in (
            [p for k, p in best if wanted and wanted in _splits(k)],
            [p for k, p in best if not any(word in _MAPS for word in k[:-1])],
            [p for _, p in best if p.name == _slashed(path).rsplit("/", 1)[-1]],
        ):
            if len(best) > 1 and narrower:
                best = [(k, p) for k, p in best if p in narrower]
        return [p for _, p in best]

    def _best(self, keys: tuple[str, ...], folder: Path, split: str) -> list[_Hit]:
        """Of images of one name those that share most of their folders with a path, and may be meant."""
        inside = folder != self.root and folder.name.lower() not in ANNOTATIONS and self._is_folder(folder)
        for group in reversed(self._groups(keys)):
            rows = [(_shared(keys, k), k, p) for k, p in group if not inside or folder in p.parents]
            rows = [(n, k, p) for n, k, p in rows if _agree(keys[: len(keys) - n], k[: len(k) - n], split)]
            if rows:
                most = max(n for n, _, _ in rows)
                return [(k, p) for n, k, p in rows if n == most]
        return []

    def _is_folder(self, folder: Path) -> bool:
        if folder not in self._folders:
            self._folders[folder] = is_folder(folder)
        return self._folders[folder]

    def _groups(self, keys: tuple[str, ...]) -> list[list[_Hit]]:
        """Images that share a name with a path; of many, then those that share more folders."""
        index = self._indexed()
        name, bare = keys[-1], _UPLOAD.sub("", keys[-1])
        hits = index.get(name) or index.get(bare) or []
        if not hits and Path(name).suffix not in ALL_EXTENSIONS:
            hits = self._stems.get(name) or self._stems.get(bare) or []
        groups = [hits]
        for n in range(2, len(keys) + 1):
            if len(groups[-1]) <= _MAX_CANDIDATES:
                break
            end = keys[1 - n :]
            if end not in self._below:
                below = self._below[end] = defaultdict(list)
                for k, p in groups[-1]:
                    below[k[-n] if len(k) >= n else ""].append((k, p))
            nearer = self._below[end].get(keys[-n])
            if not nearer:
                break
            groups.append(nearer)
        return groups

    def _indexed(self) -> _Index:
        """All images by name and, in `_stems`, by name without ending; each with the names on its way."""
        if self._index is not None:
            return self._index
        index = self._index = defaultdict(list)
        for here, _, files in walk(self.top):
            for name in files:
                ending = os.path.splitext(name)[1].lower()  # noqa: PTH122
                if ending not in ALL_EXTENSIONS:
                    continue
                file = here / name
                keys = keys_of(file.relative_to(self.top))
                index[keys[-1]].append((keys, file))
                self._stems[keys[-1].removesuffix(ending)].append((keys, file))
        return index


def _slashed(path: Path) -> str:
    """A path with one kind of slash; of an address, what stands before a question mark."""
    text = os.fspath(path).replace("\\", "/")
    return text.partition("?")[0] if re.search(r"\b[a-z][a-z0-9+.-]*:/", text) else text


def keys_of(path: Path) -> tuple[str, ...]:
    """The names on a path, in a form that does not depend on where it was written."""
    text = unicodedata.normalize("NFC", unquote(_slashed(path), errors="surrogateescape"))
    return tuple(word for word in text.casefold().split("/") if word not in ("", ".", ".."))


def _bare(path: Path) -> tuple[str, ...]:
    """The names on a path without what several spellings of one may differ in: ending, upload's prefix."""
    *folders, name = keys_of(path) or ("",)
    stem, dot, ending = name.rpartition(".")
    return (*folders, _UPLOAD.sub("", stem if dot and f".{ending}" in ALL_EXTENSIONS else name))


def _shared(keys: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many folders at the end of two paths are the same, and 1 for the name."""
    n = 1
    while n < min(len(keys), len(other)) and keys[-n - 1] == other[-n - 1]:
        n += 1
    return n


@lru_cache(maxsize=1 << 14)
def _splits(keys: tuple[str, ...]) -> frozenset[str]:
    """Splits that the folders of a path speak of."""
    return frozenset({split_of(word) for word in keys} - {""})


@lru_cache(maxsize=1 << 14)
def _named_splits(keys: tuple[str, ...]) -> frozenset[str]:
    """Splits that some of the folders of a path are."""
    return frozenset({SPLIT_WORDS.get(word.rstrip("0123456789"), "") for word in keys} - {""})


def _agree(wanted: tuple[str, ...], present: tuple[str, ...], split: str) -> bool:
    """Whether the differing folders of two paths can belong to one image: they name no different splits.

    `train_images` may hold images that a table gives to val, where `train` and `train2017` may not.
    """
    present_splits = _named_splits(present)
    mine, other = _splits(wanted), _splits(present)
    apart = bool(mine and other) and not mine & other
    return not apart and (not split or not present_splits or split in present_splits)
