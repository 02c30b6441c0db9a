"""Writers of predictions: one for each format that `--as` names."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import numpy as np

from sightline.console import say
from sightline.core.targets.masks import VOID
from sightline.data.formats.yolo import shares
from sightline.data.io.encode import encode_png
from sightline.data.io.video import Video
from sightline.data.io.video_writer import VideoWriter
from sightline.errors import UnreadableImage, UsageError
from sightline.inference.output_paths import Places
from sightline.inference.prelabels import collected, written_formats
from sightline.inference.presenters import Kind, codes
from sightline.inference.sources import Answer, Sources
from sightline.ops.draw import Colour, colour_of
from sightline.runtime.rows import Row

Write = Callable[[Answer], None]


@dataclass(frozen=True)
class Setting:
    """Context of a writer.

    Attributes:
        out: File or folder.
        kind: How predictions are told.
        names: Name of each class.
        ids: Id of each class as annotated.
        sources: What is predicted.
        model: What predicts, in words.
    """

    out: Path
    kind: Kind
    names: Sequence[str]
    ids: Sequence[int]
    sources: Sources
    model: str


def writer(form: str, setting: Setting) -> AbstractContextManager[Write]:
    """The writer of this format, or of a data set format with this name."""
    if form in FORMS:
        return FORMS[form](setting)
    return collected(form, setting.out, list(setting.names), list(setting.ids))


def form_of(out: Path | None, as_: str | None, kind: Kind) -> str | None:
    """Name of the output format: the requested one, or by the extension of `out`.

    Raises:
        UsageError: If the ending says nothing, or the predictions have no such form.
    """
    if out is None:
        if as_ is not None:
            raise UsageError(f"--as {as_} says how to write, and --out where: give it too.")
        return None
    form = as_ or ("pictures" if out.is_dir() else ENDINGS.get(out.suffix))
    if form is None:
        raise UsageError(
            f"--out must end in .csv, .jsonl or .json, or be a folder for pictures. Received '{out}'. "
            f"--as says otherwise: {', '.join(FORMS)}."
        )
    if form not in FORMS:
        formats = written_formats()
        if form not in formats:
            forms = ", ".join(dict.fromkeys([*FORMS, *formats]))
            raise UsageError(f"--as is one of {forms}. Received '{form}'.")
        if not (kind.objects or kind.maps):
            raise UsageError(f"--as {form} holds what lies in pictures, and this model says one thing of the "
                             "whole picture. Use .csv or .jsonl.")  # fmt: skip
        return form
    if form in MAPS and not kind.maps:
        raise UsageError(f"--as {form} holds class maps, and this model gives none. Use .csv or .jsonl.")
    if form in BOXES and not kind.objects:
        raise UsageError(f"{form} holds boxes, and this model gives none. Use .csv or .jsonl.")
    return form


@contextmanager
def _jsonl(setting: Setting) -> Iterator[Write]:
    """One JSON object for each image, with the full record."""
    with _text(setting.out) as stream:
        yield lambda answer: _line(stream, answer)


def full_row(answer: Answer) -> Row:
    """Full record of an image: its row, and the masks of its objects."""
    row = answer.outcome.row
    masks = codes(answer.outcome.prediction) if "boxes" in row else []
    return {**row, "masks": masks} if masks else row


def _line(stream: TextIO, answer: Answer) -> None:
    row, error = full_row(answer), answer.outcome.error
    stream.write(json.dumps({**row, "error": error} if error else row, ensure_ascii=False) + "\n")


@contextmanager
def _csv(setting: Setting) -> Iterator[Write]:
    """Rows with the columns of the first prediction; the column `error` has unreadable files.

    Until there is a prediction, rows wait.
    """
    waiting: list[Row] = []
    writer: list[Any] = []

    def write(answer: Answer) -> None:
        outcome = answer.outcome
        if outcome.error:
            waiting.append({**outcome.row, "error": outcome.error})
        else:
            waiting.extend(setting.kind.table(outcome.prediction, outcome.row, setting.names))
        if not writer and not outcome.error:
            columns = [*setting.kind.columns(outcome.row), "error"]
            writer.append(csv.DictWriter(stream, columns, restval="", extrasaction="ignore"))
            writer[0].writeheader()
        while writer and waiting:
            writer[0].writerow(waiting.pop(0))

    with _text(setting.out) as stream:
        yield write
        if waiting:
            rest = csv.DictWriter(stream, ["path", "error"], extrasaction="ignore")
            rest.writeheader()
            rest.writerows(waiting)


@contextmanager
def _pictures(setting: Setting) -> Iterator[Write]:
    """Annotated images, and an annotated .mp4 for each video, in the folder structure of the sources."""
    album = _Album(setting)
    try:
        yield album.add
    finally:
        album.close()


class _Album:
    """Writer of drawn images and videos to a folder."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._places = Places(setting.out, setting.sources)
        self._film: Video | None = None
        self._file = setting.out
        self._writer: VideoWriter | None = None

    def add(self, answer: Answer) -> None:
        """Write one picture or frame."""
        item, outcome = answer.input, answer.outcome
        if outcome.error:
            return
        try:
            image = item.full()
        except UnreadableImage as error:  # read by windows, and too large as a whole
            say(f"{item.id}: no picture was drawn, it {error.detail}.")
            return
        drawn = self._setting.kind.drawn(image, outcome.prediction, outcome.row, self._setting.names)
        if item.film is None:
            self._places.file(item.name, ".png").write_bytes(encode_png(drawn))
            return
        if item.film is not self._film or self._writer is None:
            self.close()
            name = re.sub(r"#\d{6}$", "", item.name)
            if item.film.live:  # an address, or a camera
                name = re.sub(r"[^\w.-]+", "-", name) or "stream"
            self._film, self._file = item.film, self._places.file(name, ".mp4")
            self._writer = VideoWriter(self._file, item.film.facts.fps)
        self._writer.add(drawn, item.seconds or 0.0)

    def close(self) -> None:
        """Finish the current video."""
        if self._writer is not None:
            self._writer.close()
            say(f"{self._file}: {self._writer.frames} frames, {self._writer.said}")
        self._writer = None


