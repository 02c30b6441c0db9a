"""Plug-ins are found by listing: one a file, or several in a table whose names are read without an import."""

from __future__ import annotations

from pathlib import Path

import pytest

from sightline.core.folder import Folder
from sightline.errors import UnknownName


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Cakes: one in a file of its own, a family of two that must not be imported for its names."""
    package = tmp_path / "cakes"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_oven.py").write_text("")
    (package / "apple_pie.py").write_text("CAKE = 'pie'\n")
    (package / "tarts.py").write_text(
        "from pathlib import Path\n"
        "Path(__file__).with_suffix('.imported').touch()\n"
        "SIZE = 3\n"
        "class Tart:\n    card = 'the card'\n"
        "CAKES: dict[str, object] = {'lemon-tart': Tart, 'plum-tart': 'plum'}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "cakes", raising=False)
    return Folder("cakes", "cake", table="CAKES")


def test_a_file_may_offer_several_and_their_names_cost_no_import(folder: Folder, tmp_path: Path) -> None:
    assert folder.names() == ["apple-pie", "lemon-tart", "plum-tart"]
    assert "plum_tart" in folder
    assert "tarts" not in folder
    assert not (tmp_path / "cakes/tarts.imported").exists()


def test_one_of_several_is_loaded_as_if_it_had_a_file_of_its_own(folder: Folder) -> None:
    assert folder.load("apple-pie").CAKE == "pie"
    plum, lemon = folder.load("plum-tart"), folder.load("lemon-tart")
    assert (plum.CAKE, plum.SIZE) == ("plum", 3)
    assert (lemon.CAKE.__name__, lemon.CARD) == ("Tart", "the card")
    with pytest.raises(UnknownName, match="lemon-tart"):
        folder.load("lemon-tar")


def test_a_table_whose_names_are_not_written_out_is_refused(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "cakes/rolls.py").write_text("CAKES = {name: name for name in 'ab'}\n")
    with pytest.raises(TypeError, match=r"rolls\.py: CAKES must be a dictionary with its names written out"):
        folder.names()
