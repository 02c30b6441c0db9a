"""Keypoints: how points are read from outputs and learnt, what is refused, what baselines say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.sample import Batch
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import FIGURE, HIDDEN, UNLABELED, Keypoints
from sightline.core.task import DataInfo
from sightline.data.synthetic.tiny import tiny
from sightline.errors import DataError, UsageError
from sightline.runtime.targets.keypoints import KeypointArrays
from sightline.tasks import TASKS
from sightline.tasks.keypoints.baselines import baselines
from sightline.tasks.keypoints.models._network import expectation, gaussian, target_points
from sightline.tasks.keypoints.models.deeppose import DeepPose
from sightline.tasks.keypoints.models.heatmap import Heatmap
from sightline.tasks.keypoints.models.simcc import SimCC, deviation
from sightline.tasks.keypoints.options import KeypointOptions
from sightline.tasks.keypoints.task import KeypointTask
from sightline.testing import toy_plan
from sightline.training.arguments import TrainArguments
from sightline.training.plan import make_plan
from sightline.training.recipe import Recipe

SIZE = (64, 96)
SETTINGS: dict[str, Any] = {
    "size": list(SIZE), "channels": 3, "mean": [0.5] * 3, "std": [0.2] * 3, "skeleton": FIGURE.to_json(),
    "backbone": "own", "sigma": 1.5, "conf": 0.0, "nms": 1.0, "max_objects": 1, "classes": ["figure"],
    "resize": "stretch",
}  # fmt: skip
places = st.lists(st.tuples(st.floats(16, SIZE[1] - 16), st.floats(16, SIZE[0] - 16)), min_size=4, max_size=4)


def batch(n: int = 4, **changes: Any) -> Batch:
    data = Keypoints.synthetic(n, 64, seed=1)
    assert isinstance(data.targets, Keypoints)
    images = torch.from_numpy(data.images).permute(0, 3, 1, 2)
    wide = torch.nn.functional.pad(images, (0, SIZE[1] - 64))
    return Batch(wide, replace(data.targets, sizes=torch.tensor([SIZE] * n), **changes), [""] * n)


@settings(max_examples=25, deadline=None)
@given(places)
def test_points_between_cells_are_read_from_heatmaps(xy: list[tuple[float, float]]) -> None:
    """Cells have 4 pixels; a map that is the Gaussian of the loss gives its center to a third of a pixel."""
    at = torch.tensor(xy)[None]
    x, y = (at / 4).unbind(2)
    maps = gaussian(y, SIZE[0] // 4, 1.5).log()[..., None] + gaussian(x, SIZE[1] // 4, 1.5).log()[:, :, None]
    answer = Heatmap.postprocess({"heatmaps": maps}, SETTINGS)
    assert (answer["points"][:, 0] - at).abs().max() < 0.34
    assert (answer["point_scores"] > 0.9).all()


@settings(max_examples=25, deadline=None)
@given(places)
def test_points_between_pixels_are_read_from_bins(xy: list[tuple[float, float]]) -> None:
    at = torch.tensor(xy)[None]
    sides = [gaussian(2 * at[..., k], 2 * SIZE[1 - k], deviation(SETTINGS)).log() for k in (0, 1)]
    answer = SimCC.postprocess({"x": sides[0], "y": sides[1]}, SETTINGS)
    assert (answer["points"][:, 0] - at).abs().max() < 0.5
    assert (answer["point_scores"] > 0.8).all()


def test_only_what_lies_around_the_peak_counts() -> None:
    share = torch.tensor([[[0.3, 0.1, 0.0, 0.0, 0.2, 0.4]]])
    place, mass = expectation(share, 1)
    assert mass.item() == pytest.approx(0.6)
    assert place.item() == pytest.approx((0.2 * 4.5 + 0.4 * 5.5) / 0.6)


@pytest.mark.parametrize("kind", [Heatmap, SimCC, DeepPose])
def test_unlabeled_points_are_not_learnt_and_hidden_ones_are(kind: Any) -> None:
    torch.manual_seed(0)
    model = kind(dict(SETTINGS)).eval()

    def loss(**changes: Any) -> float:
        with torch.no_grad():
            return float(model.loss(batch(**changes), torch.Generator())["loss"])

    shown = batch().targets.visibility
    points = batch().targets.points
    without, hidden, moved = shown.clone(), shown.clone(), points.clone()
    without[:, 1], hidden[:, 1], moved[:, 1] = UNLABELED, HIDDEN, 5.0
    assert loss(visibility=without) == loss(visibility=without, points=moved)
    assert loss(visibility=hidden) == loss()
    assert loss(visibility=hidden, points=moved) != loss()
    assert loss(visibility=without) != loss()


@pytest.mark.parametrize("kind", [Heatmap, SimCC, DeepPose])
def test_images_without_an_object_have_no_loss(kind: Any) -> None:
    model = kind(dict(SETTINGS))
    full = batch()
    empty = full.with_images(full.images, targets=full.targets.select(torch.zeros(4, dtype=torch.bool)))
    model.train()
    loss = model.loss(empty, torch.Generator().manual_seed(0))["loss"]
    loss.backward()
    assert loss.item() == 0
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_crowds_are_not_learnt() -> None:
    crowd = torch.tensor([True, False, False, True])
    assert target_points(batch(crowd=crowd)).weight.sum(1).tolist() == [0, 4, 4, 0]


@pytest.mark.parametrize("kind", [Heatmap, SimCC, DeepPose])
def test_a_file_says_what_the_network_says(kind: Any) -> None:
    """numpy and torch read the same points, also where they lie at the border or outside."""
    torch.manual_seed(1)
    model = kind(dict(SETTINGS)).eval()
    with torch.no_grad():
        answer = model.postprocess(model(batch().images), model.settings)
    answer["points"] = answer["points"] - torch.tensor([90.0, 0.0])
    assert (answer["points"] < 0).any()
    predicted = kind.to_predictions(answer, model.settings)
    for i in range(4):
        outputs = {name: value[i].numpy() for name, value in answer.items()}
        arrays = KeypointArrays.decode(outputs, model.settings, SIZE)
        assert arrays.points == pytest.approx(predicted.points[i : i + 1].numpy(), abs=1e-4)
        assert arrays.point_scores == pytest.approx(predicted.point_scores[i : i + 1].numpy())
        assert arrays.skeleton == predicted.skeleton == FIGURE


def test_the_second_stage_of_deeppose_changes_nothing_before_it_has_learnt() -> None:
    model = DeepPose(dict(SETTINGS)).eval()
    with torch.no_grad():
        outputs = model(batch().images)
        assert torch.equal(outputs["first"], outputs["points"])
        model.shift.fill_(0.01)
        assert not torch.equal(model(batch().images)["first"], model(batch().images)["points"])


def test_images_with_several_objects_are_refused_in_words() -> None:
    data = tiny("keypoints", 3, 64, 0)
    targets = data.targets_as(Keypoints)
    several = targets.reassign_images(torch.tensor([0, 0, 2]), targets.sizes)
    with pytest.raises(DataError, match=r"1 of 3 images hold several objects \(toy/000 has 2\)"):
        KeypointTask.recast(replace(data, targets=several), {"crop": "image"})
    assert KeypointTask.recast(data, {}) is data


def test_a_reference_must_be_there() -> None:
    info = DataInfo(None, (), 3, SIZE, (0.5,), (0.2,), 4, statistics={"skeleton": FIGURE.to_json()})
    for wrong in ("torso", "head/tail", "arm"):
        with pytest.raises(UsageError, match="reference"):
            KeypointTask(info, KeypointOptions(reference=wrong))
    metrics = KeypointTask(info, KeypointOptions(reference="head/foot")).metrics()
    assert list(metrics)[:2] == ["NME", "PCK@0.2"]
    assert "head/foot" in metrics["PCK@0.2"].card.summary


def plan_of(skeleton: Skeleton, **recipe: Any) -> Any:
    data = tiny("keypoints", 6, 64, 0)
    targets = replace(data.targets_as(Keypoints), skeleton=skeleton)
    prepared = toy_prepared(replace(data, targets=targets))
    splits = np.array(["train"] * 4 + ["val", "test"], dtype=object)
    return make_plan(
        TrainArguments("toy", task="keypoints", recipe=Recipe(**recipe)), prepared, splits=splits
    )


def toy_prepared(data: Any) -> Any:
    from sightline.data.scan import scan
    from sightline.training.prepare_data import PreparedData

    return PreparedData(TASKS.load("keypoints").CARD, data, scan(data), [], {}, [])


def test_images_are_mirrored_only_where_left_and_right_are_known() -> None:
    known, unknown = plan_of(FIGURE), plan_of(replace(FIGURE, pairs=None))
    assert (known.recipe.hflip, unknown.recipe.hflip) == ("yes", "no")
    assert "left_hand / right_hand" in known.decisions["mirror"]
    assert "not mirrored" in unknown.decisions["mirror"]
    with pytest.raises(UsageError, match="--hflip yes"):
        plan_of(replace(FIGURE, pairs=None), hflip="yes")
    assert plan_of(FIGURE, hflip="no").recipe.hflip == "no"


def test_the_mean_pose_is_that_of_labeled_points() -> None:
    targets = batch(3).targets
    visibility = targets.visibility.clone()
    visibility[0, 1] = UNLABELED
    targets = replace(targets, visibility=visibility)
    mean = baselines(FIGURE)[0].fit(None, targets)(np.zeros((2, *SIZE, 3), dtype=np.uint8))
    assert torch.allclose(mean.points[0, 1], targets.points[1:, 1].mean(0))
    assert torch.allclose(mean.points[1, 0], targets.points[:, 0].mean(0))
    assert mean.counts.tolist() == [1, 1]


def test_the_nearest_image_is_itself() -> None:
    data = batch(4)
    images = data.images.permute(0, 2, 3, 1).numpy()
    for baseline in baselines(FIGURE)[1:]:
        prediction = baseline.fit(images, data.targets)(images)
        away = (prediction.points - data.targets.points).norm(dim=2)
        assert away.mean() < (0.1 if baseline.name == "nearest" else 8)


def test_figures_are_made_of_whatever_is_predicted(tmp_path: Path) -> None:
    plan = toy_plan("keypoints", n=4)
    targets = plan.dataset.targets_as(Keypoints)
    none = targets.as_prediction(1).select(torch.tensor([True, True, False, False]))
    items = plan.task.figures(none, targets, list(plan.dataset.ids), {})
    assert [item.title for item in items][:3] == [
        "Error of each point",
        "Error of each point, drawn",
        "PCK curve",
    ]
    curve: Any = items[2]
    assert curve.series["all points"][-1] == (0.5, 0.5), "half of the objects were not predicted"