@contextmanager
def _coco(setting: Setting) -> Iterator[Write]:
    """One JSON document in COCO's layout; objects are written as they arrive, images at the end.

    Lin et al., Microsoft COCO, ECCV 2014; cocodataset.org/#format-data and #format-results: `bbox` is x, y,
    width, height in pixels from 0, `category_id` the id as annotated, `segmentation` a run-length code.
    """
    images: list[Row] = []
    counter = Counter[str]()

    def write(answer: Answer) -> None:
        outcome = answer.outcome
        if outcome.error:
            return
        height, width = outcome.prediction.sizes[0].tolist()
        images.append(
            {"id": len(images) + 1, "file_name": answer.input.name, "width": width, "height": height}
        )
        scores, masks = outcome.prediction.scores, codes(outcome.prediction)
        for i, (x1, y1, x2, y2) in enumerate(outcome.prediction.boxes.tolist()):
            stream.write(",\n" if counter["objects"] else "\n")
            counter["objects"] += 1
            box = [round(v, 3) for v in (x1, y1, x2 - x1, y2 - y1)]
            entry: Row = {
                "id": counter["objects"], "image_id": len(images),
                "category_id": setting.ids[int(outcome.prediction.labels[i])], "bbox": box,
                "area": round((x2 - x1) * (y2 - y1), 3), "iscrowd": 0,
            }  # fmt: skip
            if masks:
                entry["segmentation"] = masks[i]
                entry["area"] = int(outcome.prediction.masks.areas()[i])
            if scores is not None:
                entry["score"] = round(float(scores[i]), 5)
            stream.write(json.dumps(entry))

    with _text(setting.out) as stream:
        stream.write('{"annotations": [')
        try:
            yield write
        finally:
            rest = {
                "images": images,
                "categories": [{"id": i, "name": n} for i, n in zip(setting.ids, setting.names, strict=True)],
                "info": {"description": f"Predictions of {setting.model}", "folder": _folder(setting)},
            }
            stream.write("\n], " + json.dumps(rest, ensure_ascii=False)[1:] + "\n")


