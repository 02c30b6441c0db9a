"""Label issues of keypoints: what is planted is named and nothing else; and the flip test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from sightline.core.targets.keypoints import FIGURE, Keypoints
from sightline.errors import UsageError
from sightline.inference.mirrored import averaged
from sightline.inference.views import in_views
from sightline.tasks.keypoints._label_issues import label_issues
from sightline.testing import toy_plan
from sightline.training.runner import build_model

LEFT, RIGHT = 1, 2


def figures(n: int = 30) -> Keypoints:
    targets: Any = Keypoints.synthetic(n, 64, seed=5).targets
    return targets


def said(target: Keypoints, spread: float = 1.0) -> Keypoints:
    """What a good model says: the points, each a little off."""
    noise = spread * torch.randn(target.points.shape, generator=torch.Generator().manual_seed(0))
    return replace(target, points=target.points + noise).as_prediction(1)


def issues(prediction: Keypoints, target: Keypoints, **trained: Any) -> dict[str, tuple[str, ...]]:
    ids = [f"{i}.png" for i in range(len(target))]
    return {f.name: f.items for f in label_issues(prediction, target, ids, trained.get("trained", ()))}


def test_planted_faults_are_named_and_nothing_else() -> None:
    right = figures()
    assert issues(said(right), right) == {}
    points = right.points.clone()
    points[7, [LEFT, RIGHT]] = points[7, [RIGHT, LEFT]]
    points[20, 3] += 30
    wrong = replace(right, points=points)
    result = issues(said(right), wrong)
    assert result["keypoint-swap-issues"] == ("7.png: left_hand - right_hand",)
    (line,) = result["keypoint-issues"]
    x, y = right.points[20, 3].tolist()
    assert line.startswith(f"20.png: foot {x + 30:g} {y + 30:g}, probably ")
    hidden = replace(wrong, visibility=torch.ones_like(wrong.visibility))
    assert "keypoint-issues" not in issues(said(right), hidden), "hidden points are guesses"
    assert issues(said(right), wrong.select(torch.arange(30) == 7)) == {}, "of one object nothing is known"


def test_several_objects_of_an_image_have_numbers() -> None:
    right = figures(20)
    points = right.points.clone()
    points[13, [LEFT, RIGHT]] = points[13, [RIGHT, LEFT]]
    image, sizes = torch.arange(20) // 2, right.sizes[:10]
    both = [x.reassign_images(image, sizes) for x in (said(right), replace(right, points=points))]
    assert issues(both[0], both[1])["keypoint-swap-issues"] == ("6.png: object 2: left_hand - right_hand",)


def test_a_model_that_confuses_the_sides_doubts_none() -> None:
    right = figures()
    points = right.points.clone()
    points[:12, [LEFT, RIGHT]] = points[:12, [RIGHT, LEFT]]
    assert "keypoint-swap-issues" not in issues(said(replace(right, points=points)), right)


def test_errors_count_on_images_that_the_model_was_not_trained_on() -> None:
    """By heart it is exact, which says nothing of how exact it is elsewhere."""
    right = figures(40)
    noise = 4 * torch.randn(right.points.shape, generator=torch.Generator().manual_seed(0))
    noise[:28], noise[:, :3] = 0, 0
    prediction = replace(right, points=right.points + noise).as_prediction(1)
    assert "keypoint-issues" in issues(prediction, right)
    assert issues(prediction, right, trained=[f"{i}.png" for i in range(28)]) == {}


@pytest.mark.parametrize("method", ["heatmap", "yolo-n"])
def test_with_its_mirror_image_a_model_is_the_same_on_both_sides(method: str) -> None:
    """What is said of a mirror image is the mirror image of what is said, also by weights of chance."""
    toy = toy_plan("keypoints", n=12, model=method)
    model = build_model(toy).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(0.02 * torch.randn(weights.shape, generator=torch.Generator().manual_seed(1)))
    both = in_views(model, toy.task, 2).eval()
    height, width = model.settings["size"]
    images = torch.randint(0, 256, (3, 3, height, width), dtype=torch.uint8)
    with torch.no_grad():
        first, second = (
            both.predict_from_outputs(both(view), both.settings) for view in (images, images.flip(-1))
        )
        plain = model.predict_from_outputs(model(images), model.settings)
    back = torch.tensor([[[-1.0, 0.0, width], [0.0, 1.0, 0.0]]]).double().repeat(3, 1, 1)
    returned = second.warp(back, second.sizes)
    assert torch.equal(first.counts, returned.counts)
    best = (first.counts.cumsum(0) - first.counts)[first.counts > 0]
    assert len(best)
    assert torch.allclose(first.points[best], returned.points[best], atol=0.05)
    assert torch.allclose(first.scores[best], returned.scores[best], atol=1e-4)
    if method == "heatmap":
        assert plain.points.shape == first.points.shape
        assert not torch.allclose(plain.points, first.points, atol=0.05)


def test_objects_that_one_answer_lacks_keep_half_of_their_score() -> None:
    first = figures(2).as_prediction(1)
    away = replace(first, points=first.points + 2, point_scores=3 * torch.ones_like(first.points[:, :, 0]))
    mean = averaged(replace(first, scores=torch.tensor([0.8, 0.6])), away)
    assert torch.allclose(mean.points, first.points + 1.5, atol=1e-4), "weighted by the scores of points"
    assert mean.scores is not None
    assert mean.scores.tolist() == pytest.approx([0.9, 0.8])
    lone = averaged(first, away.select(torch.tensor([True, False])))
    assert lone.counts.tolist() == [1, 1]
    assert lone.scores is not None
    assert lone.scores.tolist() == pytest.approx([1.0, 0.5])


def test_views_need_sides_and_are_two() -> None:
    toy = toy_plan("keypoints", n=12)
    model = build_model(toy)
    with pytest.raises(UsageError, match="has 2 views, itself and its mirror image"):
        in_views(model, toy.task, 3)
    model.settings["skeleton"] = replace(FIGURE, pairs=None).to_json()
    with pytest.raises(UsageError, match="not known which are left and right"):
        in_views(model, toy.task, 2)
