"""Processor seconds of tracing a detector and translating it to ONNX.

python benchmarks/export_time.py [--json FILE]
"""

from __future__ import annotations

import time

from _common import arguments, report
from sightline.exporters import onnx_proto
from sightline.exporters.graph import Graph
from sightline.tasks import TASKS
from sightline.testing import toy_plan

METHOD = "yolo-n"


def main() -> None:
    args = arguments(__doc__ or "")
    settings = toy_plan("detect", n=8, model=METHOD).settings
    model = TASKS.load("detect").MODELS.load(METHOD).MODEL(settings).eval()
    seconds, operators = [], 0
    for _ in range(2):  # the first imports the translator
        started = time.process_time()
        operators = len(onnx_proto.proto(Graph(model)).graph.node)
        seconds.append(round(time.process_time() - started, 1))
    report("export_time", {"first": seconds[0], "again": seconds[1], "operators": operators}, args.json)


if __name__ == "__main__":
    main()
