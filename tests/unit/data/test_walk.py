"""One rule for every folder: hidden files and what systems leave behind are nobody's images."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline.data.io.walk import describe_skipped, files_below, foreign, globbed, home
from sightline.errors import UsageError

LEFT_BEHIND = (
    "._a.jpg", ".DS_Store", ".ipynb_checkpoints/a-checkpoint.jpg", "Thumbs.db", "desktop.ini",
    "__MACOSX/a.jpg", "deep/@eaDir/a.jpg", "deep/.hidden/b.jpg",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two images, and what a Mac, a notebook, Windows and a storage box add."""
    for name in ("a.jpg", "deep/b.jpg", *LEFT_BEHIND):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def test_only_what_somebody_put_there_is_found_and_the_rest_is_counted(folder: Path) -> None:
    left: list[Path] = []
    assert files_below(folder, left) == [folder / "a.jpg", folder / "deep" / "b.jpg"]
    assert len(left) == len(LEFT_BEHIND)
    assert describe_skipped(left).startswith("8 hidden or foreign entries were left out (")
    assert describe_skipped([]) == ""


def test_a_hidden_folder_that_is_named_is_meant(folder: Path) -> None:
    inside = folder / "deep" / ".hidden"
    assert files_below(inside, []) == [inside / "b.jpg"]


def test_globs_follow_the_same_rule(folder: Path) -> None:
    left: list[Path] = []
    assert globbed(f"{folder}/**/*.jpg", left) == [folder / "a.jpg", folder / "deep" / "b.jpg"]
    assert [path.parent.name for path in left] == ["__MACOSX", "@eaDir"]
    assert globbed(f"{folder}/__MACOSX/*.jpg", []) == [folder / "__MACOSX" / "a.jpg"]


def test_a_folder_called_like_a_pattern_is_that_folder(tmp_path: Path) -> None:
    for name in ("pho[1]", "pho1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jpg").write_bytes(b"x")
    assert globbed(f"{tmp_path}/pho[1]/*.jpg", []) == [tmp_path / "pho[1]" / "a.jpg"]
    assert len(globbed(f"{tmp_path}/pho*/*.jpg", [])) == 2


def test_names_that_only_look_alike_are_kept() -> None:
    assert not any(map(foreign, ("thumbs.jpg", "macosx", "a.b.jpg", "eadir", "cat@home.jpg")))


def test_the_home_folder_is_found_and_an_unknown_one_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert home("~/p.csv") == "/somewhere/p.csv"
    assert home("a/~/b") == "a/~/b"
    with pytest.raises(UsageError, match="no home folder of ~nobody-has-this-name"):
        home("~nobody-has-this-name/x")
