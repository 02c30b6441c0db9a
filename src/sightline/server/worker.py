"""Worker process: loads a model, then decodes, predicts and sends answers until its pipe is closed.

A decoder that crashes on an image crashes this process, and not the process that serves HTTP.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from sightline.errors import SightlineError, UnreadableImage
from sightline.runtime.inputs import input_reader
from sightline.runtime.inputs.base import Prepared
from sightline.runtime.rows import full
from sightline.server.jobs import Job, JobFailed, JobResult, Tensor, WorkerConfig, WorkerReady

STATUS = {"bomb": 413, "not-an-image": 415, "unsupported": 415}
"""HTTP status by the reason of an UnreadableImage; 422 for all others."""

PIXELS = "SIGHTLINE_MAX_PIXELS"

PIXELS_AT_ONCE = 2**22
"""Of the model's input, in a batch; the memory of a network's inner values grows with them."""


def main(connection: Connection, spec: WorkerConfig) -> None:
    """Main function of the process. Sends `WorkerReady` or `JobFailed`, then answers one list of jobs after
    another.
    """
    for name in ("SIGINT", "SIGTERM"):  # both reach all processes of a terminal or a systemd unit
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    os.environ[PIXELS] = str(spec.max_pixels)
    try:
        session = import_name(spec.session)(spec.file, threads=spec.threads)
        connection.send(warmed(session, spec.batch))
    except Exception as error:  # whatever a damaged file makes the runtime raise is told, not lost
        code = error.exit_code if isinstance(error, SightlineError) else 3
        text = str(error) if isinstance(error, SightlineError) else f"{spec.file} cannot be loaded: {error}"
        connection.send(JobFailed(text, code))
        return
    _hush()
    while True:
        try:
            jobs: list[Job] = connection.recv()
            connection.send(answers(session, jobs, spec))
        except (EOFError, OSError):  # the server has ended
            return


def _hush() -> None:
    """Silence messages of decoders about damaged images: they are not JSON, and may quote the images."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def import_name(path: str) -> Any:
    """Import the object that "module:name" names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def warmed(session: Any, batch: int) -> WorkerReady:
    """Warm-up: predict a gray image alone and in a full batch, and return the shapes of input and outputs."""
    prepared = session.prepare(np.full((64, 64, 3), 128, dtype=np.uint8))
    session.read(session.infer(prepared.pixels[None]), [prepared.stored])
    shape = prepared.pixels.shape
    largest = max(1, min(batch, PIXELS_AT_ONCE // math.prod(shape[1:])))
    outputs = session.infer(np.stack([prepared.pixels] * largest))
    tensors = (Tensor(name, str(v.dtype), (-1, *v.shape[1:])) for name, v in outputs.items())
    return WorkerReady(dict(session.card), shape, tuple(tensors))


def answers(session: Any, jobs: Sequence[Job], spec: WorkerConfig) -> list[JobResult]:
    """One answer for each job, whatever happens to the others."""
    answers: list[JobResult | None] = [None] * len(jobs)
    groups: dict[tuple[int, ...], list[tuple[int, Prepared]]] = {}
    for i, job in enumerate(jobs):
        try:
            if isinstance(job.content, bytes) and getattr(session, "tile_size", False):
                answers[i] = _render_prediction(
                    session, session.joined(job.content, **_min_score(job)), job, spec
                )
                continue
            if isinstance(job.content, bytes):
                prepared = session.prepare(job.content)
            else:
                height, width = job.content.shape[-2:]
                prepared = Prepared(job.content, (height, width))
            groups.setdefault(prepared.pixels.shape, []).append((i, prepared))
        except Exception as error:  # one bad image must not cost the others
            answers[i] = trouble(error)
    for shape, group in groups.items():
        at_once = max(1, PIXELS_AT_ONCE // math.prod(shape[1:]))
        parts = [group[k : k + at_once] for k in range(0, len(group), at_once)]
        predicted = [answer for part in parts for answer in _predicted(session, part, jobs, spec)]
        for i, answer in zip([g[0] for g in group], predicted, strict=True):
            answers[i] = answer
    return [a or JobResult(status=500, reason="lost", message="No answer was made.") for a in answers]


def trouble(error: Exception) -> JobResult:
    """Convert an exception to an `JobResult`."""
    if isinstance(error, UnreadableImage):
        message = f"The image {error.detail}."[:400]
        return JobResult(status=STATUS.get(error.reason, 422), reason=error.reason, message=message)
    if isinstance(error, MemoryError):
        return JobResult(status=413, reason="memory", message="There is not enough memory for this image.")
    what = f"The model could not be run on this image ({type(error).__name__})."
    return JobResult(status=500, reason="failed", message=what)


def _predicted(
    session: Any,
    group: list[tuple[int, Prepared]],
    jobs: Sequence[Job],
    spec: WorkerConfig,
) -> list[JobResult]:
    """Predict images of one shape in a batch; if the batch fails, predict each alone."""
    try:
        outputs = session.infer(np.stack([prepared.pixels for _, prepared in group]))
        return [_render_output(session, {k: v[n : n + 1] for k, v in outputs.items()}, item, jobs[i], spec)
                for n, (i, item) in enumerate(group)]  # fmt: skip
    except Exception as error:
        if len(group) == 1:
            return [trouble(error)]
        return [_predicted(session, [item], jobs, spec)[0] for item in group]


def _render_output(
    session: Any, outputs: dict[str, np.ndarray], prepared: Prepared, job: Job, spec: WorkerConfig
) -> JobResult:
    """Outputs of one image in the requested format."""
    if job.form == "tensors":
        return JobResult({name: np.ascontiguousarray(value) for name, value in outputs.items()})
    (answer,) = session.read(outputs, [prepared.stored], **_min_score(job))
    return _render_prediction(session, answer, job, spec, prepared.note)


def _min_score(job: Job) -> dict[str, float]:
    """Keyword arguments with the requested score threshold, if there is one."""
    return {} if job.min_score is None else {"min_score": job.min_score}


def _render_prediction(session: Any, answer: Any, job: Job, spec: WorkerConfig, note: str = "") -> JobResult:
    """A prediction as a JSON row or as a drawn image."""
    if answer.error:
        return JobResult(status=500, reason="failed", message=f"No prediction: {answer.error}."[:400])
    settings = session.card.get("model_config", {})
    if job.form == "row":
        record = full("", answer.row, answer.prediction, settings.get("classes") or [])
        del record["path"]  # the sender's name for it, which does not come here
        if note:
            record["note"] = note
        return JobResult(json.dumps(finite(record), ensure_ascii=False).encode("utf-8", "replace"))
    from sightline.data.io.encode import encode_jpeg, encode_png

    assert isinstance(job.content, bytes)
    image = input_reader(settings.get("input", "image")).shown(job.content)
    drawn = import_name(spec.draw)(image, answer, session.card)
    return JobResult(encode_jpeg(drawn) if job.form == "jpeg" else encode_png(drawn))


def finite(value: Any) -> Any:
    """JSON-compatible copy: numpy numbers become Python numbers, nan and infinities become null."""
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
