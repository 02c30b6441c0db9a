"""The time line of a film that is seen in windows: what happens when, and the film with it written below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np

from sightline.core.predictor import Outcome
from sightline.data.inputs._kind import displayed
from sightline.data.io.clip_frames import clip_seconds, each_clip_frame
from sightline.data.io.pixels import Arrays, Files
from sightline.data.io.video import is_film
from sightline.errors import UsageError
from sightline.inference.input_item import Answer, Input
from sightline.inference.sources import Sources
from sightline.inference.windows import WindowOptions
from sightline.runtime.rows import Row

WITHOUT: Row = {"label": "(no prediction)"}
"""What is written below frames that lie in no window, or in one that cannot be read."""


@dataclass(frozen=True)
class Stretch:
    """A part of a film in which the label stays.

    Attributes:
        start: First second.
        end: Where it ends, in seconds.
        label: Index of the class.
        confidence: Its mean probability.
    """

    start: float
    end: float
    label: int
    confidence: float


def moments(answers: Sequence[Answer]) -> list[Stretch]:
    """The time of a film between any two neighboring starts or ends of windows. Its label is the most
    probable one by the mean probabilities of the windows that see it; what none sees is left out.

    Args:
        answers: Of the windows of one film, in order.
    """
    readable = [answer for answer in answers if not answer.outcome.error]
    if not readable:
        return []
    spans = np.array([answer.input.part for answer in readable])
    scores = np.concatenate([np.asarray(answer.outcome.prediction.scores) for answer in readable])
    edges = np.unique(spans)
    first = np.searchsorted(spans[:, 1], edges[:-1], side="right")
    last = np.searchsorted(spans[:, 0], edges[:-1], side="right")
    stretches = []
    for start, end, i, j in zip(edges[:-1].tolist(), edges[1:].tolist(), first, last, strict=True):
        if i < j:
            mean = scores[i:j].mean(0)
            stretches.append(Stretch(start, end, int(mean.argmax()), float(mean.max())))
    return stretches


def merged(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Stretches of which neighbors with one label, and no gap between them, are one; the confidence is their
    mean over time."""
    gaps = np.cumsum([0, *(b.start > a.end for a, b in pairwise(stretches))])
    pairs = zip(gaps.tolist(), stretches, strict=bool(stretches))
    runs = [[s for _, s in run] for _, run in groupby(pairs, key=lambda pair: (pair[0], pair[1].label))]
    whole = []
    for run in runs:
        mean = np.average([s.confidence for s in run], weights=[s.end - s.start for s in run])
        whole.append(Stretch(run[0].start, run[-1].end, run[0].label, float(mean)))
    return whole


class FilmWindows:
    """Collects the answers for the windows of a film, and makes of them a time line and annotated frames.

    Args:
        names: Of the classes.
        write: A writer that takes frames, or None where none are drawn.

    Attributes:
        rows: The time lines of the films so far: film, start, end, label and confidence of each stretch.
    """

    def __init__(self, names: Sequence[str], write: Callable[[Answer], None] | None) -> None:
        self._names, self._write = names, write
        self._answers: list[Answer] = []
        self.rows: list[Row] = []

    def add(self, answer: Answer) -> None:
        """Take the answer for a window; those of a film come in order. Its pixels are not kept."""
        part = answer.input.part
        if self._answers and (part is None or part[0] == 0):
            self.end_film()
        if part is not None:  # else the film cannot be read at all
            self._answers.append(replace(answer, input=replace(answer.input, pixels=Files([]))))

    def end_film(self) -> None:
        """Tell the time line of the film, and write its frames."""
        answers, self._answers = self._answers, []
        stretches = moments(answers)
        for s in merged(stretches):
            row = {"film": answers[0].input.id, "start": round(s.start, 3), "end": round(s.end, 3)}
            self.rows.append({**row, **self._told(s)})
        if self._write is not None and stretches:
            some = next(a.outcome.prediction for a in answers if not a.outcome.error)
            for frame, stretch in _frames_in(stretches, answers[0].input):
                row = dict(WITHOUT) if stretch is None else self._told(stretch)
                self._write(Answer(frame, Outcome(frame.id, some, row)))

    def _told(self, stretch: Stretch) -> Row:
        return {"label": self._names[stretch.label], "confidence": round(stretch.confidence, 6)}


@contextmanager
def time_lines(
    windows: WindowOptions | None,
    names: Sequence[str],
    write: Callable[[Answer], None],
    draws: bool,
    rows: list[Row],
) -> Iterator[Callable[[Answer], None]]:
    """What takes the answers in place of a writer.

    Args:
        windows: How films are cut; None: not at all, and the writer is left as it is.
        names: Of the classes.
        write: The writer.
        draws: Whether it draws, and so is given the frames of films instead of windows.
        rows: Where the time lines are added; see `FilmWindows`.

    Raises:
        UsageError: If films are cut, and the model has no classes.
    """
    if windows is None:
        yield write
        return
    if not names:
        raise UsageError("--window makes a time line of classes, and this model has none. Leave it out.")
    films = FilmWindows(names, write if draws else None)

    def take(answer: Answer) -> None:
        films.add(answer)
        if not draws:
            write(answer)

    yield take
    films.end_film()
    rows += films.rows


def _frames_in(stretches: Sequence[Stretch], film: Input) -> Iterator[tuple[Input, Stretch | None]]:
    """All frames of a film, each with the stretch that it lies in; None for none."""
    later = iter(stretches)
    stretch = next(later)
    for frame in _frames(film):
        seconds = frame.seconds or 0.0
        while seconds >= stretch.end and (following := next(later, None)) is not None:
            stretch = following
        yield frame, stretch if stretch.start <= seconds < stretch.end else None


def _frames(film: Input) -> Iterator[Input]:
    """The frames of a film, animation or folder, with the seconds at which they are shown."""
    file = Path(film.id)
    if is_film(file):
        for frame in Sources(file).frames(file):
            if not frame.error:
                yield replace(frame, name=f"{film.name}{frame.id.removeprefix(film.id)}")
        return
    seconds = clip_seconds(file)
    for n, pixels in each_clip_frame(file, range(len(seconds))):
        mark, shown = f"#{n:06d}", Arrays(displayed(pixels)[None])
        yield Input(f"{film.id}{mark}", f"{film.name}{mark}", shown, None, float(seconds[n]))
