"""Writer of annotated images, and of videos with annotated frames."""

from __future__ import annotations

from sightline.console import say
from sightline.data.io.encode import encode_png
from sightline.data.io.video import Video
from sightline.data.io.video_writer import VideoWriter
from sightline.errors import UnreadableImage
from sightline.inference.output_paths import Places
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Writer, WriterContext, drawn_on


class AnnotatedWriter(Writer):
    """Annotated images, and an annotated .mp4 for each video, in the folder structure of the sources."""

    name, ending, draws = "images", "", True

    def __init__(self, context: WriterContext) -> None:
        super().__init__(context)
        self._places = Places(context.out, context.sources)
        self._film: Video | None = None
        self._file = context.out
        self._writer: VideoWriter | None = None

    def write(self, answer: Answer) -> None:
        """Write one image or frame."""
        item, outcome = answer.input, answer.outcome
        if outcome.error:
            return
        try:
            drawn = drawn_on(self.context, answer)
        except UnreadableImage as error:  # read by windows, and too large as a whole
            say(f"{item.id}: no image was drawn, it {error.detail}.")
            return
        if item.film is None:
            self._places.file(item.name, ".png").write_bytes(encode_png(drawn))
            return
        if item.film is not self._film or self._writer is None:
            self.close()
            self._film, self._file = item.film, self._places.file(item.sequence_name, ".mp4")
            self._writer = VideoWriter(self._file, item.film.facts.fps)
        self._writer.add(drawn, item.seconds or 0.0)

    def close(self) -> None:
        """Finish the current video."""
        if self._writer is not None:
            self._writer.close()
            say(f"{self._file}: {self._writer.frames} frames, {self._writer.said}")
        self._writer = None


WRITER = AnnotatedWriter
