"""Frames of MOTChallenge as images with boxes, for detection; a sequence is a group that no split parts.

Source: Milan et al., MOT16, arXiv 1603.00831, section 4.1 (classes that are not scored).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.instances import Instances
from sightline.data.parsing.class_folders import as_split
from sightline.data.parsing.columns import SINGLE_CLASS
from sightline.data.parsing.findings import listed
from sightline.data.parsing.instances import InstanceBuilder
from sightline.data.parsing.mot_classes import MOT_CLASSES, classes_of, rules_of
from sightline.data.parsing.mot_sequences import MotSequence, read_sequence, sequence_folders, series_of
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import name_of
from sightline.errors import DataError

CARD = FormatCard(
    name="mot-frames",
    summary="frames of MOTChallenge as images with boxes",
    recognized_by="NAME/gt/gt.txt with NAME/img1/000001.jpg, where boxes are wanted (--task detect)",
    target_types=(Instances.kind,),
)
_PEDESTRIAN = 1


def sniff(source: str, options: ReadOptions) -> float:
    """High for folders of sequences, if boxes are asked for; as they are, they hold tracks."""
    path = Path(source)
    wanted = options.target_type in CARD.target_types
    return 0.98 if wanted and path.is_dir() and sequence_folders(path) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all frames of all sequences that have annotations.

    Boxes of flag 0, and in MOT16 to MOT20 all but visible pedestrians, become ignore regions (`crowd`).

    Raises:
        DataError: If there is no such sequence, one has no images, or boxes of several classes have none.
    """
    root = Path(source)
    places = sequence_folders(root) if root.is_dir() else []
    parts, messages = _once([read_sequence(place) for place in places])
    findings = listed(
        "annotations-missing", "warning", [name_of(p.place, root) for p in parts if p.rows is None],
        "sequences have no gt/gt.txt, and were left out", "Add the file, or take the folders out.",
    )  # fmt: skip
    parts = [part for part in parts if part.rows is not None]
    if not parts:
        raise DataError(f"{root}: there is no sequence with annotations. Expected {CARD.recognized_by}.")
    rules = [rules_of(part.place) for part in parts]
    numbers = [part.rows.classes for part in parts if part.rows is not None]
    table, notes = classes_of(numbers, [part.labels for part in parts], rules)
    by_rule = all(rules) and (table is None or table.names == MOT_CLASSES)
    classes = Classes((MOT_CLASSES[0],), (_PEDESTRIAN,)) if by_rule else table or Classes((SINGLE_CLASS,))
    into, counts, groups = InstanceBuilder(root, read_findings=findings), _Counts(), list[str]()
    for part in parts:
        frames = _add_images(into, part, root)
        labels = _labels(part, table) if table is not None and not by_rule else None
        _add_boxes(into, part, frames, labels, by_rule, counts)
        groups += [series_of(name_of(part.place, root))] * len(frames)
    what = "frames have no box, and are taken as images without objects"
    fix = "Nothing, if nothing is in them. If they were not annotated, take their images out."
    into.note("frames-without-boxes", "warning", counts.empty, what, fix)
    what = "boxes lie outside of their frame, and were left out"
    into.note("track-boxes-outside", "warning", counts.outside, what, "Nothing, if objects leave the frame.")
    shifted = [name_of(part.place, root) for part in parts if part.shifted]
    into.note("frames-from-zero", "warning", shifted, "sequences count frames from 0; 1 was added to all",
              "Nothing, if frame 0 is the first image. Else count frames from 1.")  # fmt: skip
    class_notes = [] if by_rule else notes
    texts = [*messages, *class_notes, *counts.messages(by_rule), "Frames of a sequence stay in one split."]
    return into.dataset(root, CARD.name, classes, range(len(classes)), texts, groups)


def _once(parts: list[MotSequence]) -> tuple[list[MotSequence], list[str]]:
    """Each sequence once: copies have the same images and boxes; and what to say."""
    first: dict[Path, MotSequence] = {}
    for part in parts:
        first.setdefault(part.place.with_name(series_of(part.place.name)), part)
    copies = len(parts) - len(first)
    note = f"{copies:,} copies of sequences (-DPM, -FRCNN, -SDP) have the same images, and were left out."
    return list(first.values()), [note] if copies else []


