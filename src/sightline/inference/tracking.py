"""Tracking of the objects that a model finds in films and in folders of frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from sightline.console import say, track
from sightline.core.targets.instances import Instances
from sightline.core.task import Task
from sightline.data.io.video import Video
from sightline.errors import UsageError
from sightline.inference.appearance import Appearance
from sightline.inference.presenters import Kind, select_objects
from sightline.inference.sources import Answer, Input, Sources
from sightline.ops.draw import color_of, paths, tags
from sightline.ops.zones import LineCounter, ZoneCounter
from sightline.runtime.rows import Row
from sightline.runtime.track import tracker_type
from sightline.runtime.track.base import RATE, Looks, Tracker
from sightline.runtime.track.camera import CameraMotion

Counter = LineCounter | ZoneCounter


class FilmTracking:
    """Gives the objects of frames an identity, one film or folder after the other, and counts crossings.

    The scores of a class are stretched so that its threshold, chosen on the validation images, is the score
    that may begin a track; weaker objects only continue one.

    Args:
        task: The task of the model.
        tracker: Name of the tracker; "" where objects are not tracked.
        thresholds: Score threshold, for each class or all.
        least: Objects with a lower score are left out; 0 leaves out none.
        classes: Indices of the classes that are tracked, or None for all.
        lines: Each "x1,y1,x2,y2" in pixels.
        zones: Each "x1,y1,x2,y2,x3,y3,..." in pixels.
        camera_motion: Whether what is expected moves with the camera.
        appearance: Tells objects apart by their looks; None where these do not count.

    Attributes:
        counts: One row for each film and each of its lines and zones.
    """

    def __init__(
        self,
        task: Task,
        tracker: str,
        thresholds: float | Sequence[float],
        least: float = 0.0,
        classes: list[int] | None = None,
        lines: Sequence[str] = (),
        zones: Sequence[str] = (),
        camera_motion: bool = False,
        appearance: Appearance | None = None,
    ) -> None:
        self._appearance = appearance
        self._camera = CameraMotion() if camera_motion else None
        self._task, self._type, self._least, self._classes = task, tracker_type(tracker), least, classes
        self._thresholds = np.asarray(thresholds, dtype=np.float64)
        self._lines = {f"line {text}": _points("--line", text) for text in lines}
        self._zones = {f"zone {text}": _points("--zone", text) for text in zones}
        self._counters: dict[str, Counter] = {}
        self._tracker: Tracker | None = None
        self._sequence: Video | str = ""
        self.counts: list[Row] = []
        self._new_counters()

    def follow(self, sources: Sources, answers: Iterator[Answer]) -> Iterator[Answer]:
        """The answers with only the objects that are tracked, and their identities; the images of a folder
        are ordered as frames.
        """
        sources.sort_frames()
        for answer in answers:
            yield self._followed(answer, self._tracker_of(answer.input))
        self._end_sequence()

    def overlay(self, image: np.ndarray) -> np.ndarray:
        """The lines and zones with their counts so far, drawn on a frame (H, W, C)."""
        lines, words = [], []
        for k, (name, counter) in enumerate(self._counters.items(), 7):  # not in the colors of the first ids
            points = np.array(counter.points).reshape(-1, 2)
            closed = np.concatenate([points, points[:1]]) if name.startswith("zone") else points
            text = " ".join(f"{what.replace('_', ' ')} {n}" for what, n in counter.counts().items())
            lines.append((closed, color_of(k)))
            words.append(((float(points[0, 0]), float(points[0, 1])), text, color_of(k)))
        return tags(paths(image, lines), words) if lines else image

    def _tracker_of(self, item: Input) -> Tracker:
        """The tracker of the film or folder of a frame; a new one begins with each."""
        if self._tracker is None or item.sequence != self._sequence:
            if self._tracker is not None:
                self._end_sequence()
            rate = item.film.facts.fps if item.film is not None else RATE
            if not rate:
                say(f"The video does not say its frame rate: {RATE:g} a second are assumed.")
            self._tracker, self._sequence = self._type(rate=rate or RATE), item.sequence
            self._camera = self._camera and CameraMotion()
            self._new_counters()
        return self._tracker

    def _followed(self, answer: Answer, tracker: Tracker) -> Answer:
        outcome = answer.outcome
        if outcome.error:
            if answer.input.film is None:  # time goes on in a folder with a file that cannot be read
                tracker.update(np.zeros((0, 4)))
            return answer
        if self._camera is not None:
            tracker.move(self._camera.update(answer.input.full()))
        detected: Instances = select_objects(outcome.prediction, self._least, self._classes)
        boxes, labels = detected.boxes.double().numpy(), detected.labels.numpy()
        scores = np.ones(len(labels)) if detected.scores is None else detected.scores.double().numpy()
        looks = None if self._appearance is None else self._looks(self._appearance, answer.input, boxes)
        ids = tracker.follow(boxes, scores, labels, self._thresholds, answer.input.seconds, looks)
        for counter in self._counters.values():
            counter.update(ids, boxes)
        tracked = torch.from_numpy(ids > 0)
        voted = torch.from_numpy(tracker.classes(ids[ids > 0]))
        objects = replace(detected.select(tracked), ids=torch.from_numpy(ids[ids > 0]), labels=voted)
        (row,) = self._task.to_records(objects)
        return replace(answer, outcome=replace(outcome, prediction=objects, row=row))

    @staticmethod
    def _looks(appearance: Appearance, item: Input, boxes: np.ndarray) -> Looks:
        """What the boxes of a frame look like."""
        return lambda rows: appearance.features(item.full(), boxes[rows])

    def _new_counters(self) -> None:
        try:
            lines: dict[str, Counter] = {name: LineCounter(points) for name, points in self._lines.items()}
            self._counters = lines | {name: ZoneCounter(points) for name, points in self._zones.items()}
        except ValueError as error:
            raise UsageError(str(error)) from error

    def _end_sequence(self) -> None:
        """Keep the counts of a film."""
        name = self._sequence if isinstance(self._sequence, str) else self._sequence.name
        rows = ({"film": name, "where": where, **c.counts()} for where, c in self._counters.items())
        self.counts += rows


def followed(
    tracked: FilmTracking | None, sources: Sources, answers: Iterator[Answer]
) -> tuple[Iterator[Answer], list[Row]]:
    """The answers with identities, and the list that counts are added to; unchanged if nothing is tracked.
    The progress is shown.
    """
    if tracked is None:
        return track(answers, "predicting"), []
    return track(tracked.follow(sources, answers), "predicting"), tracked.counts


@dataclass(frozen=True)
class TrackOptions:
    """Options of tracking; see `sightline predict`.

    Attributes:
        track: Whether objects are tracked.
        tracker: Name of the tracker; "" where objects are not tracked.
        lines: Each "x1,y1,x2,y2" in pixels.
        zones: Each "x1,y1,x2,y2,x3,y3,..." in pixels.
        fill: Frames up to which gaps of tracks are filled.
        camera_motion: Whether what is expected moves with the camera.
        appearance: Run whose network tells objects apart by their looks, or None.
        device: Where that network runs.
    """

    track: bool = False
    tracker: str = ""
    lines: Sequence[str] = ()
    zones: Sequence[str] = ()
    fill: int = 0
    camera_motion: bool = False
    appearance: Path | None = None
    device: str = "cpu"

    @property
    def asked(self) -> bool:
        """Whether objects are to be tracked, or something that needs it is given."""
        return bool(self.track or self.camera_motion or self.appearance)

    def tracking(
        self,
        kind: Kind,
        task: Task,
        thresholds: float | Sequence[float],
        least: float,
        classes: list[int] | None,
    ) -> FilmTracking | None:
        """The tracking of the objects of a model; None where it is not asked for.

        Raises:
            UsageError: If the model does not look for objects, or something of tracking is given without it.
        """
        if self.camera_motion and not (self.track and kind.objects):
            raise UsageError(
                "--camera-motion needs the frames, and a model that finds objects in them: predict RUN "
                "film.mp4 --track --camera-motion. Boxes that are given (track:NAME) have no frames."
            )
        if not self.track:
            given = {"--line": self.lines, "--zone": self.zones, "--fill": self.fill,
                     "--appearance": self.appearance}  # fmt: skip
            for option in (name for name, value in given.items() if value):
                raise UsageError(f"{option} is for tracked objects: give --track too.")
            return None
        if not kind.objects:
            raise UsageError("--track follows objects; this model says one thing of the whole image.")
        appearance = None if self.appearance is None else Appearance(self.appearance, self.device)
        return FilmTracking(task, self.tracker, thresholds, least, classes, self.lines, self.zones,
                            self.camera_motion, appearance)  # fmt: skip


def _points(option: str, text: str) -> tuple[float, ...]:
    """Numbers of "x1,y1,x2,y2"."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"{option} takes pixels such as 100,200,300,200. Received '{text}'.") from None