@contextmanager
def _yolo(setting: Setting) -> Iterator[Write]:
    """A text file a picture: class cx cy w h, in shares of its size, or class and the corners of a polygon
    where objects have masks; and data.yaml with the names.

    The form of Darknet (Redmon, pjreddie.com/darknet/yolo), so that it can be trained on; a picture without
    objects has an empty file. Nothing that is there is overwritten: it may be somebody's truth.
    """
    for name in ("data.yaml", *_each_its_own(setting, ".txt")):
        _unused(setting.out / name)
    setting.out.mkdir(parents=True, exist_ok=True)
    (setting.out / "data.yaml").write_text(_data_yaml(setting), encoding="utf-8")

    def write(answer: Answer) -> None:
        outcome = answer.outcome
        if outcome.error:
            return
        file = setting.out / answer.input.file(".txt")
        lines, prediction = [], outcome.prediction
        masks = prediction.masks or [None] * len(prediction.labels)
        for label, box, mask in zip(
            prediction.labels.tolist(), prediction.boxes.tolist(), masks, strict=True
        ):
            if mask is None or mask[2].any():  # there is no polygon of nothing
                numbers = shares(box, mask, tuple(prediction.sizes[0].tolist()))
                lines.append(" ".join([str(label), *(f"{v:.6f}" for v in numbers)]))
        file.parent.mkdir(parents=True, exist_ok=True)
        _unused(file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    yield write


@contextmanager
def _masks(setting: Setting) -> Iterator[Write]:
    """A PNG of class ids as annotated for each picture, under its name; and classes.json with their names.

    Nothing that is there is overwritten: it may be somebody's truth.
    """
    if max(setting.ids, default=0) > VOID:
        raise UsageError(f"A PNG of 8 bits holds class ids up to {VOID}. Received {max(setting.ids)}.")
    for name in ("classes.json", *_each_its_own(setting, ".png")):
        _unused(setting.out / name)
    setting.out.mkdir(parents=True, exist_ok=True)
    table = dict(zip(map(str, setting.ids), setting.names, strict=True))
    text = json.dumps(table, ensure_ascii=False, indent=1)
    (setting.out / "classes.json").write_text(f"{text}\n", encoding="utf-8")
    ids = np.full(VOID + 1, VOID, dtype=np.uint8)
    ids[: len(setting.ids)] = setting.ids
    palette = _palette(setting.ids)

    def write(answer: Answer) -> None:
        outcome = answer.outcome
        if not outcome.error:
            file = _unused(setting.out / answer.input.file(".png"))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode_png(ids[outcome.prediction.map(0)], palette))

    yield write


def _palette(ids: Sequence[int]) -> list[Colour]:
    """Palette: color of each number from 0 to 255, by the class with that id."""
    palette: list[Colour] = [(0, 0, 0)] * (VOID + 1)
    for k, number in enumerate(ids):
        palette[number] = colour_of(k)
    return palette


def _each_its_own(setting: Setting, ending: str) -> list[str]:
    """Unique names for the files of images.

    Raises:
        UsageError: If two would share one.
    """
    names = (PurePosixPath(setting.sources.name(file)) for file in setting.sources.files)
    files = [str(name.with_suffix(ending)) for name in names]
    twice = [name for name, n in Counter(files).items() if n > 1]
    if twice:
        raise UsageError(f"Two pictures would share the file {twice[0]}: give them to predict one by one.")
    return files


def _unused(file: Path) -> Path:
    if file.exists():
        raise UsageError(f"{file} is there already, and may be somebody's truth: choose another --out.")
    return file


def _data_yaml(setting: Setting) -> str:
    """data.yaml: locations of images and class names; JSON strings are YAML too."""
    folder = _folder(setting)
    top, part = (str(Path(folder).parent), "images") if Path(folder).name == "images" else (folder, ".")
    names = "".join(f"  {i}: {json.dumps(n, ensure_ascii=False)}\n" for i, n in enumerate(setting.names))
    return (
        f"# Predictions of {setting.model}: class, centre, width and height.\n"
        f"path: {json.dumps(top, ensure_ascii=False)}\ntrain: {part}\nnames:\n{names}"
    )


def _folder(setting: Setting) -> str:
    return "" if setting.sources.root is None else str(setting.sources.root)


@contextmanager
def _text(out: Path) -> Iterator[TextIO]:
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8", newline="") as stream:
        yield stream


FORMS: Mapping[str, Callable[[Setting], AbstractContextManager[Write]]] = {
    "pictures": _pictures,
    "csv": _csv,
    "jsonl": _jsonl,
    "coco": _coco,
    "yolo": _yolo,
    "masks": _masks,
}
ENDINGS = {"": "pictures", ".csv": "csv", ".jsonl": "jsonl", ".json": "coco"}
BOXES = ("coco", "yolo")
"""Forms that hold boxes and nothing else."""
MAPS = ("masks",)
"""Forms that hold class maps and nothing else."""
ALL_SCORES = ("coco",)
"""Forms to measure with: every box is in them, however weak, unless it is asked otherwise."""
