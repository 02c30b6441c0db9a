"""Writer of tracks as the MOT Challenge reads them: one text file for each film."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TextIO

import numpy as np

from sightline.console import say
from sightline.core.targets.tracks import Tracks
from sightline.errors import UsageError
from sightline.inference.output_paths import Places
from sightline.inference.sources import Answer, Input
from sightline.inference.writers.context import Writer, WriterContext, text_file
from sightline.ops.boxes import to_xywh


class MotWriter(Writer):
    """Lines `frame,id,left,top,width,height,score,-1,-1,-1`, frames counted from 1.

    Gaps of a track up to `--fill` frames are filled along straight lines, with score -1, when it is
    seen again; these lines follow those of later frames.
    """

    name, ending = "motchallenge", ".txt"

    def __init__(self, context: WriterContext) -> None:
        super().__init__(context)
        self._given = context.kind.target.kind == Tracks.kind
        if context.out.suffix and context.sources.sequences > 1:
            raise UsageError(
                f"{context.out} holds one film, and {context.sources.sequences} are given. Write a "
                "folder with a file for each: --out tracks/ --to motchallenge."
            )
        self._places = None if context.out.suffix else Places(context.out, context.sources)
        self._stream: TextIO | None = None
        self._sequence: object = None
        self._files: set[Path] = set()
        self._frame = self._rows = self._filled = 0
        self._last: dict[int, tuple[int, np.ndarray]] = {}
        if not (self._given or context.kind.objects):
            raise UsageError("--to motchallenge holds boxes, and this model gives none. Use .csv or .jsonl.")
        if len(context.names) > 1:
            say("The format 'motchallenge' has no place for classes; .csv and .jsonl have.")

    def write(self, answer: Answer) -> None:
        """Write the objects of one frame."""
        item, outcome = answer.input, answer.outcome
        sequence = item.name if self._given else item.sequence
        if self._stream is None or sequence != self._sequence:
            self._begin(item, sequence)
        part = re.search(r"#(\d{6,})$", item.name)
        self._frame = int(part[1]) + 1 if part and item.film is not None else self._frame + 1
        if outcome.error:
            return
        if self._given:
            self._sequence_of_tracks(outcome.prediction)
            return
        objects = outcome.prediction
        if getattr(objects, "ids", None) is None:
            raise UsageError("--to motchallenge holds tracks: give --track too.")
        places = to_xywh(objects.boxes.double()).numpy()
        for k, place, score in zip(objects.ids.tolist(), places, objects.scores.tolist(), strict=True):
            self._line(self._frame, k, place, f"{score:.5f}")
            self._fill(k, place)
            self._last[k] = self._frame, place
        self._forget()

    def _sequence_of_tracks(self, tracks: Tracks) -> None:
        """Write the boxes of a whole sequence."""
        places, scores = to_xywh(tracks.boxes).numpy(), tracks.scores
        sure = ["-1"] * len(places) if scores is None else [f"{score:g}" for score in scores.tolist()]
        each = zip(tracks.frames.tolist(), tracks.ids.tolist(), places, sure, strict=True)
        for frame, number, place, score in each:
            self._line(frame, number, place, score)

    def _begin(self, item: Input, sequence: object) -> None:
        """Open the file of a film."""
        if self._stream is not None:
            self._stream.close()
        file = self.context.out
        if self._places:
            name = item.name if self._given else item.sequence_name
            is_folder = self._given or sequence == item.folder  # which has no ending to be replaced
            file = self._places.file(f"{name}.txt" if is_folder else name, ".txt")
        if file in self._files:
            raise UsageError(f"{file} would hold two sequences. Predict {item.id} by a command of its own.")
        self._files.add(file)
        self._stream, self._sequence, self._frame, self._last = text_file(file), sequence, 0, {}

    def _line(self, frame: int, number: int, place: np.ndarray, score: str) -> None:
        assert self._stream is not None
        numbers = ",".join(f"{v:.3f}" for v in place)
        self._stream.write(f"{frame},{number},{numbers},{score},-1,-1,-1\n")
        self._rows += 1

    def _fill(self, number: int, place: np.ndarray) -> None:
        """Write the frames in which a track that is back was not seen."""
        before, first = self._last.get(number, (self._frame, place))
        gap = self._frame - before
        if not 1 < gap <= self.context.options.fill + 1:
            return
        for step in range(1, gap):
            self._line(before + step, number, first + step / gap * (place - first), "-1")
            self._filled += 1

    def _forget(self) -> None:
        """Tracks that can be filled no more are forgotten."""
        self._last = {
            k: entry for k, entry in self._last.items() if self._frame - entry[0] <= self.context.options.fill
        }

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
        filled = f", {self._filled:,} of them filled in along straight lines" if self._filled else ""
        say(f"{self.context.out}: {self._rows:,} boxes of tracks{filled}.")


WRITER = MotWriter
