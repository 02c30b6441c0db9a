"""Worker of cluster prediction: the toolkit's predictor on blocks of inputs, and its rows."""

from __future__ import annotations

import json
import os
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sightline._version import __version__
from sightline.cluster.parts import schema, to_arrow
from sightline.cluster.stores import image_cells, is_address, read
from sightline.errors import UsageError
from sightline.inference.filters import OutputFilter, apply_filter, least_of
from sightline.inference.predictor import ModelPredictor
from sightline.inference.presenters import kind_of
from sightline.inference.sources import Answer, Sources
from sightline.inference.writers.jsonl import full_row
from sightline.runtime.rows import Row

_PIXELS = "SIGHTLINE_MAX_PIXELS"


@dataclass(frozen=True)
class WorkerConfig:
    """Settings of a worker besides the model.

    Attributes:
        device: cpu or cuda.
        batch_size: Images at a time.
        top: As `Wish.top`.
        min_score: Lowest score of an object; None for the model's own thresholds.
        classes: As `Wish.classes`.
        columns: Columns of the result, and the names of their types.
        column: Column of the tables that holds bytes, or "".
        pixels: Largest image that is decoded, as the variable says it; "" if it says nothing.
        version: Of Sightline.
    """

    device: str
    batch_size: int
    top: int | None
    min_score: float | None
    classes: list[int] | None
    columns: Mapping[str, str]
    column: str = ""
    pixels: str = ""
    version: str = __version__


class PredictWorker:
    """Predicts blocks of inputs, in a process of the cluster.

    Args:
        files: Of the model, by name.
        order: See there.

    Raises:
        UsageError: If another version of Sightline is installed there.
    """

    def __init__(self, files: Mapping[str, bytes], order: WorkerConfig) -> None:
        if order.version != __version__:
            here = socket.gethostname()
            raise UsageError(
                f"{here} has Sightline {__version__}, not {order.version}: install the same on all."
            )
        if order.pixels:
            os.environ[_PIXELS] = order.pixels
        self.order = order
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            self.predictor = ModelPredictor(Path(folder), order.device)
        settings = self.predictor.settings
        self.wish = OutputFilter(
            kind_of(self.predictor.task.card.prediction_type),
            settings.get("classes", []),
            order.top,
            least_of(settings, order.min_score),
            order.classes,
            "seconds" in order.columns,
        )

    def __call__(self, block: list[dict[str, Any]]) -> dict[str, Any]:
        """Rows of all inputs of a block, as bytes; or the reason for their absence."""
        reply: dict[str, Any] = {"inputs": [entry["id"] for entry in block], "host": socket.gethostname(),
                                "rows": b"", "failure": "", "unseen": []}  # fmt: skip
        try:
            rows = [row for some in self._fetched(block, reply["unseen"]) for row in some]
            reply["rows"] = to_arrow(rows, schema(self.order.columns))
        except Exception as error:  # told, not raised: it is no fault of one image, and must end the work
            reply["failure"] = f"{type(error).__name__}: {error}"
        return reply

    def _fetched(self, block: list[dict[str, Any]], unseen: list[str]) -> Iterator[Iterator[Row]]:
        """Rows of some inputs at a time, after their bytes are at hand."""
        first, size = block[0], self.order.batch_size
        if first["row"] >= 0:
            names = {entry["row"]: entry["id"] for entry in block}
            for cells in image_cells(first["at"], first["group"], self.order.column, sorted(names), size):
                yield self._spooled([(names[row], content) for row, content in cells])
            return
        for start in range(0, len(block), size):
            some: list[dict[str, Any]] = block[start : start + size]
            near = [(entry["id"], entry["at"]) for entry in some if not is_address(entry["at"])]
            unseen += [at for _, at in near if not Path(at).exists()]
            yield self._rows({at: name for name, at in near})
            far = [(entry["id"], entry["at"]) for entry in some if is_address(entry["at"])]
            if far:
                yield self._spooled([(name, _bytes(at)) for name, at in far])

    def _spooled(self, contents: Sequence[tuple[str, bytes | str]]) -> Iterator[Row]:
        """Rows of images given as bytes: through files, so that they are read exactly as any other; or why
        there are no bytes."""
        with tempfile.TemporaryDirectory(prefix="sightline-") as folder:
            names: dict[str, str] = {}
            for i, (name, content) in enumerate(contents):
                if isinstance(content, str):
                    yield {"id": name, "error": content}
                    continue
                ending = PurePosixPath(name).suffix
                at = Path(folder) / f"{i:06d}{ending if re.fullmatch(r'[.][A-Za-z0-9]{1,5}', ending) else ''}"
                at.write_bytes(content)
                names[str(at)] = name
            yield from self._rows(names)

    def _rows(self, names: Mapping[str, str]) -> Iterator[Row]:
        """Rows of files, under the names of their inputs."""
        sources = Sources.of([Path(at) for at in names], self.predictor.spec)
        for answer in self.predictor.answers(sources, self.order.batch_size):
            mine = apply_filter(self.predictor.task, answer, self.wish)
            yield self._row(mine, names)

    def _row(self, answer: Answer, names: Mapping[str, str]) -> Row:
        at = answer.outcome.id
        row_number, mark = (at, "") if at in names else (at[:-7], at[-7:])
        record: Row = {"id": f"{names[row_number]}{mark}", "error": answer.outcome.error or None}
        for name, value in full_row(answer).items():
            if name in self.order.columns and name not in record:
                plain = self.order.columns[name] == "text" and not isinstance(value, str | None)
                record[name] = json.dumps(value, ensure_ascii=False) if plain else value
        if not answer.outcome.error:
            record = {**{key: [] for key in self.wish.kind.lists}, **record}
        return record


def _bytes(address: str) -> bytes | str:
    """The bytes of an object, or why there are none."""
    try:
        return read(address)
    except (OSError, UsageError) as error:
        return f"cannot be read: {str(error).splitlines()[0]}"
