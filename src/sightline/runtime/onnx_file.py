"""ONNX file inspection before anything runs: the model card, and a check that no other file is referenced.

ONNX is protocol buffers (onnx.proto in github.com/onnx/onnx; protobuf.dev/programming-guides/encoding). Only
the fields that lead to tensors are followed, since a tensor may name a file that contains its values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import DataError

FORMAT = 2
"""Newest form of the card that is read."""
KEY = "sightline"
"""Name of the entry that holds the card."""
UNCHECKED = (
    "Nobody has compared its answers with those of the network that it was made of: the images for this "
    "could not be had when it was exported. The score in its card is the network's."
)
"""What is said of a file whose card has the entry 'unchecked', and what this entry says."""
_UPDATE = "Update: pip install -U sightline-runtime."
_DEEP = 64  # graphs in graphs, at most

# By kind of message: the fields that lead on, and to what.
_LEADS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function", 20: "training"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node"},
    "training": {1: "graph", 2: "graph"},
    "tensor": {},
}
_GRAPH, _METADATA = 7, 14  # of a model; the latter pairs of a key (1) and a value (2)
_EXTERNAL, _LOCATION = 13, 14  # of a tensor


class _Damaged(Exception):
    """The bytes are not valid protocol buffers, or are truncated."""


def load(file: Path) -> tuple[bytes, dict[str, Any]]:
    """The bytes of an exported file and its card; see `card`.

    Raises:
        DataError: If it is not there, or as `card`.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be opened: {error.strerror or error}.") from error
    return data, card(data, file)


def card(data: bytes, name: object) -> dict[str, Any]:
    """The card in an exported file: task, model, settings, metric, license, data.

    Args:
        data: The ONNX file.
        name: How messages name it.

    Raises:
        DataError: If it is no ONNX file, is cut off, keeps values in other files, has no card, or one that
            is damaged or newer than this.
    """
    view = memoryview(data)
    try:
        if any(_outside(view, "model", 0)):
            raise DataError(
                f"{name} keeps weights in other files, which are not opened: a model is one file. "
                "Export it again: sightline export RUN."
            )
        fields = list(_fields(view))
        if not any(number == _GRAPH for number, _ in fields):
            raise _Damaged
        entries = [dict(_fields(value)) for number, value in fields if number == _METADATA]
        values = [entry.get(2, b"") for entry in entries if bytes(entry.get(1, b"")) == KEY.encode()]
    except (_Damaged, TypeError) as error:
        # The first field of a model is the version of the format: a small number.
        cut = len(data) > 1 and data[0] == 8
        what = "is cut off or damaged" if cut else "is no ONNX file"
        raise DataError(f"{name} {what} ({len(data):,} bytes). Copy or export it again.") from error
    if not values:
        raise DataError(
            f"{name} holds no card: it says neither what it was trained for nor how it is read. "
            "Only files of `sightline export` can be run."
        )
    return _validate_card(bytes(values[0]), name)


def _validate_card(text: bytes, name: object) -> dict[str, Any]:
    """Validate the card."""
    try:
        document = json.loads(text)
        version = int(document["format"])
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{name} holds a damaged card: {error!r}. Export it again.") from error
    if version > FORMAT:
        raise DataError(f"{name} is of format {version}; this runtime reads up to {FORMAT}. {_UPDATE}")
    if version < FORMAT:
        raise DataError(
            f"{name} is of format {version}; this runtime reads format {FORMAT}. Export it again, or use the "
            "version of Sightline that wrote it."
        )
    wanted = {"task": str, "prediction": str, "include": str, "model_config": dict}
    for key, kind in wanted.items():
        if not isinstance(document.get(key), kind):
            raise DataError(
                f"{name} holds a damaged card: '{key}' is {document.get(key)!r}. Export it again."
            )
    return dict(document)


def _outside(message: memoryview, kind: str, depth: int) -> Iterator[bool]:
    """For each tensor of a message, whether its values lie in another file."""
    if depth > _DEEP:
        raise _Damaged
    leads = _LEADS[kind]
    for number, value in _fields(message):
        if kind == "tensor":
            yield number == _EXTERNAL or (number == _LOCATION and value == 1)
        elif number in leads:
            yield from _outside(value, leads[number], depth + 1)


def _fields(message: Any) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: an int, or the bytes of what has a length."""
    at, size = 0, len(message)
    while at < size:
        key, at = _whole(message, at)
        number, wire = key >> 3, key & 7
        value: Any = None
        if wire == 0:
            value, at = _whole(message, at)
        elif wire == 2:
            length, at = _whole(message, at)
            value, at = message[at : at + length], at + length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise _Damaged
        if at > size or number == 0:
            raise _Damaged
        yield number, value


def _whole(message: Any, at: int) -> tuple[int, int]:
    """Decode a varint: the number, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise _Damaged
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _Damaged
