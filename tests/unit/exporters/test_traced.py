"""Tracing of a network for export."""

from __future__ import annotations

import torch

from sightline.exporters.graph import Graph, traced
from sightline.tasks import TASKS
from sightline.testing import toy_plan


def test_activations_that_change_their_input_are_traced_as_new_tensors() -> None:
    plan = toy_plan("detect", n=8, model="yolo-n")
    model = TASKS.load("detect").MODELS.load("yolo-n").MODEL(plan.settings).eval()
    flags = [part.inplace for part in model.modules() if hasattr(part, "inplace")]
    assert any(flags)
    program = traced(Graph(model))
    names = {str(node.target) for node in program.graph.nodes}
    assert any("hardswish" in name for name in names)
    assert not any("hardswish_" in name for name in names)
    assert flags == [part.inplace for part in model.modules() if hasattr(part, "inplace")]
    images = torch.randint(0, 256, (2, 3, *plan.settings["size"]), dtype=torch.uint8)
    with torch.no_grad():
        pairs = zip(Graph(model)(images), program.module()(images), strict=True)
    for value, answer in pairs:  # objects of an untrained network have equal scores, in no certain order
        torch.testing.assert_close(value.flatten().sort().values, answer.flatten().sort().values)
