"""Ray Serve deployment of `sightline.server`.

Each replica is a whole server behind Ray's proxy, with the same guard, queue and worker processes
as without Ray.
"""

from __future__ import annotations

import asyncio
import math
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sightline.cluster.start import LOCAL, Cluster, cluster, import_ray, silence_ray
from sightline.console import say
from sightline.errors import DataError, UsageError
from sightline.server.access_control import App, Message, Receive, Send, is_loopback
from sightline.server.jobs import WorkerConfig
from sightline.server.limits import Limits
from sightline.server.listener import bound, guarded
from sightline.server.logs import set_up
from sightline.server.service import Service
from sightline.server.worker import import_name

NAME = "sightline"
"""Of the application in the cluster."""

_LOOK = 0.1  # seconds between looks at a model that is being loaded


@dataclass(frozen=True)
class AccessPolicyMiddleware:
    """Address of the server.

    Attributes:
        host: Address that Ray's door listens at.
        port: And its port.
        token: What requests must say; empty where only this machine may ask.
        origins: Origins whose pages may ask from a browser.
    """

    host: str
    port: int
    token: str = ""
    origins: tuple[str, ...] = ()


def serve_at(
    address: str, specs: Mapping[str, WorkerConfig], limits: Limits, door: AccessPolicyMiddleware
) -> None:
    """Serve on the cluster at an address. The models are loaded here first, to report their errors.

    Args:
        address: local, auto, or HOST:PORT of the cluster's head.
        specs: The models.
        limits: Of each replica.
        door: Where requests come in.

    Raises:
        UsageError: If a free port is wanted of another machine.
        DataError: If a model cannot be loaded.
    """
    host, port = door.host, door.port
    for spec in specs.values():
        import_name(spec.session)(spec.file, threads=1)
    if address == LOCAL:
        with bound(host, port) as sock:
            port = sock.getsockname()[1]
    elif port == 0:
        raise UsageError(f"--port 0 takes a free port of this machine; with --ray {address} name one.")
    if not is_loopback(host):
        say("Ray's own door limits neither slow senders nor connections: put a proxy in front of it.")
    with cluster(address) as workers:
        serve(specs, limits, replace(door, port=port), workers,
              lambda: say(f"Serving {', '.join(specs)} at http://{host}:{port} (/docs)"))  # fmt: skip


def serve(
    specs: Mapping[str, WorkerConfig],
    limits: Limits,
    door: AccessPolicyMiddleware,
    cluster: Cluster,
    started: Callable[[], None],
) -> None:
    """Serve on a connected cluster until SIGTERM or SIGINT. Blocks.

    Args:
        specs: The models. Their files must lie where all machines of the cluster see them.
        limits: Of each replica; there are `limits.workers` of them.
        door: Where requests come in.
        cluster: Where.
        started: Called once requests are answered.

    Raises:
        UsageError: If there are not enough processors, or the cluster serves already, elsewhere or ours.
        DataError: If a model cannot be loaded.
    """
    import_ray()
    from ray import serve as library_serve

    each = sum(spec.threads for spec in specs.values())
    if each * limits.workers > cluster.cpus:
        raise UsageError(
            f"--workers {limits.workers} of {each} threads need {each * limits.workers} processors; the "
            f"cluster has {cluster.cpus}. Take fewer workers, or --threads 1."
        )
    silence_ray()
    library_serve.start(
        proxy_location="EveryNode",
        http_options={
            "host": door.host, "port": door.port, "request_timeout_s": math.ceil(3 * limits.timeout) + 5,
        },
        logging_config={"log_level": "ERROR", "enable_access_log": False},
    )  # fmt: skip
    if NAME in library_serve.status().applications:
        raise UsageError(f"The cluster has an application '{NAME}' already: stop the command that serves it.")
    try:
        _deploy(library_serve, specs, limits, door)
        _answers(door)
        started()
        _until_stopped()
    finally:
        with suppress(Exception):
            library_serve.delete(NAME)
        if cluster.ours:
            library_serve.shutdown()


def _deploy(
    library_serve: Any, specs: Mapping[str, WorkerConfig], limits: Limits, door: AccessPolicyMiddleware
) -> None:
    """Start the replicas, and wait until each has predicted once."""
    own_limits, specs_by_name = replace(limits, workers=1), dict(specs)

    def build() -> App:
        return application(specs_by_name, own_limits, door.token, door.origins)

    class Replica:
        """The application in one process of the cluster."""

    deployment = library_serve.deployment(
        library_serve.ingress(build)(Replica),
        num_replicas=limits.workers,
        max_ongoing_requests=max(limits.queue, 16),
        max_queued_requests=limits.queue,
        graceful_shutdown_timeout_s=3 * limits.timeout,
        ray_actor_options={"num_cpus": sum(spec.threads for spec in specs.values())},
    )
    try:
        library_serve.run(deployment.bind(), name=NAME, route_prefix="/")
    except (RuntimeError, TimeoutError) as error:
        raise DataError(
            f"The models cannot be served on the cluster: {_reason(library_serve, error)}"
        ) from None


def application(
    specs: Mapping[str, WorkerConfig], limits: Limits, token: str, origins: tuple[str, ...] = ()
) -> App:
    """The guarded application of a replica: ready when its models have predicted once."""
    set_up(sys.stderr)
    service = Service.of(specs, limits)
    guard = guarded(service, token, origins)

    async def run(scope: Any, receive: Receive, send: Send) -> None:
        await guard(scope, receive, _once_ready(service, send) if scope["type"] == "lifespan" else send)

    return run


def _once_ready(service: Service, send: Send) -> Send:
    async def wait(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            while not service.ready and service.failure is None:
                await asyncio.sleep(_LOOK)
            if service.failure is not None:
                message = {"type": "lifespan.startup.failed", "message": str(service.failure)}
        await send(message)

    return wait


def _reason(library_serve: Any, error: Exception) -> str:
    """Why a deployment failed, as far as Ray tells."""
    with suppress(Exception):
        for deployment in library_serve.status().applications[NAME].deployments.values():
            return str(deployment.message).strip().splitlines()[-1][:300]
    return str(error)


def _answers(door: AccessPolicyMiddleware) -> None:
    """Check that requests are answered at the expected address: a reused cluster has its own proxy.

    Raises:
        UsageError: If they are not.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(door.host, door.host)
    shown = f"[{host}]" if ":" in host else host
    try:
        urllib.request.urlopen(f"http://{shown}:{door.port}/healthz", timeout=30).close()
    except OSError as error:
        raise UsageError(
            f"Nobody answers at --host {door.host} --port {door.port} ({error}). A cluster that serves "
            "already keeps its own door: name that one, or end it with `serve shutdown`."
        ) from None


def _until_stopped() -> None:
    """Wait for SIGTERM or SIGINT."""
    ended = threading.Event()
    before = {n: signal.signal(n, lambda *_: ended.set()) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        while not ended.wait(1):
            pass
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
