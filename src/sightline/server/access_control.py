"""ASGI middleware: authentication, Host/Origin checks, body size and receive timeout.

The body of a request is received here, whole and within its limits, before the application sees it. All
bodies are small enough to be kept in memory, and no later code has to check sizes or times.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import logging
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from sightline.server.engine import overloaded
from sightline.server.limits import Limits
from sightline.server.logs import log
from sightline.server.metrics import Metrics
from sightline.server.request_error import RequestError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

OPEN = frozenset({"/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
"""Paths that need no token: probes ask them, and they say nothing but yes or no."""

_LINGER = 2.0  # seconds that a refused request may go on being sent, so that its sender reads the answer
_HOLD = 0.025
"""Seconds after which a request is refused for want of room. A client that asks again at once comes back 40
times a second then, and not as often as it can be refused: the processor is needed for those it serves."""
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
_CLOSE_HEADER = (b"connection", b"close")
_WAY = "The server is started with --allow-origin for those that may."
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST"),
    (
        b"access-control-allow-headers",
        b"accept, authorization, content-type, inference-header-content-length",
    ),
    (b"access-control-max-age", b"600"),
)


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """Whether an address or name is of this machine only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


@dataclass(frozen=True)
class Policy:
    """Access policy: token, Host and Origin.

    Attributes:
        token: Expected value of "Authorization: Bearer ..."; empty if only this machine can connect.
        origins: Allowed browser origins ("https://shop.example"), in lower case.
    """

    token: str = ""
    origins: frozenset[str] = frozenset()

    def welcome(self, headers: dict[str, list[str]]) -> str:
        """The Origin of a request if it is allowed; else empty."""
        origins = headers.get("origin", [])
        return origins[0] if len(origins) == 1 and origins[0].lower() in self.origins else ""

    def judge(self, path: str, headers: dict[str, list[str]], client: str, *, ahead: bool = False) -> None:
        """Return if the request is allowed, else raise.

        Args:
            path: Requested path.
            headers: Of the request, by name in lower case.
            client: Address of the client.
            ahead: Whether this is a CORS preflight request, which carries no token.

        Raises:
            Refused: 401 without the token; 403 for a foreign Host or Origin (a web page that makes a browser
                of this machine send requests, DNS rebinding).
        """
        hosts = headers.get("host", [])
        if len(hosts) != 1:
            raise RequestError(400, "host", "A request needs one Host header.")
        if not self.token:
            if not is_loopback(client):
                raise RequestError(403, "address", "Without a token only this machine may ask.")
            if not is_loopback(_hostname(hosts[0])):
                raise RequestError(
                    403, "host", "Without a token the Host must be localhost or a loopback address."
                )
        if not self.welcome(headers):
            for origin in headers.get("origin", []):
                if _netloc(origin) != hosts[0].lower():
                    raise RequestError(
                        403, "origin", f"Requests from pages of other origins are refused. {_WAY}"
                    )
            if "cross-site" in headers.get("sec-fetch-site", []):
                raise RequestError(403, "origin", f"Requests from pages of other sites are refused. {_WAY}")
        if (
            self.token
            and not ahead
            and path not in OPEN
            and not self._known(headers.get("authorization", []))
        ):
            raise RequestError(
                401, "token", "This needs the header 'Authorization: Bearer TOKEN' with the right token."
            )

    def _known(self, given: list[str]) -> bool:
        """Compare the token in constant time, whatever its length."""
        word, _, rest = (given[0] if len(given) == 1 else "").partition(" ")
        digests = (
            hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (rest.strip(), self.token)
        )
        return hmac.compare_digest(*digests) and word.lower() == "bearer"


def _netloc(origin: str) -> str:
    with suppress(ValueError):
        return urlsplit(origin).netloc.lower()
    return ""


def _hostname(netloc: str) -> str:
    with suppress(ValueError):
        return urlsplit(f"//{netloc}").hostname or ""
    return ""


