"""Boxes from a file in place of a detector's: annotations or results in any format of boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from sightline.console import say
from sightline.core.dataset import Dataset
from sightline.core.predictor import Outcome
from sightline.core.targets.instances import Instances
from sightline.data.io.images import probe
from sightline.data.io.pixels import Files
from sightline.data.open import open_data
from sightline.errors import DataError, UnreadableImage, UsageError
from sightline.inference.input_item import Answer, Input
from sightline.inference.sources import Sources


class GivenBoxes:
    """The boxes of images, read from a file or folder.

    Boxes of a file without scores have score 1. Crowds are left out.

    Args:
        path: Annotations, or results with their annotations beside them, in a format of boxes.

    Attributes:
        names: Name of each class.

    Raises:
        DataError: If no format reads it, its images are not there, or a score is not in [0, 1].
        UsageError: If its images are no files.
    """

    def __init__(self, path: Path) -> None:
        beside = path if path.is_dir() else path.parent
        dataset = open_data(path, target_type=Instances.kind, predictions=beside)
        if not isinstance(dataset.pixels, Files):
            raise UsageError(f"--boxes {path} has no image files. Name boxes of files, or a run of detect.")
        self.names = list(dataset.classes.names) if dataset.classes else []
        self._path, self._boxes = path, _scored(dataset, path)
        self._rows: dict[Path, int] = {}
        self._called: dict[str, list[int]] = {}
        for i in range(len(dataset)):
            file = dataset.pixels.path(i)
            self._rows[file.resolve()] = i
            self._called.setdefault(file.name, []).append(i)

    def answers(self, sources: Sources, batch_size: int) -> Iterator[Answer]:
        """The boxes of each image, best first; none for an image that the file does not name.

        Raises:
            UsageError: If an input is no image file, or it is not clear which boxes are its, or the file
                names none of the images.
        """
        files = sources.files
        if files and not sources.films and all(self._row(file) is None for file in files):
            raise UsageError(
                f"--boxes {self._path} names none of the {len(files):,} images: not {files[0].name}, but "
                f"{next(iter(self._called))}. Boxes and images go together by the names of files."
            )
        for batch in sources.batches(batch_size):
            for item in batch:
                yield Answer(item, self._outcome(item))

    def _row(self, file: Path) -> int | None:
        """The row of a file, else of the only one of its name; None if there is none.

        Raises:
            UsageError: If several have its name.
        """
        rows = self._called.get(file.name, [])
        if (row := self._rows.get(file.resolve())) is not None or not rows:
            return row
        if len(rows) > 1:
            raise UsageError(
                f"--boxes {self._path}: {len(rows)} images are called {file.name}, and none is {file}. "
                "Predict on the files that it names."
            )
        return rows[0]

    def _outcome(self, item: Input) -> Outcome:
        """The boxes of an image, or an error if it cannot be read or has another size than theirs."""
        if item.error:
            return Outcome(item.id, None, {}, item.error)
        if not isinstance(item.pixels, Files):
            raise UsageError(
                f"--boxes {self._path} has boxes of image files, and {item.id} is none. For films, pages and "
                "images in memory, name a run of detect."
            )
        file = item.pixels.path(0)
        try:
            facts = probe(file)
        except UnreadableImage as error:
            return Outcome(item.id, None, {}, error.detail)
        size, row = (facts.height, facts.width), self._row(file)
        if row is None:
            return Outcome(
                item.id, self._boxes[:0].reassign_images(torch.zeros(0).long(), torch.tensor([size])), {}
            )
        boxes = self._boxes[row]
        if tuple(boxes.sizes[0].tolist()) != size:
            (high, wide), (height, width) = boxes.sizes[0].tolist(), size
            return Outcome(
                item.id, None, {}, f"has {width}x{height} pixels, but its boxes are of {wide}x{high}"
            )
        return Outcome(item.id, boxes.sorted_by_score(), {})


def _scored(dataset: Dataset, path: Path) -> Instances:
    """The boxes of a file, each with a score, without crowds; what to know of them is printed.

    Raises:
        DataError: If some have no score and others have, or one is not in [0, 1].
    """
    for message in dataset.messages:
        say(message)
    for finding in dataset.read_findings:
        if finding.severity != "info":
            say(f"{finding.severity}: {finding.name}: {finding.message}. {finding.fix}")
    boxes = dataset.targets_as(Instances)
    if boxes.crowd is not None:
        say(f"{path}: {int(boxes.crowd.sum())} crowds are left out.")
        boxes = boxes.select(~boxes.crowd)
    scores = boxes.scores
    if scores is None:
        say(f"{path} has no scores: the score of an object is that of its points.")
        scores = torch.ones(len(boxes.labels))
    if not bool(((scores >= 0) & (scores <= 1)).all()):
        raise DataError(
            f"{path}: some boxes have a score outside of 0 to 1, or none while others have one. Give each "
            "a score from 0 to 1, or none at all."
        )
    return Instances(boxes.counts, boxes.sizes, boxes.boxes, boxes.labels, scores)
