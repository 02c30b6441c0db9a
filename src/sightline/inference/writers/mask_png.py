"""Writer of class maps as PNG files of class ids, in the format `masks`."""

from __future__ import annotations

from sightline import storage
from sightline.data.formats.masks import palette, table_text
from sightline.data.parsing.map_writing import png_of
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Writer, WriterContext, unique_names, unused


class MaskWriter(Writer):
    """A PNG for each image, with its name, and classes.json; images are not copied.

    Nothing that is there is overwritten: it may be annotations.
    """

    name, holds = "masks", "maps"

    def __init__(self, context: WriterContext) -> None:
        super().__init__(context)
        for name in ("classes.json", *unique_names(context, ".png")):
            unused(context.out / name)
        context.out.mkdir(parents=True, exist_ok=True)
        storage.write_text(context.out / "classes.json", table_text(context.classes))
        self._palette = palette(context.classes)

    def write(self, answer: Answer) -> None:
        """Write the map of one image."""
        if answer.outcome.error:
            return
        file = unused(self.context.out / answer.input.file(".png"))
        file.parent.mkdir(parents=True, exist_ok=True)
        class_map = answer.outcome.prediction.map(0)
        file.write_bytes(png_of(class_map, self.context.classes.ids, self._palette))

    def close(self) -> None:
        """Nothing is left to write."""


WRITER = MaskWriter
