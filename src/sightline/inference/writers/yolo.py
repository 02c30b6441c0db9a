"""Writer of YOLO label files: one text file for each image."""

from __future__ import annotations

from pathlib import Path

from sightline import storage
from sightline.console import say
from sightline.core.dataset import Classes
from sightline.data.parsing.writing import objects_of
from sightline.data.parsing.yolo_writing import config_text, label_text
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Writer, WriterContext, unique_names, unused


class YoloWriter(Writer):
    """Writes label files (for a folder `labels` beside `images`) and data.yaml; images are not copied.

    Classes are numbered from 0, since those who train on it want no holes. A line has no place for a score.
    An image without objects has an empty file. Nothing that is there is overwritten: it may be
    annotations.
    """

    name, holds = "yolo", "objects"

    def __init__(self, context: WriterContext) -> None:
        super().__init__(context)
        for name in ("data.yaml", *unique_names(context, ".txt")):
            unused(context.out / name)
        self._classes = Classes(tuple(context.names))
        images = Path(context.folder)
        is_usual = images.name == "images"
        parts = {"path": str(images.parent if is_usual else images), "train": "images" if is_usual else "."}
        text = f"# Predictions of {context.model}\n{config_text(parts, self._classes)}"
        context.out.mkdir(parents=True, exist_ok=True)
        storage.write_text(context.out / "data.yaml", text)
        say(f"The format 'yolo' cannot hold scores; not written to {context.out}.")

    def write(self, answer: Answer) -> None:
        """Write the label file of one image."""
        if answer.outcome.error:
            return
        file = unused(self.context.out / answer.input.file(".txt"))
        file.parent.mkdir(parents=True, exist_ok=True)
        for size, objects in objects_of(answer.outcome.prediction):
            file.write_text(label_text(objects, size, self._classes), encoding="utf-8")

    def close(self) -> None:
        """Nothing is left to write."""


WRITER = YoloWriter
