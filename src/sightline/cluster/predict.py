"""Prediction on a Ray cluster: the job that its workers receive, and the use of their results."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sightline.cluster import batch
from sightline.cluster.inputs import Inputs, inputs_of
from sightline.cluster.parts import Parts, from_arrow, schema, to_arrow
from sightline.cluster.predict_worker import PredictWorker, WorkerConfig
from sightline.cluster.start import Cluster, cluster
from sightline.cluster.stores import RemoteInput
from sightline.console import say, track
from sightline.data.io.video import EXTENSIONS as FILMS
from sightline.errors import DataError, SightlineError, UsageError
from sightline.inference.filters import OutputFilter, apply_filter, filter_from_options
from sightline.inference.input_item import MARK
from sightline.inference.model_folder import read_card
from sightline.inference.predictor import ModelPredictor
from sightline.inference.presenters import kind_of
from sightline.inference.sources import Sources
from sightline.inference.summary import MAX_SHOWN, Predicted
from sightline.inference.writers.jsonl import full_row
from sightline.runtime.rows import Row

FORM = "parquet"
_FILES = ("model.json", "model.safetensors")
_LARGEST = 1024  # inputs of a block
_SHARES = 8  # blocks that each worker gets, at least
_LOST = "the worker that had it ended each time it was tried: the image crashed it, or took all memory"


def predict(
    run: Path,
    source: Sequence[str],
    address: str,
    *,
    out: Path | None,
    to: str | None,
    batch_size: int,
    device: str,
    top: int | None,
    min_score: float | None,
    classes: Sequence[str],
) -> Predicted:
    """`predict --ray`: each input once, into a folder of Parquet parts.

    Raises:
        MissingExtra: If Ray is not installed.
        UsageError: If the folder holds other things, nobody answers at the address, or an option cannot be.
        DataError: If a table or a part cannot be used.
    """
    if out is None or to not in (None, FORM):
        was = f"--to {to}" if out is not None else "no --out"
        raise UsageError(f"--ray writes Parquet parts into a folder: --out FOLDER. Received {was}.")
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(
            f"--device {device}: with --ray it is auto, cpu or cuda; Ray gives each worker its GPU."
        )
    files = model_files(run)
    predictor = ModelPredictor(run, "cpu")
    names = predictor.settings.get("classes", [])
    chosen = filter_from_options(kind_of(predictor.task.card.prediction_type), names, classes, min_score)
    inputs = inputs_of(source)
    columns = columns_of(predictor, inputs.films)
    order = WorkerConfig(device, batch_size, top, min_score, chosen, columns, inputs.column,
                  os.environ.get("SIGHTLINE_MAX_PIXELS", ""))  # fmt: skip
    facts = {"model": fingerprint(files), "--top": str(top or "none"),
             "--min-score": "the model's own" if min_score is None else str(min_score),
             "--classes": ", ".join(names[k] for k in chosen or ()) or "all",
             "table": ", ".join(inputs.tables) or "none"}  # fmt: skip
    summary = Predicted(out=out, left_out=dict(inputs.left_out), hidden=inputs.hidden)
    with Parts(out, schema(columns), facts, inputs.base) as parts:
        todo = _todo(inputs, parts, summary)
        if todo:
            with cluster(address) as workers:
                _work(todo, workers, files, order, parts, summary)
    return summary


def model_files(run: Path) -> dict[str, bytes]:
    """Files of a model by name, as sent to workers: all have the same, and need no shared disk."""
    folder, _ = read_card(run)
    try:
        return {name: (folder / name).read_bytes() for name in _FILES}
    except OSError as error:
        raise DataError(f"{error.filename} cannot be read: {error.strerror}.") from error


def fingerprint(files: Mapping[str, bytes]) -> str:
    """Digest of a model's files."""
    whole = hashlib.sha256()
    for name in sorted(files):
        whole.update(hashlib.sha256(files[name]).digest())
    return whole.hexdigest()[:16]


def columns_of(predictor: ModelPredictor, films: bool) -> dict[str, str]:
    """Columns of the result and their types, found by predicting a gray image.

    Raises:
        UsageError: If the model calls an output as one of our own columns.
    """
    settings = predictor.settings
    if not predictor.spec.is_plain:
        raise UsageError(
            f"--ray takes images of 8 bits, grey or in colors; the model takes a {predictor.spec.kind} of "
            f"{predictor.spec.channels} channels ({predictor.spec.dtype}). Predict without --ray."
        )
    wish = OutputFilter(
        kind_of(predictor.task.card.prediction_type), settings.get("classes", []), None, 0.0, None, films
    )
    gray = np.full((64, 64, 3), 128, dtype=np.uint8)
    (answer,) = predictor.answers(Sources(gray), 1)
    row = full_row(apply_filter(predictor.task, answer, wish))
    row |= {key: [] for key in wish.kind.lists}
    own_columns = {"id": "text", "error": "text"}
    output_columns = {
        name: wish.kind.forms.get(name) or _type(value) for name, value in row.items() if name != "path"
    }
    if clash := own_columns.keys() & output_columns:
        raise UsageError(
            f"The model has an output called '{clash.pop()}', which is a column of the result's own."
        )
    return own_columns | output_columns


