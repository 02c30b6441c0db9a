"""serve: exported models over HTTP; only this machine can connect unless a token is set."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sightline.cluster.start import LOCAL, cluster, library
from sightline.config import build
from sightline.console import say, silent
from sightline.data.io.images import max_pixels
from sightline.errors import DataError, MissingExtra, UsageError
from sightline.server.guard import is_loopback
from sightline.server.jobs import Spec
from sightline.server.limits import Limits, origins_of, seconds_of, size_of
from sightline.server.worker import named

SESSION = "sightline.runtime.session:Session"
_TOKEN = "SIGHTLINE_TOKEN"
_SHORTEST = 16
_PIXELS = "SIGHTLINE_MAX_PIXELS"


def run(
    model: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    token_file: Path | None = None,
    allow_origin: Sequence[str] = (),
    max_body: str = "20MB",
    max_images: int = 16,
    timeout: str = "30s",
    queue: int = 64,
    batch: int = 8,
    wait: str = "5ms",
    workers: int = 1,
    threads: int = 0,
    ray: str | None = None,
) -> None:
    """See `sightline.api.serve`."""
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
        "timeout": seconds_of(timeout, "--timeout"), "queue": queue, "batch": batch,
        "wait": seconds_of(wait, "--wait"), "workers": workers, "threads": threads,
        "max_pixels": max_pixels() if _PIXELS in os.environ else Limits.max_pixels,
    }  # fmt: skip
    limits, files = build(Limits, options, "serve"), models(model)
    token, origins = (
        secret(token_file),
        origins_of([allow_origin] if isinstance(allow_origin, str) else allow_origin),
    )
    if not token and not is_loopback(host):
        raise UsageError(
            f"--host {host} can be reached by others, so a token is needed: put at least {_SHORTEST} letters "
            f"into {_TOKEN} or a file named by --token-file. Without one, serve at 127.0.0.1."
        )
    each = threads or max(1, (os.cpu_count() or 1) // (workers * len(files)))
    specs = {name: Spec(SESSION, str(file.absolute()), each) for name, file in files.items()}
    if ray is not None:
        _on_ray(ray, specs, limits, host, port, token, origins)
        return
    sock = bound(host, port)
    set_up(sys.stderr, level=30 if silent() else 20)
    service = Service.of(specs, limits)
    names = ", ".join(files)
    listen(service, sock, token=token, origins=origins,
           started=lambda at, number: say(f"Serving {names} at http://{at}:{number} (/docs)"))  # fmt: skip


def _on_ray(
    address: str, specs: Mapping[str, Spec], limits: Limits, host: str, port: int, token: str,
    origins: tuple[str, ...],
) -> None:  # fmt: skip
    """Serve on a cluster of Ray. The models are loaded here first, to say plainly what is wrong with one."""
    library(address)
    from sightline.cluster.serving import Door, serve
    from sightline.server.listener import bound

    for spec in specs.values():
        named(spec.session)(spec.file, threads=1)
    if address == LOCAL:
        with bound(host, port) as sock:
            port = sock.getsockname()[1]
    elif port == 0:
        raise UsageError(f"--port 0 takes a free port of this machine; with --ray {address} name one.")
    if not is_loopback(host):
        say("Ray's own door limits neither slow senders nor connections: put a proxy in front of it.")
    with cluster(address) as workers:
        serve(specs, limits, Door(host, port, token, origins), workers,
              lambda: say(f"Serving {', '.join(specs)} at http://{host}:{port} (/docs)"))  # fmt: skip


def models(given: Sequence[str]) -> dict[str, Path]:
    """Exported files by the name that requests use: that of the file, or NAME in "NAME=FILE".

    Raises:
        UsageError: If a run has no exported file or several, or two models have one name.
        DataError: If a file is not there.
    """
    files: dict[str, Path] = {}
    for text in given:
        name, _, path = text.rpartition("=") if "=" in text and not Path(text).exists() else ("", "", text)
        file = _exported(Path(path))
        name = name or (Path(path).resolve().name if Path(path).is_dir() else file.stem)
        if name in files:
            raise UsageError(f"Two models are called '{name}'. Name them: a={files[name]} b={file}.")
        if "/" in name or not name.isprintable():
            raise UsageError(f"'{name}' cannot be the name of a model: it would be part of an address.")
        files[name] = file
    if not files:
        raise UsageError("Name a run or an exported file to serve: sightline serve runs/street-1.")
    return files


def _exported(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"{path} is not there. Name a run folder or an exported .onnx file.")
    usual = path / "export" / f"{path.resolve().name}.onnx"
    files = [usual] if usual.is_file() else sorted({*path.glob("*.onnx"), *path.glob("*/*.onnx")})
    if not files:
        raise UsageError(f"{path} holds no exported model. Make one: sightline export {path}.")
    if len(files) > 1:
        raise UsageError(f"{path} holds several exported models. Name one: {', '.join(map(str, files))}.")
    return files[0]


def secret(file: Path | None) -> str:
    """The token from the file, or from the environment; empty if there is none. Never from the command line,
    which other users of the machine can read.

    Raises:
        UsageError: If it is too short or cannot stand in a header, or the file cannot be read.
    """
    where = _TOKEN if file is None else str(file)
    try:
        token = os.environ.get(_TOKEN, "") if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--token-file {file} cannot be read: {getattr(error, 'strerror', error)}."
        ) from error
    if file is None and not token:
        return ""
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"The token in {where} must be at least {_SHORTEST} letters, without spaces. "
                         "Make one: python -c 'import secrets; print(secrets.token_urlsafe())'.")  # fmt: skip
    if file is not None and os.name == "posix" and file.stat().st_mode & 0o077:
        say(f"Others can read {file}. Close it: chmod 600 {file}.")
    return token
