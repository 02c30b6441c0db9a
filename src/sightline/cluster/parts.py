"""Output folder of Parquet parts that holds the prediction of each input once, even after a crash.

A part is written under a temporary name, flushed and renamed: it exists whole or not at all. The parts are
the only record of what is done. Each part names its model, its settings and its folder. One writer at a time
holds the folder's lock.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from sightline.errors import DataError, UsageError
from sightline.storage import whole

ROWS = 20_000
"""Rows after which a part is written."""
SECONDS = 10.0
"""Seconds of work after which a part is written: what is lost at most where the writer is killed."""

_META = b"sightline"
_ENDING = ".parquet"


class Parts:
    """Writer of the parts of one folder, which is locked while it is open.

    Args:
        folder: Made if it is not there.
        columns: Arrow schema of the rows; among them `id` and `error`.
        facts: Texts that all parts must share: the model and the settings, in words.
        base: Folder that paths among the ids start from; empty where the ids are no paths.

    Attributes:
        done: `resolve_path` id to error ("" for none) of every row in the parts.
        written: Parts written by this writer.

    Raises:
        UsageError: If the folder holds something else, or parts of other facts or columns, or another process
            writes there.
        DataError: If a part is damaged.
    """

    def __init__(self, folder: Path, columns: Any, facts: Mapping[str, str], base: str) -> None:
        self.folder, self.facts = folder, dict(facts)
        self.done: dict[str, str] = {}
        self.written: list[Path] = []
        self._tables: list[Any] = []
        self._rows, self._since = 0, time.monotonic()
        metadata = {"facts": self.facts, "base": base}
        self._columns = columns.with_metadata({_META: json.dumps(metadata).encode()})
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"--out {folder} is a file. Name a folder for the Parquet parts.")
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = filelock.FileLock(folder / ".lock", timeout=0)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise UsageError(
                f"Another process is writing to {folder}. Wait for it, or choose another --out."
            ) from None
        try:
            self._next = self._look()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, *error: object) -> None:
        try:
            self.flush()
        finally:
            self._lock.release()

    def add(self, table: Any) -> None:
        """Add rows; they are written soon. Rows of one call are in one part."""
        self._tables.append(table.cast(self._columns))
        self._rows += table.num_rows
        if self._rows >= ROWS or time.monotonic() - self._since >= SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write a part of the rows that wait, if there are any."""
        if self._rows:
            file = self.folder / f"part-{self._next:06d}{_ENDING}"
            with whole(file) as temporary:
                pq.write_table(pa.concat_tables(self._tables), temporary, compression="zstd")
            self.written.append(file)
            self._next += 1
        self._tables, self._rows, self._since = [], 0, time.monotonic()

    def _look(self) -> int:
        """Read what is done, take leftovers of a killed writer away; number of the next part."""
        numbers = [-1]
        for file in sorted(self.folder.iterdir()):
            if file.name == ".lock":
                continue
            if file.name.startswith(".part-") and file.suffix == ".tmp":
                file.unlink()
                continue
            if not (file.name.startswith("part-") and file.suffix == _ENDING and file.stem[5:].isdigit()):
                raise UsageError(
                    f"{self.folder} holds {file.name}, which is no part of ours. Choose another --out."
                )
            numbers.append(int(file.stem[5:]))
            self._read(file)
        return max(numbers) + 1

    def _read(self, file: Path) -> None:
        try:
            columns = pq.read_schema(file)
            metadata = json.loads((columns.metadata or {}).get(_META, b"null"))
            if not metadata:
                raise UsageError(f"{file} was not written by `sightline predict`. Choose another --out.")
            self._compare(file, metadata["facts"], columns)
            rows = pq.read_table(file, columns=["id", "error"])
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{file} is damaged ({_first(error)}). Delete it: its inputs are predicted again."
            ) from error
        for name, said_error in zip(rows["id"].to_pylist(), rows["error"].to_pylist(), strict=True):
            if (name := resolve_path(name, metadata["base"])) in self.done:
                raise DataError(
                    f"{file} says {name} again. The folder was changed by others: choose another --out."
                )
            self.done[name] = said_error or ""

    def _compare(self, file: Path, facts: Mapping[str, str], columns: Any) -> None:
        for name in {**facts, **self.facts}:
            was, now = facts.get(name, "none"), self.facts.get(name, "none")
            if was != now:
                raise UsageError(
                    f"{self.folder} was written with another {name}: {was}, and now {now}. Choose another "
                    "--out, or go on with the same."
                )
        if not columns.equals(self._columns):
            raise UsageError(f"{file} has other columns than this model's answers. Choose another --out.")


def resolve_path(name: str, base: str) -> str:
    """Canonical name of an input: an absolute path, or the name itself."""
    return name if not base or "://" in name else os.path.normpath(Path(base, name))


def _first(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def schema(fields: Mapping[str, str]) -> Any:
    """Arrow schema of columns: text, whole, number, flag, objects, codes or numbers.

    Args:
        fields: Column to type. `objects` is a list of class, score and corners, `codes` of run-length codes,
            `numbers` of lists of numbers.
    """
    number, text = pa.float64(), pa.string()
    corners = [(name, number) for name in ("score", "x1", "y1", "x2", "y2")]
    types = {
        "text": text, "whole": pa.int64(), "number": number, "flag": pa.bool_(),
        "objects": pa.list_(pa.struct([("class", text), *corners])),
        "codes": pa.list_(pa.struct([("size", pa.list_(pa.int32())), ("counts", text)])),
        "numbers": pa.list_(pa.list_(number)),
    }  # fmt: skip
    return pa.schema([(name, types[kind]) for name, kind in fields.items()])


def to_arrow(rows: Sequence[Mapping[str, Any]], columns: Any) -> bytes:
    """Serialize rows as an Arrow stream; missing columns are null."""
    table = pa.Table.from_pylist(list(rows), schema=columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def from_arrow(data: bytes) -> Any:
    """Inverse of `to_arrow`: the Arrow table."""
    return pa.ipc.open_stream(data).read_all()
