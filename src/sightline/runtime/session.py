"""Inference session of an exported model: images or clips in, predictions out."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.io.walk import home
from ..errors import DataError, SightlineError, UnreadableImage, UsageError
from ..ops import tiling
from ..ops.resize_shape import equal_shapes, input_shape
from . import onnx_file
from .inputs import input_reader
from .inputs.base import Prepared
from .opening import first_line, min_score, network, settings_of
from .targets import target_type
from .targets.instances import thresholds
from .tiles import MergedTiles, windows_of

PIXELS = 2**22
"""Pixels of the model's inputs that are predicted at a time, at most."""
INPUT = "images"


@dataclass(frozen=True)
class Item:
    """An image to predict.

    Attributes:
        id: How it is named.
        source: A file, the bytes of one, or pixels, uint8, (H, W, C) of an image and (T, H, W, C) of a clip;
            None where there is none.
        page: Which image of a TIFF of several, from 0.
        seconds: When a frame is shown, or None.
        error: Why there is no image, or "".
        rate: Frames a second of its film; 0 where unknown.
    """

    id: str
    source: Path | bytes | NDArray[np.uint8] | None
    page: int = 0
    seconds: float | None = None
    error: str = ""
    rate: float = 0.0


@dataclass(frozen=True)
class Answer:
    """Result of one image: a prediction, or the reason for its absence.

    Attributes:
        id: Path or number of the image.
        row: The prediction as a flat dict, equal to the toolkit's.
        prediction: Of a kind in `targets/`, in the pixels of the stored image; or None.
        error: Why there is no prediction, or "".
        seconds: When a frame is shown, or None.
        note: What a user should know of the image, or "".
        rate: Frames a second of its film; 0 where unknown.
    """

    id: str
    row: dict[str, Any] = field(default_factory=dict)
    prediction: Any = None
    error: str = ""
    seconds: float | None = None
    note: str = ""
    rate: float = 0.0


