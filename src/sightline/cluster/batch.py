"""Batch prediction through Ray Data: blocks of inputs to workers, predictions back.

A block goes to one worker and comes back whole, as one row. One process, the one that started the job, writes
the results. So a block that two workers had, because one was lost, counts once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from sightline.cluster.start import Cluster, import_ray, silence_ray
from sightline.console import say

TRIES = 3
"""How often a block is begun before it counts as lost with the workers that had it."""

Block = list[dict[str, Any]]


class Worker(Protocol):
    """Worker interface: created once in a process of the cluster, then called for each block."""

    def __call__(self, block: Block) -> dict[str, Any]:
        """Result of a block: fields that Arrow can store, the same for all blocks."""
        ...


class _Ledger:
    """Counts how often each block was started: Ray itself would retry a block for ever."""

    def __init__(self) -> None:
        self._begun = Counter[int]()

    def begin(self, number: int) -> int:
        self._begun[number] += 1
        return self._begun[number]


class _Host:
    """Ray actor that holds the worker."""

    def __init__(
        self, make: Callable[..., Worker], shared: list[Any], settings: dict[str, Any], ledger: Any, most: int
    ) -> None:
        self._ray, self._ledger, self._most = import_ray(), ledger, most
        self._worker = make(self._ray.get(shared[0]), **settings)

    def __call__(self, table: Any) -> Any:
        import pyarrow as pa

        (block,) = table.to_pylist()
        tries = self._ray.get(self._ledger.begin.remote(block["number"]))
        outputs = [] if tries > self._most else [self._worker(block["inputs"])]
        return pa.Table.from_pylist([{"tries": tries, "said": outputs}])


def run(
    blocks: Iterable[Block],
    cluster: Cluster,
    make: Callable[..., Worker],
    shared: Any,
    settings: dict[str, Any],
    *,
    gpu: bool,
) -> Iterator[dict[str, Any]]:
    """Yield the result of each block, in the order of completion. Lost blocks are missing.

    Args:
        blocks: Inputs, as fields that Arrow can hold, alike for all.
        cluster: Where.
        make: Makes a worker, from `shared` and the settings; importable on all machines.
        shared: Sent once to each machine.
        settings: Small arguments of `make`.
        gpu: Whether each worker has a GPU of its own.
    """
    ray = import_ray()
    import pyarrow as pa

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    silence_ray()
    tables = [pa.Table.from_pylist([{"number": i, "inputs": block}]) for i, block in enumerate(blocks)]
    most = min(max(1, cluster.gpus if gpu else cluster.cpus), len(tables))
    ledger = ray.remote(num_cpus=0)(_Ledger).remote()
    data = ray.data.from_arrow(tables).map_batches(
        _Host,
        fn_constructor_kwargs={"make": make, "shared": [ray.put(shared)], "settings": settings,
                               "ledger": ledger, "most": TRIES},
        batch_size=1,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=most,
                                           max_tasks_in_flight_per_actor=2),
        num_cpus=1,
        num_gpus=1 if gpu else 0,
    )  # fmt: skip
    try:
        for table in data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in table.to_pylist():
                if row["tries"] > 1:
                    say("A worker of the cluster ended while it predicted; what it had was given out again.")
                yield from row["said"]
    finally:
        ray.kill(ledger)
