"""Weights from the hub, which a server on this machine plays: what is said, compared and refused."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub import constants, file_download
from safetensors.torch import load, save

from sightline.errors import SightlineError, UsageError
from sightline.models import registry
from sightline.models.backbones import _timm
from sightline.models.backbones._backbone import Backbone
from sightline.models.weights import hub
from tests.unit.models.stand_in_hub import Hub, serving

NAME = "test_resnet"
REPO = "timm/test_resnet.r160_in1k"


@pytest.fixture(scope="module")
def content() -> bytes:
    torch.manual_seed(7)
    return save(timm.create_model(NAME).state_dict())


@pytest.fixture
def server(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving(REPO, content) as present:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        monkeypatch.delenv("SIGHTLINE_OFFLINE")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setenv("SIGHTLINE_HUB_TIMEOUT", "5")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        point(monkeypatch, present.address)
        yield present
        huggingface_hub.close_session()


def point(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """What HF_ENDPOINT does before the library is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.removeprefix("https://huggingface.co")
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + template)


def build(pretrained: str = "auto", channels: int = 3) -> Backbone:
    return registry.create(NAME, outputs=4, channels=channels, size=(64, 64), pretrained=pretrained)  # type: ignore[arg-type]


def weights_of(content: bytes) -> torch.Tensor:
    return load(content)["conv1.0.weight"]


def first(network: Backbone) -> torch.Tensor:
    conv = network.first_conv()
    assert conv is not None
    return conv.weight.detach()


def files(folder: Path) -> list[Path]:
    """What a cache holds, but for locks and marks."""
    return [p for p in folder.rglob("*") if p.is_file() and {"blobs", "snapshots"} & set(p.parts)]


