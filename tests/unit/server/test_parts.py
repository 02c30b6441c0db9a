"""The parts by themselves: batches, sizes and times, Accept, drawing, the verb's arguments."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

from sightline.commands.serve import serve
from sightline.errors import DataError, UsageError
from sightline.runtime.targets.masks import MaskArrays
from sightline.runtime.targets.outlines import OutlineArrays
from sightline.server.batching import Queue, QueueFull
from sightline.server.drawing import draw
from sightline.server.engine import Engine
from sightline.server.jobs import Job, JobResult, WorkerConfig, WorkerReady
from sightline.server.kserve import _from_json
from sightline.server.limits import Limits, seconds_of, size_of
from sightline.server.metrics import Metrics
from sightline.server.model_files import models
from sightline.server.replies import wish_of
from sightline.server.request_error import RequestError
from sightline.server.token import secret


def test_a_full_batch_does_not_wait() -> None:
    async def main() -> list[object]:
        queue = Queue(10, 3, wait=3600)
        queue.put([Job(bytes([k])) for k in range(7)])
        result: list[object] = [(queue.due(), len(queue.take())), (queue.due(), len(queue.take()))]
        left = queue.due()
        assert left is not None
        return [*result, left > 3000, len(queue)]

    assert asyncio.run(main()) == [(0, 3), (0, 3), True, 1]


def test_a_part_of_a_batch_waits_for_others() -> None:
    async def main() -> list[bytes]:
        queue = Queue(10, 3, wait=0.02)
        assert queue.due() is None
        queue.put([Job(b"a")])
        assert queue.due() > 0  # type: ignore[operator]
        queue.put([Job(b"b")])
        await asyncio.sleep(0.03)
        assert queue.due() == 0
        return [bytes(first.job.content) for first in queue.take()]

    assert asyncio.run(main()) == [b"a", b"b"]


def test_what_is_put_back_is_next_and_in_order() -> None:
    async def main() -> list[bytes]:
        queue = Queue(2, 2, wait=0)
        queue.put([Job(b"1"), Job(b"2")])
        taken = queue.take()
        queue.put([Job(b"3")])
        queue.put_back(taken)
        return [bytes(first.job.content) for _ in range(2) for first in queue.take()]

    assert asyncio.run(main()) == [b"1", b"2", b"3"]


def test_all_jobs_of_a_request_or_none() -> None:
    async def main() -> None:
        queue = Queue(3, 8, wait=0)
        queue.put([Job(b"")] * 2)
        with pytest.raises(QueueFull):
            queue.put([Job(b"")] * 2)
        assert len(queue) == 2
        queue.put([Job(b"")])
        assert queue.full

    asyncio.run(main())


class Worker:
    """Stands in for a worker process; the first that is made fails in a way that nobody thought of."""

    made: ClassVar[list[Worker]] = []
    pid = 0

    def __init__(self, spec: WorkerConfig) -> None:
        self.made.append(self)
        self.jobs: list[list[Job]] = []
        self.through = asyncio.Event()

    async def started(self, limit: float) -> WorkerReady:
        if len(self.made) == 1:
            raise ValueError("of no kind that is known")
        return WorkerReady({}, (3, 8, 8))

    def give(self, jobs: list[Job]) -> None:
        self.jobs.append(jobs)

    async def answers(self) -> list[JobResult]:
        await self.through.wait()
        self.through.clear()
        return [JobResult(b"{}") for _ in self.jobs[0]]

    def kill(self) -> None: ...
    def reap(self) -> None: ...
    def overdue(self, limit: float) -> None: ...


def test_batches_go_to_idle_workers_and_full_ones_ahead_to_busy_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.server.engine.Process", Worker)
    monkeypatch.setattr(Worker, "made", [])

    async def main() -> None:
        limits = Limits(batch=2, wait=0, workers=2)
        engine = Engine("street", WorkerConfig("", ""), limits, Metrics(), lambda error: None)
        engine.start()
        while len(engine._able) < 2:  # the failed one has been replaced
            await asyncio.sleep(0.01)
        _, item, other = Worker.made
        requested = []
        for n, held in ((2, [1]), (2, [1, 1]), (1, [1, 1]), (1, [1, 2]), (1, [1, 2])):
            requested.append(asyncio.create_task(engine.predict([Job(b"")] * n)))
            await asyncio.sleep(0.01)
            first, second = (
                (item, other) if len(requested) > 1 else sorted((item, other), key=lambda w: not w.jobs)
            )
            item, other = first, second
            # The second was busy last: behind the first, which may be a slow one, nothing is put.
            assert [len(w.jobs) for w in (item, other) if w.jobs] == held
        assert len(engine.queue) == 1
        first.through.set()  # it takes what waits, though that is no full batch
        await asyncio.wait({requested[0]})
        assert [len(first.jobs[-1]), len(engine.queue)] == [1, 0]
        await engine.stop()
        message = [answer.status for answers in await asyncio.gather(*requested) for answer in answers]
        assert message == [200, 200, 503, 503, 503, 503, 503]

    asyncio.run(main())


def test_texts_in_place_of_numbers_take_no_memory() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RequestError, match="whole numbers"):
            _from_json(["a" * 100_000, *["b"] * 191], [1, 3, 8, 8])
        assert tracemalloc.get_traced_memory()[1] < 1e6
    finally:
        tracemalloc.stop()


def test_what_is_withdrawn_is_answered_and_not_predicted() -> None:
    async def main() -> None:
        queue = Queue(9, 8, wait=0)
        first, second = queue.put([Job(b"1"), Job(b"2")])
        queue.withdraw([first], JobResult(status=503))
        assert first.answer.result().status == 503
        assert [item is second for item in queue.take()] == [True]
        queue.withdraw([second], JobResult(status=503))
        assert not second.answer.done()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "value"), [("20MB", 20_000_000), ("1 kib", 1024), ("7", 7), ("1.5kB", 1500)]
)
def test_sizes(text: str, value: int) -> None:
    assert size_of(text, "--max-body") == value


@pytest.mark.parametrize(("text", "value"), [("30s", 30), ("5ms", 0.005), ("2min", 120), ("0.5", 0.5)])
def test_times(text: str, value: float) -> None:
    assert seconds_of(text, "--batch-timeout") == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "big", "-3s", "3 days", "nan"])
def test_neither_size_nor_time(text: str) -> None:
    with pytest.raises(UsageError, match="--batch-timeout must be"):
        seconds_of(text, "--batch-timeout")


@pytest.mark.parametrize(("accept", "wish"), [
    (None, "row"), ("image/png;q=0.2, application/json;q=0.1", "png"), ("image/jpeg;q=0, */*", "row"),
    ("image/jpeg;q=x, image/png", "png"), ("IMAGE/JPEG", "jpeg"), ("image/webp,image/*", "jpeg"),
])  # fmt: skip
def test_what_the_client_likes_best(accept: str | None, wish: str) -> None:
    assert wish_of(accept) == wish


def test_labels_of_metrics_are_escaped() -> None:
    metrics = Metrics()
    metrics.count("sightline_refused_total", reason='a"b\\c\nd')
    assert r'{reason="a\"b\\c\nd"} 1' in metrics.text()


def test_drawing_shows_the_objects_of_the_answer_and_no_others() -> None:
    image = np.full((200, 200, 3), 255, np.uint8)
    result = OutlineArrays(
        (200, 200), boxes=np.array([[10, 10, 60, 60], [110, 110, 160, 160]], np.float32),
        labels=np.array([0, 1]), scores=np.array([0.9, 0.1], np.float32),
        parts=[(10, 10, np.ones((50, 50), np.uint8)), (110, 110, np.ones((50, 50), np.uint8))],
    )  # fmt: skip
    card = {"prediction": "outlines", "model_config": {"classes": ["a", "b"], "thresholds": [0.5, 0.5]}}
    for shown, drawn_below in ((result, True), (result.least(0.5), False)):
        drawn = draw(image, SimpleNamespace(row={}, prediction=shown), card)
        assert (drawn[10:60, 10:60] != 255).any()
        assert (drawn[100:] != 255).any() == drawn_below


def test_drawing_tints_maps() -> None:
    image = np.full((200, 200, 1), 255, np.uint8)
    classes = np.full((200, 200), 255, np.uint8)
    classes[:50] = 1
    card = {"prediction": "masks", "model_config": {"classes": ["road", "sky"]}}
    drawn = draw(image, SimpleNamespace(row={}, prediction=MaskArrays(classes)), card)
    assert (drawn[:49] != 255).any()
    assert (drawn[60:200] == 255).all()


def test_models_are_found_and_named(tmp_path: Path) -> None:
    run = tmp_path / "street-1"
    (run / "export").mkdir(parents=True)
    with pytest.raises(UsageError, match="sightline export"):
        models([str(run)])
    file = run / "export" / "model.onnx"
    file.touch()
    assert models([str(run)]) == {"street-1": file}
    assert models([f"day={file}", f"night={file}"]) == {"day": file, "night": file}
    with pytest.raises(UsageError, match="Two models"):
        models([str(file), str(file)])
    with pytest.raises(DataError, match="not there"):
        models([str(tmp_path / "nothing")])
    (run / "second.onnx").touch()
    with pytest.raises(UsageError, match="several"):
        models([str(run)])


def test_an_open_address_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIGHTLINE_TOKEN", raising=False)
    file = tmp_path / "m.onnx"
    file.touch()
    with pytest.raises(UsageError, match="SIGHTLINE_TOKEN"):
        serve([str(file)], host="0.0.0.0")
    short = tmp_path / "token"
    short.write_text("short")
    with pytest.raises(UsageError, match="at least 16"):
        serve([str(file)], host="0.0.0.0", token_file=short)
    with pytest.raises(UsageError, match="cannot be read"):
        serve([str(file)], token_file=tmp_path / "nothing")
    monkeypatch.setenv("SIGHTLINE_TOKEN", "0123456789abcdef")
    assert secret(None) == "0123456789abcdef"


@pytest.mark.parametrize("options", [{"max_queue_size": 0}, {"max_batch_size": 0}, {"workers": 0},
                                     {"max_body": "much"},
                                     {"timeout": "0s"}, {"batch_timeout": "soon"},
                                     {"max_images": -1}])  # fmt: skip
def test_limits_that_cannot_be(tmp_path: Path, options: dict[str, object]) -> None:
    file = tmp_path / "m.onnx"
    file.touch()
    with pytest.raises(UsageError, match=f"--{next(iter(options)).replace('_', '-')} must be"):
        serve([str(file)], **options)  # type: ignore[arg-type]
