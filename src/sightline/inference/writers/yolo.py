"""Boxes or polygons in a text file an image, in the form of Darknet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sightline.data.formats.yolo import shares
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Write, WriterContext, source_folder, unique_names, unused

NAME, HOLDS = "yolo", "objects"


@contextmanager
def open_writer(context: WriterContext) -> Iterator[Write]:
    """A text file a picture: class cx cy w h, in shares of its size, or class and the corners of a polygon
    where objects have masks; and data.yaml with the names.

    The form of Darknet (Redmon, pjreddie.com/darknet/yolo), so that it can be trained on; a picture without
    objects has an empty file. Nothing that is there is overwritten: it may be somebody's truth.
    """
    for name in ("data.yaml", *unique_names(context, ".txt")):
        unused(context.out / name)
    context.out.mkdir(parents=True, exist_ok=True)
    (context.out / "data.yaml").write_text(_data_yaml(context), encoding="utf-8")

    def write(answer: Answer) -> None:
        outcome = answer.outcome
        if outcome.error:
            return
        file = context.out / answer.input.file(".txt")
        lines, prediction = [], outcome.prediction
        masks = prediction.masks or [None] * len(prediction.labels)
        for label, box, mask in zip(
            prediction.labels.tolist(), prediction.boxes.tolist(), masks, strict=True
        ):
            if mask is None or mask[2].any():  # there is no polygon of nothing
                numbers = shares(box, mask, tuple(prediction.sizes[0].tolist()))
                lines.append(" ".join([str(label), *(f"{v:.6f}" for v in numbers)]))
        file.parent.mkdir(parents=True, exist_ok=True)
        unused(file).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    yield write


def _data_yaml(context: WriterContext) -> str:
    """Where the pictures are and what the classes are called; JSON strings are YAML too."""
    folder = source_folder(context)
    top, part = (str(Path(folder).parent), "images") if Path(folder).name == "images" else (folder, ".")
    names = "".join(f"  {i}: {json.dumps(n, ensure_ascii=False)}\n" for i, n in enumerate(context.names))
    return (
        f"# Predictions of {context.model}: class, centre, width and height.\n"
        f"path: {json.dumps(top, ensure_ascii=False)}\ntrain: {part}\nnames:\n{names}"
    )
