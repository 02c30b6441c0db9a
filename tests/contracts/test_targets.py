"""Every kind of target is two files of one name, and keeps its promises in both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sightline.core.geometry import invert_affine
from sightline.core.report import PredictionGallery
from sightline.core.run import Run
from sightline.core.run_record import DataRecord, RunRecord
from sightline.core.targets import TARGETS, target_type
from sightline.core.targets.base import Synthetic, Targets
from sightline.data.checks import CHECKS
from sightline.data.loading.tiles import tile_windows
from sightline.data.scan import scan
from sightline.data.synthetic.tiny import tiny
from sightline.report.gallery import scene
from sightline.runtime import targets as arrays
from sightline.runtime.targets.base import TargetArrays

KINDS = TARGETS.names()
N, SIDE = 6, 48


def sample(kind: str, n: int = N) -> Synthetic:
    return target_type(kind).synthetic(n, SIDE, seed=3)


def prediction(kind: str) -> Targets:
    """What is annotated, as a prediction that is certain."""
    data = sample(kind)
    return data.targets.as_prediction(len(data.classes))


def told(targets: Targets) -> str:
    return json.dumps([targets.digests(), targets.to_json()])


def same(a: TargetArrays, b: TargetArrays) -> None:
    """Field by field, whatever the fields hold."""
    assert type(a) is type(b)
    for name, value in vars(a).items():
        other = vars(b)[name]
        if name == "parts":
            assert [(x, y, m.tolist()) for x, y, m in value] == [(x, y, m.tolist()) for x, y, m in other]
        else:
            assert value is other or np.array_equal(value, other), name


def test_both_folders_have_the_same_kinds() -> None:
    assert arrays.TARGETS.names() == KINDS
    assert {"label", "number", "instances", "outlines", "masks", "none", "tracks"} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_the_form_of_its_lists_and_which_outputs_are_ranked(kind: str) -> None:
    target = arrays.target_type(kind)
    assert set(target.lists) <= set(target.forms)
    assert set(target.ranked) <= {*target.outputs, *target.needed(["boxes", "scores", "labels", "masks"])}
    assert bool(target.ranked) == (target.objects and bool(target.outputs))
    one = arrays.arrays_of(prediction(kind))
    lists = one.details(sample(kind).classes) | one.codes()
    nested = {name for name, value in lists.items() if isinstance(value, list)}
    assert not target.objects or nested <= set(target.forms), (
        "a table of Ray has no type for a list that the kind says nothing of"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_the_same_of_itself_in_both(kind: str) -> None:
    torch_type, numpy_type = target_type(kind), arrays.target_type(kind)
    assert torch_type.kind == numpy_type.kind == kind
    assert torch_type.located == numpy_type.located
    data = sample(kind)
    assert isinstance(data.targets, torch_type)
    assert data.targets.description
    assert data.targets.needs
    assert len(data.images) == len(data.targets) == N
    assert data.images.dtype == np.uint8
    assert told(sample(kind).targets) == told(data.targets), "the same seed must give the same data"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("predicted", [False, True])
def test_json_is_read_again(kind: str, predicted: bool) -> None:
    data = sample(kind)
    targets = prediction(kind) if predicted else data.targets
    rows = json.loads(json.dumps(targets.to_json()))
    assert len(rows) == N
    again = type(targets).from_json(rows, len(data.classes))
    assert told(again) == told(targets)
    assert told(type(targets).from_json([], len(data.classes))) == "[[], []]"


@pytest.mark.parametrize("kind", KINDS)
def test_indexing_chooses_and_cat_is_its_inverse(kind: str) -> None:
    targets = prediction(kind)
    rows = targets.to_json()
    mask = torch.tensor([True, False, True, False, False, True])
    for index in ([4, 1], torch.tensor([4, 1]), slice(1, 4), mask, 2, []):
        wanted = [rows[index]] if isinstance(index, int) else np.array(rows, dtype=object)[index].tolist()
        assert targets[index].to_json() == wanted
    assert type(targets).cat([targets[:2], targets[2:]]).to_json() == rows
    assert targets.to("cpu").to_json() == rows
    assert told(targets.compressed().compressed()) == told(targets.compressed())
    assert len(targets.scorable()) == N


@pytest.mark.parametrize("kind", KINDS)
def test_moving_nowhere_changes_nothing_and_back_is_the_inverse(kind: str) -> None:
    targets = prediction(kind).compressed()
    sizes = torch.full((N, 2), SIDE)
    still = torch.eye(2, 3, dtype=torch.float64).repeat(N, 1, 1)
    assert told(targets.warp(still, sizes)) == told(targets)
    twice = still * 2
    large = targets.warp(twice, 2 * sizes)
    assert (told(large) != told(targets)) == targets.located
    assert told(large.warp(invert_affine(twice), sizes).compressed()) == told(targets)
    if targets.located:
        assert large.sizes.tolist() == [[2 * SIDE] * 2] * N


@pytest.mark.parametrize("kind", KINDS)
def test_other_images_differ_and_an_image_does_not_differ_from_itself(kind: str) -> None:
    targets = prediction(kind)
    assert targets.differs(targets).tolist() == [False] * N
    other = targets[[1, 0, *range(2, N)]]
    if kind not in ("none", "outlines"):  # every image of outlines has one of each class
        assert targets.differs(other).tolist() == [True, True, *[False] * (N - 2)]


@pytest.mark.parametrize("kind", KINDS)
def test_classes_are_counted_and_called_otherwise(kind: str) -> None:
    data = sample(kind)
    classes = len(data.classes)
    present = data.targets.class_presence(classes)
    assert present.shape == (N, classes)
    assert bool(present.any()) == (classes > 0)
    for totals in data.targets.class_totals(classes).values():
        assert (totals >= present.sum(0).numpy()).all()
    turned = data.targets.map_classes(torch.arange(classes).flip(0), classes)
    assert torch.equal(turned.class_presence(classes), present.flip(1))
    strata = data.targets.stratify_labels()
    assert strata is None or strata.shape == (N,)
    json.dumps(data.targets.summary(classes))
    assert told(prediction(kind).as_target().as_target()) == told(prediction(kind).as_target())


@pytest.mark.parametrize("kind", KINDS)
def test_the_arrays_of_an_image_are_told_drawn_and_compressed(kind: str) -> None:
    data, targets = sample(kind), prediction(kind)
    rows = arrays.records(targets, data.classes, data.outputs)
    assert len(json.loads(json.dumps(rows))) == N
    first = arrays.arrays_of(targets, 1)
    same(first, arrays.arrays_of(targets[1]))
    row = {"path": "a.png", **rows[1]}
    columns = first.columns(row)
    for entry in first.table(row, data.classes):
        assert list(entry) == columns
    json.dumps([first.details(data.classes), first.codes()])
    assert set(first.codes()) <= set(first.lists)
    image = data.images[1]
    before = image.copy()
    drawn = first.draw(image, data.classes)
    assert (drawn is not None) == first.located
    if drawn is not None:
        rgb = np.broadcast_to(image, drawn.shape)
        assert (drawn != rgb).any()
        assert (drawn == rgb).any() or first.maps
    assert first.annotate(image, row, data.classes).shape[1] >= SIDE
    assert np.array_equal(image, before), "drawing must not change the image itself"


@pytest.mark.parametrize("kind", KINDS)
def test_every_check_takes_data_of_every_kind(kind: str) -> None:
    dataset = tiny(kind, 12, SIDE, seed=3)
    dataset = dataset.with_splits(np.array(["train"] * 6 + ["val"] * 3 + ["test"] * 3, dtype=object))
    scanned = scan(dataset)
    for name in CHECKS.names():
        for finding in CHECKS.load(name).run(dataset, scanned):
            assert finding.name in CHECKS.load(name).CARD.findings
    assert dataset.fingerprint() == dataset.subset(range(11, -1, -1)).fingerprint()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_keeps_predictions_and_a_report_shows_those_that_lie_in_images(
    kind: str, tmp_path: Path
) -> None:
    data, predicted = sample(kind), prediction(kind)
    ids = [f"{i}.png" for i in range(N)]
    run = Run.create(tmp_path / "run", RunRecord(data=DataRecord(classes=data.classes)))
    run.save_predictions("test", ids, predicted, data.targets)
    names, again, target = run.predictions("test")
    assert (names, told(again), told(target)) == (ids, told(predicted), told(data.targets))
    gallery = PredictionGallery("all", ids, [""] * N, "", data.targets, predicted, data.classes)
    drawn = scene(gallery, 0, data.images[0])
    assert (drawn is not None) == predicted.located
    assert drawn is None or drawn.shape[1] > 1.8 * drawn.shape[0], "annotation and prediction, side by side"


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_are_decoded_to_what_was_predicted(kind: str) -> None:
    """Where outputs are called as the fields; the others have tests/unit/runtime/test_answers.py."""
    targets, numpy_type = prediction(kind), arrays.target_type(kind)
    settings = {
        "size": (SIDE, SIDE),
        "resize": "letterbox",
        "conf": 0.1,
        "nms": 1.0,
        "max_objects": 9,
        "multilabel": False,
        **targets.summary(len(sample(kind).classes)).get("statistics", {}),
    }
    assert all(rule(settings[name]) for name, rule in numpy_type.rules().items())
    for i in range(N):
        fields = targets.arrays(i)
        outputs = {name: np.asarray(fields.get(name)) for name in numpy_type.needed(())}
        if set(outputs) <= set(fields):
            same(numpy_type.decode(outputs, settings, (SIDE, SIDE)), arrays.arrays_of(targets, i))


@pytest.mark.parametrize("kind", [k for k in KINDS if target_type(k).located])
def test_tiles_are_joined_to_what_they_were_cut_from(kind: str) -> None:
    targets = prediction(kind).compressed()
    tiles = tile_windows(targets.sizes, 30)
    assert len(tiles.owner) > N
    windows = tiles.windows(torch.arange(len(tiles.owner)))
    parts = targets[tiles.owner].warp(tiles.places(), tiles.sizes, 0.999)  # what is cut is seen by none
    whole = targets if arrays.target_type(kind).maps else None
    joined = parts.join_tiles(tiles.owner, windows, targets.sizes)
    assert len(joined) == N
    assert joined.scorable().any()
    if whole is not None:
        assert not joined.differs(whole).any()
    for i in range(N):
        mine = [t for t in range(len(windows)) if tiles.owner[t] == i]
        each = [arrays.arrays_of(parts, t).compressed() for t in mine]
        first = arrays.target_type(kind).join_tiles(each, [windows[t] for t in mine], (SIDE, SIDE))
        same(first, arrays.arrays_of(joined, i))
        assert first.record(sample(kind).classes)


@pytest.mark.parametrize("kind", [k for k in KINDS if not target_type(k).located])
def test_what_does_not_lie_in_an_image_says_so_instead_of_joining_tiles(kind: str) -> None:
    targets: Any = prediction(kind)
    with pytest.raises(Exception, match="tile-size"):
        targets.join_tiles(torch.zeros(N), [], torch.zeros(1, 2))
    with pytest.raises(Exception, match="tiles"):
        arrays.target_type(kind).join_tiles([], [], (SIDE, SIDE))
