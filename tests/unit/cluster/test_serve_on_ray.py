"""The server under Ray Serve: the same answers, and as closed."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.unit.cluster.test_predict_on_ray import LONG, ROOT, environment
from tests.unit.server.fake import CRASH
from tests.unit.server.running import Running, png

TOKEN = "a-token-of-more-than-16-letters"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as first:
        return int(first.getsockname()[1])


def start(ray: str, port: int, log: Path, model: str = "quick", token: str = "") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.unit.cluster.serving", ray, str(port), token, model]
    with log.open("w") as errors:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True
        )


def test_the_same_server_with_the_same_rules(ray: str, tmp_path: Path) -> None:
    pytest.importorskip("grpc_reflection", reason="the extra 'ray' is not installed")
    port, log = free_port(), tmp_path / "log"
    process = start(ray, port, log)
    try:
        assert process.stdout is not None
        guardian = threading.Timer(LONG, process.kill)
        guardian.start()
        assert process.stdout.readline() == "ready\n", log.read_text()
        guardian.cancel()
        server = Running(process, port, log)
        assert server.get("/readyz").status == 200
        assert server.predict(png(200)).json["predictions"][0]["label"] == "bright"
        several = server.send(("a.png", png(200)), ("b.png", png(10))).json["predictions"]
        assert [first["label"] for first in several] == ["bright", "dark"]
        assert server.get("/v1/model", Host="elsewhere.example").reason == "host"
        assert server.get("/v1/model", Origin="http://elsewhere.example").reason == "origin"
        assert server.predict(b"\0" * 200_000).status == 413
        assert server.predict(png() + CRASH).reason == "worker-crashed"
        assert server.predict(png(10)).json["predictions"][0]["label"] == "dark"
        assert strangers_are_turned_away()
        assert server.stop() == 0, log.read_text()
    finally:
        process.kill()


def strangers_are_turned_away() -> bool:
    """Whether all that Ray opened answers this machine only, or those who know the cluster's token."""
    import grpc

    tree = {first.pid: first.cmdline()[0] for first in psutil.Process().children(recursive=True)}
    wide = {
        c.laddr.port: tree[c.pid] for c in psutil.net_connections("tcp")
        if c.pid in tree and c.status == psutil.CONN_LISTEN
        and c.laddr.ip.removeprefix("::ffff:") not in ("127.0.0.1", "::1")
    }  # fmt: skip
    assert all("Replica" in name for name in wide.values()), wide
    for port in wide:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            ask = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
            with pytest.raises(grpc.RpcError) as refused:
                ask(b"", timeout=10)
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    return True
