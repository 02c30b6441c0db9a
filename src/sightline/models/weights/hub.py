"""Hugging Face Hub client for weights: announces each download, and verifies its SHA-256.

Files are stored in the cache of huggingface_hub, which other programs share. A file in the cache is used
without any request. Only safetensors are accepted, because they contain no code.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from sightline import console
from sightline._version import __version__
from sightline.errors import SightlineError, UsageError

SECONDS = 10.0
"""How long an answer is waited for where no variable says otherwise."""
SHA256 = re.compile(r"[0-9a-f]{64}")
EVERY = 10.0
"""Seconds between two lines on how far a download is."""


@dataclass(frozen=True)
class Weights:
    """Location of a weights file on the hub.

    Attributes:
        repo: Name of the repository ("timm/resnet50.a1_in1k").
        file: Name of the file in it.
        revision: Branch, tag or commit.
        license: Licence of the weights, or "".
    """

    repo: str
    file: str = "model.safetensors"
    revision: str = "main"
    license: str = ""


@dataclass(frozen=True)
class Cached:
    """A file in the local cache of the hub.

    Attributes:
        path: Where it lies.
        sha256: What the hub announced as its digest; "" where the cache keeps no links and so does not know.
    """

    path: Path
    sha256: str


def endpoint() -> str:
    """Address of the hub, which HF_ENDPOINT may name."""
    return str(_library().constants.ENDPOINT)


def host() -> str:
    """Host name of the hub, for messages."""
    parts = urlsplit(endpoint())
    return parts.netloc or endpoint()


def folder() -> Path:
    """The cache, which HF_HUB_CACHE or HF_HOME may name."""
    return Path(_library().constants.HF_HUB_CACHE)


def repositories() -> list[str]:
    """Names of the repositories of which something lies in the cache."""
    return sorted(p.name[8:].replace("--", "/") for p in folder().glob("models--*") if p.is_dir())


def forbidden() -> str:
    """Name of the environment variable that forbids network access, or ""."""
    if os.environ.get("SIGHTLINE_OFFLINE", "0") not in ("", "0"):
        return "SIGHTLINE_OFFLINE"
    return "HF_HUB_OFFLINE" if _library().constants.HF_HUB_OFFLINE else ""


def timeout() -> float:
    """Timeout in seconds for a silent server.

    Raises:
        UsageError: If a variable says something else than a number of seconds.
    """
    for name in ("SIGHTLINE_HUB_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"):
        given = os.environ.get(name, "")
        if not given:
            continue
        try:
            seconds = float(given)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            raise UsageError(f"{name} is '{given}'; expected a number of seconds above 0, such as 10.")
        return seconds
    return SECONDS


def cached(weights: Weights) -> Cached | None:
    """The file in the cache, or None. Touches no network, and does not open the file."""
    entry = _library().try_to_load_from_cache(weights.repo, weights.file, revision=weights.revision)
    if not isinstance(entry, str):  # a mark that the hub has no such file is something else too
        return None
    path = Path(entry)
    # The link's own target, not the end of the chain: a store of shared files uses names of another kind.
    digest = path.readlink().name if path.is_symlink() else ""
    return Cached(path, digest if SHA256.fullmatch(digest) else "")


def described(weights: Weights) -> str:
    """Where the file lies in the cache, in words; "" if it does not."""
    return f"from the cache, {folder()}" if cached(weights) is not None else ""


def fetch(weights: Weights) -> Path:
    """Path of the file, from the cache or downloaded; its digest is the one that the hub announced.

    Raises:
        UsageError: If SIGHTLINE_HUB_TIMEOUT is no number.
        SightlineError: If it cannot be had; the text says why.
    """
    entry = cached(weights)
    if entry is not None:
        actual = _digest(entry.path, *_state(entry.path))
        if actual == entry.sha256 or not entry.sha256:
            return entry.path
        _delete(entry.path)
        console.say(
            f"{entry.path} was damaged (expected SHA-256 {entry.sha256[:12]}..., found {actual[:12]}...) and "
            "is deleted."
        )
    if variable := forbidden():
        raise SightlineError(f"{variable} forbids the network")
    return _download(weights, timeout())


def _library() -> Any:
    """huggingface_hub, without its telemetry."""
    import huggingface_hub  # slow to import, and wanted for published weights only
    from huggingface_hub import constants

    constants.HF_HUB_DISABLE_TELEMETRY = True  # where a program imported it before us
    return huggingface_hub


def _download(weights: Weights, seconds: float) -> Path:
    """Request the metadata, announce the download, download, and verify the digest."""
    library, where = _library(), {"revision": weights.revision}
    # Instead of the library's own, which names this machine's Python; a token is sent by those who logged in.
    headers = {"user-agent": f"sightline/{__version__}"}
    with _bounded(seconds):
        try:
            url = library.hf_hub_url(weights.repo, weights.file, **where)
            metadata = library.get_hf_file_metadata(url, timeout=seconds, headers=headers)
            digest = metadata.etag or ""
            if not SHA256.fullmatch(digest):
                raise SightlineError(
                    f"{host()} announces no SHA-256 of {weights.repo}/{weights.file} (found '{digest}'), so "
                    "that what it sends could not be compared"
                )
            _announce(weights, metadata.size)
            path = Path(
                library.hf_hub_download(
                    weights.repo,
                    weights.file,
                    **where,
                    headers=headers,
                    etag_timeout=seconds,
                    tqdm_class=_Progress,
                )
            )
        except SightlineError:
            raise
        except Exception as error:  # whatever the library, the network or the disk may throw
            raise SightlineError(_explained(error, weights, seconds)) from error
    actual = _digest(path, *_state(path))
    if actual != digest:
        _delete(path)
        raise SightlineError(
            f"what {host()} sent as {weights.repo}/{weights.file} is not what it announced: expected SHA-256 "
            f"{digest[:12]}..., found {actual[:12]}.... It was deleted and not read. Try again; if it "
            "happens again, something between here and the hub changes files"
        )
    return path


def _announce(weights: Weights, size: int | None) -> None:
    """Print what is downloaded: source, size, license and destination folder."""
    large = "of unknown size" if size is None else f"{size / 1e6:.1f} MB"
    license = f"licence {weights.license}" if weights.license else "licence not known: see its page there"
    sent = (
        "Its name and your token for the hub are sent."
        if _library().get_token()
        else "Only its name is sent."
    )
    console.say(
        f"Fetching {weights.repo}/{weights.file} ({large}, {license}) from {endpoint()} into {folder()}. "
        f"{sent}"
    )


class _Progress:
    """Progress bar for huggingface_hub: logs a line now and then, and stops endless retries.

    Args:
        total: Bytes of the file.
    """

    def __init__(self, *, total: int | None = None, **_: Any) -> None:
        self.total, self.done, self.received = total, 0, 0
        self.said = time.monotonic()

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, count: float = 1) -> None:
        """So many bytes more; fewer where a part must be fetched again.

        Raises:
            SightlineError: If more than twice the file has come and it is still not whole: the library tries
                again for ever where each try gives something.
        """
        self.done += int(count)
        self.received += max(0, int(count))
        if self.total and self.received > 2 * self.total + 50_000_000:
            raise SightlineError("the connection breaks off again and again")
        if time.monotonic() - self.said > EVERY:
            self.said = time.monotonic()
            of = f" of {self.total / 1e6:.0f}" if self.total else ""
            console.say(f"Fetched {self.done / 1e6:.0f}{of} MB.")


@contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    """Set the timeout of huggingface_hub, and silence its own messages."""
    from huggingface_hub import constants, file_download

    log = logging.getLogger("huggingface_hub")
    with ExitStack() as stack:
        stack.callback(log.setLevel, log.level)
        log.setLevel(logging.CRITICAL)
        for module, name, value in (
            (constants, "HF_HUB_DOWNLOAD_TIMEOUT", seconds),
            # Where the second question hangs, after the first was answered: a minute, six times, else.
            (file_download, "_ETAG_RETRY_TIMEOUT", seconds),
            # Its faster protocol talks to further hosts and has time limits of its own, which cannot be set.
            (constants, "HF_HUB_DISABLE_XET", True),
        ):
            if hasattr(module, name):
                stack.callback(setattr, module, name, getattr(module, name))
                setattr(module, name, value)
        yield


def _explained(error: Exception, weights: Weights, seconds: float) -> str:
    """Explain a download error in words. Class names are compared: the library changed its HTTP client."""
    chain = list(_chain(error))
    kinds = {kind.__name__ for e in chain for kind in type(e).__mro__}
    first = (str(error).strip().splitlines() or [""])[0]
    status = next((r.status_code for e in chain if (r := getattr(e, "response", None)) is not None), "")
    explanations = {
        "GatedRepoError": f"{host()} gives {weights.repo} only to those who accept its terms: see "
        f"{endpoint()}/{weights.repo}, then `hf auth login`",
        "RepositoryNotFoundError": f"{host()} has no repository '{weights.repo}' that is open to all",
        "RevisionNotFoundError": f"{weights.repo} at {host()} has no revision '{weights.revision}'",
        "RemoteEntryNotFoundError": f"{weights.repo} at {host()} has no {weights.file}, and only safetensors "
        "are taken: other files of weights can hold code",
        "HfHubHTTPError": f"{host()} answered with HTTP status {status}",
        "gaierror": f"there is no network: {host()} has no address here",
        "ConnectionRefusedError": f"{host()} refused the connection",
        "TimeoutException": f"{host()} was silent for {seconds:g} s (SIGHTLINE_HUB_TIMEOUT)",
        "RemoteProtocolError": f"the connection to {host()} broke off, and did so when it was tried again",
        "NetworkError": f"{host()} cannot be reached ({first})",
    }
    for kind, text in explanations.items():
        if kind in kinds:
            return text
    if isinstance(error, OSError) and error.errno is not None:
        return (
            f"the cache cannot be written ({error.strerror}: {error.filename or folder()}). "
            "Name another folder with HF_HUB_CACHE"
        )
    if "Consistency check failed" in first:
        return f"{host()} sent only a part of {weights.repo}/{weights.file}; the part was deleted"
    return f"fetching them failed ({type(error).__name__}: {first})"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and its causes."""
    visited: set[int] = set()
    while error is not None and id(error) not in visited:
        visited.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _state(file: Path) -> tuple[int, int]:
    """(size, modification time) of a file, a key for caching its digest."""
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


@lru_cache
def _digest(file: Path, size: int, changed: int) -> str:
    """SHA-256 of a file, read anew when it changes (`size`, `changed`)."""
    del size, changed
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _delete(file: Path) -> None:
    """Delete a file from the cache, and the blob that its link points to."""
    if file.is_symlink():
        (file.parent / file.readlink()).unlink(missing_ok=True)
    file.unlink(missing_ok=True)


@contextmanager
def patient(repo: str = "") -> Iterator[None]:
    """Make huggingface_hub read its cache only, where the hub is not needed, forbidden or unreachable.

    It would try for a minute.

    Args:
        repo: The repository that is asked for, or ""; the hub need not be asked where its weights are kept.
    """
    constants = _library().constants
    before, name = constants.HF_HUB_OFFLINE, urlsplit(constants.ENDPOINT).hostname or ""
    if forbidden() or (repo and cached(Weights(repo)) is not None):
        constants.HF_HUB_OFFLINE = True
    else:
        try:
            if not getproxies():
                socket.getaddrinfo(name, 443)
        except OSError:
            console.say(
                f"There is no network: {name} has no address here. Looking among the weights fetched before."
            )
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
