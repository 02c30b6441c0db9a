"""Exact search: seconds for a query among many vectors, and recall (1 by construction, and checked).

python benchmarks/search.py [--vectors 1000000] [--dimensions 128] [--queries 20]
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn import functional as F

from _common import arguments, report
from sightline.inference.vector_index import nearest

TOP = 5


def main() -> None:
    args = arguments(__doc__ or "", vectors=1_000_000, dimensions=128, queries=20)
    generator = torch.Generator().manual_seed(0)
    vectors = F.normalize(torch.randn(args.vectors, args.dimensions, generator=generator), dim=1)
    rows = torch.randint(0, args.vectors, (args.queries,), generator=generator)
    noise = torch.randn(args.queries, args.dimensions, generator=generator)
    queries = F.normalize(vectors[rows] + 0.02 * noise, dim=1)
    wall, cpu = [], []
    for query, row in zip(queries, rows.tolist(), strict=True):
        started = time.perf_counter(), time.process_time()
        _, places = nearest(vectors, query[None], TOP)
        wall.append(time.perf_counter() - started[0])
        cpu.append(time.process_time() - started[1])
        assert int(places[0, 0]) == row
    started_batch = time.perf_counter()
    nearest(vectors, queries, TOP)
    batch = (time.perf_counter() - started_batch) / args.queries
    report(
        "search",
        {
            "vectors": args.vectors,
            "dimensions": args.dimensions,
            "threads": torch.get_num_threads(),
            "seconds a query (median)": round(float(np.median(wall)), 4),
            "CPU-seconds a query (median)": round(float(np.median(cpu)), 4),
            "seconds a query, all at once": round(batch, 4),
        },
        args.json,
    )


if __name__ == "__main__":
    main()
