"""The gate of exported files, where what is compared hangs on the last bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from sightline.exporters import validation
from sightline.exporters.graph import Array, Graph, Runner
from sightline.exporters.validation import Gate, gate
from sightline.testing import toy_plan
from sightline.training.runner import build_model


@pytest.fixture
def judged() -> Callable[[float], Gate]:
    """The gate's word on a detector that is not trained and a file that rounds: its scores are all but equal,
    and rounding says which boxes stay. The scores of the file are so many times those of the network."""
    result = toy_plan("detect", model="yolo-n")
    model = build_model(result).eval()
    graph, rounded = Graph(model, "nms"), Graph(build_model(result).eval(), "final")
    with torch.no_grad():
        for value in rounded.model.parameters():
            value.mul_(1 + 1e-6 * torch.randn(value.shape, generator=torch.Generator().manual_seed(5)))

    def judge(factor: float) -> Gate:
        @torch.no_grad()
        def run(images: Array) -> dict[str, Array]:
            outputs = {k: v.numpy() for k, v in rounded.outputs_of(torch.from_numpy(images)).items()}
            return {**outputs, "scores": (outputs["scores"] * factor).astype(np.float32)}

        def opened(taps: object) -> Runner:
            return run

        return gate(graph, opened, result.dataset, result.task, 0.1, exact=True)

    return judge


def test_ties_are_no_drift_and_other_scores_are(judged: Callable[[float], Gate]) -> None:
    result = judged(1.0)
    assert max(result.apart.values()) > 0.01, "these boxes are to be told apart by rounding only"
    assert result.passed, result.why
    assert "other objects stay" in judged(0.9).why


def test_rounding_does_not_excuse_other_scores_of_two_stages() -> None:
    """Faster R-CNN drops overlapping boxes between its stages, so that rounding may choose others."""
    result = toy_plan("detect", model="faster-rcnn")
    graph = Graph(build_model(result).eval())

    def judged(factor: float) -> Gate:
        @torch.no_grad()
        def run(images: Array) -> dict[str, Array]:
            outputs = {k: v.numpy() for k, v in graph.outputs_of(torch.from_numpy(images)).items()}
            return {**outputs, "scores": (outputs["scores"] * factor).astype(np.float32)}

        return gate(graph, lambda taps: run, result.dataset, result.task, 0.1, exact=True)

    assert judged(1.0).passed
    assert "other objects stay" in judged(0.9).why


def test_networks_are_shaken_only_where_it_can_tell(
    judged: Callable[[float], Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images in doubt, once more only while they are, and of many a fixed part: the decision is the same."""
    viewed: list[tuple[int, list[str]]] = []
    usual = validation._unsure

    def counted(graph: Graph, shaken: Any, batch: Any, seed: int, ranked: Sequence[str]) -> list[bool]:
        viewed.append((seed, list(batch.ids)))
        return usual(graph, shaken, batch, seed, ranked)

    monkeypatch.setattr(validation, "_unsure", counted)
    assert judged(1.0).passed
    rounds = [{i for s, ids in viewed if s == seed for i in ids} for seed in range(validation.SHAKES)]
    assert all(later <= sooner for sooner, later in pairwise(rounds))
    assert len(rounds[-1]) < len(rounds[0])
    viewed.clear()
    assert not judged(0.9).passed
    assert not viewed, "the best object has another score: no shaking explains that"
    monkeypatch.setattr(validation, "SHAKEN", 3)
    assert judged(1.0).passed
    few = {i for _, ids in viewed for i in ids}
    assert len(few) == 3
    assert few < rounds[0]
    viewed.clear()
    assert not judged(0.9).passed
