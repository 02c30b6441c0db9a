"""Writer of COCO results: objects with their scores in one JSON document."""

from __future__ import annotations

from sightline.data.parsing.coco_writing import LabelFile
from sightline.data.parsing.writing import objects_of
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Writer, WriterContext


class CocoWriter(Writer):
    """Writes annotations without images; `info` names the folder of the images.

    Objects are written as they come. All are in it, however weak, unless it is asked otherwise.
    """

    name, ending, holds, unfiltered = "coco", ".json", "objects", True

    def __init__(self, context: WriterContext) -> None:
        super().__init__(context)
        context.out.parent.mkdir(parents=True, exist_ok=True)
        info = {"description": f"Predictions of {context.model}", "folder": context.folder}
        self._file, self._images = LabelFile(context.out, context.classes, info), 0

    def write(self, answer: Answer) -> None:
        """Write the objects of one image."""
        if answer.outcome.error:
            return
        self._file.skeleton = getattr(answer.outcome.prediction, "skeleton", None)
        for size, objects in objects_of(answer.outcome.prediction):
            self._images += 1
            self._file.write(self._images, answer.input.name, size, objects)

    def close(self) -> None:
        """Write images and categories."""
        self._file.close()


WRITER = CocoWriter
