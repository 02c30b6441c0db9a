"""What is predicted on a cluster: folders, tables, object stores; a worker reads all of them alike."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sightline as sl
from sightline.cluster import predict_worker
from sightline.cluster.inputs import Inputs, inputs_of
from sightline.cluster.parts import from_arrow
from sightline.cluster.predict import _blocks, columns_of, model_files
from sightline.cluster.predict_worker import PredictWorker, WorkerConfig
from sightline.errors import DataError, UsageError
from tests.unit.commands.finder import predictor as finder


def answered(run: Path, inputs: Inputs, **order: Any) -> dict[str, dict[str, Any]]:
    """Rows by id, as a worker says them."""
    columns = columns_of(sl.load(run, device="cpu"), inputs.films)  # type: ignore[arg-type]
    worker = PredictWorker(
        model_files(run), WorkerConfig("cpu", 4, None, 0.0, None, columns, inputs.column, **order)
    )
    result = {}
    for block in _blocks(list(inputs.found.values()), 6):
        outputs = worker(block)
        assert not outputs["failure"]
        assert outputs["inputs"] == [first["id"] for first in block]
        result.update({row["id"]: row for row in from_arrow(outputs["rows"]).to_pylist()})
    return result


def table(file: Path, columns: dict[str, Any], rows_in_a_group: int = 3) -> str:
    pq.write_table(pa.table(columns), file, row_group_size=rows_in_a_group)
    return str(file)


@pytest.mark.parametrize("kind", ["folder", "address", "paths", "bytes", "records"])
def test_all_kinds_of_source_give_the_same_rows(run: Path, images: Path, tmp_path: Path, kind: str) -> None:
    files = sorted(p for p in images.rglob("*") if p.is_file() and p.suffix != ".txt")
    ids = [f"n{i}{file.suffix}" for i, file in enumerate(files)]
    content = [file.read_bytes() for file in files]
    source = {
        "folder": lambda: str(images),
        "address": lambda: images.as_uri(),
        "paths": lambda: table(
            tmp_path / "t.parquet", {"path": [os.path.relpath(f, tmp_path) for f in files], "y": ids}
        ),
        "bytes": lambda: table(tmp_path / "t.parquet", {"id": ids, "jpeg": content}),
        "records": lambda: table(
            tmp_path / "t.parquet", {"id": ids, "image": [{"bytes": c, "path": "x"} for c in content]}
        ),
    }[kind]()
    inputs = inputs_of([source])
    names = dict(zip(files, ids, strict=True))
    result = answered(run, inputs)
    plain = list(sl.load(run, device="cpu").predict(str(images)))
    assert len(result) == len(plain) == 14
    for outcome in plain:
        file, mark, page = outcome.id.partition("#")
        name = {"folder": file, "address": Path(file).as_uri(), "paths": os.path.relpath(file, tmp_path)}.get(
            kind, names[Path(file)]
        )
        row = result[f"{name}{mark}{page}"]
        assert (row["error"] or "") == outcome.error
        assert row["label"] == outcome.row.get("label")
        assert row["confidence"] == pytest.approx(outcome.row.get("confidence"), abs=1e-5)


def test_hidden_and_foreign_files_are_left_out_of_folders_and_stores(tmp_path: Path) -> None:
    for name in ("a.png", "._a.png", "__MACOSX/a.png", ".ipynb_checkpoints/a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    near, far = inputs_of([str(tmp_path)]), inputs_of([tmp_path.as_uri()])
    assert [Path(name).name for name in near.found] == [Path(name).name for name in far.found] == ["a.png"]
    assert near.hidden == far.left_out["hidden or foreign"] == 3


def test_objects_are_lists_of_records_above_the_wished_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: Path
) -> None:
    monkeypatch.setattr(predict_worker, "ModelPredictor", lambda path, device: finder())
    columns = columns_of(finder(), films=False)
    assert columns["boxes"] == "objects"
    block = [asdict(first) for first in inputs_of([str(images / "00.png")]).found.values()]
    for least, scores in ((0.0, [0.9, 0.1]), (0.5, [0.9])):
        outputs = PredictWorker({}, WorkerConfig("cpu", 4, None, least, None, columns))(block)
        (row,) = from_arrow(outputs["rows"]).to_pylist()
        assert [box["score"] for box in row["boxes"]] == scores
        assert row["objects"] == len(scores)


def test_only_the_likeliest_classes_are_kept(run: Path, images: Path) -> None:
    columns = columns_of(sl.load(run, device="cpu"), films=False)  # type: ignore[arg-type]
    block = [asdict(first) for first in inputs_of([str(images / "00.png")]).found.values()]
    outputs = PredictWorker(model_files(run), WorkerConfig("cpu", 4, 1, 0.0, None, columns))(block)
    (row,) = from_arrow(outputs["rows"]).to_pylist()
    assert sorted(row) == ["confidence", "error", "id", "label", "prob_day", "prob_night"]
    assert (row["prob_day"] is None) != (row["prob_night"] is None)


def test_a_file_that_is_gone_is_a_row_and_is_told_apart(run: Path, images: Path) -> None:
    inputs = inputs_of([str(images / "00.png")])
    (images / "00.png").unlink()
    (row,) = answered(run, inputs).values()
    assert row["error"]
    block = [asdict(first) for first in inputs.found.values()]
    columns = columns_of(sl.load(run, device="cpu"), films=False)  # type: ignore[arg-type]
    outputs = PredictWorker(model_files(run), WorkerConfig("cpu", 4, None, 0.0, None, columns))(block)
    assert outputs["unseen"] == [str(images / "00.png")]


def test_another_version_is_refused(run: Path) -> None:
    with pytest.raises(UsageError, match="install the same"):
        PredictWorker(model_files(run), WorkerConfig("cpu", 4, None, 0.0, None, {}, version="0.0.1"))


def test_each_input_is_taken_once(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(images.parent)
    assert len(inputs_of(["images", "./images/00.png", str(images)]).found) == 13
    assert "more than once" in capfd.readouterr().err
    twice = table(tmp_path / "t.parquet", {"path": ["a.png", "b.png", "a.png"]})
    assert list(inputs_of([twice]).found) == ["a.png", "b.png"]
    assert "1 rows name an image again" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"id": ["a", "a"], "path": ["x.png", "y.png"]}, "two rows have the id 'a'"),
        ({"id": ["a", None], "path": ["x.png", "y.png"]}, "row 1 of row group 0 has no id"),
        ({"image": [b"1", b"2"]}, "Add a column 'id'"),
        ({"id": ["a"], "one": [b"1"], "two": [b"2"]}, "which column"),
        ({"number": [1, 2]}, "no column holds paths"),
        ({"id": pa.array([], pa.string()), "path": pa.array([], pa.string())}, "has no rows|no column holds"),
    ],
)
def test_tables_that_do_not_say_what_is_what_are_refused(
    tmp_path: Path, columns: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        inputs_of([table(tmp_path / "t.parquet", columns)])


def test_sources_that_cannot_be_are_refused(images: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "empty").mkdir()
    good = table(tmp_path / "t.parquet", {"path": ["a.png"]})
    cases: list[tuple[list[str], type[Exception], str]] = [
        ([str(tmp_path / "broken.parquet")], DataError, "cannot be read as Parquet"),
        ([str(tmp_path / "none.parquet")], DataError, "no table"),
        ([good, str(images)], UsageError, "not both at once"),
        ([good, good], DataError, "in another table too"),
        (["s3://bucket/folder"], UsageError, "SIGHTLINE_OFFLINE"),
        (["http://host/a.png"], UsageError, "address"),
        ([(tmp_path / "empty").as_uri()], UsageError, "no images"),
        ([(tmp_path / "nowhere").as_uri()], UsageError, "cannot be listed"),
        ([], UsageError, "nothing to predict"),
    ]
    for source, kind, outputs in cases:
        with pytest.raises(kind, match=outputs):
            inputs_of(source)
