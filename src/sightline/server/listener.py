"""Listening socket and life cycle of the server: uvicorn, with stricter timeouts and a graceful shutdown.

Uvicorn has no timeout for the head of a request, ends by the signal that it received, and closes connections
whose next request may be under way. Here the head has a timeout, the server ends with exit code 0, and all
requests sent before the end are answered.
"""

from __future__ import annotations

import asyncio
import gc
import math
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sightline.errors import UsageError
from sightline.server.access_control import Guard, Policy
from sightline.server.app import build
from sightline.server.logs import log
from sightline.server.service import Service

CONNECTIONS = 1000
"""Connections at a time; further ones are told 503 and closed."""

_GRACE = 0.5  # seconds in which requests that were under way when the end was asked for still come in
_KEEP_ALIVE = 15
_READ = 2**16  # bytes of an answer that must be read within a time limit of a connection
_HEAD = 2**16  # bytes of the head of a request
_AHEAD = 32  # requests of a connection that wait for the one being served
_FULL = (b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n"
         b"Content-Length: 0\r\n\r\n")  # fmt: skip


class CoalescingTransport:
    """Transport that joins all writes of one round of the event loop: head and body of a response become one
    packet and one system call, which is the most expensive part of a small response.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Buffer data; it is sent at the end of this round."""
        if not self._pieces:
            self._loop.call_soon(self._send)
        self._pieces.append(data)

    def close(self) -> None:
        """Send what was written, and close."""
        self._send()
        self._transport.close()

    def _send(self) -> None:
        data, self._pieces = b"".join(self._pieces), []
        if data and not self._transport.is_closing():
            self._transport.write(data)


class Timed(HttpToolsProtocol):
    """HTTP connection with a timeout: it must send the head of a request (at most 64 KiB) within `limit`
    seconds of the connection or of the first byte, and it must read its responses. Otherwise unread
    responses would fill the memory.
    """

    limit = 10.0
    _head: asyncio.TimerHandle | None = None
    _tail: asyncio.TimerHandle | None = None
    _open = False  # whether a request has begun and not ended
    _heading = False  # whether its head has not ended
    _said = 0  # bytes of its headers so far
    _idle = 0  # bytes since it went on: of a header, or after the body, that does not end
    _went_on = False  # whether it did in this piece
    _failed = ""  # why no more is read, once what was asked before is answered

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, or refuse it."""
        super().connection_made(CoalescingTransport(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > CONNECTIONS:
            transport.write(_FULL)
            transport.close()
            return
        self._head = self.loop.call_later(self.limit, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Read data; the timeout runs while no request is being served."""
        if self._failed or self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._went_on = False
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._fail("Invalid HTTP request received.")
            return
        self._idle = self._idle + len(data) if self._open and not self._went_on else 0
        if self._idle > _HEAD:
            self._fail("The head of the request is too large.")
            return
        idle = self.cycle is None or self.cycle.response_complete
        if not idle and self._head is not None:
            self._head.cancel()
            self._head = None
        elif idle and self._head is None:
            self._head = self.loop.call_later(self.limit, self._too_slow)

    def on_message_begin(self) -> None:
        """The head of a request begins."""
        super().on_message_begin()
        self._open = self._heading = self._went_on = True
        self._said = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One more header. Trailers after the body are dropped, because nothing has checked them."""
        self._went_on = True
        self._said += len(name) + len(value)
        if self._said > _HEAD:
            raise httptools.HttpParserError("too large")
        if self._heading:
            super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        """The head has ended."""
        if len(self.pipeline) >= _AHEAD:
            raise httptools.HttpParserError("too many requests at a time")
        self._heading = False
        if not self.parser.should_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._went_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body has ended; for an upgrade request, the head has ended."""
        self._open, self._went_on = False, True
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """A response is complete; serve the next request of the connection, if there is one."""
        super().on_response_complete()
        if self._failed and self.cycle.response_complete and not self.transport.is_closing():
            self.send_400_response(self._failed)

    def pause_writing(self) -> None:
        """The client reads more slowly than the server writes."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        if self._tail is not None:
            self._tail.cancel()
            self._tail = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Remove the connection."""
        for timer in (self._head, self._tail):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _fail(self, why: str) -> None:
        """Stop reading. Earlier requests are answered first, then this error is sent."""
        serving = self.cycle is not None and not self.cycle.response_complete
        if serving and (self._heading or not self._open):  # it is another request that is damaged
            self._failed = why
            self.flow.pause_reading()
        elif serving and (self.pipeline or self.cycle.response_started):
            self.transport.close()
        else:
            self.send_400_response(why)

    def _parse(self, data: bytes) -> None:
        """Parse data. An upgrade request (Java's client asks for HTTP/2) is ignored: it is parsed again
        without the upgrade headers, since the parser would leave the body to the other protocol.
        """
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stopped:
                method = self.parser.get_method()
                if method == b"CONNECT":
                    raise httptools.HttpParserError("this is no proxy") from None
                headers = [b"%s: %s\r\n" % pair for pair in self.headers if pair[0] != b"upgrade"]
                version = self.parser.get_http_version().encode()
                head = b"%s %s HTTP/%s\r\n%s\r\n" % (method, self.url, version, b"".join(headers))
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                data = head + data[stopped.args[0] :]

    def _watch(self, before: int) -> None:
        def look() -> None:
            left = self.transport.get_write_buffer_size()
            if before - left < _READ:
                self.transport.abort()
            else:
                self._watch(left)

        self._tail = self.loop.call_later(self.limit, look)

    def _too_slow(self) -> None:
        self._head = None
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self.transport.close()


