"""FastAPI application: routes, and one format for all errors. `guard` enforces the limits of requests."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from sightline._version import __version__
from sightline.server import kserve, page, schema
from sightline.server.engine import Engine
from sightline.server.jobs import Job
from sightline.server.logs import log
from sightline.server.metrics import TYPE
from sightline.server.replies import MEDIA, to_document, validate, wish_of
from sightline.server.request_error import RequestError
from sightline.server.service import Service, finds_objects
from sightline.server.uploads import uploads

router = APIRouter()
_LARGE = 2**18
"""Bytes of a form that is cut by a thread; smaller ones are through before a thread would begin."""
_NO_TELEMETRY: Any = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def build(service: Service, *, closed: bool = False) -> FastAPI:
    """Create the application of a service; its workers start and end with it.

    Args:
        service: What is served.
        closed: Whether the door wants a token, so that OpenAPI says so.
    """

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            await service.stop()

    app = FastAPI(
        title="Sightline", version=__version__, lifespan=life, docs_url=None, redoc_url=None,
        description="Predictions for images and clips. Nothing that is sent is stored.",
        openapi_url=None, redirect_slashes=False, telemetry=_NO_TELEMETRY,
    )  # fmt: skip
    app.state.service = service
    app.include_router(router)
    app.include_router(kserve.router)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    document = page.described(app, closed, list(service.engines))
    app.state.openapi, app.state.page = document, page.html(document)
    return app


@router.post("/v1/predict", summary="Predict for one image or several",
             openapi_extra={**schema.UPLOAD, **schema.WISHES},
             responses={**schema.answer("Predictions in the order of the images; or, where Accept asks for "
                                        "image/jpeg or image/png, the image with its prediction drawn.",
                                        schema.PREDICTED, **schema.DRAWN),
                        **schema.errors(404, 406, 415, 422, 500, 504)})  # fmt: skip
async def predict(request: Request) -> Response:
    """Send files as multipart/form-data, or one image as the body. An image that cannot be used is an
    entry with "error"; where none can, the status says why."""
    service: Service = request.app.state.service
    name, least = _query_values(request, "model", "min_score")
    engine = service.engine(name)
    min_score = _min_score(least, service, engine)
    wish = wish_of(request.headers.get("accept"))
    body = await request.body()
    arguments = request.headers, body, service.limits.max_images
    sent = uploads(*arguments) if len(body) < _LARGE else await asyncio.to_thread(uploads, *arguments)
    request.scope["state"]["facts"] = {"model": engine.name, "images": len(sent)}
    if wish != "row" and len(sent) > 1:
        raise RequestError(406, "accept", "A drawn image is of one image; several were sent. Accept JSON.")
    answers = await engine.predict([Job(upload.content, wish, min_score) for upload in sent])
    validate(answers)
    if wish == "row":
        return Response(to_document(engine.name, sent, answers), media_type="application/json")
    media = next(kind for kind, name in MEDIA.items() if name == wish)
    return Response(answers[0].content, media_type=media)


@router.get("/v1/model", summary="What a model is: task, classes, metric, input", openapi_extra=schema.MODEL,
            responses={**schema.answer("Its card.", schema.OBJECT), **schema.errors(404)})  # fmt: skip
async def model_card(request: Request) -> Any:
    """Names of all models are in "models"."""
    service: Service = request.app.state.service
    (name,) = _query_values(request, "model")
    return _json(service.model_info(service.engine(name)))


@router.get("/healthz", summary="Whether the server lives",
            responses={**schema.answer("It does.", schema.OBJECT), **schema.errors()})  # fmt: skip
async def healthz() -> Any:
    """Liveness: 200 whenever the server answers."""
    return _json({"status": "ok"})


@router.get("/readyz", summary="Whether every model can predict",
            responses={**schema.answer("They can.", schema.OBJECT), **schema.errors()})  # fmt: skip
async def readyz(request: Request) -> Any:
    """Readiness: 503 until the models have predicted once, without a worker, and while the server stops."""
    if not request.app.state.service.ready:
        raise RequestError(503, "not-ready", "A model is being loaded, or the server is stopping.")
    return _json({"status": "ready"})


@router.get("/metrics", summary="Counts and times for Prometheus",
            responses={**schema.answer("Text.", **{"text/plain": {"schema": {"type": "string"}}}),
                       **schema.errors()})  # fmt: skip
async def metrics(request: Request) -> Response:
    """Text format 0.0.4."""
    return Response(request.app.state.service.metrics.text(), headers={"Content-Type": TYPE})


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request) -> Response:
    """The description of all routes."""
    return _json(request.app.state.openapi)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The same as a page. It loads nothing from anywhere."""
    rules = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(request.app.state.page, media_type="text/html", headers=rules)


def _json(document: Any) -> Response:
    from fastapi.responses import JSONResponse

    return JSONResponse(document)


def _query_values(request: Request, *known_names: str) -> list[str | None]:
    """Values of these query parameters. Other parameters are refused instead of ignored."""
    given = request.query_params.multi_items()
    names = [name for name, _ in given]
    if len(set(names)) < len(names) or not set(names) <= set(known_names):
        listed = " and ".join(f"'{name}'" for name in known_names)
        raise RequestError(400, "query", f"The query may hold {listed} once, and nothing else.")
    return [dict(given).get(name) for name in known_names]


def _min_score(text: str | None, service: Service, engine: Engine) -> float | None:
    """The requested minimum score of objects."""
    if text is None:
        return None
    if not finds_objects(service.loaded(engine).card):
        raise RequestError(
            400, "query", "'min_score' chooses among objects; this model says one thing of the whole image."
        )
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise RequestError(400, "query", "'min_score' must be a number in [0, 1], such as 0.5.")
    return score


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    request.scope["state"]["refused"] = error.reason
    return Response(error.body(request.url.path), error.status, error.headers, "application/json")


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = {404: "no-such-path", 405: "method"}.get(error.status_code, "http")
    refusal = RequestError(error.status_code, reason, f"{error.detail}. See /docs.", error.headers)
    return await _refused(request, refusal)


async def _invalid(request: Request, error: Exception) -> Response:
    return await _refused(
        request, RequestError(422, "query", "A parameter of the request is not as /docs says.")
    )


async def _failed(request: Request, error: Exception) -> Response:
    log("failed", logging.ERROR, exc_info=error, path=request.url.path)
    return await _refused(request, RequestError(500, "failed", "The server failed; its log says more."))
