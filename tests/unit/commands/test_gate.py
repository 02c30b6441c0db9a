"""The gate of exported files, where what is compared hangs on the last bit."""

from __future__ import annotations

import numpy as np
import torch

from sightline.export.graph import Array, Graph, Runner
from sightline.export.validation import Gate, gate
from sightline.testing import toy_plan
from sightline.training.runner import build_model


def test_ties_are_no_drift_and_other_scores_are() -> None:
    """A detector that is not trained: its scores are all but equal, and rounding says which boxes stay."""
    made = toy_plan("detect", model="yolo-n")
    model = build_model(made).eval()
    graph, rounded = Graph(model, "final"), Graph(build_model(made).eval(), "final")
    with torch.no_grad():
        for value in rounded.model.parameters():
            value.mul_(1 + 1e-6 * torch.randn(value.shape, generator=torch.Generator().manual_seed(5)))

    def judged(factor: float) -> Gate:
        @torch.no_grad()
        def run(images: Array) -> dict[str, Array]:
            said = {k: v.numpy() for k, v in rounded.said(torch.from_numpy(images)).items()}
            return {**said, "scores": (said["scores"] * factor).astype(np.float32)}

        def opened(taps: object) -> Runner:
            return run

        return gate(graph, opened, made.dataset, made.task, 0.1, exact=True)

    found = judged(1.0)
    assert max(found.apart.values()) > 0.01, "these boxes are to be told apart by rounding only"
    assert found.passed, found.why
    assert "other objects stay" in judged(0.9).why


def test_rounding_does_not_excuse_other_scores_of_two_stages() -> None:
    """Faster R-CNN drops overlapping boxes between its stages, so that rounding may choose others."""
    made = toy_plan("detect", model="faster-rcnn")
    graph = Graph(build_model(made).eval())

    def judged(factor: float) -> Gate:
        @torch.no_grad()
        def run(images: Array) -> dict[str, Array]:
            said = {k: v.numpy() for k, v in graph.said(torch.from_numpy(images)).items()}
            return {**said, "scores": (said["scores"] * factor).astype(np.float32)}

        return gate(graph, lambda taps: run, made.dataset, made.task, 0.1, exact=True)

    assert judged(1.0).passed
    assert "other objects stay" in judged(0.9).why
