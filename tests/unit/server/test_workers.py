"""Workers that die or hang, too much to do, and the end: every accepted request is answered."""

from __future__ import annotations

import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.server.fake import CRASH, HANG
from tests.unit.server.running import LONG, Reply, png, serving


def test_a_crash_is_answered_and_the_worker_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        for _ in range(2):
            reply = server.predict(png() + CRASH)
            assert (reply.status, reply.reason) == (500, "worker-crashed")
            assert server.predict(png()).status == 200
        text = server.get("/metrics").body.decode()
        assert 'sightline_worker_restarts_total{model="street",reason="crashed"} 2' in text
        assert server.events("worker-lost")[0]["reason"] == "crashed"
        assert server.stop() == 0


def test_what_waits_behind_a_crash_is_predicted_by_the_next_worker(tmp_path: Path) -> None:
    with serving(tmp_path, {"street": "slow"}, batch=1) as server, ThreadPoolExecutor(8) as clients:
        bad = clients.submit(server.predict, png() + CRASH)
        good = [clients.submit(server.predict, png()) for _ in range(6)]
        assert bad.result().status == 500
        assert [first.result().status for first in good] == [200] * 6


def test_an_image_that_hangs_is_given_up(tmp_path: Path) -> None:
    with serving(tmp_path, timeout=1) as server:
        reply = server.predict(png() + HANG)
        assert (reply.status, reply.reason) == (504, "too-slow")
        # the next image finds a new worker, or is told to come again while that one starts
        end = time.monotonic() + LONG
        while (status := server.predict(png()).status) != 200:
            assert status == 503
            assert time.monotonic() < end


def test_a_model_that_cannot_be_loaded_ends_the_server(tmp_path: Path) -> None:
    for file, code, words in (("broken", 3, "is cut off"), ("dies", 3, "cannot be started")):
        with serving(tmp_path, {"street": file}, ready=False) as server:
            assert server.process.wait(LONG) == code
            assert words in server.log.read_text().splitlines()[-1]


def test_ready_only_after_warm_up(tmp_path: Path) -> None:
    switch = tmp_path / "now"
    with serving(tmp_path, {"street": f"start:{switch}"}, ready=False) as server:
        assert server.get("/healthz").status == 200
        reply = server.get("/readyz")
        assert (reply.status, reply.reason) == (503, "not-ready")
        assert server.predict(png()).reason == "starting"
        assert server.get("/v2/models/street/ready").status == 503
        switch.touch()
        server.until_ready()
        assert server.predict(png()).status == 200


def test_images_are_predicted_together(tmp_path: Path) -> None:
    with serving(tmp_path, {"street": "slow"}, batch=4) as server, ThreadPoolExecutor(12) as clients:
        replies = list(clients.map(lambda _: server.predict(png()), range(12)))
        sizes = [reply.json["predictions"][0]["together"] for reply in replies]
        assert max(sizes) == 4


def test_more_than_fits_is_refused_at_once_and_the_rest_answered(tmp_path: Path) -> None:
    with serving(tmp_path, {"street": "slow"}, queue=4, batch=2) as server, ThreadPoolExecutor(40) as clients:
        replies = list(clients.map(lambda _: server.predict(png()), range(40)))
        assert {reply.status for reply in replies} == {200, 503}
        refused = [reply for reply in replies if reply.status == 503]
        assert {reply.reason for reply in refused} == {"overloaded"}
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
        assert sum(reply.status == 200 for reply in replies) >= 6
        assert server.predict(png()).status == 200


def test_overload_does_not_fill_the_log(tmp_path: Path) -> None:
    """A line a second says how many there were; the metrics count each."""
    with serving(tmp_path, {"street": "slow"}, queue=1, batch=1) as server, ThreadPoolExecutor(40) as clients:
        start = time.monotonic()
        replies = list(clients.map(lambda _: server.predict(png()), range(200)))
        seconds = time.monotonic() - start
        refused = sum(reply.status == 503 for reply in replies)
        assert not any(line["status"] == 503 for line in server.events("request"))
        time.sleep(1.5)  # the last second is told too
        lines = server.events("overloaded")
        assert 0 < len(lines) <= 2 + seconds < refused
        assert sum(line["count"] for line in lines) == refused
        assert (
            f'sightline_refused_total{{reason="overloaded"}} {refused}\n'.encode()
            in server.get("/metrics").body
        )


def test_what_waits_too_long_is_told(tmp_path: Path) -> None:
    with (
        serving(tmp_path, {"street": "slow"}, batch=1, timeout=0.5) as server,
        ThreadPoolExecutor(12) as clients,
    ):
        replies = list(clients.map(lambda _: server.predict(png()), range(12)))
        assert {reply.status for reply in replies} == {200, 503}


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_the_end_answers_all_that_was_accepted(tmp_path: Path, name: str) -> None:
    with serving(tmp_path, {"street": "slow"}, batch=2) as server, ThreadPoolExecutor(24) as clients:
        begun = threading.Semaphore(0)

        def ask() -> Reply:
            begun.release()
            return server.predict(png())

        requested = [clients.submit(ask) for _ in range(24)]
        for _ in requested:
            begun.acquire()
        while 'sightline_queue_length{model="street"} 2' not in server.get("/metrics").body.decode():
            time.sleep(0.01)  # all have been sent; some twenty wait
        server.process.send_signal(getattr(signal, name))
        assert [first.result().status for first in requested] == [200] * 24
        assert server.process.wait(LONG) == 0
        assert server.events("stopped")
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=1)


def test_connections_that_are_kept_are_answered_to_the_end(tmp_path: Path) -> None:
    """Closed-loop clients: the last answer of each is whole, and says that it is the last."""
    import http.client

    statuses: list[int] = []
    lost: list[BaseException] = []
    with serving(tmp_path) as server:

        def client() -> None:
            line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LONG)
            closing = False
            while not closing:
                try:
                    line.request("POST", "/v1/predict", png(), {"Content-Type": "image/png"})
                    reply = line.getresponse()
                    reply.read()
                except OSError as error:
                    lost.append(error)
                    return
                statuses.append(reply.status)
                closing = reply.headers.get("connection") == "close"

        threads = [threading.Thread(target=client) for _ in range(6)]
        for thread in threads:
            thread.start()
        while len(statuses) < 60:
            time.sleep(0.01)
        assert server.stop() == 0
        for thread in threads:
            thread.join(LONG)
        assert not lost
        assert set(statuses) == {200}


def test_no_worker_outlives_the_server(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        (pid,) = [event["pid"] for event in server.events("worker-ready")]
        server.process.kill()
        server.process.wait(LONG)
        end = time.monotonic() + LONG
        while (
            Path(f"/proc/{pid}/status").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text()
        ):
            assert time.monotonic() < end
            time.sleep(0.05)
