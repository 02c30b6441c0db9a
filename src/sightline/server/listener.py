"""The listening socket and the life of the server: uvicorn, with what it leaves open closed.

Uvicorn waits for ever for the head of a request, ends by the signal it was sent, and closes connections whose
next request may be under way. Here the head has a time limit, the end has exit code 0, and what has been sent
before the end is answered.
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
from sightline.server.app import build
from sightline.server.guard import Guard, Policy
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


class Gathered:
    """A transport that sends at once what is written in one round of the event loop: head and body of an
    answer are one packet and one call of the system, which is the dearest part of a small answer."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._pieces: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send it, at the end of this round."""
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
    """A connection that must say what it wants within `limit` seconds of being made, or of its first byte,
    and in a head of 64 KiB; and that must go on reading what it is answered, else the answers of many would
    fill the memory."""

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
        """Take the connection, or refuse it."""
        super().connection_made(Gathered(transport, self.loop))  # type: ignore[arg-type]
        if len(self.connections) > CONNECTIONS:
            transport.write(_FULL)
            transport.close()
            return
        self._head = self.loop.call_later(self.limit, self._too_slow)

    def data_received(self, data: bytes) -> None:
        """Read on; the clock runs while no request is being served."""
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
        """A head begins."""
        super().on_message_begin()
        self._open = self._heading = self._went_on = True
        self._said = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """One more header. What is said after the body is none: nothing has judged it."""
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
        """The body has ended; or, of a wish for another protocol, the head."""
        self._open, self._went_on = False, True
        if not self.parser.should_upgrade():
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request is answered; the next one is served, if there is one."""
        super().on_response_complete()
        if self._failed and self.cycle.response_complete and not self.transport.is_closing():
            self.send_400_response(self._failed)

    def pause_writing(self) -> None:
        """More has been written than the other side has read."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has read on."""
        super().resume_writing()
        if self._tail is not None:
            self._tail.cancel()
            self._tail = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        for timer in (self._head, self._tail):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _fail(self, why: str) -> None:
        """Read no more. What was asked before is answered first, and the answer to this comes after it."""
        serving = self.cycle is not None and not self.cycle.response_complete
        if serving and (self._heading or not self._open):  # it is another request that is damaged
            self._failed = why
            self.flow.pause_reading()
        elif serving and (self.pipeline or self.cycle.response_started):
            self.transport.close()
        else:
            self.send_400_response(why)

    def _parse(self, data: bytes) -> None:
        """Parse. A wish for another protocol (Java's client asks for HTTP/2) is passed over: its request is
        parsed again without it, since the parser would leave the body to that protocol."""
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
    """Ends with exit code 0 when asked to, after everything that was sent is answered."""

    def __init__(self, config: uvicorn.Config, service: Service, guard: Guard) -> None:
        super().__init__(config)
        self.service, self.guard = service, guard

    @contextmanager
    def capture_signals(self) -> Iterator[None]:  # type: ignore[override]
        """SIGTERM and SIGINT ask for the end; a second SIGINT does not wait for requests."""
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
        """Ten times a second: whether to end."""
        return await super().on_tick(counter) or self.service.failure is not None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no new connection, answer what has been sent or is being sent, end."""
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
    """A listening socket.

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
    """The whole application of a service, behind its guard."""
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
    """Serve until a signal ends it. Blocks.

    Args:
        service: What is served.
        sock: Where it is listened.
        token: What requests must say; without one the socket must be of this machine only.
        origins: See `Policy`.
        started: Called with the address and port once requests are taken.

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
