"""serve: exported models over HTTP; only this machine can connect unless a token is set."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from sightline.config import Heading, Range
from sightline.declaration import command
from sightline.server.limits import MAX_BODY, TIMEOUT, WAIT, Count, Limits

SESSION = "sightline.runtime.session:Session"
_PIXELS = "SIGHTLINE_MAX_PIXELS"


@command
def serve(
    model: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Range(0, 65535)] = 8080,
    token_file: Path | None = None,
    allow_origin: Sequence[str] = (),
    ray: str | None = None,
    max_batch_size: Annotated[Count, Heading("Speed")] = Limits.batch,
    batch_timeout: str = WAIT,
    workers: Count = Limits.workers,
    threads: Annotated[int, Range()] = Limits.threads,
    max_body: Annotated[str, Heading("Limits")] = MAX_BODY,
    max_images: Count = Limits.max_images,
    timeout: str = TIMEOUT,
    max_queue_size: Count = Limits.queue,
) -> None:
    """Serve exported models over HTTP until stopped; only this machine can connect unless a token is set.

    Args:
        model: Run folder with an exported model, or an exported file; several, also as NAME=FILE.
        host: Address to listen on. Other addresses than loopback need a token, in SIGHTLINE_TOKEN or a file.
        port: Port to listen on; 0 selects a free one.
        token_file: File with the token of requests (Authorization: Bearer TOKEN).
        allow_origin: Allowed browser origin (CORS), such as https://shop.example; repeat for several.
        ray: Serve through Ray Serve: local, auto, or HOST:PORT of a cluster's head; `workers` are then its
            replicas. Needs the extra 'ray'.
        max_batch_size: Maximum batch size.
        batch_timeout: Maximum time that an image waits for its batch to fill.
        workers: Worker processes of each model.
        threads: Threads of each process; 0 divides the cores among all processes.
        max_body: Maximum size of a request body.
        max_images: Maximum number of images in a request.
        timeout: Timeout to receive a request, to wait in the queue, and to predict, each.
        max_queue_size: Queue size of each model; further images are refused.
    """
    from sightline.cluster.start import import_ray
    from sightline.config import build
    from sightline.console import say, silent
    from sightline.data.io.images import max_pixels
    from sightline.errors import MissingExtra
    from sightline.server.jobs import WorkerConfig
    from sightline.server.limits import origins_of, seconds_of, size_of
    from sightline.server.model_files import models
    from sightline.server.token import require_token, secret

    try:
        from sightline.server.listener import bound, listen
        from sightline.server.logs import set_up
        from sightline.server.service import Service
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("fastapi", "starlette", "uvicorn", "python_multipart"):
            raise
        raise MissingExtra("sightline serve", "server") from None
    options = {
        "max_body": size_of(max_body, "--max-body"), "max_images": max_images,
        "timeout": seconds_of(timeout, "--timeout"), "queue": max_queue_size, "batch": max_batch_size,
        "wait": seconds_of(batch_timeout, "--batch-timeout"), "workers": workers, "threads": threads,
        "max_pixels": max_pixels() if _PIXELS in os.environ else Limits.max_pixels,
    }  # fmt: skip
    limits, files = build(Limits, options, "serve"), models(model)
    token, origins = secret(token_file), origins_of(allow_origin)
    require_token(token, host)
    each = threads or max(1, (os.cpu_count() or 1) // (workers * len(files)))
    specs = {name: WorkerConfig(SESSION, str(file.absolute()), each) for name, file in files.items()}
    if ray is not None:
        import_ray(ray)  # else what follows could not be imported
        from sightline.cluster.serving import AccessPolicyMiddleware, serve_at

        serve_at(ray, specs, limits, AccessPolicyMiddleware(host, port, token, origins))
        return
    sock = bound(host, port)
    set_up(sys.stderr, level=30 if silent() else 20)
    service = Service.of(specs, limits)
    names = ", ".join(files)
    listen(service, sock, token=token, origins=origins,
           started=lambda at, number: say(f"Serving {names} at http://{at}:{number} (/docs)"))  # fmt: skip