def _type(value: object) -> str:
    kinds: list[tuple[type, str]] = [
        (bool, "flag"),
        (int, "whole"),
        (float, "number"),
        (type(None), "number"),
    ]
    return next((column_type for kind, column_type in kinds if isinstance(value, kind)), "text")


def _todo(inputs: Inputs, parts: Parts, summary: Predicted) -> list[RemoteInput]:
    """Inputs that are in no part yet; the others are counted."""
    pages = {name.rpartition("#")[0] for name in parts.done if MARK.search(name)}
    todo = [f for key, f in inputs.found.items() if key not in parts.done and key not in pages]
    summary.total = len(parts.done)
    summary.errors = [(name, error) for name, error in parts.done.items() if error]
    if parts.done:
        say(f"{len(inputs.found) - len(todo)} of {len(inputs.found)} inputs are in {parts.folder} already.")
    return todo


def _work(
    todo: Sequence[RemoteInput],
    ray_cluster: Cluster,
    files: Mapping[str, bytes],
    order: WorkerConfig,
    parts: Parts,
    summary: Predicted,
) -> None:
    """Predict the inputs, and write the results. Blocks that kill their workers are tried again, one input
    at a time; inputs that are still lost become rows with an error.
    """
    gpu = order.device == "cuda" or (order.device == "auto" and ray_cluster.gpus > 0)
    if gpu and not ray_cluster.gpus:
        raise UsageError("--device cuda: the cluster has no GPU. Use --device cpu.")
    order = replace(order, device="cuda" if gpu else "cpu")
    workers = ray_cluster.gpus if gpu else ray_cluster.cpus
    fair = max(order.batch_size, len(todo) // (_SHARES * workers))
    size = min(_LARGEST, fair, -(-len(todo) // workers))
    say(f"Predicting {len(todo)} inputs with {workers} workers.")
    waiting = {entry.id: entry for entry in todo}
    for at_once in (size, 1):
        answers = batch.run(_blocks(list(waiting.values()), at_once), ray_cluster, PredictWorker, files,
                            {"order": order}, gpu=gpu)  # fmt: skip
        for name in track(
            _write_answers(answers, parts, summary, waiting, len(todo)), "predicting", total=len(todo)
        ):
            del waiting[name]
        if not waiting:
            return
        parts.flush()
        if at_once > 1:
            say(f"{len(waiting)} inputs were lost with their workers; they are tried again one by one.")
    rows = [{"id": name, "error": _LOST} for name in waiting]
    _keep(rows, parts, summary, order)


def _blocks(todo: Sequence[RemoteInput], size: int) -> Iterator[list[dict[str, Any]]]:
    """Blocks of inputs: rows of one row group; a video alone."""

    def home(item: tuple[int, RemoteInput]) -> tuple[str, int, int]:
        number, entry = item
        alone = PurePosixPath(entry.at).suffix.lower() in FILMS and entry.row < 0
        return (entry.at if entry.row >= 0 else "", entry.group, number if alone else -1)

    for _, group in groupby(enumerate(todo), home):
        some = [asdict(entry) for _, entry in group]
        for start in range(0, len(some), size):
            yield some[start : start + size]


def _write_answers(
    answers: Iterator[dict[str, Any]],
    parts: Parts,
    summary: Predicted,
    waiting: Mapping[str, RemoteInput],
    total: int,
) -> Iterator[str]:
    """Write each result into the parts; returns ids of the completed inputs."""
    for answer in answers:
        if answer["failure"]:
            raise SightlineError(
                f"A worker on {answer['host']} failed: {answer['failure']} What was done is kept in "
                f"{parts.folder}; the same command goes on."
            )
        if missing := next((path for path in answer["unseen"] if Path(path).exists()), ""):
            raise UsageError(
                f"{answer['host']} does not see {missing}. Put the images where all machines of the "
                "cluster see them under the same path, or into an object store."
            )
        table, before = from_arrow(answer["rows"]), len(parts.written)
        _note(table, summary)
        parts.add(table)
        yield from answer["inputs"]
        if len(parts.written) > before:
            say(f"{total - len(waiting)} of {total} inputs are predicted.")


def _keep(rows: Sequence[Row], parts: Parts, summary: Predicted, order: WorkerConfig) -> None:
    table = from_arrow(to_arrow(rows, schema(order.columns)))
    _note(table, summary)
    parts.add(table)


def _note(table: Any, summary: Predicted) -> None:
    """Count rows, and keep those for the terminal or --json."""
    summary.total += table.num_rows
    for name, error in zip(table["id"].to_pylist(), table["error"].to_pylist(), strict=True):
        if error:
            summary.errors.append((name, error))
            say(f"{name}: {error}")
    if (lacking := MAX_SHOWN - len(summary.rows)) > 0:
        for row in table.slice(0, lacking).to_pylist():
            if row.pop("error"):
                continue
            values = {"path": row.pop("id"), **{k: v for k, v in row.items() if v is not None}}
            summary.rows.append(values)
            short = {k: v for k, v in values.items() if not k.startswith("prob_") and not isinstance(v, list)}
            summary.shown.append(short)
