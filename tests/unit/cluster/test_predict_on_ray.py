"""`predict --ray` on a local Ray of two workers: every input once, whatever ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import sightline as sl
from sightline.cluster import batch
from sightline.cluster import predict as _ray
from sightline.cluster.start import Cluster
from sightline.commands.predict import predict
from sightline.errors import MissingExtra, UsageError
from tests.unit.cluster.light import Light

ROOT = Path(__file__).parents[3]
LONG = 120  # seconds after which a test is taken to hang


def environment() -> dict[str, str]:
    """Of a process that may join the cluster of the tests."""
    from sightline.cluster import start

    return {**os.environ, **start._ours, "SIGHTLINE_QUIET": "1"}


def test_a_driver_that_is_killed_goes_on_and_says_each_input_once(
    run: Path, images: Path, ray: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "tests.unit.cluster.workers", run, images, out, ray]
    driver = subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment(), stderr=subprocess.PIPE)
    end = time.monotonic() + LONG
    while not (before := sorted(out.glob("part-*.parquet"))):
        assert driver.poll() is None, driver.stderr.read() if driver.stderr else ""
        assert time.monotonic() < end
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait(LONG)
    before = sorted(out.glob("part-*.parquet"))
    selected = [file.read_bytes() for file in before]
    done = pq.read_table(out).num_rows
    assert 0 < done < 14, "it was to be killed in the middle"
    (out / ".part-000099.parquet.1.tmp").write_bytes(b"half a part")

    result = predict(run, [str(images)], out=out, ray=ray, device="cpu")
    assert "are in" in capfd.readouterr().err
    rows = pq.read_table(out).to_pylist()
    assert [file.read_bytes() for file in before] == selected
    assert sorted(r["id"] for r in rows) == sorted(
        o.id for o in sl.load(run, device="cpu").predict(str(images))
    )
    for outcome in sl.load(run, device="cpu").predict(str(images)):
        (row,) = [r for r in rows if r["id"] == outcome.id]
        assert (row["error"] or "") == outcome.error
        assert row["label"] == outcome.row.get("label")
        assert (
            row["confidence"] == pytest.approx(outcome.row["confidence"], abs=1e-5) if outcome.row else True
        )
    assert result.total == 14
    assert [name for name, _ in result.errors] == [str(images / "bad.png")]
    assert result.exit_code == 1
    assert not list(out.glob(".part*"))

    again = predict(run, [str(images)], out=out, ray="local", device="cpu")
    assert again.total == 14
    assert pq.read_table(out).num_rows == 14


def test_a_worker_that_ends_costs_no_block_and_one_that_ends_it_each_time_is_left_out(
    ray: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(batch, "TRIES", 2)
    blocks = [[{"n": n}, {"n": n + 1}] for n in range(0, 20, 2)]
    settings = {"once": str(tmp_path / "once")}
    answers = batch.run(blocks, Cluster(2, 0, False), Light, 2, settings, gpu=False)
    result = sorted(n for answer in answers for n in answer["doubled"])
    assert result == [2 * n for n in range(20) if n not in (12, 13)]
    assert "given out again" in capfd.readouterr().err


def test_an_image_that_kills_its_worker_is_a_row_with_an_error(
    run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(blocks: Any, there: Cluster, make: Any, shared: Any, settings: Any, *, gpu: bool) -> Any:
        worker = make(shared, **settings)
        yield from (worker(b) for b in blocks if not any(first["id"].endswith("03.png") for first in b))

    monkeypatch.setattr(batch, "run", without)
    monkeypatch.setattr(_ray, "cluster", lambda address: nullcontext(Cluster(2, 0, False)))
    few = [str(images / name) for name in ("deep/01.png", "deep/03.png", "04.png")]
    result = predict(run, few, out=tmp_path / "out", ray="local", device="cpu")
    rows = {Path(r["id"]).name: r for r in pq.read_table(tmp_path / "out").to_pylist()}
    assert sorted(rows) == ["01.png", "03.png", "04.png"]
    assert "crashed" in rows["03.png"]["error"]
    assert rows["01.png"]["label"]
    assert rows["04.png"]["label"]
    assert [Path(name).name for name, _ in result.errors] == ["03.png"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"out": None}, "--out FOLDER"),
        ({"to": "coco"}, "--to coco"),
        ({"device": "cuda:1"}, "--device cuda:1"),
        ({"allow_http": True}, "--allow-http"),
        ({"prompt": "point 1,1"}, "--prompt"),
        ({"ray": "127.0.0.1:1"}, "nobody answers"),
        ({"ray": "ray://head:10001"}, "HOST:PORT"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(
    options: dict[str, object], said: str, run: Path, images: Path, tmp_path: Path
) -> None:
    usual: dict[str, object] = {"out": tmp_path / "out", "ray": "local"}
    with pytest.raises(UsageError, match=said):
        predict(run, [str(images)], **{**usual, **options})  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_without_ray_the_extra_is_named(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"sightline\[ray\]"):
        predict(run, ["a.png"], out=tmp_path / "out", ray="local")


def test_usage_reports_of_ray_are_off(ray: str) -> None:
    from ray._common.usage import usage_lib

    assert not usage_lib.usage_stats_enabled()
