"""Open a data source: every format rates how well it recognizes the source, and the best one reads it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sightline.core.dataset import Dataset
from sightline.core.sample import IMAGE
from sightline.core.targets import target_type
from sightline.core.targets.none import Unlabeled
from sightline.data.formats import FORMATS
from sightline.data.inputs import input_kind
from sightline.data.io.exif_frames import turned
from sightline.data.io.items import ItemFiles
from sightline.data.io.levels import Span
from sightline.data.io.pixels import Files, Pages
from sightline.data.io.walk import home
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.skeletons import with_pairs
from sightline.data.parsing.ties import difference
from sightline.data.parsing.unread import describe_unread, unread
from sightline.errors import DataError, UsageError

__all__ = ["ReadOptions", "is_name", "list_named", "open_data"]
UNLABELED = Unlabeled.kind
LIKELY = 0.5
"""How sure a format must be of data of which another is surer."""


def open_data(
    data: str | Path,
    *,
    target_type: str | None = None,
    format: str | None = None,
    target: str | None = None,
    input: str | None = None,
    pixel_range: str | Sequence[float] | None = None,
    exif: str | None = None,
    pairs: str | None = None,
    data_dir: Path | None = None,
    predictions: Path | None = None,
) -> Dataset:
    """Read a folder, a table or a named data set.

    Args:
        data: Path, or the name of a data set. A path that exists is taken before a name; what is neither
            is looked for below `data_dir`.
        target_type: Target kind that is wanted ("label", "number"); what the data hold if left out.
        format: Data format; recognized by default.
        target: Label column of a table.
        input: Kind of input that an item is read as; an image if left out, unless the data are of a kind.
        pixel_range: Values, lowest and highest, of grey images of more than 8 bits that become 0 and 255;
            "LOW,HIGH" or a pair. Their type's own range if left out.
        exif: "ignore" where annotations were drawn on stored pixels: they are turned with the images.
            "apply", and if left out: they were drawn on the images as they are seen.
        pairs: Keypoints that change places in a mirrored image, "name-name,name-name" or by number from 1; or
            "none". As the file or the names of the points say if left out.
        data_dir: Folder of named data sets, for reading and downloading.
        predictions: The annotations that these are predictions of: scores are kept where the format has such.

    Returns:
        The data set; its notes say what was recognised and why.

    Raises:
        DataError: If there is nothing of that name, it cannot be used, or it holds another target.
        UsageError: If two formats are equally sure and do not say the same, or the range is none, or is given
            for data that have none.
    """
    if exif not in (None, "apply", "ignore"):
        raise UsageError(f"--exif is apply or ignore. Received {exif!r}.")
    span = None if pixel_range is None else _span(pixel_range)
    near = None if data_dir is None else Path(home(str(data_dir)))
    options = ReadOptions(
        target_type=target_type, target=target, exif=exif, data_dir=near, input=input, predictions=predictions
    )  # fmt: skip
    source = home(str(data))
    if options.data_dir and not is_name(source) and not Path(source).exists():
        below = options.data_dir / source
        source = str(below) if below.exists() else source
    if format is None:
        format, why = _recognize(source, options)
    else:
        why = f"Read as format '{format}', as asked."
    try:
        dataset = _read(format, source, options)
    except DataError as error:
        if target_type is None or target_type in FORMATS.load(format).CARD.target_types:
            raise
        raise DataError(f"{error} {_looked_for(target_type)}") from error
    dataset = _without_labels(dataset) if target_type == UNLABELED else dataset
    if target_type is not None and dataset.target_type != target_type:
        raise DataError(_another(source, dataset, target_type, why))
    if len(set(dataset.ids)) < len(dataset):
        raise DataError(
            f"{source}: {len(dataset) - len(set(dataset.ids))} items share their name with another."
        )
    dataset = with_pairs(replace(dataset, messages=(why, *dataset.messages)), pairs)
    dataset = _as_input(dataset, input or dataset.input)
    if span is not None:
        if not isinstance(dataset.pixels, Files | Pages | ItemFiles):
            raise UsageError(f"'{source}' has pixels of 8 bits; leave out --pixel-range.")
        dataset = replace(dataset, pixels=dataset.pixels.spanned(span))
    return dataset if exif is None else _framed(dataset, exif)


def _as_input(dataset: Dataset, name: str) -> Dataset:
    """The data with items of a kind of input; files that belong to other items of the kind go with them."""
    kind, pixels = input_kind(name), dataset.pixels
    if name != IMAGE and isinstance(pixels, Files):
        keep = np.flatnonzero([kind.is_item(pixels.path(i)) for i in range(len(pixels))])
        if len(keep) < len(dataset):
            note = f"{len(dataset) - len(keep):,} files are read with the {kind.item} that they belong to."
            dataset = replace(dataset.subset(keep), messages=(*dataset.messages, note))
    return replace(dataset, pixels=kind.pixels(dataset.pixels))


def _without_labels(dataset: Dataset) -> Dataset:
    """The same images for a task that needs no labels."""
    if dataset.target_type == UNLABELED:
        return dataset
    note = f"The task asks for no labels: those of the data are left aside ({dataset.targets.description})."
    targets = Unlabeled(len(dataset))
    return replace(dataset, targets=targets, classes=None, outputs=(), messages=(*dataset.messages, note))


def _framed(dataset: Dataset, exif: str) -> Dataset:
    """The data with annotations in the upright frame, once it is known how they were drawn."""
    notes = dataset.messages
    if exif == "ignore":
        dataset, n = turned(dataset)
        notes += (f"Annotations of {n:,} images with an EXIF rotation were turned with them.",)
    rest = tuple(f for f in dataset.read_findings if f.name != "exif-and-positions")
    return replace(dataset, read_findings=rest, messages=notes)


def _span(given: str | Sequence[float]) -> Span:
    """Validate a range of values."""
    parts = given.split(",") if isinstance(given, str) else given
    try:
        low, high = (float(part) for part in parts)
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(
            f"--pixel-range is the lowest and the highest value, such as 0,4095. Received {given}."
        )
    return low, high


def list_named() -> dict[str, str]:
    """Names of all data sets without a path, each with a description."""
    names: dict[str, str] = {}
    for format in FORMATS.names():
        names.update(getattr(FORMATS.load(format), "NAMES", {}))
    return names


def _read(format: str, source: str, options: ReadOptions) -> Dataset:
    """Read by one format; a named data set that lies here in another format is read by that one."""
    module = FORMATS.load(format)
    locate = getattr(module, "locate", None)
    place = locate(source, options) if locate else None
    if place is None:
        dataset: Dataset = module.read(source, options)
        return dataset
    dataset = FORMATS.load(place.format).read(str(place.folder), options)
    return place.dress(dataset)  # type: ignore[no-any-return]


def _recognize(source: str, options: ReadOptions) -> tuple[str, str]:
    """Name of the format with the highest score, and the reason in a sentence."""
    path = Path(source)
    _must_be_something(path, source)
    sure = {name: float(FORMATS.load(name).sniff(source, options)) for name in FORMATS.names()}
    best = max(sure.values())
    if (chosen := _of_that_truth(source, sure, best, options)) is not None:
        card = FORMATS.load(chosen).CARD
        return (
            chosen,
            f"Read as '{card.name}' ({card.summary}), which holds {_needed(options.target_type)}.",
        )
    winners = [name for name, value in sure.items() if value == best]
    if best == 0:
        raise DataError(_unrecognized(path))
    chosen, same = _of_several(source, winners, options) if len(winners) > 1 else (winners[0], "")
    card = FORMATS.load(chosen).CARD
    why = f"{same}Read as '{card.name}' ({card.summary}): it looks like {card.recognized_by}."
    if path.exists() and is_name(source):
        why += f" It is the path '{path}'; for the data set of that name go to another folder."
    return chosen, why


def _of_that_truth(source: str, sure: dict[str, float], best: float, options: ReadOptions) -> str | None:
    """A likely format that holds the target that is wanted, where the likeliest of all do not; None else."""
    fit = {
        n: v
        for n, v in sure.items()
        if v >= LIKELY and options.target_type in FORMATS.load(n).CARD.target_types
    }
    if options.target_type is None or not fit or max(fit.values()) == best:
        return None
    chosen = max(fit, key=lambda name: fit[name])
    try:
        _read(chosen, source, options)
    except DataError:
        return None
    return chosen


def _of_several(source: str, winners: list[str], options: ReadOptions) -> tuple[str, str]:
    """One of several formats that are equally sure, and why: they say the same, it gives splits too.

    Raises:
        UsageError: If they say different things; shows the first.
    """
    which = f"'{source}' could be read as {' or as '.join(winners)}"
    try:
        read = {name: _read(name, source, options) for name in winners}
    except DataError as error:
        raise UsageError(f"{which}. Say which one with --format. ({error})") from error
    chosen = max(winners, key=lambda name: any(read[name].splits))
    for name in winners:
        apart = difference(read[chosen], read[name])
        if apart:
            raise UsageError(f"{which}, and these differ: {apart}. Say which one is right with --format.")
    others = " and as ".join(name for name in winners if name != chosen)
    return chosen, f"It could be read as {others} too, which says the same. "


def _another(source: str, dataset: Dataset, target_type: str, why: str) -> str:
    """Why data that were read hold another target than the task needs."""
    path = Path(source)
    way = describe_unread(unread(path), path) if path.is_dir() else ""
    text = (
        f"{source}: the task needs {_needed(target_type)}. {why} That gives "
        f"{dataset.targets.description}. {way}"
    )
    return f"{text.strip()} {_looked_for(target_type)} Lay the data out so, or name another task."


def _needed(kind: str | None) -> str:
    """What is asked for where this kind of target is wanted, in words."""
    return "" if kind is None else target_type(kind).needs


def _looked_for(target_type: str) -> str:
    """What the formats that hold a target look like."""
    cards = [FORMATS.load(name).CARD for name in FORMATS.names()]
    looks = "; ".join(f"{c.name}: {c.recognized_by}" for c in cards if target_type in c.target_types)
    return f"Looked for {_needed(target_type)} as {looks}."


def is_name(source: str) -> bool:
    """Whether a named data set is meant, however it is written: Fashion-MNIST, shapes:multi."""
    return source.lower().split(":")[0].replace("-", "").replace("_", "") in list_named()


def _must_be_something(path: Path, source: str) -> None:
    """Refuse what is neither a path nor a name."""
    if path.exists() or is_name(source):
        return
    names = list_named()
    near = difflib.get_close_matches(source.lower(), names, n=3, cutoff=0.5)
    try:
        beside = difflib.get_close_matches(
            path.name, [p.name for p in path.absolute().parent.iterdir()], n=3, cutoff=0.6
        )
    except OSError:
        beside = []
    text = f"There is no file or folder '{source}', and no data set of that name."
    if beside:
        text += f" Beside it lies: {', '.join(beside)}."
    if near:
        text += f" Did you mean the data set {' or '.join(repr(n) for n in near)}?"
    raise DataError(
        f"{text} `sightline datasets` lists the named ones ({', '.join(sorted(names)[:6])}, ...)."
    )


def _unrecognized(path: Path) -> str:
    """Error text for an existing path that no format reads."""
    examples = "; ".join(FORMATS.load(n).CARD.recognized_by for n in FORMATS.names())
    if path.is_dir() and not any(path.iterdir()):
        return f"{path}: the folder is empty. Expected one of: {examples}."
    unread_text = describe_unread(unread(path), path)
    if unread_text:
        return f"{path}: no known format. {unread_text}"
    return (
        f"{path}: no known format. Expected one of: {examples}. If it is one of them, name it with --format."
    )
