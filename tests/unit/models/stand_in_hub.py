"""A hub on this machine that holds one file of weights, and can be told to misbehave."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    """What the real hub answers for a file under LFS: a redirect with size and digest, then the bytes.

    Attributes:
        content: The file.
        manner: "" for good manners, else how it misbehaves.
        seen: (method, path, headers) of every request.
    """

    daemon_threads = True

    def __init__(self, repo: str, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repo, self.content, self.manner = repo, content, ""
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.over = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: Any) -> None:
        """A client that goes away is nothing to print."""


class Answer(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        hub = self._note()
        if hub.manner == "silent":
            hub.over.wait(30)
            return
        if hub.manner == "busy":
            self._end(503)
        elif hub.manner == "no repository":
            self._end(404, {"X-Error-Code": "RepoNotFound"})
        elif hub.manner == "gated":
            self._end(403, {"X-Error-Code": "GatedRepo"})
        elif self.path != f"/{hub.repo}/resolve/main/model.safetensors" or hub.manner == "no file":
            self._end(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        else:
            digest = hashlib.sha256(hub.content).hexdigest()
            etag = '"abc-1"' if hub.manner == "no digest" else f'"{digest}"'
            # Another name for the same machine: files lie with another host than the hub.
            place = f"http://localhost:{hub.server_address[1]}/files/{digest}"
            about = {"X-Linked-Etag": etag, "X-Linked-Size": str(len(hub.content)), "Location": place}
            self._end(302, {"X-Repo-Commit": COMMIT, **about})

    def do_GET(self) -> None:
        hub = self._note()
        body, message = hub.content, len(hub.content)
        if hub.manner == "silent body":
            hub.over.wait(30)
            return
        if hub.manner == "changed":
            body = body[:-1] + bytes([body[-1] ^ 1])
        if hub.manner in ("cut off", "short"):
            body = body[: len(body) // 2]
            message = len(body) if hub.manner == "short" else message
        self.send_response(200)
        self.send_header("Content-Length", str(message))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)
        self.close_connection = len(body) != message

    def _note(self) -> Hub:
        self.server.seen.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        return self.server

    def _end(self, status: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextlib.contextmanager
def serving(repo: str, content: bytes) -> Iterator[Hub]:
    """The hub, running."""
    hub = Hub(repo, content)
    thread = threading.Thread(target=hub.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.over.set()
        hub.shutdown()
        hub.server_close()
        thread.join()
