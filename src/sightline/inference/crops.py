"""Crops of detected objects, one image file each, in a folder for each class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sightline.console import say
from sightline.data.io.encode import encode_png
from sightline.errors import UnreadableImage, UsageError
from sightline.inference.output_paths import Places
from sightline.inference.presenters import Kind
from sightline.inference.sources import Answer, Sources


@contextmanager
def cut_out(
    out: Path | None, kind: Kind, sources: Sources, names: Sequence[str]
) -> Iterator[Callable[[Answer], None]]:
    """Write the objects of "a/1.jpg" to CLASS/a/1-1.png, CLASS/a/1-2.png and so on, by falling score.

    A box is widened to whole pixels. Nothing is scaled.

    Args:
        out: Folder, new or empty; None writes nothing.
        kind: How predictions are told.
        sources: What is predicted.
        names: Name of each class.

    Raises:
        UsageError: If the model does not look for objects, or something is in the folder.
    """
    if out is None:
        yield lambda answer: None
        return
    if not kind.objects:
        raise UsageError("--crops cuts objects out; this model says one thing of the whole image.")
    places, folders, written = Places(Path(out), sources), _folders(names), Counter[str]()

    def write(answer: Answer) -> None:
        for n, (label, pixels) in enumerate(_objects(answer), 1):
            file = places.file(answer.input.name, f"-{n}.png", folders[label])
            file.write_bytes(encode_png(pixels))
            written[folders[label]] += 1

    yield write
    counts = ", ".join(f"{n:,} {name}" for name, n in sorted(written.items())) or "none"
    say(f"{out}: {written.total():,} objects, each as an image ({counts}).")


def _objects(answer: Answer) -> Iterator[tuple[int, np.ndarray]]:
    """Class and pixels of each object, by falling score."""
    item, prediction = answer.input, answer.outcome.prediction
    if answer.outcome.error or not len(prediction.labels):
        return
    try:
        image = item.full()
    except UnreadableImage as error:  # read by windows, and too large as a whole
        say(f"{item.id}: no object was cut out, it {error.detail}.")
        return
    boxes = prediction.boxes.double().numpy()
    corners = np.column_stack([np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])])
    corners = corners.clip(0, image.shape[1::-1] * 2).astype(int)
    scores = np.zeros(len(boxes)) if prediction.scores is None else prediction.scores.numpy()
    for i in np.argsort(-scores, kind="stable"):
        x1, y1, x2, y2 = corners[i]
        if x2 > x1 and y2 > y1:
            yield int(prediction.labels[i]), np.ascontiguousarray(image[y1:y2, x1:x2])


def _folders(names: Sequence[str]) -> list[str]:
    """A folder for each class, by its name as far as that can be one; with its number where two clash."""
    sound = [re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name).strip(". ") or "class" for name in names]
    folded = [name.casefold() for name in sound]
    return [f"{name}-{k}" if folded.count(folded[k]) > 1 else name for k, name in enumerate(sound)]
