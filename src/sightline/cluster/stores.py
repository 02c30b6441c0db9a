"""Parquet tables and object stores through pyarrow: listing, and reading of bytes.

A location is a local path or an address such as s3://bucket/folder. The network is used only if the user
names an address. Credentials are read from the usual variables and files of the store.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import foreign
from sightline.data.parsing.columns import path_column
from sightline.data.parsing.csv import Columns
from sightline.errors import DataError, UsageError

SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "file")
"""Kinds of address that are opened."""

_IDS = ("id", "image_id", "key", "uid")
_OFFLINE = "SIGHTLINE_OFFLINE"


@dataclass(frozen=True)
class RemoteInput:
    """An input: one image, film, or row of a table.

    Attributes:
        id: Its name in the result.
        at: Path, address, or the table that holds it.
        group: Row group in the table, or -1.
        row: Row in the row group, or -1.
    """

    id: str
    at: str
    group: int = -1
    row: int = -1


def is_address(source: str) -> bool:
    """Whether it is an address of an object store."""
    return source.partition("://")[0].lower() in SCHEMES and "://" in source


def is_table(source: str) -> bool:
    """Whether it is a Parquet table, by its ending."""
    return source.rstrip("/").lower().endswith((".parquet", ".pq"))


def open_filesystem(place: str) -> tuple[Any, str]:
    """pyarrow file system, and the path in it.

    Raises:
        UsageError: If the address cannot be opened, or the network is forbidden.
    """
    import pyarrow as pa
    from pyarrow import fs

    if not is_address(place):
        return fs.LocalFileSystem(), str(Path(place).absolute())
    if not place.startswith("file:") and os.environ.get(_OFFLINE, "0") not in ("", "0"):
        raise UsageError(f"{place} lies in the network, which {_OFFLINE} forbids.")
    try:
        filesystem, path = fs.FileSystem.from_uri(place)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UsageError(f"{place} cannot be opened: {_first(error)}.") from error
    return filesystem, path


def read(place: str) -> bytes:
    """The bytes of a file.

    Raises:
        OSError: If it cannot be read.
    """
    system, path = open_filesystem(place)
    with system.open_input_file(path) as file:
        return bytes(file.read())


def listed(address: str) -> tuple[list[RemoteInput], Counter[str]]:
    """Images below an address, sorted, and the others counted by their ending.

    Raises:
        UsageError: If there are none.
    """
    from pyarrow import fs

    system, path = open_filesystem(address)
    try:
        info = system.get_file_info(path)
        if info.type == fs.FileType.File:
            return [RemoteInput(address, address)], Counter()
        entries = system.get_file_info(fs.FileSelector(path, recursive=True))
    except OSError as error:
        raise UsageError(f"{address} cannot be listed: {_first(error)}.") from error
    files, left = [], Counter[str]()
    top = address.rstrip("/")
    for entry in sorted((e for e in entries if e.type == fs.FileType.File), key=lambda e: e.path):
        ending = PurePosixPath(entry.path).suffix.lower()
        below = entry.path[len(path.rstrip("/")) :].lstrip("/")
        if any(map(foreign, PurePosixPath(below).parts)):
            left["hidden or foreign"] += 1
        elif ending in ALL_EXTENSIONS:
            files.append(RemoteInput(f"{top}/{below}", f"{top}/{below}"))
        else:
            left[ending or "no ending"] += 1
    if not files:
        raise UsageError(f"{address} has no images in it.")
    return files, left


@dataclass(frozen=True)
class Table:
    """Inputs of a Parquet table.

    Attributes:
        inputs: One a row.
        column: Column with the bytes of images ("image.bytes" within records); empty where it holds paths.
        repeated: Rows without an id of their own that name an image again, and are left out.
    """

    inputs: list[RemoteInput]
    column: str
    repeated: int = 0


def table(place: str) -> Table:
    """The inputs of a Parquet table, or of a folder of them: `id` is the column of that name, else the path.

    Images are a column of bytes, or of records with a field `bytes`; else a column of paths, relative to
    the table, or of addresses.

    Raises:
        UsageError: If the place cannot be opened.
        DataError: If it is no such table, a row has no id, or two have the same.
    """
    import pyarrow as pa

    try:
        system, path = open_filesystem(place)
        files = _files(system, path)
        if not files:
            raise DataError(f"There is no table {place}.")
        return _table(system, place, path, files)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{place} cannot be read as Parquet: {_first(error)}.") from error


def _files(system: Any, path: str) -> list[str]:
    from pyarrow import fs

    info = system.get_file_info(path)
    if info.type == fs.FileType.File:
        return [path]
    if info.type == fs.FileType.NotFound:
        return []
    inside = system.get_file_info(fs.FileSelector(path, recursive=True))
    names = (e.path for e in inside if e.type == fs.FileType.File and is_table(e.path))
    return sorted(name for name in names if not PurePosixPath(name).name.startswith((".", "_")))


def _table(system: Any, place: str, path: str, files: Sequence[str]) -> Table:
    import pyarrow.parquet as pq

    inputs: list[RemoteInput] = []
    ids: set[str] = set()
    column = repeated = None
    for name in files:
        at = place.rstrip("/") + name[len(path.rstrip("/")) :]
        with system.open_input_file(name) as stream:
            file = pq.ParquetFile(stream)
            names = _columns(file, at)
            if column is not None and names.content != column:
                raise DataError(
                    f"{at} holds images in another column than the others: {names.content or 'paths'}."
                )
            column = names.content
            for group in range(file.num_row_groups):
                for row, (row_id, where) in enumerate(_cells(file, group, names, at)):
                    if row_id in ids:
                        if names.id:
                            raise DataError(
                                f"{at}: two rows have the {names.id} '{row_id}'. An id must be of one row."
                            )
                        repeated = (repeated or 0) + 1
                        continue
                    ids.add(row_id)
                    inputs.append(
                        RemoteInput(row_id, at, group, row) if column else RemoteInput(row_id, where)
                    )
    if not inputs:
        raise DataError(f"{place} has no rows.")
    return Table(inputs, column or "", repeated or 0)


@dataclass(frozen=True)
class _Names:
    """Columns of a table: of ids, of paths, and of the bytes of images; empty where there is none."""

    id: str
    path: str
    content: str


def _columns(file: Any, at: str) -> _Names:
    import pyarrow as pa

    def binary(kind: Any) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    fields = file.schema_arrow
    id_column = next((f.name for name in _IDS for f in fields if f.name.lower() == name), "")
    binaries = [f.name for f in fields if binary(f.type)]
    for field in fields:
        if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
            binaries.append(f"{field.name}.bytes")
    if len(binaries) > 1:
        raise DataError(f"{at}: which column holds the images? {', '.join(binaries)} hold bytes. Leave one.")
    texts = [f.name for f in fields if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    if binaries:
        if not id_column:
            raise DataError(f"{at}: the images in '{binaries[0]}' have no names. Add a column 'id'.")
        return _Names(id_column, "", binaries[0])
    head = (
        next(file.iter_batches(batch_size=50, columns=texts)).to_pydict()
        if texts and file.metadata.num_rows
        else {}
    )
    rows = (
        [list(row) for row in zip(*([str(v or "") for v in head[n]] for n in texts), strict=True)]
        if head
        else []
    )
    return _Names(id_column, path_column(Columns(texts, rows, list(range(1, len(rows) + 1))), Path(at)), "")


def _cells(file: Any, group: int, names: _Names, at: str) -> Iterator[tuple[str, str]]:
    """(id, place) of each row of a row group."""
    wanted = [name for name in dict.fromkeys((names.id, names.path)) if name]
    cells = file.read_row_group(group, columns=wanted).to_pydict()
    folder = at.rpartition("/")[0]
    for row, row_id in enumerate(cells[names.id or names.path]):
        where = cells[names.path][row] if names.path else ""
        if row_id in (None, "") or (names.path and not where):
            raise DataError(f"{at}: row {row} of row group {group} has no {names.id or names.path}.")
        yield str(row_id), where if is_address(str(where)) or not folder else _joined(folder, str(where))


def _joined(folder: str, where: str) -> str:
    return where if where.startswith("/") else f"{folder}/{where}"


def image_cells(
    at: str, group: int, column: str, rows: Sequence[int], at_once: int
) -> Iterator[list[tuple[int, bytes]]]:
    """Bytes of the images in some rows of a row group, up to `at_once` at a time; a row without an image has
    none.

    Args:
        at: The table.
        group: Its row group.
        column: As `Table.column`.
        rows: Numbers of rows, ascending.
        at_once: How many lie in memory.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    system, path = open_filesystem(at)
    wanted, first = set(rows), 0
    with system.open_input_file(path) as stream:
        for batch in pq.ParquetFile(stream).iter_batches(at_once, row_groups=[group], columns=[column]):
            cells = batch.column(0)
            if pa.types.is_struct(cells.type):
                cells = cells.field("bytes")
            some = [(first + i, cells[i].as_py() or b"") for i in range(len(cells)) if first + i in wanted]
            first += batch.num_rows
            if some:
                yield some


def _first(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")