class Server(uvicorn.Server):
    """uvicorn server that ends with exit code 0 after all received requests are answered."""

    def __init__(self, config: uvicorn.Config, service: Service, guard: Guard) -> None:
        super().__init__(config)
        self.service, self.guard = service, guard

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override]
        """SIGTERM and SIGINT start the shutdown; a second SIGINT does not wait for requests."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {name: signal.signal(name, self.handle_exit) for name in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to shut down."""
        return await super().on_tick(counter) or self.service.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Graceful shutdown: accept no new connection, answer all requests received or under way, end."""
        log("stopping")
        self.service.draining = self.guard.draining = True
        await asyncio.sleep(0)  # one more round: connections that the system has taken already
        for server in self.servers:
            server.close()
        if self.service.failure is None:
            await asyncio.sleep(_GRACE)
        await super().shutdown(sockets)
        self.guard.tell()


def bound(host: str, port: int) -> socket.socket:
    """Bind a listening socket.

    Raises:
        UsageError: If the address is not of this machine, or the port is taken.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = addresses[0]
        return socket.create_server(address[:2], family=family, backlog=1024)  # type: ignore[arg-type]
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--host {host} --port {port} cannot be listened at: {reason}.") from error


def guarded(service: Service, token: str, origins: Iterable[str] = ()) -> Guard:
    """The application of a service inside its guard."""
    policy = Policy(token, frozenset(origins))
    return Guard(build(service, closed=bool(token)), policy, service.limits, service.metrics,
                 lambda: service.busy)  # fmt: skip


def listen(
    service: Service,
    sock: socket.socket,
    *,
    token: str = "",
    origins: Iterable[str] = (),
    started: Callable[[str, int], None] = lambda host, port: None,
) -> None:
    """Serve until a signal arrives. This call blocks.

    Args:
        service: The models to serve.
        sock: Listening socket.
        token: Bearer token of requests; without one the socket must be bound to a loopback address.
        origins: See `Policy`.
        started: Called with the address and port when the server accepts requests.

    Raises:
        SightlineError: If a model cannot be served.
    """
    guard = guarded(service, token, origins)

    class Connection(Timed):
        limit = min(Timed.limit, service.limits.timeout)

    config = uvicorn.Config(
        guard, http=Connection, ws="none", lifespan="on", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=math.ceil(3 * service.limits.timeout) + 5,
    )  # fmt: skip
    server = Server(config, service, guard)
    address, port = sock.getsockname()[:2]
    log("listening", host=address, port=port, models=list(service.engines))
    started(address, port)
    gc.collect()
    gc.freeze()  # what is there stays: looking through it again takes 50 ms, in which nobody is answered
    try:
        server.run(sockets=[sock])
    finally:
        service.kill()
        gc.unfreeze()
    if service.failure is not None:
        raise service.failure
    log("stopped")
