"""Exporting and measuring, through the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from sightline.runtime import cli as runtime
from sightline.runtime import onnx_file


def test_a_run_is_exported_measured_and_run_without_it(sightline: Callable, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    trained = sightline(
        "train", "shapes:one:60", "--model", "lenet5", "--size", "32", "--epochs", "1", "--out", "run"
    )
    assert trained.code == 0, trained.err
    completed = sightline("export", "run", "--max-score-drop", "5")
    assert completed.code == 0, completed.err
    assert "run/export/run.onnx: checked on" in completed.err
    assert "accuracy of the file" in completed.out
    assert sightline("export", "run", "--to", "torch", "--max-score-drop", "5").code == 0
    result = sightline("--json", "benchmark", "run", "--seconds", "0.1").json()
    assert [line["name"] for line in result["lines"]] == ["network", "run.onnx", "run.pt2"]
    assert all(line["p95"] >= line["p50"] > 0 for line in result["lines"])
    assert any(line["best"] for line in result["lines"])
    assert json.loads((tmp_path / "run/benchmark.json").read_text()) == result
    page = (tmp_path / "run/benchmark.html").read_text()
    assert "What a better score costs" in page
    assert "run.pt2 at" in page
    assert sightline("benchmark", "run", "--threads", "0").code == 2


def test_a_run_whose_data_are_gone_is_exported_only_where_this_is_accepted(
    sightline: Callable, photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    quick = ("--model", "perceptron", "--epochs", 1, "--size", 12)
    assert sightline("train", photos, *quick, "--out", "run").code == 0
    accepted = ("export", "run", "--accept", "unchecked")
    present = sightline(*accepted, "--max-score-drop", "-100")
    assert present.code == 1, "what can be checked is checked, and refused"
    assert "the file is checked" in present.err
    image = photos.rename(tmp_path / "away") / "day" / "000.png"
    refused = sightline("export", "run")
    assert refused.code == 3
    assert "--accept unchecked" in refused.err
    assert sightline("export", "run", "--accept", "everything").code == 2
    ranges = sightline(*accepted, "--quantize", "int8")
    assert ranges.code == 2
    assert "--quantize", "int8-dynamic" in ranges.err
    completed = sightline(*accepted)
    assert completed.code == 0, completed.err
    assert "run-unchecked.onnx: NOT CHECKED" in completed.err
    assert "NOT CHECKED" in completed.out
    assert "photos" in completed.out, "and why"
    file = tmp_path / "run/export/run-unchecked.onnx"
    assert onnx_file.load(file)[1]["unchecked"] == onnx_file.UNCHECKED
    assert json.loads(Path(f"{file}.json").read_text())["passed"] is None
    assert runtime.main([str(file), str(image), "--json"]) == 0
    out, err = capfd.readouterr()
    assert "is NOT CHECKED" in err
    assert json.loads(out)["unchecked"] == onnx_file.UNCHECKED
    # With its data again a file is checked, and says nothing of the kind.
    assert sightline("export", "run", "--data", "away", "--max-score-drop", 5).code == 0
    assert "unchecked" not in onnx_file.load(tmp_path / "run/export/run.onnx")[1]


def test_a_rejected_file_fails_the_command(sightline: Callable, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    trained = sightline(
        "train", "shapes:one:60", "--model", "lenet5", "--size", "32", "--epochs", "1", "--out", "run"
    )
    assert trained.code == 0, trained.err
    completed = sightline("export", "run", "--max-score-drop", "-100")
    assert completed.code == 1
    assert "REJECTED on" in completed.err
    assert (tmp_path / "run/export/run.onnx.rejected").is_file()
    assert not (tmp_path / "run/export/run.onnx").exists()
    _full_disk(sightline, tmp_path)


def _full_disk(sightline: Callable, tmp_path: Path) -> None:
    """The system refuses files above 64 kB, as a full disk does: nothing is lost, and nothing is left."""
    resource = pytest.importorskip("resource", reason="this system has no limit on files")
    file = tmp_path / "run/export/run.onnx"
    file.write_bytes(b"of yesterday")
    formats = ["onnx", "torch", *(["openvino"] if find_spec("openvino") else [])]
    for to in formats:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, before[1]))
        try:
            completed = sightline("export", "run", "--to", to)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert completed.code == 1, completed.err
        assert "could not be written" in completed.err
        assert "Make room" in completed.err
    assert file.read_bytes() == b"of yesterday"
    left = sorted(p.name for p in file.parent.iterdir())
    assert left == ["run.onnx", "run.onnx.rejected", "run.onnx.rejected.json"]