def test_what_is_fetched_is_said_kept_and_used(
    server: Hub, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = build("yes")
    digest = hashlib.sha256(content).hexdigest()
    assert torch.equal(first(network), weights_of(content))
    assert network.origin == f"timm: {REPO}, SHA-256 {digest}"
    assert network.pixels is not None
    outputs = capsys.readouterr().err
    assert outputs.count("\n") == 1
    for fact in (
        f"{REPO}/model.safetensors",
        f"{len(content) / 1e6:.1f} MB",
        "licence apache-2.0",
        server.address,
    ):
        assert fact in outputs
    assert f"into {tmp_path / 'hub'}. Only its name is sent." in outputs
    assert {p.resolve().name for p in files(tmp_path)} == {digest}


def test_the_hub_learns_the_name_of_the_file_and_of_this_program(server: Hub) -> None:
    build("yes")
    assert {path.split("/")[1] for _, path, _ in server.seen} == {"timm", "files"}
    for _, _, headers in server.seen:
        assert re.fullmatch(r"sightline/[\d.]+", headers["user-agent"])
        assert "authorization" not in headers


def test_a_token_is_said(
    server: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    build("yes")
    assert "Its name and your token for the hub are sent." in capsys.readouterr().err
    requested = {path.split("/")[1]: headers.get("authorization") for _, path, headers in server.seen}
    assert requested == {"timm": "Bearer hf_mine", "files": None}  # never to the host of the files


@pytest.mark.parametrize("offline", ["0", "1"])
def test_what_was_fetched_before_is_used_without_a_question(
    offline: str,
    server: Hub,
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    build("yes")
    server.seen.clear()
    capsys.readouterr()
    monkeypatch.setenv("SIGHTLINE_OFFLINE", offline)
    network = build("auto")
    assert torch.equal(first(network), weights_of(content))
    assert network.origin.startswith("timm: ")
    assert capsys.readouterr().err == f"Weights of '{NAME}': from the cache, {tmp_path / 'hub'}.\n"
    assert server.seen == []


def test_without_network_and_cache_it_goes_on_from_scratch(
    server: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIGHTLINE_OFFLINE", "1")
    assert build("auto").origin == "scratch"
    assert build("no").origin == "scratch"
    outputs = capsys.readouterr().err
    assert outputs == (
        f"Published weights of '{NAME}' cannot be had: SIGHTLINE_OFFLINE forbids the network. "
        "Going on from scratch.\n"
    )
    monkeypatch.setenv("SIGHTLINE_OFFLINE", "0")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(SightlineError, match="HF_HUB_OFFLINE forbids the network"):
        build("yes")
    assert server.seen == []


@pytest.mark.parametrize(
    ("manner", "why"),
    [
        ("silent", r"127\.0\.0\.1:\d+ was silent for 0\.3 s \(SIGHTLINE_HUB_TIMEOUT\)"),
        ("silent body", r"127\.0\.0\.1:\d+ was silent for 0\.3 s"),
        ("busy", "answered with HTTP status 503"),
        ("no repository", f"has no repository '{REPO}' that is open to all"),
        ("gated", "only to those who accept its terms: .*hf auth login"),
        ("no file", r"has no model\.safetensors, and only safetensors are taken"),
        ("no digest", r"announces no SHA-256 of .* \(found 'abc-1'\)"),
        (
            "changed",
            r"is not what it announced: expected SHA-256 [0-9a-f]{12}\.\.\., found [0-9a-f]{12}\.\.\.",
        ),
        ("cut off", "broke off, and did so when it was tried again"),
        ("short", r"sent only a part of .*model\.safetensors"),
        ("gone", "refused the connection"),
    ],
)
def test_a_hub_that_misbehaves_is_named(
    manner: str,
    why: str,
    server: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.manner = manner
    monkeypatch.setenv("SIGHTLINE_HUB_TIMEOUT", "0.3")
    monkeypatch.setattr(file_download.time, "sleep", lambda _: None)  # between its tries
    if manner == "gone":
        server.shutdown()  # closed while it is polled, a socket takes one more connection and resets it
        server.server_close()
    began = time.monotonic()
    assert build("auto").origin == "scratch"
    assert time.monotonic() - began < 15
    outputs = capsys.readouterr().err
    assert re.search(
        rf"Published weights of '{NAME}' cannot be had: .*{why}.*\. Going on from scratch\.\n$", outputs
    )
    assert files(tmp_path) == []
    with pytest.raises(SightlineError, match=rf"{why}.*\. Give a file .*--weights.*--pretrained auto"):
        build("yes")
    assert files(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_named(
    server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file" / "hub"))
    with pytest.raises(
        SightlineError, match=r"the cache cannot be written \(Not a directory: .*HF_HUB_CACHE\."
    ):
        build("yes")
    assert build("auto").origin == "scratch"


def test_a_damaged_file_in_the_cache_is_fetched_anew(
    server: Hub, content: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build("yes")
    result = hub.cached(hub.Weights(REPO))
    assert result is not None

    def damage() -> None:
        result.path.write_bytes(content[:-1] + b"x")
        os.utime(result.path, ns=(1, 1))

    damage()
    assert torch.equal(first(build("auto")), weights_of(content))
    assert "was damaged (expected SHA-256" in capsys.readouterr().err
    assert result.path.read_bytes() == content
    damage()
    monkeypatch.setenv("SIGHTLINE_OFFLINE", "1")
    assert build("auto").origin == "scratch"
    assert hub.cached(hub.Weights(REPO)) is None


def test_gray_photographs_and_maps_take_them_too(server: Hub, content: bytes) -> None:
    assert torch.allclose(
        first(build("yes", channels=1)), weights_of(content).sum(1, keepdim=True), atol=1e-6
    )
    maps = registry.pyramid(NAME, channels=3, size=(64, 64), pretrained="yes")
    assert maps.origin.startswith(f"timm: {REPO}, SHA-256 ")  # type: ignore[attr-defined]
    assert len([path for _, path, _ in server.seen if path.startswith("/files")]) == 1


def test_a_download_that_begins_over_and_over_ends() -> None:
    bar = hub._Progress(total=1_000_000)
    for _ in range(57):
        bar.update(900_000)
        bar.update(-900_000)
    with pytest.raises(SightlineError, match="breaks off again and again"):
        bar.update(900_000)


def test_how_far_it_is_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(hub, "EVERY", 0.0)
    with hub._Progress(total=100_000_000) as bar:
        time.sleep(0.01)
        bar.update(30_000_000)
    assert capsys.readouterr().err == "Fetched 30 of 100 MB.\n"


@pytest.mark.parametrize("value", ["soon", "0", "-3", "inf"])
def test_a_timeout_is_a_number_of_seconds(value: str, server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_HUB_TIMEOUT", value)
    with pytest.raises(UsageError, match=f"SIGHTLINE_HUB_TIMEOUT is '{value}'; expected a number of seconds"):
        build("auto")


def test_every_set_of_timm_has_a_place() -> None:
    for name, place in _timm.sets().items():
        where = _timm.hosted(name)
        assert (where is None) == bool(_timm.elsewhere(name)), name
        assert place == (where.repo if where is not None else _timm.elsewhere(name))
        assert where is None or where.file.endswith(".safetensors")


FETCH = f"""
from sightline.models import registry
network = registry.create({NAME!r}, outputs=4, channels=3, size=(64, 64), pretrained="yes")
print(network.origin)
"""


@pytest.mark.slow
def test_two_at_once_both_have_them(server: Hub, content: bytes, tmp_path: Path) -> None:
    """In processes of their own, where the variables are read as for any user."""
    env = {**os.environ, "HF_ENDPOINT": server.address, "HF_HUB_CACHE": str(tmp_path / "hub")}
    env["HF_TOKEN_PATH"] = str(tmp_path / "token")
    env.pop("HF_HUB_DISABLE_TELEMETRY", None)
    command = [sys.executable, "-c", FETCH]
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    origins = [process.communicate(timeout=120)[0] for process in both]
    digest = hashlib.sha256(content).hexdigest()
    assert origins == [f"timm: {REPO}, SHA-256 {digest}\n"] * 2
    assert [p.name for p in files(tmp_path) if not p.is_symlink()] == [digest]
    assert {path.split("/")[1] for _, path, _ in server.seen} == {"timm", "files"}  # no telemetry
