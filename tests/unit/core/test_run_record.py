"""What run.json holds, and what of it is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sightline.core.run import Run
from sightline.core.run_record import FORMAT, DataRecord, RunRecord
from sightline.errors import DataError

RECORD = RunRecord(
    command="tune",
    arguments={"data": "photos", "accept": []},
    recipe={"epochs": 3},
    messages=("A note.",),
    data=DataRecord("photos", "photos/", "folder", 9, ("cat", "dog"), (), "f00", {"train": 9}),
    seed=7,
    trials=4,
)


def changed(path: Path, **content: Any) -> None:
    """Change run.json by hand."""
    file = path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **content}))


def test_is_the_same_when_it_is_opened_again(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", RECORD)
    assert Run.open(run.path).record == RECORD
    assert run.classes == ("cat", "dog")


def test_what_is_changed_is_on_disk_and_nothing_else(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", RECORD)
    before = json.loads((run.path / "run.json").read_text())
    run.update(status="done", seconds=1.5)
    after = json.loads((run.path / "run.json").read_text())
    assert {k for k in after if after[k] != before.get(k)} == {"status", "seconds"}
    assert not {"folds", "teacher", "error"} & after.keys()  # what a run has not is left out


def test_a_key_of_somebody_else_is_kept(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", RECORD)
    changed(run.path, comment="mine")
    again = Run.open(run.path)
    again.update(status="done")
    assert json.loads((run.path / "run.json").read_text())["comment"] == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [({"format": FORMAT + 1}, "format"), ({"data": {"colour": 1}}, "colour"), ({"data": 3}, "data")],
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    run = Run.create(tmp_path / "run", RECORD)
    changed(run.path, **content)
    with pytest.raises(DataError, match=rf"run\.json is not as .*{message}"):
        Run.open(run.path)


def test_a_list_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(DataError, match="holds a list"):
        Run.open(tmp_path)
