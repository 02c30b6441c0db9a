"""The folder of Parquet parts: whole parts, one writer, one model, each id once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sightline.cluster import parts
from sightline.cluster.parts import Parts, from_arrow, schema, to_arrow
from sightline.core import targets as core_targets
from sightline.errors import DataError, UsageError
from sightline.runtime.targets import TARGETS, arrays_of, target_type

COLUMNS = {"id": "text", "error": "text", "n": "whole", "boxes": "objects", "masks": "codes"}
FACTS = {"model": "abc", "--min-score": "none"}


def rows(*names: str) -> Any:
    box = {"class": "cell", "score": 0.5, "x1": 1.0, "y1": 2.0, "x2": 3.0, "y2": 4.0}
    code = {"size": [4, 5], "counts": "11"}
    message = [{"id": name, "n": 3, "boxes": [box], "masks": [code]} for name in names]
    return from_arrow(to_arrow(message, schema(COLUMNS)))


def opened(folder: Path, base: str = "/photos", **facts: str) -> Parts:
    return Parts(folder, schema(COLUMNS), {**FACTS, **facts}, base)


def test_what_was_added_is_done_and_read_again_as_it_was(tmp_path: Path) -> None:
    with opened(tmp_path / "out") as first:
        first.add(rows("a.png", "s3://b/c.png"))
        first.flush()
        first.add(rows("d.png"))
    with opened(tmp_path / "out") as again:
        assert set(again.done) == {"/photos/a.png", "s3://b/c.png", "/photos/d.png"}
        again.add(rows("e.png"))
    table = pq.read_table(tmp_path / "out")
    assert table["id"].to_pylist() == ["a.png", "s3://b/c.png", "d.png", "e.png"]
    assert table.to_pylist()[0]["boxes"][0]["x2"] == 3.0
    assert table.to_pylist()[0]["masks"] == [{"size": [4, 5], "counts": "11"}]


def test_an_input_is_the_same_from_another_folder_and_under_another_spelling(tmp_path: Path) -> None:
    with opened(tmp_path, base="/data/photos") as first:
        first.add(rows("../photos/a.png"))
    with opened(tmp_path, base="/elsewhere") as again:
        assert list(again.done) == [parts.resolve_path("a.png", "/data/photos")] == ["/data/photos/a.png"]


def test_ids_of_tables_are_no_paths(tmp_path: Path) -> None:
    with opened(tmp_path, base="") as first:
        first.add(rows("17"))
    with opened(tmp_path, base="") as again:
        assert list(again.done) == ["17"]


def test_a_part_that_was_being_written_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(table: Any, file: Path, **options: Any) -> None:
        Path(file).write_bytes(b"PAR1")
        raise KeyboardInterrupt

    with opened(tmp_path) as first:
        first.add(rows("a.png"))
    monkeypatch.setattr(pq, "write_table", half)
    with pytest.raises(KeyboardInterrupt), opened(tmp_path) as first:
        first.add(rows("b.png"))
    monkeypatch.undo()
    with opened(tmp_path) as again:
        assert list(again.done) == ["/photos/a.png"]
        assert not list(tmp_path.glob("*.tmp"))


def test_two_writers_do_not_share_a_folder(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(UsageError, match="Another process"):
        opened(tmp_path)
    opened(tmp_path).__exit__()


@pytest.mark.parametrize(
    ("facts", "said"),
    [({"model": "xyz"}, "another model: abc"), ({"--min-score": "0.5"}, "--min-score: none")],
)
def test_parts_of_another_model_or_setting_are_refused(
    tmp_path: Path, facts: dict[str, str], said: str
) -> None:
    with opened(tmp_path) as first:
        first.add(rows("a.png"))
    with pytest.raises(UsageError, match=said):
        opened(tmp_path, **facts)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.add(rows("a.png"))
    with pytest.raises(UsageError, match="other columns"):
        Parts(tmp_path, schema({"id": "text", "error": "text"}), FACTS, "/photos")


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "error": [""]}), tmp_path / "part-000000.parquet")
    with pytest.raises(UsageError, match="not written by"):
        opened(tmp_path)
    (tmp_path / "part-000000.parquet").unlink()
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(UsageError, match="thesis"):
        opened(tmp_path)
    assert (tmp_path / "thesis.docx").exists()
    with pytest.raises(UsageError, match="is a file"):
        opened(tmp_path / "thesis.docx")


def test_a_damaged_part_is_named_with_the_way_out(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.add(rows("a.png"))
    file = tmp_path / "part-000000.parquet"
    os.truncate(file, 100)
    with pytest.raises(DataError, match=r"part-000000\.parquet is damaged.*Delete it"):
        opened(tmp_path)


def test_a_part_that_was_copied_is_seen(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        first.add(rows("a.png"))
    (tmp_path / "part-000001.parquet").write_bytes((tmp_path / "part-000000.parquet").read_bytes())
    with pytest.raises(DataError, match=r"a\.png again"):
        opened(tmp_path)


@pytest.mark.parametrize("kind", TARGETS.names())
def test_the_lists_of_every_kind_have_a_type_of_column(kind: str) -> None:
    data, forms = core_targets.target_type(kind).synthetic(1, 48, 3), target_type(kind).forms
    one = arrays_of(data.targets.as_prediction(len(data.classes)))
    lists = one.details(data.classes) | one.codes()
    row = {name: lists[name] for name in forms}
    table = from_arrow(to_arrow([row], schema({"id": "text", **forms})))
    (again,) = table.to_pylist()
    assert {name: len(again[name]) for name in forms} == {name: len(row[name]) for name in forms}