class Guard:
    """Middleware around the whole application: checks, receives, counts and logs every request.

    Args:
        app: What is served.
        policy: Who may ask.
        limits: How much and how long.
        metrics: Where it counts.
        busy: Whether an image would be refused now.
    """

    def __init__(
        self, app: App, policy: Policy, limits: Limits, metrics: Metrics, busy: Callable[[], bool]
    ) -> None:
        self.app, self.policy, self.limits, self.metrics, self.busy = app, policy, limits, metrics, busy
        self.draining = False
        self._held = 0
        self._unsaid = 0  # requests refused for want of room, of which the log does not know yet
        self._silent: asyncio.TimerHandle | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Request(scope, receive, send, self)
        try:
            await self._serve(request)
        finally:
            self._held -= request.size
            self._note(request)

    async def _serve(self, request: _Request) -> None:
        try:
            first = request.method == "OPTIONS" and "access-control-request-method" in request.headers
            ahead = first and bool(self.policy.welcome(request.headers))
            client = (request.scope.get("client") or ("",))[0]
            self.policy.judge(request.path, request.headers, client, ahead=ahead)
            if ahead:
                await request.permit()
                return
            if request.method == "POST" and self.busy():
                raise overloaded()
            body = await self._received(request)
            await self.app(request.scope, _replay(body, request.receive), request.send)
        except RequestError as refused:
            await request.refuse(refused)
        except _Gone:
            request.reason = "gone"
        except Exception as error:  # the last resort: an answer, and a line in the log
            log("failed", logging.ERROR, exc_info=error, path=request.path, id=request.id)
            if not request.status:
                await request.refuse(
                    RequestError(500, "failed", f"The server failed; its log says more ({request.id}).")
                )

    async def _received(self, request: _Request) -> bytes:
        """Receive the body within the limits.

        Raises:
            Refused: 413 too large, 408 too slow, 503 too many at once.
        """
        limit, chunks = self.limits.max_body, []
        large = RequestError(
            413, "too-large", f"The request is larger than the limit of {limit:,} bytes (--max-body)."
        )
        if request.declared > limit:
            raise large
        try:
            async with asyncio.timeout(self.limits.timeout):
                while not request.complete:
                    chunk = await request.more()
                    request.size += len(chunk)
                    self._held += len(chunk)
                    if request.size > limit:
                        raise large
                    if self._held > self.limits.held:
                        raise overloaded()
                    chunks.append(chunk)
        except TimeoutError:
            text = f"The request was not received within {self.limits.timeout:g} s (--timeout)."
            raise RequestError(408, "too-slow", text) from None
        return b"".join(chunks)

    def _note(self, request: _Request) -> None:
        seconds = time.perf_counter() - request.started
        request.reason = request.reason or request.scope["state"].get("refused", "")
        route = getattr(request.scope.get("route"), "path", "other")
        self.metrics.count(
            "sightline_requests_total", path=route, method=request.method, status=str(request.status)
        )
        self.metrics.observe("sightline_request_seconds", seconds, path=route)
        if request.reason:
            self.metrics.count("sightline_refused_total", reason=request.reason)
        quiet = request.path in OPEN or request.path == "/metrics"
        if request.reason == "overloaded":  # a line for each would be most of the work, and fill the disk
            self._unsaid += 1
            if self._silent is None:
                self.tell()
            return
        log("request", logging.DEBUG if quiet else logging.INFO, id=request.id, method=request.method,
            path=request.path, status=request.status, ms=round(1000 * seconds, 2), bytes=request.size,
            reason=request.reason, client=(request.scope.get("client") or ("",))[0],
            **request.scope["state"].get("facts", {}))  # fmt: skip

    def tell(self) -> None:
        """Log the number of requests refused by a full queue since the last log line; at most once a
        second.
        """
        self._silent = None
        if self._unsaid:
            log("overloaded", logging.WARNING, count=self._unsaid)
            self._unsaid = 0
            self._silent = asyncio.get_running_loop().call_later(1, self.tell)


class _Gone(Exception):
    """The client disconnected before the request was complete."""


class _Request:
    """State of one request: what was received, and what was answered."""

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, guard: Guard) -> None:
        self.scope, self.receive, self._send, self._guard = scope, receive, send, guard
        self.started = time.perf_counter()
        self.id = f"{random.getrandbits(64):016x}"  # to find it in the log, no secret
        self.path, self.method = scope["path"], _method(scope["method"])
        self.headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            self.headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        length = self.headers.get("content-length", ["0"])[0]
        self.declared = int(length) if length.isdigit() else 0
        self.complete = not self.declared and "transfer-encoding" not in self.headers
        self.size = self.status = 0
        self.reason = ""
        scope.setdefault("state", {})["facts"] = {}

    async def more(self) -> bytes:
        """The next part of the body."""
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        self.complete = not message.get("more_body", False)
        return bytes(message.get("body", b""))

    async def send(self, message: Message) -> None:
        """Send with the headers that all responses have; the connection closes after the last part."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            extra = [*_HEADERS, (b"x-request-id", self.id.encode())]
            if self._guard.policy.origins:
                extra.append((b"vary", b"Origin"))
            if origin := self._guard.policy.welcome(self.headers):
                extra.append((b"access-control-allow-origin", origin.encode("latin-1")))
                extra.append((b"access-control-expose-headers", b"x-request-id, retry-after"))
            if self._guard.draining or not self.complete:
                extra.append(_CLOSE_HEADER)
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await self._send(message)

    async def permit(self) -> None:
        """Answer a CORS preflight request (fetch.spec.whatwg.org)."""
        await self.send({"type": "http.response.start", "status": 204, "headers": [*_PREFLIGHT]})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(self, refused: RequestError) -> None:
        """Send an error response at once, and discard the rest of the body for a moment. If the connection
        were closed immediately, the client would see a reset instead of the response.
        """
        self.reason = refused.reason
        if refused.status == 503:
            if "expect" not in self.headers:
                await self._discard(_HOLD)
            await asyncio.sleep(self.started + _HOLD - time.perf_counter())
        body = b"" if self.method == "HEAD" else refused.body(self.path)
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refused.headers}
        raw = [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()]
        await self.send({"type": "http.response.start", "status": refused.status, "headers": raw})
        await self._send({"type": "http.response.body", "body": body, "more_body": not self.complete})
        if not self.complete:
            await self._discard(_LINGER)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _discard(self, seconds: float) -> None:
        with suppress(TimeoutError, _Gone):
            async with asyncio.timeout(seconds):
                while not self.complete:
                    await self.more()


def _method(name: str) -> str:
    return name if name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "OTHER"


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that returns the whole body first, then the messages of the connection."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once
