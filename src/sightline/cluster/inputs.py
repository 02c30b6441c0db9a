"""Inputs of cluster prediction: files and folders, Parquet tables, object stores; each input once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sightline.cluster.parts import resolve_path
from sightline.cluster.stores import RemoteInput, is_address, is_table, listed, table
from sightline.console import say
from sightline.errors import DataError, UsageError
from sightline.inference.sources import Sources


@dataclass
class Inputs:
    """All inputs.

    Attributes:
        found: By `resolve_path` id, in order.
        base: Folder that ids are paths from; empty where they come from tables.
        column: Column of the tables that holds bytes; empty where it holds paths.
        tables: Where the tables lie.
        films: Whether videos are among them.
        left_out: Files that are no images, by their ending.
        hidden: Files and folders that are left out as hidden or foreign.
    """

    found: dict[str, RemoteInput] = field(default_factory=dict)
    base: str = ""
    column: str = ""
    tables: list[str] = field(default_factory=list)
    films: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    hidden: int = 0


def inputs_of(source: str | Sequence[str]) -> Inputs:
    """Resolve sources to inputs.

    Raises:
        UsageError: If there are none, or tables are given with other sources, or an address cannot be opened.
        DataError: If a table cannot be used.
    """
    several = [source] if isinstance(source, str | Path) else list(source)
    texts = [str(item) for item in several]
    tables = [text for text in texts if is_table(text)]
    if tables and len(tables) < len(texts):
        raise UsageError(
            "--ray takes tables, or images and folders; not both at once. Predict them one by one."
        )
    return _of_tables(tables) if tables else _of_files(texts)


def _of_tables(places: Iterable[str]) -> Inputs:
    inputs = Inputs()
    for place in places:
        opened_table = table(place)
        if inputs.tables and opened_table.column != inputs.column:
            raise DataError(
                f"{place} holds images in another way than {inputs.tables[0]}: predict it by itself."
            )
        inputs.column = opened_table.column
        inputs.tables.append(place if is_address(place) else str(Path(place).absolute()))
        for entry in opened_table.inputs:
            if inputs.found.setdefault(entry.id, entry) is not entry:
                raise DataError(f"{place}: '{entry.id}' is in another table too. An id must be of one row.")
        if opened_table.repeated:
            say(f"{place}: {opened_table.repeated} rows name an image again and were left out.")
    return inputs


def _of_files(texts: Sequence[str]) -> Inputs:
    inputs = Inputs(base=str(Path.cwd()))
    near = [text for text in texts if not is_address(text)]
    several: list[RemoteInput] = []
    if near or not texts:
        sources = Sources(near)
        if sources.live:
            raise UsageError("--ray takes what has an end: no webcam and no stream.")
        inputs.left_out += sources.left_out
        inputs.hidden = len(sources.hidden)
        inputs.films = sources.films
        several = [RemoteInput(str(file), str(file.absolute())) for file in sources.all_files]
    for text in texts:
        if is_address(text):
            entries, left = listed(text)
            inputs.left_out += left
            several += entries
            if left:
                say(f"{text}: {left.total()} files that are no images were left out.")
    for entry in several:
        inputs.found.setdefault(resolve_path(entry.id, inputs.base), entry)
    if again := len(several) - len(inputs.found):
        say(f"{again} inputs were named more than once; each is predicted once.")
    return inputs
