"""Every kind of bad request: the right status, an error in the one form, and a server that goes on."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.server.fake import SIDE
from tests.unit.server.running import LONG, Running, encoded, form, png, serving


@pytest.fixture(autouse=True)
def _goes_on(server: Running) -> Any:
    yield
    assert server.predict(png()).status == 200


def bomb(side: int = 40_000) -> bytes:
    """A PNG of a few hundred kilobytes or less that says it is huge."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(20_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


NOISE = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
UPLOADS = {
    "not an image": (b"this is text, not an image", 415, "not-an-image"),
    "html": (b"<!doctype html><html></html>", 415, "not-an-image"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported"),
    "empty": (b"", 422, "empty"),
    "truncated jpeg": (encoded(NOISE, "JPEG")[:900], 422, "truncated"),
    "truncated png": (encoded(NOISE, "PNG")[:900], 422, "truncated"),
    "bomb": (bomb(), 413, "bomb"),
    "header only": (b"\xff\xd8\xff", 422, "truncated"),
}


@pytest.mark.parametrize("name", UPLOADS)
def test_bad_images(server: Running, name: str) -> None:
    content, status, reason = UPLOADS[name]
    for reply in (server.predict(content), server.send(("a.png", content))):
        assert (reply.status, reply.reason) == (status, reason), reply.body
        assert len(reply.json["error"]["message"]) > 20


def test_several_bad_images_and_no_good_one(server: Running) -> None:
    reply = server.send(("a", b"text of some kind"), ("b", UPLOADS["truncated png"][0]))
    assert (reply.status, reply.reason) == (415, "not-an-image")
    assert "None of 2" in reply.json["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
def test_wrong_content_types(server: Running, kind: str) -> None:
    reply = server.predict(png(), kind)
    assert (reply.status, reply.reason) == (415, "content-type")
    assert "multipart/form-data" in reply.headers["accept-post"]


def test_compressed_requests_are_not_unpacked(server: Running) -> None:
    assert server.predict(zlib.compress(png()), **{"Content-Encoding": "gzip"}).status == 415


def test_forms_that_are_none(server: Running) -> None:
    body, kind = form(("a.png", png()))
    assert server.predict(body[:-20], kind).reason == "form"
    assert server.predict(b"nothing like a form", kind).reason == "form"
    assert server.predict(body, "multipart/form-data").reason == "form"
    assert server.predict(body.replace(b'; filename="a.png"', b""), kind).status == 422
    edge = kind.partition("=")[2]
    assert server.predict(f"--{edge}--\r\n".encode(), kind).status in (400, 422)


def test_paths_and_addresses_are_not_followed(server: Running) -> None:
    for text in (b"/etc/passwd", b"http://127.0.0.1:1/a.png", b"file:///etc/passwd"):
        assert server.predict(text, "application/octet-stream").status == 415
        assert server.send((text.decode(), text)).status == 415
    assert server.predict(png(), path="/v1/predict?url=http://127.0.0.1/a.png").reason == "query"


def test_too_many_images(server: Running) -> None:
    reply = server.send(*[(f"{i}.png", png()) for i in range(5)])
    assert (reply.status, reply.reason) == (413, "too-many")
    reply = server.send(*[("", b"")] * 10_000)
    assert (reply.status, reply.reason) == (413, "too-many")


def test_unknown_models_and_paths_and_methods(server: Running) -> None:
    assert server.predict(png(), path="/v1/predict?model=day").reason == "unknown-model"
    assert server.get("/v1/model?model=../../etc/passwd").status == 404
    assert server.get("/v2/models/day").status == 404
    assert isinstance(server.get("/v2/models/day").json["error"], str)
    assert server.predict(b"{}", "application/json", "/v2/models/day/infer").status == 404
    assert server.get("/nothing/here").reason == "no-such-path"
    reply = server.get("/v1/predict")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_a_large_body_is_refused_by_what_it_says(server: Running) -> None:
    reply = raw(server, b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
                        b"Content-Length: 200000000\r\n\r\n")  # fmt: skip
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in reply.lower()


def test_a_large_body_is_refused_by_its_size(server: Running) -> None:
    """A client that does not say how much it sends, and reads only when it has sent it all."""
    piece = b"10000\r\n" + bytes(65536) + b"\r\n"
    reply = raw(server, b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
                        b"Transfer-Encoding: chunked\r\n\r\n", *[piece] * 100, b"0\r\n\r\n")  # fmt: skip
    assert reply.startswith(b"HTTP/1.1 413 ")


def test_a_client_that_sends_it_all_reads_the_refusal(server: Running) -> None:
    assert server.predict(bytes(8_000_000)).reason == "too-large"


def raw(server: Running, *parts: bytes, pause: float = 0) -> bytes:
    """What the server says to some bytes, sent one after the other, until it closes or is done."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=LONG) as line:
        try:
            for part in parts:
                line.sendall(part)
                time.sleep(pause)
        except OSError:
            pass  # it may close under what is still being sent
        line.settimeout(LONG)
        outputs = b""
        with suppress(ConnectionResetError):
            while piece := line.recv(65536):
                outputs += piece
                head, _, body = outputs.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head.lower())
                if length and len(body) >= int(length[1]):
                    break
        return outputs


@pytest.mark.parametrize("sent", [
    b"nonsense\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"CONNECT /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
], ids=["nonsense", "0.9", "no host", "negative length", "connect", "chunks", "two lengths"])  # fmt: skip
def test_what_is_not_http(server: Running, sent: bytes) -> None:
    assert raw(server, sent).startswith(b"HTTP/1.1 4")


def test_endless_headers_are_cut_off(server: Running) -> None:
    outputs = raw(server, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2_000_000)
    assert outputs == b"" or outputs.startswith(b"HTTP/1.1 4")  # or the connection was closed under it


@pytest.mark.parametrize("pieces", [1, 20], ids=["one piece", "many pieces"])
def test_a_large_head_is_refused(server: Running, pieces: int) -> None:
    """However it comes: 100 kB of headers, none of them long."""
    lines = [b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", *[b"X: " + b"a" * 995 + b"\r\n"] * 100, b"\r\n"]
    step = -(-len(lines) // pieces)
    parts = [b"".join(lines[i : i + step]) for i in range(0, len(lines), step)]
    assert raw(server, *parts, pause=0.01).startswith(b"HTTP/1.1 4")
    few = b"".join([*lines[:30], lines[-1]])
    assert raw(server, few + few).count(b"HTTP/1.1 200") >= 1  # and each request has a limit of its own


def test_a_wish_for_another_protocol_is_passed_over(server: Running) -> None:
    """Java's own HTTP client asks for HTTP/2 with its first request."""
    wish = {
        "Connection": "Upgrade, HTTP2-Settings",
        "Upgrade": "h2c",
        "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABk",
    }
    assert server.predict(png(), **wish).status == 200


ASK = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


def test_spaces_around_a_header_are_not_part_of_it(server: Running) -> None:
    body = png()
    outputs = raw(server, ASK + b"Content-Length: \t%d \t\r\n\r\n%s" % (len(body), body))
    assert outputs.startswith(b"HTTP/1.1 200")


def chunked(body: bytes, *trailers: bytes) -> bytes:
    end = b"".join(line + b"\r\n" for line in trailers)
    return b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n" % (len(body), body, end)


def test_what_is_said_after_a_body_is_no_header(server: Running) -> None:
    """A second Host would be refused; and nothing that a proxy has not seen may say who asks."""
    assert raw(server, ASK + chunked(png(), b"Host: evil.example")).startswith(b"HTTP/1.1 200")
    assert raw(server, ASK + chunked(png(), b"X: " + b"a" * 70_000)).startswith(b"HTTP/1.1 4")


def test_an_endless_line_after_a_body_is_cut_off(server: Running) -> None:
    start = ASK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX: "
    assert raw(server, start, *[b"a" * 60_000] * 20, pause=0.01).startswith(b"HTTP/1.1 4")


def all_of(server: Running, sent: bytes) -> bytes:
    """What the server says until it closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=LONG) as line:
        line.sendall(sent)
        outputs = b""
        with suppress(ConnectionResetError):
            while piece := line.recv(65536):
                outputs += piece
        return outputs


def test_damage_does_not_take_the_place_of_an_answer_under_way(server: Running) -> None:
    body = png()
    good = ASK + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    outputs = all_of(server, good + b"\r\n nonsense")
    assert [outputs.count(b"HTTP/1.1 200"), outputs.count(b"HTTP/1.1 400")] == [1, 1]
    assert outputs.startswith(b"HTTP/1.1 200")
    probe = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert all_of(server, good + probe * 3 + b"nonsense\r\n\r\n").count(b"HTTP/1.1 200") == 4
    many = all_of(server, probe * 2000)
    assert 30 < many.count(b"HTTP/1.1 200") < 2000
    assert many.count(b"HTTP/1.1 400") == 1


def test_an_old_client_that_asks_for_another_protocol_is_let_go(server: Running) -> None:
    requested = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    assert b"connection: close" in all_of(server, requested).lower()


def test_a_slow_head_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, timeout=1) as server:
        assert raw(server, b"GET /healthz HTTP/1.1\r\n", *[b"X: y\r\n"] * 8, pause=0.2) == b""
        assert raw(server) == b""


def test_a_slow_body_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, timeout=1) as server:
        head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
        reply = raw(server, head, *[b"x"] * 8, pause=0.2)
        assert reply.startswith(b"HTTP/1.1 408 ")
        assert json.loads(reply.partition(b"\r\n\r\n")[2])["error"]["reason"] == "too-slow"
        assert server.predict(png()).status == 200


def test_who_does_not_read_the_answers_is_cut_off(tmp_path: Path) -> None:
    """They would fill the memory: here they are more than the system takes off the server's hands."""
    with serving(tmp_path, timeout=1) as server, socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        line.settimeout(LONG)
        line.connect(("127.0.0.1", server.port))
        page = len(server.get("/docs").body)
        requested = 10_000_000 // page
        line.sendall(b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n" * requested)
        served = -1
        while served < (served := len(server.events("request"))):
            time.sleep(3)  # until none has been answered for a time
        outputs = b""
        with suppress(ConnectionResetError):
            while piece := line.recv(2**20):
                outputs += piece
        assert outputs.startswith(b"HTTP/1.1 200")
        assert len(outputs) < requested * page
        assert server.predict(png()).status == 200


def tensor(**changes: Any) -> dict[str, Any]:
    plain = {"name": "images", "shape": [1, 3, SIDE, SIDE], "datatype": "UINT8", "data": [0] * 3 * SIDE**2}
    return {**plain, **changes}


@pytest.mark.parametrize("asked", [
    b"{", b"[]", b"{}", b'{"inputs": 3}', b"[" * 100_000, {"inputs": []}, {"inputs": [tensor(), tensor()]},
    {"inputs": [tensor(name="x")]}, {"inputs": [tensor(datatype="FP32")]}, {"inputs": [tensor(shape=[1, 2])]},
    {"inputs": [tensor(shape=[1, 3, 4, 4])]}, {"inputs": [tensor(shape=[-1, 3, SIDE, SIDE])]},
    {"inputs": [tensor(shape=[True, 3, SIDE, SIDE])]}, {"inputs": [tensor(data=[0, 1])]},
    {"inputs": [tensor(data=[256] * 3 * SIDE**2)]}, {"inputs": [tensor(data=[-1] * 3 * SIDE**2)]},
    {"inputs": [tensor(data=[0.5] * 3 * SIDE**2)]}, {"inputs": [tensor(data=[[1], [1, 2]])]},
    {"inputs": [tensor(data="a")]}, {"inputs": [tensor(data=[10**400])]},
    {"inputs": [tensor(parameters={"binary_data_size": 7})]}, {"inputs": [tensor()], "outputs": "scores"},
    {"inputs": [tensor()], "outputs": [{"name": "no"}]},
], ids=lambda asked: str(asked)[:40])  # fmt: skip
def test_bad_tensors(server: Running, asked: Any) -> None:
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    reply = server.predict(body, "application/json", "/v2/models/street/infer")
    assert reply.status == 400, reply.body
    assert isinstance(reply.json["error"], str)


def test_too_many_tensors_and_wrong_header_lengths(server: Running) -> None:
    body = json.dumps({"inputs": [tensor(shape=[9999, 3, SIDE, SIDE])]}).encode()
    assert server.predict(body, "application/json", "/v2/models/street/infer").status == 413
    for length in ("x", "-1", "999999", "9" * 30):
        extra = {"Inference-Header-Content-Length": length}
        assert server.predict(body, "application/json", "/v2/models/street/infer", **extra).status == 400
