"""KServe's Open Inference Protocol, version 2, over REST: tensors in, tensors out.

Source: https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and its binary
tensor data extension. There is one input, "images": UINT8, (N, C, H, W), images that already have the size
of the model's input, or clips (N, C, T, H, W). The outputs are the raw outputs of the model.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from sightline._version import __version__
from sightline.server import schema
from sightline.server.engine import Engine
from sightline.server.jobs import Job, WorkerReady
from sightline.server.replies import validate
from sightline.server.request_error import RequestError
from sightline.server.service import Service

router = APIRouter(prefix="/v2")
INPUT, HEADER = "images", "inference-header-content-length"
TYPES = {"float32": "FP32", "float64": "FP64", "float16": "FP16", "uint8": "UINT8", "int64": "INT64",
         "int32": "INT32", "int8": "INT8", "bool": "BOOL"}  # fmt: skip


def _errors(*statuses: int) -> dict[int | str, schema.Json]:
    return schema.errors(*statuses, schema=schema.KSERVE_ERROR)


@router.get("", summary="The server", responses={**schema.answer("Name.", schema.OBJECT), **_errors()})
async def server() -> Response:
    """Name, version and extensions."""
    return _json({"name": "sightline", "version": __version__, "extensions": ["binary_tensor_data"]})


@router.get("/health/live", summary="Whether the server lives",
            responses={**schema.answer("It does.", schema.OBJECT), **_errors()})  # fmt: skip
async def live() -> Response:
    """Liveness: 200 whenever the server answers."""
    return _json({"live": True})


@router.get("/health/ready", summary="Whether every model can predict",
            responses={**schema.answer("They can.", schema.OBJECT), **_errors()})  # fmt: skip
async def ready(request: Request) -> Response:
    """Readiness, the same as /readyz."""
    if not request.app.state.service.ready:
        raise RequestError(503, "not-ready", "A model is being loaded, or the server is stopping.")
    return _json({"ready": True})


@router.get("/models/{name}", summary="Inputs and outputs of a model",
            responses={**schema.answer("The model.", schema.OBJECT), **_errors(404)})  # fmt: skip
async def model(request: Request, name: str) -> Response:
    """Metadata of a model; shapes have -1 for the number of images."""
    engine, ready = _model(request, name)
    outputs = [_output_entry(t.name, t.dtype, list(t.shape)) for t in ready.outputs]
    return _json(
        {
            "name": engine.name,
            "versions": ["1"],
            "platform": "onnxruntime_onnx",
            "inputs": [_output_entry(INPUT, "uint8", [-1, *ready.shape])],
            "outputs": outputs,
        }
    )


@router.get("/models/{name}/ready", summary="Whether a model can predict",
            responses={**schema.answer("It can.", schema.OBJECT), **_errors(404)})  # fmt: skip
async def model_ready(request: Request, name: str) -> Response:
    """Readiness of one model."""
    engine, _ = _model(request, name)
    if not engine.able or request.app.state.service.draining:
        raise RequestError(503, "not-ready", "The model is being loaded, or the server is stopping.")
    return _json({"name": engine.name, "ready": True})


@router.post("/models/{name}/infer", summary="Outputs for tensors", openapi_extra=schema.INFER,
             responses={**schema.answer("Outputs.", schema.INFERRED, **{"application/octet-stream": {}}),
                        **_errors(404, 500, 504)})  # fmt: skip
async def infer(request: Request, name: str) -> Response:
    """Data as JSON, or behind the JSON as bytes (binary_data_size, Inference-Header-Content-Length)."""
    engine, ready = _model(request, name)
    body, most = await request.body(), request.app.state.service.limits.max_images
    # Large JSON is read and written by threads: other requests go on.
    request_body = await asyncio.to_thread(_parse_request, body, request.headers.get(HEADER))
    pixels = await asyncio.to_thread(_pixels, request_body, ready, most)
    wanted = _requested_outputs(request_body, [t.name for t in ready.outputs])
    request.scope["state"]["facts"] = {"model": engine.name, "images": len(pixels)}
    answers = await engine.predict([Job(np.ascontiguousarray(image), "tensors") for image in pixels])
    validate(answers)
    parts = [a.content for a in answers if isinstance(a.content, dict)]
    outputs = {name: np.concatenate([part[name] for part in parts]) for name in wanted}
    head = {"model_name": engine.name, "model_version": "1"}
    if isinstance(request_body.head.get("id"), str):
        head["id"] = request_body.head["id"]
    return await asyncio.to_thread(_reply, head, outputs, wanted)


@dataclass(frozen=True)
class _InferRequest:
    """A request: its JSON, and the binary data behind it."""

    head: dict[str, Any]
    tail: bytes


def _json(document: Any) -> Response:
    return Response(json.dumps(document), media_type="application/json")


def _bad(what: str) -> RequestError:
    return RequestError(400, "request", what)


def _output_entry(name: str, dtype: str, shape: list[int]) -> dict[str, Any]:
    return {"name": name, "datatype": TYPES.get(dtype, dtype.upper()), "shape": shape}


def _model(request: Request, name: str) -> tuple[Engine, WorkerReady]:
    service: Service = request.app.state.service
    engine = service.engine(name)
    return engine, service.loaded(engine)


def _parse_request(body: bytes, length: str | None) -> _InferRequest:
    """Parse a request: JSON up to the length in the header, then binary data."""
    if length is not None and (not length.isdecimal() or len(length) > 12 or int(length) > len(body)):
        raise _bad("Inference-Header-Content-Length must be the number of bytes of the JSON in the body.")
    cut = len(body) if length is None else int(length)
    try:
        head = json.loads(body[:cut])
    except (ValueError, RecursionError):
        raise _bad("The body, up to Inference-Header-Content-Length if it is given, must be JSON.") from None
    if not isinstance(head, dict):
        raise _bad("The JSON must be an object with 'inputs'.")
    return _InferRequest(head, body[cut:])


def _pixels(request: _InferRequest, ready: WorkerReady, most: int) -> np.ndarray:
    """(N, C, H, W) uint8 of the one input; of clips (N, C, T, H, W)."""
    inputs = request.head.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise _bad(f"'inputs' must hold one tensor, '{INPUT}'.")
    tensor: dict[str, Any] = inputs[0]
    shape = tensor.get("shape")
    if tensor.get("name") != INPUT or tensor.get("datatype") != "UINT8":
        raise _bad(f"The input must be named '{INPUT}' and of datatype UINT8.")
    if (
        not isinstance(shape, list)
        or not all(type(n) is int for n in shape)
        or len(shape) != len(ready.shape) + 1
    ):
        raise _bad(f"The shape must be [N, {', '.join(map(str, ready.shape))}].")
    if tuple(shape[1:]) != ready.shape or shape[0] < 1:
        raise _bad(f"The shape must be [N, {', '.join(map(str, ready.shape))}] with N of at least 1.")
    if shape[0] > most:
        raise RequestError(413, "too-many", f"A request holds at most {most} images (--max-images).")
    size = (tensor.get("parameters") or {}) if isinstance(tensor.get("parameters"), dict | None) else {}
    if "binary_data_size" in size:
        if size["binary_data_size"] != len(request.tail) or len(request.tail) != math.prod(shape):
            raise _bad("binary_data_size, the bytes behind the JSON and the shape must agree.")
        return np.frombuffer(request.tail, dtype=np.uint8).reshape(shape)
    return _from_json(tensor.get("data"), shape)


def _from_json(data: Any, shape: list[int]) -> np.ndarray:
    """Numbers of a flat or nested list."""
    try:
        # As objects: of texts numpy would make room for the longest as often as there are texts.
        values = np.array(data, dtype=object)
    except (ValueError, RecursionError):  # ragged or deep
        values = np.array(None)
    if values.size != math.prod(shape) or any(type(value) is not int for value in values.flat):
        raise _bad("'data' must hold as many whole numbers as the shape says, flat or nested.")
    if values.min() < 0 or values.max() > 255:
        raise _bad("UINT8 is from 0 to 255.")
    return values.astype(np.uint8).reshape(shape)


def _requested_outputs(request: _InferRequest, known_names: list[str]) -> dict[str, bool]:
    """Requested outputs (all if none is named), and whether each is returned as binary data."""
    settings = request.head.get("parameters")
    binary = isinstance(settings, dict) and settings.get("binary_data_output") is True
    outputs = request.head.get("outputs")
    if outputs is None:
        return dict.fromkeys(known_names, binary)
    if (
        not isinstance(outputs, list)
        or not outputs
        or not all(isinstance(output, dict) for output in outputs)
    ):
        raise _bad("'outputs' must be a list of objects with 'name', or be left out.")
    binary_by_name = {}
    for output in outputs:
        name, parameters = output.get("name"), output.get("parameters")
        if not isinstance(name, str) or name not in known_names:
            raise _bad(f"There is no such output. Known: {', '.join(known_names)}.")
        binary_by_name[name] = (
            parameters.get("binary_data", binary) is True if isinstance(parameters, dict) else binary
        )
    return binary_by_name


def _reply(head: dict[str, Any], outputs: dict[str, np.ndarray], binary: dict[str, bool]) -> Response:
    """Response: JSON, then the binary data (little endian, row-major) of the outputs requested so."""
    entries, tail = [], []
    for name, value in outputs.items():
        entry = _output_entry(name, str(value.dtype), list(value.shape))
        if binary[name]:
            tail.append(np.ascontiguousarray(value, dtype=value.dtype.newbyteorder("<")).tobytes())
            entry["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            entry["data"] = _numbers(value)
        entries.append(entry)
    text = json.dumps({**head, "outputs": entries}).encode()
    if not tail:
        return Response(text, media_type="application/json")
    return Response(b"".join([text, *tail]), media_type="application/octet-stream",
                    headers={"Inference-Header-Content-Length": str(len(text))})  # fmt: skip


def _numbers(value: np.ndarray) -> list[Any]:
    """Flat list of numbers; values that JSON cannot hold become null."""
    flat: list[Any] = value.ravel().tolist()
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        return [v if math.isfinite(v) else None for v in flat]
    return flat