class Session:
    """An exported model, ready to predict.

    Args:
        file: An ONNX file of `sightline export`.
        threads: Of one image's arithmetic; 0 takes one a core.
        min_score: Objects with a lower score are left out, and cost no time; 0 keeps all. None: the
            thresholds that were chosen for each class on the validation images.
        providers: What ONNX Runtime runs it on, in order of preference; None: the CPU.

    Attributes:
        card: What the file says of itself: task, model, settings, metric, licence.
        names: Of the classes.
        reader: Of the kind of input that the model takes: images or clips.
        tile: Side in pixels of the tiles that images are looked at by; 0 where they are seen whole.
        spent: Seconds so far: preparing images, in the network, reading its outputs.

    Raises:
        DataError: If it is no such file, is damaged, of a newer format, keeps values in other files, or was
            exported with parts outside that this does not do.
    """

    def __init__(
        self,
        file: Path | str,
        *,
        threads: int = 0,
        min_score: float | None = None,
        providers: Sequence[str] | None = None,
    ) -> None:
        if threads < 0:
            raise UsageError(f"threads must be at least 0 (one a core). Received {threads}.")
        self._file = Path(home(str(file)))
        data, self.card = onnx_file.load(self._file)
        self._settings = settings_of(self.card, self._file)
        self.reader = input_reader(self._settings.get("input", "image"))
        self._target = target_type(self.card["prediction"])
        self._wanted = _wanted(min_score, self.card, self._settings)
        self.names: tuple[str, ...] = tuple(self._settings.get("classes") or ())
        self.tile_size: int = self._settings.get("tile_size") or 0
        self._network = network(data, self._file, threads, providers)
        self._check()
        self.spent = {"prepare": 0.0, "infer": 0.0, "read": 0.0}

    def prepare(self, source: Path | bytes | NDArray[np.uint8], page: int = 0) -> Prepared:
        """Preprocess a whole item; see `inputs.base.InputReader.prepare`."""
        return self.reader.prepare(source, page, self._settings)

    def infer(self, pixels: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """Outputs of the network by name, for (B, C, H, W) uint8; of clips (B, C, T, H, W).

        Raises:
            SightlineError: If ONNX Runtime breaks off, for want of memory say.
        """
        try:
            values = self._network.run(None, {INPUT: pixels})
        except Exception as error:  # it raises a type of its own for each kind of trouble
            raise SightlineError(f"{self._file}: ONNX Runtime broke off: {first_line(error)}") from error
        return dict(zip((out.name for out in self._network.get_outputs()), values, strict=True))

    def read(
        self,
        outputs: dict[str, NDArray[Any]],
        stored: Sequence[tuple[int, int]],
        min_score: float | None = None,
    ) -> list[Answer]:
        """Predictions from the outputs of B images, numbered from 0.

        Args:
            outputs: As `infer` gives them.
            stored: Height and width of each image, upright.
            min_score: As of the session; None: the session's own.

        Raises:
            UsageError: If `min_score` is not in [0, 1], or the model does not look for objects.
        """
        settings, limits = self._wanted
        if min_score is not None:
            settings, limits = _wanted(min_score, self.card, self._settings)
        wanted = {name: outputs[name] for name in self._target.needed(outputs)}
        answers = []
        for i, size in enumerate(stored):
            shape = input_shape(size, settings["size"], settings["resize"])
            outputs_of_image = {k: v[i] for k, v in wanted.items()}
            prediction = self._target.decode(outputs_of_image, {**settings, "size": shape}, size)
            if not all(np.isfinite(value[i]).all() for value in wanted.values() if value.dtype.kind == "f"):
                answers.append(Answer(str(i), error="the model gave numbers that are NaN or infinite"))
                continue
            if limits is not None:
                prediction = prediction.least(limits)
            answers.append(Answer(str(i), self._row(prediction), prediction))
        return answers

    def _row(self, prediction: Any) -> dict[str, Any]:
        row: dict[str, Any] = prediction.record(self.names, self.card.get("outputs") or ())
        return row

    @property
    def thresholds(self) -> NDArray[np.float32] | None:
        """(K,) score from which on an object of each class counts; None of a model that finds no objects."""
        return self._wanted[1]

    def predict(
        self, sources: Iterable[Any], batch_size: int = 8, min_score: float | None = None
    ) -> Iterator[Answer]:
        """Yield predictions in order; a bad file gives an answer with an error.

        Args:
            sources: Files (Path or str), bytes of files, uint8 pixels in RGB, (H, W, C) of an image and
                (T, H, W, C) of a clip, or `Item`s; or one of these.
            batch_size: Images at a time, at most; fewer where the model's input is large.
            min_score: As in `read`.

        Raises:
            UsageError: If a source is of another type.
        """
        single = isinstance(sources, np.ndarray) and sources.ndim <= len(self._shape)
        if single or isinstance(sources, str | Path | bytes):
            sources = [sources]
        if batch_size < 1:
            raise UsageError(f"batch_size must be at least 1. Received {batch_size}.")
        most = self._most(batch_size)
        items = (_item(i, source) for i, source in enumerate(sources))
        if self.tile_size:
            for source in items:
                yield self._by_tiles(source, most, min_score)
            return
        while some := list(islice(items, most)):
            yield from self._batch(some, min_score)

    def _most(self, batch_size: int) -> int:
        return max(1, min(batch_size, PIXELS // math.prod(self._shape[1:])))

    @property
    def _shape(self) -> tuple[int, ...]:
        """Of what the network takes, without the batch."""
        return self.reader.shape(self._settings)

    def _batch(self, items: list[Item], min_score: float | None) -> list[Answer]:
        ready: list[Prepared] = []
        errors: dict[int, str] = {}
        with self._clock("prepare"):
            for i, item in enumerate(items):
                try:
                    ready.append(self._seen(item))
                except UnreadableImage as error:
                    errors[i] = error.detail
        by_row: dict[int, Answer] = {}
        for rows in equal_shapes(item.pixels.shape for item in ready):
            with self._clock("infer"):
                outputs = self.infer(np.stack([ready[row].pixels for row in rows]))
            with self._clock("read"):
                stored = [ready[row].stored for row in rows]
                by_row |= zip(rows, self.read(outputs, stored, min_score), strict=True)
        answers = (replace(by_row[row], note=item.note) for row, item in enumerate(ready))
        results = []
        for i, item in enumerate(items):
            answer = Answer(item.id, error=errors[i]) if i in errors else next(answers)
            results.append(replace(answer, id=item.id, seconds=item.seconds, rate=item.rate))
        return results

    def joined(
        self,
        source: Path | bytes | NDArray[np.uint8],
        page: int = 0,
        batch_size: int = 8,
        min_score: float | None = None,
    ) -> Answer:
        """Prediction of a tiled model for one image, numbered 0.

        Args:
            source: As in `prepare`; a large TIFF in blocks is never decoded as a whole.
            page: Which image of a TIFF of several, from 0.
            batch_size: Tiles at a time, at most.
            min_score: As in `read`.

        Raises:
            UnreadableImage: If it cannot be decoded.
        """
        with self._clock("prepare"):
            image = windows_of(source, page, self._settings["pixel_range"])
        tiles, most = tiling.tile_windows(*image.size, self.tile_size), self._most(batch_size)
        merged = MergedTiles(tiles, image.size)
        for start in range(0, len(tiles), most):
            with self._clock("prepare"):
                ready = [self.prepare(image.read(*part)) for part in tiles[start : start + most]]
            with self._clock("infer"):
                outputs = self.infer(np.stack([part.pixels for part in ready]))
            with self._clock("read"):
                for answer in self.read(outputs, [part.stored for part in ready], min_score):
                    if answer.error:
                        return Answer("0", error=answer.error)
                    merged.add(answer.prediction)
        with self._clock("read"):
            whole = merged.whole()
            return Answer("0", self._row(whole), whole)

    def _by_tiles(self, item: Item, most: int, min_score: float | None) -> Answer:
        try:
            answer = self.joined(self._source(item), item.page, most, min_score)
        except UnreadableImage as error:
            answer = Answer(item.id, error=error.detail)
        return replace(answer, id=item.id, seconds=item.seconds, rate=item.rate)

    def _seen(self, item: Item) -> Prepared:
        return self.prepare(self._source(item), item.page)

    @staticmethod
    def _source(item: Item) -> Path | bytes | NDArray[np.uint8]:
        if item.source is None or item.error:
            raise UnreadableImage(item.id, "unreadable", item.error)
        return item.source

    def _clock(self, what: str) -> _Clock:
        return _Clock(self.spent, what)

    def _check(self) -> None:
        """Check that the network's inputs and outputs match its card."""
        wanted = self._shape
        takes = {tensor.name: (tensor.type, tensor.shape[1:]) for tensor in self._network.get_inputs()}
        kind, shape = takes.get(INPUT, ("", []))
        # A side that may vary has a name instead of a number.
        sides = zip(shape, wanted, strict=False)
        fits = all(not isinstance(size, int) or size == side for size, side in sides)
        if len(takes) != 1 or kind != "tensor(uint8)" or len(shape) != len(wanted) or not fits:
            raise DataError(
                f"{self._file} should take 'images', uint8 (B, {', '.join(map(str, wanted))}). Found {takes}."
            )
        output_names = {tensor.name for tensor in self._network.get_outputs()}
        missing = sorted(set(self._target.needed(output_names)) - output_names)
        if missing:
            raise DataError(
                f"{self._file} gives no {missing[0]!r}, which its card promises. Export it again."
            )


def _wanted(
    score: float | None, card: dict[str, Any], settings: dict[str, Any]
) -> tuple[dict[str, Any], NDArray[np.float32] | None]:
    """Settings to read outputs with, and the lowest score of an object of each class; None without objects.

    What is too weak for every class is not even read.
    """
    if score is None and not target_type(card["prediction"]).objects:
        return settings, None
    mine = dict(settings)
    limits = thresholds(mine)
    if score is not None:
        limits = np.full_like(limits, score)
    min_score(float(limits.min(initial=1)) if score is None else score, card, mine)
    return mine, limits


class _Clock:
    """Adds the seconds within a block to an entry."""

    def __init__(self, spent: dict[str, float], what: str) -> None:
        self._spent, self._what = spent, what

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._spent[self._what] += time.perf_counter() - self._start


def _item(number: int, source: Any) -> Item:
    if isinstance(source, Item):
        return source
    if isinstance(source, str | Path):
        return Item(str(source), Path(home(str(source))))
    if not isinstance(source, bytes | np.ndarray):
        raise UsageError(
            f"An image is a path, the bytes of a file, or an array (H, W, 3 or 1) uint8 in RGB. Received "
            f"{type(source).__name__}."
        )
    return Item(str(number), source)
