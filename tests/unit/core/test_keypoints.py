"""Keypoints move with their images: mirrored, turned, cropped, and in what they are read from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.geometry import invert_affine
from sightline.core.sample import Batch
from sightline.core.skeleton import COCO_SIGMAS, Skeleton, mirror_pairs
from sightline.core.targets.keypoints import FIGURE, HIDDEN, UNLABELED, VISIBLE, Keypoints
from sightline.data.formats import shapes
from sightline.data.parsing.options import ReadOptions
from sightline.data.transforms.flips import flips
from sightline.data.transforms.standard import standard
from sightline.runtime.targets import arrays_of

SIDE = 64


def mirror(n: int, width: int) -> torch.Tensor:
    affine = torch.eye(2, 3, dtype=torch.float64).repeat(n, 1, 1)
    affine[:, 0, 0], affine[:, 0, 2] = -1, width
    return affine


def figures(n: int = 6) -> tuple[torch.Tensor, Keypoints]:
    data = Keypoints.synthetic(n, SIDE, seed=5)
    targets = data.targets
    assert isinstance(targets, Keypoints)
    return torch.from_numpy(data.images).permute(0, 3, 1, 2), targets


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (["snout", "leftear", "rightear", "tailbase"], ((1, 2),)),
        (["head", "forelegL4", "forelegR4", "eyeR", "eyeL"], ((1, 2), (3, 4))),
        (["l_hip", "r_hip", "hip_l", "hip_r", "lKnee", "rKnee"], ((0, 1), (2, 3), (4, 5))),
        (["LEar", "REar", "Left Wrist", "Right Wrist"], ((0, 1), (2, 3))),
        (list(COCO_SIGMAS), tuple((i, i + 1) for i in range(1, 17, 2))),
        (["a", "b", "left_c"], None),
        (["lip", "rip", "large", "rarge"], None),
    ],
)
def test_left_and_right_are_read_from_names(names: list[str], pairs: object) -> None:
    assert mirror_pairs(names) == pairs


def test_sigmas_are_those_of_coco_only_where_all_names_are() -> None:
    assert Skeleton.from_names(list(COCO_SIGMAS)).oks_sigmas == tuple(COCO_SIGMAS.values())
    assert Skeleton.from_names(["nose", "tail"]).sigmas == ()
    assert len(set(Skeleton.from_names(["nose", "tail"]).oks_sigmas)) == 1
    assert Skeleton.from_names(["nose", "tail"], sigmas=[0.1, 0.2]).oks_sigmas == (0.1, 0.2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": ("a", "a")},
        {"names": ("a", "b"), "limbs": ((0, 2),)},
        {"names": ("a", "b", "c"), "pairs": ((0, 1), (1, 2))},
        {"names": ("a", "b"), "sigmas": (0.1,)},
        {"names": ("a",), "sigmas": (0.0,)},
    ],
)
def test_a_skeleton_that_contradicts_itself_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"keypoint|skeleton"):
        Skeleton(**wrong)  # type: ignore[arg-type]


def test_a_mirrored_figure_has_its_left_hand_on_the_other_side() -> None:
    images, targets = figures()
    mirrored = targets.warp(mirror(len(targets), SIDE), targets.sizes)
    assert (targets.points[:, 1, 0] > targets.points[:, 2, 0]).all(), "it faces the viewer"
    assert (mirrored.points[:, 1, 0] > mirrored.points[:, 2, 0]).all(), "and still does"
    assert torch.allclose(mirrored.points[:, 1, 0], SIDE - targets.points[:, 2, 0])
    assert torch.allclose(mirrored.points[:, 1, 1], targets.points[:, 2, 1])
    for image, points, other in zip(images.flip(3), mirrored.points, targets.points, strict=True):
        x, y = points[1].floor().long().clamp(max=SIDE - 1).tolist()
        assert image[0, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].max() > 100, "a hand is there"
        assert not torch.allclose(points, other)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_there_and_back_changes_nothing(data: st.DataObject) -> None:
    values = st.floats(-2, 2)
    _, targets = figures(4)
    linear = torch.tensor(data.draw(st.lists(values, min_size=4, max_size=4)), dtype=torch.float64)
    linear = linear.view(2, 2)
    if abs(float(torch.linalg.det(linear))) < 0.1:
        linear = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    affine = torch.cat([linear, torch.tensor([[3.0], [-5.0]], dtype=torch.float64)], 1).repeat(4, 1, 1)
    far = torch.full((4, 2), 1000)
    again = targets.warp(affine, far).warp(invert_affine(affine), targets.sizes)
    assert torch.allclose(again.points, targets.points, atol=1e-3)
    swapped = bool(torch.linalg.det(linear) < 0)
    moved = targets.points[0].double() @ linear.T + affine[0, :, 2]
    order = torch.tensor(FIGURE.permutation) if swapped else torch.arange(len(FIGURE))
    assert torch.allclose(targets.warp(affine, far).points[0].double(), moved[order], atol=1e-3)


def test_images_that_are_shown_upright_keep_left_and_right() -> None:
    _, targets = figures()
    turned = targets.turned(mirror(len(targets), SIDE), targets.sizes)
    assert torch.allclose(turned.points[:, 1, 0], SIDE - targets.points[:, 1, 0])


def test_what_a_crop_leaves_out_is_unlabeled_and_nothing_is_moved_to_the_border() -> None:
    _, targets = figures()
    affine = torch.eye(2, 3, dtype=torch.float64).repeat(len(targets), 1, 1)
    affine[:, 1, 2] = -targets.points[:, 0, 1].double() - 3  # cuts off the head
    kept = targets.warp(affine, targets.sizes)
    assert torch.allclose(kept.points[:, 0, 1], torch.tensor(-3.0)), "a prediction is mapped as it is"
    cropped = targets.warp(affine, targets.sizes, 0.1)
    assert (cropped.visibility[:, 0] == UNLABELED).all()
    assert (cropped.points[:, 0] == 0).all()
    assert (cropped.visibility[:, 3] == VISIBLE).all()


def test_without_pairs_an_image_cannot_be_mirrored() -> None:
    _, targets = figures(2)
    unknown = replace(targets, skeleton=replace(FIGURE, pairs=None))
    assert targets.mirrors
    assert not unknown.mirrors
    assert "left_hand / right_hand" in targets.mirror_reason
    with pytest.raises(ValueError, match="left and right is unknown"):
        unknown.warp(mirror(2, SIDE), targets.sizes)
    symmetric = replace(targets, skeleton=replace(FIGURE, pairs=()))  # all points lie in the middle
    assert torch.allclose(symmetric.warp(mirror(2, SIDE), targets.sizes).points[..., 0],
                          SIDE - targets.points[..., 0])  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_augmentation_moves_points_with_their_pixels(seed: int) -> None:
    """A bright dot is drawn at the head and hidden points stay hidden."""
    images, targets = figures(16)
    images = torch.zeros_like(images)
    for image, (x, y) in zip(images, targets.points[:, 0].floor().long().tolist(), strict=True):
        image[:, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = 255
    visibility = targets.visibility.clone()
    visibility[:, 3] = HIDDEN
    batch = Batch(images, replace(targets, visibility=visibility), [""] * 16)
    rng = torch.Generator().manual_seed(seed)
    steps = [flips([0, 1], 2), standard("standard", flip=True, size=(SIDE, SIDE), gray=False)]
    for step in steps:
        assert step is not None
        moved = step(batch, rng)
        assert set(moved.targets.visibility[:, 3].tolist()) <= {UNLABELED, HIDDEN}
        image = moved.targets.image
        for i, (x, y), shown in zip(
            image.tolist(), moved.targets.points[:, 0].tolist(), moved.targets.visibility[:, 0], strict=True
        ):
            if shown and 3 < x < SIDE - 3 and 3 < y < SIDE - 3:
                bright = (moved.images[i, 0] > 100).nonzero().float().mean(0) + 0.5
                assert abs(float(bright[1]) - x) < 1.5
                assert abs(float(bright[0]) - y) < 1.5


def test_objects_of_other_skeletons_are_not_joined() -> None:
    _, targets = figures(2)
    with pytest.raises(ValueError, match="different skeletons"):
        Keypoints.cat([targets, replace(targets, skeleton=replace(FIGURE, sigmas=(0.1,) * 4))])


def test_the_skeleton_is_kept_in_json_and_said_to_models() -> None:
    _, targets = figures(3)
    again = Keypoints.from_json(json.loads(json.dumps(targets.to_json())))
    assert again.skeleton == FIGURE
    statistics = targets.summary(1)["statistics"]
    assert Skeleton.from_json(json.loads(json.dumps(statistics))["skeleton"]) == FIGURE
    assert statistics["most_objects"] == 1
    assert statistics["labeled"] == [3] * 4


def test_images_without_objects_have_no_points() -> None:
    _, targets = figures(3)
    none = targets.select(torch.zeros(3, dtype=torch.bool))
    assert none.points.shape == (0, 4, 2)
    rows = none.to_json()
    assert Keypoints.from_json(rows).to_json() == rows
    assert none.differs(targets).tolist() == [True] * 3
    assert not none.scorable().any()
    arrays = arrays_of(none.as_prediction(1), 0)
    assert arrays.codes() == {"keypoints": []}
    assert arrays.record(("figure",))["head_x"] is None
    assert (arrays.draw(np.zeros((8, 8, 3), np.uint8), ("figure",)) == 0).all()


def test_generated_shapes_have_their_points_on_their_rims() -> None:
    data = shapes.read("shapes:keypoints:20", ReadOptions())
    targets = data.targets_as(Keypoints)
    assert data.name == "shapes-keypoints"
    assert targets.skeleton.pairs == ((2, 4),)
    right, left = targets.points[:, 2], targets.points[:, 4]
    assert (right[:, 0] > left[:, 0]).all()
    inside = (targets.points[:, 0] > targets.boxes[:, :2]) & (targets.points[:, 0] < targets.boxes[:, 2:])
    assert inside.all()
    assert np.isfinite(targets.points.numpy()).all()
