"""Builder of a data set of boxes from annotations, row by row.

All formats with boxes share it: which images exist, how large they are, which boxes can be used, and what is
reported about the others.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.instances import Instances
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.images import probe
from sightline.data.io.pixels import Files
from sightline.data.io.walk import walk
from sightline.data.parsing.corners import Written, mistaken
from sightline.data.parsing.findings import listed
from sightline.data.parsing.frames import film_way
from sightline.data.parsing.paths import Lookup
from sightline.data.parsing.splits import name_of
from sightline.errors import DataError, UnreadableImage

NAN = float("nan")
_LARGEST = 1 << 31  # pixels of a side that an image may be said to have


def numbers(values: object, n: int) -> tuple[float, ...] | None:
    """n numbers of a list as JSON has it, or None where it is something else."""
    if not isinstance(values, list) or len(values) != n:
        return None
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        return None
    try:
        return tuple(float(v) for v in values)
    except OverflowError:
        return (NAN,) * n


@dataclass
class InstanceBuilder:
    """Builder of images and boxes, before it is known which can be used.

    Attributes:
        root: Folder that the names of items are relative to.
        whole: What the boxes count an image's whole width and height as (1, 100), or None: in pixels.
        written: What the four numbers of a box are in the files.
        stored: Whether boxes are in the pixels that are stored, before any EXIF rotation.
        paths: File of each image.
        splits: Split of each image.
        sizes: (height, width) of each image as annotated, or None where it is not.
        read_findings: What was found on the way.
        asides: Names of folders whose images are annotations.
        things: What is gathered, in words.
        sized: Whether sizes must be known, whatever the boxes are counted in.
    """

    things: ClassVar[str] = "boxes"
    sized: ClassVar[bool] = False
    root: Path
    whole: float | None = None
    written: Written = "corners"
    stored: bool = False
    paths: list[Path] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int] | None] = field(default_factory=list)
    read_findings: list[Finding] = field(default_factory=list)
    asides: tuple[str, ...] = ()
    _lookup: Lookup = field(init=False)
    _here: list[bool] = field(default_factory=list)
    _index: dict[str, int] = field(default_factory=dict)
    _keys: dict[Hashable, int] = field(default_factory=dict)
    _repeated: list[str] = field(default_factory=list)
    _torn: list[str] = field(default_factory=list)
    _image: array[int] = field(default_factory=lambda: array("q"))
    _class: array[int] = field(default_factory=lambda: array("q"))
    _corners: array[float] = field(default_factory=lambda: array("d"))
    _area: array[float] = field(default_factory=lambda: array("d"))
    _score: array[float] = field(default_factory=lambda: array("d"))
    _flags: array[int] = field(default_factory=lambda: array("b"))

    def __post_init__(self) -> None:
        self._lookup = Lookup(self.root)

    def add_image(
        self, path: Path, split: str = "", size: tuple[int, int] | None = None, *, again: bool = False
    ) -> int:
        """Index of an image. A second mention gets the same index, with a finding.

        Args:
            path: Its file, as annotated; see `Lookup` for how it is found.
            split: As annotated.
            size: (height, width) as annotated; zeros count as not given.
            again: Whether naming it again is the format's way (one row a box).
        """
        file = self._lookup.find(path, split)
        path = path if file is None else file
        name = name_of(path, self.root)
        if file is None and name in self._index and self._here[self._index[name]]:
            name += " (in doubt)"  # another name has led there: whose boxes these are is not clear
        i = self._index.setdefault(name, len(self.paths))
        if i == len(self.paths):
            self.paths.append(path)
            self._here.append(file is not None)
            self.splits.append(split)
            self.sizes.append(size if size is not None and all(0 < s < _LARGEST for s in size) else None)
        elif split != self.splits[i]:
            self._torn.append(f"{name} ({self.splits[i]} and {split})")
        elif not again:
            self._repeated.append(name)
        return i

    def box(
        self,
        image: int,
        key: Hashable,
        corners: Sequence[float],
        *,
        area: float = NAN,
        crowd: bool = False,
        difficult: bool = False,
        score: float = NAN,
    ) -> None:
        """Add a box.

        Args:
            image: Number of the image.
            key: The class as annotated: its id or its name.
            corners: x1, y1, x2, y2, in pixels or parts of `whole`.
            area: As annotated, in square pixels; NaN where it is not.
            crowd: See `Instances`.
            difficult: See `Instances`.
            score: That of a prediction, in [0, 1]; NaN where there is none.
        """
        self._image.append(image)
        self._class.append(self._keys.setdefault(key, len(self._keys)))
        self._corners.extend(corners)
        self._area.append(area)
        self._score.append(score)
        self._flags.append(crowd + 2 * difficult)

    def note(self, name: str, severity: Severity, items: Sequence[str], message: str, fix: str) -> None:
        """Record a finding, if it has items."""
        self.read_findings += listed(name, severity, items, message, fix)

    def names(self) -> tuple[str, ...]:
        """Names of the classes met, sorted, for formats that have no class table."""
        return tuple(sorted(str(key) for key in self._keys))

    def dataset(
        self,
        source: Path,
        format: str,
        classes: Classes,
        keys: Sequence[Hashable],
        notes: Sequence[str] = (),
        groups: Sequence[str] | None = None,
    ) -> Dataset:
        """The data set of all existing images, with all usable boxes.

        Args:
            source: What the user named.
            format: Name of the format.
            classes: Class table.
            keys: What the annotation calls each of these classes; boxes of other classes are left out.
            notes: What was found out.
            groups: Group of each image, or None.

        Raises:
            DataError: If no image is there.
        """
        images = np.flatnonzero(self._there(source))
        self._beside(source)
        known_sizes, sizes = self._known_sizes(images)
        use, boxes, image, label = self._usable(images, known_sizes, sizes, keys)
        order = use[np.argsort(image[use], kind="stable")]
        targets = self._targets(order, boxes, image, label, sizes)
        ids = list(self._index)
        counts_text = f"Images: {len(images):,}; {self.things}: {len(order):,}; classes: {len(classes)}."
        return Dataset(
            name=source.resolve().stem if source.is_file() else source.resolve().name,
            format=format,
            ids=[ids[i] for i in images],
            pixels=Files([self.paths[i] for i in images]),
            targets=targets,
            classes=classes,
            splits=np.array(self.splits, dtype=object)[images],
            groups=None if groups is None else np.array(groups, dtype=object)[images],
            root=source,
            read_findings=tuple(self.read_findings),
            messages=(counts_text, *notes),
        )

    def _there(self, source: Path) -> np.ndarray:
        """(N,) bool: images that exist; the others are a finding."""
        here = np.array(self._here, dtype=bool)
        self.read_findings += self._lookup.findings()
        if not here.any():
            raise DataError(self._nothing(source))
        ids = list(self._index)
        gone = [ids[i] for i in np.flatnonzero(~here) if not self._lookup.doubtful(self.paths[i])]
        lost = int((~here)[np.array(self._image, dtype=np.int64)].sum())
        what = f"annotated images are not there, and were left out with their {lost:,} {self.things}"
        fix = "Put the files there, or take them out of the annotation."
        self.note("files-missing", "error", gone, what, fix)
        fix = "Name each image once."
        what = "images are named more than once; their boxes were joined"
        self.note("images-listed-twice", "warning", self._repeated, what, fix)
        what = "images are named in two splits, and were taken for the first one"
        fix = "Take them out of one split; what is tested must not be trained on."
        self.note("images-in-two-splits", "error", self._torn, what, fix)
        return here

    def _nothing(self, source: Path) -> str:
        """Error text if there is no image."""
        if self._lookup.several:
            return f"{source}: {self._lookup.findings()[-1].message} {self._lookup.findings()[-1].fix}"
        first = f" (first: {self.paths[0]})" if self.paths else ""
        return (
            f"{source}: none of the {len(self.paths)} images that are annotated is there{first}. They were "
            f"looked for as written, and by the end of the path in any case below {self._lookup.top}. Put "
            f"them where the annotation says, or beside it in a folder images.{film_way(self.root)}"
        )

    def _beside(self, source: Path) -> None:
        """A finding on images that lie in the folder and are not annotated."""
        if not source.is_dir():
            return
        rest = []
        for top, folders, files in walk(source):
            folders[:] = [f for f in folders if f not in self.asides]
            for path in (top / name for name in files):
                if path.suffix.lower() in ALL_EXTENSIONS:
                    rest.append(name_of(path, self.root))
        rest = [name for name in rest if name not in self._index]
        what = "images of the folder are not named by the annotation, and were left aside"
        self.note("images-not-listed", "info", rest, what, "Annotate them, if they are meant.")

    def _known_sizes(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N,) whether a size is known, and (N, 2) height and width: as annotated, else the image's own."""
        sizes, turned = np.zeros((len(images), 2), dtype=np.int64), list[str]()
        for n, i in enumerate(images):
            given = self.sizes[i]
            if given is None:
                try:
                    facts = probe(self.paths[i])
                except UnreadableImage:  # the check of broken files names it
                    continue
                given = facts.height, facts.width
                if facts.orientation != 1:
                    turned.append(name_of(self.paths[i], self.root))
                if self.stored and facts.orientation >= 5:
                    given = given[::-1]
            sizes[n] = given
        what = "images carry an EXIF rotation, and the annotation says no size that would tell of it"
        fix = "Look at them in the report; see --exif."
        self.note("exif-and-positions", "warning", turned, what, fix)
        return sizes.min(1) > 0, sizes

    def _usable(
        self, images: np.ndarray, known_sizes: np.ndarray, sizes: np.ndarray, keys: Sequence[Hashable]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Indices of the boxes that can be used; and of all boxes pixels (M, 4), image and class."""
        number = np.full(len(self.paths), -1)
        number[images] = np.arange(len(images))
        image = number[np.array(self._image, dtype=np.int64)]
        index = {key: k for k, key in enumerate(keys)}
        place = np.array([index.get(key, -1) for key in self._keys], dtype=np.int64)
        label = place[np.array(self._class, dtype=np.int64)]
        raw = np.array(self._corners, dtype=np.float64).reshape(-1, 4)
        scale = 1.0 if self.whole is None else np.tile(sizes[image][:, ::-1], 2) / self.whole
        with np.errstate(over="ignore", invalid="ignore"):  # such boxes are found below
            boxes = (raw * scale).astype(np.float32)
            w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
        use = image >= 0
        self._manner(boxes[use], sizes[image[use]], raw, np.flatnonzero(use))

        def out(bad: np.ndarray, name: str, severity: Severity, message: str, fix: str) -> None:
            nonlocal use
            items = self._said(np.flatnonzero(use & bad), raw)
            self.note(name, severity, items, f"{message}, and were left out", fix)
            use = use & ~bad

        fix = "Add the class to the class table, or mend the annotation."
        out(label < 0, "boxes-of-no-class", "error", "boxes are of a class that the class table has not", fix)
        if self.whole is not None or self.sized:
            what = "boxes lie in images whose size cannot be read"
            out(~known_sizes[image], "sizes-unknown", "error", what, "Mend the images.")
        fix = "Write numbers there, or take the boxes out."
        finite = np.asarray(np.isfinite(boxes).all(1))
        out(~finite, "boxes-not-finite", "error", "boxes hold NaN or infinite", fix)
        what = "boxes have a negative width or height (swapped corners)"
        out((w < 0) | (h < 0), "boxes-inverted-corners", "error", what, "Write the smaller x and y first.")
        what = "boxes have a width or height of zero"
        out((w == 0) | (h == 0), "degenerate-boxes", "warning", what, "Take them out, or draw them anew.")
        return np.flatnonzero(use), boxes, image, label

    def _manner(self, boxes: np.ndarray, sizes: np.ndarray, raw: np.ndarray, rows: np.ndarray) -> None:
        """A finding about boxes in another convention than the format's."""
        areas = np.array(self._area, dtype=np.float64)[rows]
        manner = mistaken(boxes.astype(np.float64), sizes, areas, self.written)
        what = f"boxes lie in their images only if their numbers are {manner}, which the format has not"
        fix = "Convert them to what the format has: COCO [x, y, w, h], YOLO middle and size, VOC corners."
        self.note("boxes-in-another-manner", "error", self._said(rows, raw) if manner else (), what, fix)

    def _said(self, rows: np.ndarray, corners: np.ndarray) -> list[str]:
        """Boxes in words: image, class and corners as annotated."""
        ids, names = list(self._index), [str(key) for key in self._keys]
        return [
            f"{ids[self._image[r]]}: {names[self._class[r]]} " + " ".join(f"{v:g}" for v in corners[r])
            for r in rows
        ]

    def _targets(
        self, order: np.ndarray, boxes: np.ndarray, image: np.ndarray, label: np.ndarray, sizes: np.ndarray
    ) -> Instances:
        """The boxes of some rows, in that order."""
        boxes = boxes[order]
        areas = np.array(self._area, dtype=np.float64)[order]
        box_areas = (boxes[:, 2:] - boxes[:, :2]).astype(np.float64).prod(1)
        given = np.isfinite(areas) & (areas >= 0)
        # Areas that are those of the boxes (tools without masks write them) say nothing of their own.
        mask = bool(given.any()) and not np.allclose(areas[given], box_areas[given], rtol=1e-3, atol=0.5)
        flags = np.array(self._flags, dtype=np.int8)[order]
        crowd, difficult = (torch.from_numpy((flags & bit) > 0) for bit in (1, 2))
        return Instances(
            counts=torch.from_numpy(np.bincount(image[order], minlength=len(sizes))),
            sizes=torch.from_numpy(sizes),
            boxes=torch.from_numpy(boxes),
            labels=torch.from_numpy(label[order]),
            scores=self._scores(order),
            areas=torch.from_numpy(np.where(given, areas, box_areas).astype(np.float32)) if mask else None,
            crowd=crowd if bool(crowd.any()) else None,
            difficult=difficult if bool(difficult.any()) else None,
        )

    def _scores(self, order: np.ndarray) -> torch.Tensor | None:
        """(M,) scores of some rows, in that order, NaN where there is none; None if no row has one."""
        scores = np.array(self._score, dtype=np.float32)[order]
        return None if np.isnan(scores).all() else torch.from_numpy(scores)
