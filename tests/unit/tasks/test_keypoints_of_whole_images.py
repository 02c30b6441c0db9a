"""Keypoints of all objects of whole images: what is read and learnt, and which predictions count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import sightline as sl
from sightline.core.dataset import Classes, Dataset
from sightline.core.metric import Evaluation
from sightline.core.targets.keypoints import HIDDEN, UNLABELED, Keypoints
from sightline.data.open import open_data
from sightline.errors import UsageError
from sightline.exporters.graph import Graph
from sightline.losses.keypoints import keypoint_losses
from sightline.metrics.functional.keypoints import point_errors
from sightline.metrics.pck import Pck
from sightline.models.detection.assigner import Assigned
from sightline.runtime.targets.keypoints import KeypointArrays
from sightline.tasks import card_of
from sightline.tasks.keypoints.baselines import baselines
from sightline.tasks.keypoints.task import KeypointTask
from sightline.testing import toy_plan
from sightline.training.runner import build_model

WHOLE = {"reads": "images"}


def scenes(n: int = 8, **changes: Any) -> Dataset:
    data = open_data(f"shapes:poses:{n}")
    return replace(data, targets=replace(data.targets_as(Keypoints), **changes))


def test_a_model_of_whole_images_is_given_them_whole() -> None:
    assert card_of("keypoints", "yolo-n").reads == "images"
    for name in ("heatmap", None, "baseline:mean", "resnet18"):
        assert card_of("keypoints", name).reads == "objects"
    data = replace(scenes(), classes=Classes(("cat", "dog")))
    seen = KeypointTask.recast(data, WHOLE)
    assert seen.ids == data.ids
    assert seen.targets is data.targets
    assert seen.classes == data.classes
    assert len(KeypointTask.recast(data, {"reads": "objects"})) > len(data)
    with pytest.raises(UsageError, match="--crop box cuts each object out, and the model reads whole images"):
        KeypointTask.recast(data, {**WHOLE, "crop": "box"})


def test_a_box_without_area_makes_no_background() -> None:
    targets = scenes().targets_as(Keypoints)
    boxes = targets.boxes.clone()
    boxes[1, 2:] = boxes[1, :2]
    seen = KeypointTask.recast(scenes(boxes=boxes), WHOLE)
    found = seen.targets_as(Keypoints)
    assert found.crowd is not None
    assert found.crowd.nonzero().flatten().tolist() == [1]
    assert (found.boxes[1, 2:] > found.boxes[1, :2]).all()
    assert "1 objects whose box has no area" in seen.messages[-1]


def losses(points: torch.Tensor, visible: torch.Tensor, target: Keypoints) -> dict[str, float]:
    """Losses where each object has an anchor point of its own, in one image."""
    m = len(target.labels)
    each = Assigned(torch.arange(m), torch.zeros(m, dtype=torch.int64), torch.arange(m), torch.ones(m))
    outputs = {"points": points.flatten(1)[None], "visible": visible[None]}
    return {name: float(value) for name, value in keypoint_losses(outputs, target, each).items()}


def test_labeled_points_are_learnt_hidden_ones_too_and_far_ones_have_a_slope() -> None:
    target = scenes().targets_as(Keypoints)[2]
    m, j = target.visibility.shape
    sure = torch.full((m, j), 9.0)
    right = losses(target.points, sure, target)
    assert right["points"] == pytest.approx(0, abs=1e-6)
    assert max(right.values()) < 0.01
    some = target.visibility.clone()
    some[0, 1] = UNLABELED
    other = target.points.clone()
    other[0, 1] += 50
    unlabeled, hidden = (replace(target, visibility=v) for v in (some, torch.full_like(some, HIDDEN)))
    assert losses(other, sure, unlabeled)["far"] == losses(target.points, sure, unlabeled)["far"]
    assert losses(target.points, sure, unlabeled)["visible"] > right["visible"]
    assert losses(other, sure, hidden) == losses(other, sure, target)
    bare = replace(target, visibility=torch.zeros_like(some))
    assert losses(other, -sure, bare) == {"points": 0, "far": 0, "visible": 0}
    away = (target.points + 60).requires_grad_()
    outputs = {"points": away.flatten(1)[None], "visible": sure[None]}
    each = Assigned(torch.arange(m), torch.zeros(m).long(), torch.arange(m), torch.ones(m))
    parts = keypoint_losses(outputs, target, each)
    (slope,) = torch.autograd.grad(torch.stack(list(parts.values())).sum(), away)
    assert (slope > 1e-4).all(), "OKS alone is flat there"


def test_of_many_guesses_the_surest_count() -> None:
    """A prediction with a right object among unsure ones is no better than without."""
    target = scenes().targets_as(Keypoints)[0]
    n, m = 1, len(target.labels)
    wrong = replace(target, points=target.points + 40).as_prediction(1)
    both = Keypoints.cat([wrong, target.as_prediction(1)])
    guesses = both.reassign_images(torch.zeros(2 * m).long(), target.sizes)
    for right, share in ((0.1, 0.0), (0.9, 1.0)):
        scored = replace(guesses, scores=torch.cat([torch.full((m,), 0.5), torch.full((m,), right)]))
        metric = Pck(0.2)
        values = metric.values(metric.sample_statistics(scored, target), np.ones((1, n)))
        assert values.tolist() == [share]
    alike = replace(guesses, scores=torch.ones(2 * m))
    assert np.allclose(point_errors(Evaluation(alike, target)).distance, 0), "equal scores tell nothing"


def test_baselines_find_as_many_objects_as_images_have() -> None:
    data = scenes(20)
    images = np.stack([data.pixels.read(i) for i in range(20)])
    target = data.targets_as(Keypoints)
    mean, nearest = baselines(target.skeleton, several=True)
    usual = round(len(target.labels) / 20)
    assert mean.fit(None, target)(images).counts.tolist() == [usual] * 20
    found = nearest.fit(images, target)(images)
    assert torch.equal(found.counts, target.counts)
    assert torch.allclose(found.points, target.points, atol=1e-3)


def test_files_read_the_objects_that_the_network_means() -> None:
    """numpy and torch, with suppression outside and inside of the graph, say the same objects and points."""
    toy = toy_plan("keypoints", n=12, model="yolo-n", options={"max_objects": 5})
    model = build_model(toy).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for weights in model.network.head.parameters():  # type: ignore[union-attr]
            weights.add_(0.05 * torch.randn(weights.shape))
        images = Graph(model).example(2)
        answer = model.postprocess(model(images), model.settings)
        inside = Graph(model, "nms").outputs_of(images)
    predicted = model.to_predictions(answer, model.settings)
    assert predicted.counts.tolist() == [5, 5]
    size = tuple(model.settings["size"])
    for i in range(2):
        for outputs, settings in ((answer, model.settings), (inside, {**model.settings, "nms": 1.0})):
            row = {name: value[i].numpy() for name, value in outputs.items()}
            arrays = KeypointArrays.decode(row, {**settings, "resize": "stretch"}, size)
            mine = predicted[i]
            assert arrays.points == pytest.approx(mine.points.numpy(), abs=1e-3)
            assert arrays.boxes == pytest.approx(mine.boxes.numpy(), abs=1e-3)
            assert arrays.point_scores == pytest.approx(mine.point_scores.numpy(), abs=1e-5)


def test_it_is_trained_scored_and_predicts_without_boxes(tmp_path: Path) -> None:
    run = sl.train("shapes:poses:40", model="yolo-n", size=64, epochs=1, batch_size=8, out=tmp_path / "run")
    scores = run.results.scores
    assert list(scores)[:2] == ["OKS AP", "OKS AP50"]
    assert run.results.conclusions[0].startswith("OKS AP on test")
    assert not any("oracle" in sentence for sentence in run.results.conclusions)
    again = sl.evaluate(run.path)
    assert again.n == run.results.n
    for name, score in scores.items():
        assert again.scores[name].value == pytest.approx(score.value, nan_ok=True)
    image = open_data("shapes:poses:1").pixels.read(0)
    (outcome,) = sl.load(run.path).predict(image, min_score=0)
    assert len(outcome.prediction.labels) > 1, "all objects that the model saw"
    assert len(run.record.model_config.thresholds) == 1
