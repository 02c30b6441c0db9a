"""Who may ask: Host, Origin, token. And what the log says of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sightline.errors import UsageError
from sightline.server.access_control import Policy, is_loopback
from sightline.server.limits import Limits, origins_of
from sightline.server.request_error import RequestError
from sightline.server.service import Service
from tests.unit.server.running import Running, encoded, form, png, serving

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(tmp_path_factory.mktemp("closed"), token=TOKEN) as running:
        yield running


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "localhost:8080", "[::1]:80", "LOCALHOST", "127.8.8.8"]
)
def test_names_of_this_machine_may_ask(server: Running, host: str) -> None:
    assert server.get("/v1/model", Host=host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.168.0.1", "", "[::", "a b", "0.0.0.0"]
)
def test_other_hosts_are_refused_without_a_token(server: Running, host: str) -> None:
    for path in ("/v1/model", "/healthz"):
        assert server.get(path, Host=host).status in (400, 403)
    assert server.predict(png(), Host=host).status in (400, 403)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1", "http://[", "x"])
def test_pages_of_other_origins_are_refused(server: Running, origin: str) -> None:
    reply = server.predict(png(), Origin=origin)
    assert (reply.status, reply.reason) == (403, "origin")
    assert "access-control-allow-origin" not in reply.headers


def test_its_own_page_may_ask(server: Running) -> None:
    here = f"127.0.0.1:{server.port}"
    assert server.predict(png(), Host=here, Origin=f"http://{here}").status == 200
    assert server.get("/v1/model", **{"Sec-Fetch-Site": "cross-site"}).status == 403


def test_pages_of_named_origins_may_ask(tmp_path: Path) -> None:
    """As a browser asks for them: first whether it may, without the token, then with it."""
    ours, other = "https://Shop.example", "https://shop.example.evil.example"
    with serving(tmp_path, token=TOKEN, origins=["https://shop.example"]) as server:
        first = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        ahead = server.ask("OPTIONS", "/v1/predict", headers={"Origin": ours, **first})
        assert (ahead.status, ahead.headers["access-control-allow-origin"]) == (204, ours)
        assert "authorization" in ahead.headers["access-control-allow-headers"]
        page = {"Origin": ours, "Sec-Fetch-Site": "cross-site"}
        reply = server.predict(png(), Authorization=f"Bearer {TOKEN}", **page)
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, ours)
        assert reply.headers["vary"] == "Origin"
        refused = server.predict(png(), **page)
        assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, ours)
        for origin in (other, "null", "http://shop.example"):
            assert server.ask("OPTIONS", "/v1/predict", headers={"Origin": origin, **first}).status == 403
            reply = server.predict(png(), Authorization=f"Bearer {TOKEN}", Origin=origin)
            assert (reply.status, reply.reason) == (403, "origin")
            assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("text", ["*", "shop.example", "https://shop.example/page", "https://", "null", ""])
def test_what_is_no_origin_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--allow-origin is scheme and host"):
        origins_of([text])


@pytest.mark.parametrize("said", [
    None, "", "Bearer", "Bearer ", "Bearer wrong", f"Bearer {TOKEN}x", f"Basic {TOKEN}",
    f"Bearer {TOKEN[:-1]}", TOKEN, "Bearer \xfc\xfc",
])  # fmt: skip
def test_nothing_without_the_right_token(closed: Running, said: str | None) -> None:
    headers = {} if said is None else {"Authorization": said}
    for path in ("/v1/model", "/metrics", "/docs", "/openapi.json", "/v2", "/nothing"):
        reply = closed.get(path, **headers)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer")
    assert closed.predict(png(), **headers).status == 401
    assert closed.get("/healthz", **headers).status == closed.get("/readyz", **headers).status == 200


def test_with_the_token_everything_and_from_any_host(closed: Running) -> None:
    outputs = {"Authorization": f"Bearer {TOKEN}"}
    assert closed.predict(png(), Host="vision.example", **outputs).status == 200
    message = closed.get("/openapi.json", **outputs).json
    assert message["paths"]["/v1/predict"]["post"]["security"] == [{"token": []}]
    assert closed.predict(png(), Origin="http://evil.example", **outputs).status == 403


def test_without_a_token_only_this_machine() -> None:
    headers = {"host": ["localhost"]}
    Policy().judge("/v1/model", headers, "127.0.0.1")
    with pytest.raises(RequestError):
        Policy().judge("/v1/model", headers, "10.0.0.7")
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", ""))


def test_a_forwarded_address_is_not_believed(closed: Running, server: Running) -> None:
    assert closed.get("/v1/model", **{"X-Forwarded-For": "127.0.0.1"}).status == 401
    assert server.events("request")[-1]["client"] == "127.0.0.1"


def test_logs_say_what_happened_and_nothing_that_was_sent(tmp_path: Path) -> None:
    with serving(tmp_path, token=TOKEN) as server:
        outputs = {"Authorization": f"Bearer {TOKEN}"}
        content = encoded(np.full((30, 30, 3), 77, np.uint8), "BMP") + b"SECRETPIXELS"
        body, kind = form(("grandmother.png", content), ("b", b"SECRETTEXT"))
        assert server.predict(body, kind, **outputs).status == 200
        assert server.predict(b"SECRETTEXT", **outputs).status == 415
        assert server.predict(png(), Authorization="Bearer SECRETTRY").status == 401
        id_ = server.get("/v1/model?model=SECRETQUERY", **outputs).headers["x-request-id"]
        assert server.stop() == 0
        events = server.events("request")
        assert [(e["status"], e["reason"]) for e in events[-4:]] == [
            (200, ""), (415, "not-an-image"), (401, "token"), (404, "unknown-model")]  # fmt: skip
        assert (events[-4]["images"], events[-4]["model"], events[-4]["bytes"]) == (2, "street", len(body))
        assert events[-1]["id"] == id_
        text = server.log.read_text()
        assert "SECRET" not in text
        assert "grandmother" not in text
        assert TOKEN not in text


def test_the_token_is_compared_whole_whatever_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the function of the library that takes as long wherever two differ, on digests of one length."""
    viewed: list[tuple[int, int]] = []

    def compare(a: bytes, b: bytes) -> bool:
        viewed.append((len(a), len(b)))
        return a == b

    monkeypatch.setattr("sightline.server.access_control.hmac.compare_digest", compare)
    for outputs in (
        [],
        ["Bearer x"],
        [f"Bearer {TOKEN}x"],
        [f"Basic {TOKEN}"],
        ["Bearer a", f"Bearer {TOKEN}"],
    ):
        with pytest.raises(RequestError):
            Policy(TOKEN).judge("/v1/model", {"host": ["h"], "authorization": outputs}, "10.0.0.7")
    assert viewed == [(32, 32)] * 5


def test_fastapi_reports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where something in the process or its environment would have it trace requests."""
    from fastapi import FastAPI

    from sightline.server.app import build

    if not any("telemetry" in name for name in vars(FastAPI())):
        pytest.skip("this FastAPI cannot report")
    trace = pytest.importorskip("opentelemetry.trace", reason="this FastAPI cannot report")
    monkeypatch.setattr(trace, "get_tracer_provider", object)
    for app, reports in ((FastAPI(), True), (build(Service.of({}, Limits())), False)):
        assert app._native_telemetry.enabled() is reports