def _add_images(into: InstanceBuilder, part: MotSequence, root: Path) -> dict[int, int]:
    """Index of the image of each frame, by its number.

    Raises:
        DataError: If there are none.
    """
    if not part.item.images:
        film = part.item.film
        way = f" In {part.place}: mkdir img1; ffmpeg -i {film.name} -vsync 0 img1/%06d.jpg" if film else ""
        raise DataError(
            f"{part.place}: there are no images of the frames. Detection needs them as files, "
            f"img1/000001.jpg and so on.{way}"
        )
    split = as_split(name_of(part.place, root).split("/")[0]) or ""
    boxed = np.unique(part.rows.frames).tolist() if part.rows is not None else []
    wanted = part.item.images | {t: part.place / f"img1/{t:06d}.jpg" for t in boxed
                                 if t not in part.item.images}  # fmt: skip
    size = part.item.size if all(part.item.size) else None
    return {frame: into.add_image(file, split, size) for frame, file in sorted(wanted.items())}


class _Counts:
    """What is to be said of all sequences together."""

    def __init__(self) -> None:
        self.empty: list[str] = []
        self.outside: list[str] = []
        self.cut = self.ignored = 0

    def messages(self, by_rule: bool) -> list[str]:
        """Sentences on ignore regions and boxes that are cut."""
        why = "flag 0, or no visible pedestrian (a rule of MOT16 to MOT20)" if by_rule else "flag 0"
        ignored = f"{self.ignored:,} boxes are ignore regions, neither objects nor background: {why}."
        cut = f"{self.cut:,} boxes reach out of their frame, and are cut off at its edge."
        return [text for text, n in ((ignored, self.ignored), (cut, self.cut)) if n]


def _add_boxes(
    into: InstanceBuilder, part: MotSequence, images: dict[int, int], labels: np.ndarray | None,
    by_rule: bool, counts: _Counts,
) -> None:  # fmt: skip
    """The boxes of a sequence; `images` are the indices of its frames, `labels` those of the classes (M,)."""
    rows, (height, width) = part.rows, part.item.size
    assert rows is not None
    name = part.item.name
    counts.empty += [f"{name}: frame {t}" for t in sorted(images.keys() - set(rows.frames.tolist()))]
    label = np.zeros(len(rows.ids), dtype=np.int64) if labels is None else labels
    ignored = rows.flags == 0
    if by_rule:
        ignored |= ~np.isin(rows.classes, (_PEDESTRIAN, -1))
        ignored |= False if rows.visibility is None else rows.visibility == 0
    far = np.array([width, height, width, height], dtype=np.float64)
    cut = rows.boxes.clip(0, far) if height else rows.boxes
    inside = (cut[:, 2:] > cut[:, :2]).all(1) | (rows.boxes[:, 2:] <= rows.boxes[:, :2]).any(1)
    gone = zip(rows.frames[~inside].tolist(), rows.ids[~inside].tolist(), strict=True)
    counts.outside += [f"{name}: frame {t}, identity {k}" for t, k in gone]
    counts.cut += int((inside & (cut != rows.boxes).any(1)).sum())
    counts.ignored += int((inside & ignored).sum())
    for k in np.flatnonzero(inside):
        image = images[int(rows.frames[k])]
        into.box(image, int(label[k]), cut[k].tolist(), crowd=bool(ignored[k]))


def _labels(part: MotSequence, classes: Classes) -> np.ndarray:
    """(M,) index of the class of each box.

    Raises:
        DataError: If a box has none.
    """
    assert part.rows is not None
    numbers = part.rows.classes
    if bare := int((numbers == -1).sum()):
        raise DataError(
            f"{part.place}: {bare:,} of {len(numbers):,} boxes in gt/gt.txt have no class, and others have "
            f"one ({', '.join(classes.names)}). Write the class of each box into column 8."
        )
    index = {number: k for k, number in enumerate(classes.ids)}
    return np.array([index[n] for n in numbers.tolist()], dtype=np.int64)
