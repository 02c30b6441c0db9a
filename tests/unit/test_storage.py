from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from sightline import storage
from sightline.errors import DataError, SightlineError


def make(folder: Path) -> None:
    storage.save(folder, {"model": {"w": torch.arange(6.0).reshape(2, 3)}}, {"step": 3})


def test_round_trip(tmp_path: Path) -> None:
    make(tmp_path / "c")
    tensors, state = storage.load(tmp_path / "c")
    assert state == {"step": 3}
    assert torch.equal(tensors["model"]["w"], torch.arange(6.0).reshape(2, 3))


def test_cut_at_every_place_it_does_not_count(tmp_path: Path) -> None:
    make(tmp_path / "c")
    for file in sorted((tmp_path / "c").iterdir()):
        whole = file.read_bytes()
        for size in range(len(whole)):
            file.write_bytes(whole[:size])
            assert not storage.valid(tmp_path / "c"), (file.name, size)
        file.write_bytes(whole)
    assert storage.valid(tmp_path / "c")


@pytest.mark.parametrize("call", ["mkdir", "rename", "fsync", "write_text"])
def test_a_disk_that_fails_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    make(tmp_path / "old")

    def fail(*arguments: object, **keywords: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if call == "fsync" else Path, call, fail)
    with pytest.raises(SightlineError, match="No space left"):
        make(tmp_path / "new")
    monkeypatch.undo()
    assert storage.valid(tmp_path / "old")
    assert not (tmp_path / "new").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["old"]


def test_a_disk_that_fails_leaves_the_old_tensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "model.safetensors"
    storage.write_tensors(file, {"w": torch.zeros(2)})

    def fail(*arguments: object, **keywords: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(SightlineError, match=r"model\.safetensors could not be written: No space left"):
        storage.write_tensors(file, {"w": torch.ones(2)})
    assert storage.read_tensors(file)["w"].tolist() == [0, 0]
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, (f"touch {tmp_path / 'exploded'}",)

    torch.save(Bomb(), tmp_path / "weights.pt")
    with pytest.raises(DataError, match="pickle"):
        storage.read_tensors(tmp_path / "weights.pt")
    assert not (tmp_path / "exploded").exists()
