"""No telemetry: nothing opens a connection, from check to report; nothing is written into the data."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest


def test_no_connection_is_opened(sightline: Callable, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGHTLINE_OFFLINE", raising=False)
    opened: list[object] = []

    def connect(self: socket.socket, address: object) -> None:
        opened.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: connect(None, a))  # type: ignore[arg-type]
    quick = ("--model", "perceptron", "--epochs", 1)
    for command in (
        ("check", photos),
        ("train", photos, *quick, "--out", "run"),
        ("evaluate", "run"),
        ("predict", "run", photos),
        ("models",),
        ("weights",),
        ("weights", "--all"),
    ):
        assert sightline(*command).code == 0, command
    assert opened == []


def test_the_data_folder_is_left_as_it_was(sightline: Callable, photos: Path) -> None:
    def state() -> dict[str, tuple[bytes, int]]:
        files = (p for p in photos.rglob("*") if p.is_file())
        return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}

    before = state()
    assert sightline("train", photos, "--model", "perceptron", "--epochs", 1, "--out", "run").code == 0
    assert state() == before
