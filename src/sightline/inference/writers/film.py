"""Writer of one annotated video."""

from __future__ import annotations

from sightline.console import say
from sightline.data.io.video_writer import VideoWriter
from sightline.errors import UsageError
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Writer, WriterContext, drawn_on
from sightline.runtime.track.base import RATE


class FilmWriter(Writer):
    """An .mp4 of one video, or of the images of one folder as its frames."""

    name, ending, draws = "film", ".mp4", True

    def __init__(self, context: WriterContext) -> None:
        super().__init__(context)
        if context.sources.sequences > 1:
            raise UsageError(
                f"{context.out} is one video, and {context.sources.sequences} videos or folders are "
                "given. Write them into a folder: --out drawn/."
            )
        context.out.parent.mkdir(parents=True, exist_ok=True)
        self._writer: VideoWriter | None = None

    def write(self, answer: Answer) -> None:
        """Write one frame."""
        item = answer.input
        if answer.outcome.error:
            return
        if self._writer is None:
            self._writer = VideoWriter(self.context.out, RATE if item.film is None else item.film.facts.fps)
        seconds = self._writer.frames / RATE if item.seconds is None else item.seconds
        self._writer.add(drawn_on(self.context, answer), seconds)

    def close(self) -> None:
        """Finish the video."""
        if self._writer is not None:
            self._writer.close()
            say(f"{self.context.out}: {self._writer.frames} frames, {self._writer.said}")


WRITER = FilmWriter
