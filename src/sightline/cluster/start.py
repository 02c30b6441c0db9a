"""Start of Ray: a local cluster for one command, closed to other machines, or an existing cluster.

Ray's usage reports are switched off here, before Ray is imported; no other file imports it.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sightline.console import say
from sightline.errors import MissingExtra, SightlineError, UsageError

LOCAL = "local"
"""The address that means: make a cluster of this machine."""

PATIENCE = 5.0
"""Seconds that an address has to answer."""

_STORE = 2**28  # bytes of shared memory of a cluster of our own: only paths and rows pass through it
_QUIET = {
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what matters comes as an exception
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # nor a page of text for each worker that ends: that is said by us
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray warns of a change to come
}
_CLOSED = {
    # Ray's name for "listen at this machine's own address only"; without it Ray listens at all of them.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
}
_ours: dict[
    str, str
] = {}  # what this process settled when it imported Ray; its clusters are made with the same


@dataclass(frozen=True)
class Cluster:
    """A connected cluster.

    Attributes:
        cpus: Processors.
        gpus: GPUs.
        ours: Whether it was made for this command.
    """

    cpus: int
    gpus: int
    ours: bool


def import_ray(address: str = "") -> Any:
    """Ray, with its usage reports off.

    Args:
        address: What will be asked of it. Ray takes its settings when it is imported: those that close a
            cluster of our own are made here, unless somebody has imported it before.

    Raises:
        MissingExtra: If it is not installed.
        UsageError: If nobody answers at the address, or it is none.
    """
    if address not in ("", LOCAL, "auto"):
        _answers(address)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    if address == LOCAL and not _ours and "ray" in sys.modules:
        say("Ray was imported before: a cluster that it makes listens at all addresses of this machine.")
    elif address == LOCAL and not _ours:
        _ours.update(_CLOSED, RAY_AUTH_TOKEN=secrets.token_hex(32))
    try:
        with _environment(_ours), _muted():
            import ray
            import ray.data
    except ImportError as error:
        if (error.name or "").split(".")[0] not in ("ray", "pandas", "pyarrow", "grpc"):
            raise
        raise MissingExtra("--ray", "ray") from None
    return ray


@contextmanager
def cluster(address: str, cpus: int | None = None) -> Iterator[Cluster]:
    """Connect to a cluster. One that is already connected is used, and stays connected.

    A cluster that is made here listens at this machine's own address only, and to those who know a token that
    is made for it; it and its files are gone afterwards.

    Args:
        address: "local", "auto" for one that runs on this machine, or HOST:PORT of a head.
        cpus: Processors of one that is made; all of this machine if left out.

    Raises:
        MissingExtra: If Ray is not installed.
        UsageError: If nobody answers at the address, or it is none.
        SightlineError: If Ray cannot be started.
    """
    ray = import_ray(address)
    if ray.is_initialized():
        silence_ray()
        yield _size(ray, ours=False)
        return
    folder = tempfile.mkdtemp(prefix="sightline-ray-") if address == LOCAL else None
    with _environment(_ours if folder else {}):
        try:
            _connect(ray, address, folder, cpus)
            silence_ray()
            yield _size(ray, ours=folder is not None)
        finally:
            ray.shutdown()
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def _connect(ray: Any, address: str, folder: str | None, cpus: int | None) -> None:
    usual: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}
    if folder is not None:
        usual |= {"include_dashboard": False, "_temp_dir": folder, "object_store_memory": _STORE,
                  "num_cpus": cpus}  # fmt: skip
    else:
        usual["address"] = address
    try:
        with _muted():
            ray.init(**usual)
    except ConnectionError as error:
        raise UsageError(f"--ray {address}: no cluster of Ray was found ({_first(error)}).") from None
    except (RuntimeError, ValueError, OSError) as error:
        what = "Ray could not be started on this machine" if folder else f"--ray {address} cannot be used"
        raise SightlineError(f"{what}: {_first(error)}") from error


def _answers(address: str) -> None:
    """Refuse an invalid address, and one without a cluster: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdigit():
        raise UsageError(
            f"--ray is local, auto (a cluster on this machine) or HOST:PORT of a head. Received '{address}'."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
        _speaks(address)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"--ray {address}: nobody answers there ({reason}). Is the cluster up? `ray start --head` says "
            "its address. Or use --ray local."
        ) from None


def _speaks(address: str) -> None:
    """Wait until the server at that address speaks Ray's protocol.

    Raises:
        TimeoutError: If it does not.
    """
    try:
        import grpc
    except ImportError:
        raise MissingExtra("--ray", "ray") from None
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        return  # Ray's own certificates would be needed to ask
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=PATIENCE)
        except grpc.FutureTimeoutError:
            raise TimeoutError("what listens there is no cluster of Ray") from None


def _size(ray: Any, *, ours: bool) -> Cluster:
    resources = ray.cluster_resources()
    return Cluster(max(1, int(resources.get("CPU", 1))), int(resources.get("GPU", 0)), ours)


def _first(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def silence_ray() -> None:
    """Set Ray's loggers to errors only: we report what matters."""
    for name in ("ray", "ray.data", "ray.serve"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _muted() -> Iterator[None]:
    """Discard output of Ray's compiled parts during the start; they have no option for it."""
    sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for the processes of the cluster; restore them afterwards."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
