"""What models say against targets: planted mistakes are found, each once and no other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.report import Finding
from sightline.core.targets.instances import Instances
from sightline.core.targets.label import ClassLabels
from sightline.metrics.functional import confident_learning as labels
from sightline.tasks.detect import _label_issues as boxes

NAMES = ("red", "green", "blue")
LEAST = (0.2, 0.4, 0.6)
FAR = [300, 300, 340, 330]


def instances(*images: list[tuple], **flags: list[bool]) -> Instances:
    """Images of (box, class) or (box, class, score)."""
    rows = [row for image in images for row in image]
    scores = torch.tensor([r[2] for r in rows], dtype=torch.float64) if rows and len(rows[0]) == 3 else None
    return Instances(
        torch.tensor([len(image) for image in images]),
        torch.full((len(images), 2), 600),
        torch.tensor([r[0] for r in rows]).float().reshape(-1, 4),
        torch.tensor([r[1] for r in rows]).long(),
        scores,
        **{k: torch.tensor(v) for k, v in flags.items()},
    )


def asked(prediction: Instances, target: Instances) -> dict[str, Finding]:
    ids = [f"{i}.png" for i in range(len(target))]
    return {f.name: f for f in boxes.label_issues(prediction, target, ids, NAMES, LEAST)}


def scenes(seed: int, n: int = 50) -> tuple[list[list[tuple]], list[list[list[int]]]]:
    """Objects (box, class, score) that lie apart, and the free places of each image."""
    rng = np.random.default_rng(seed)
    objects, free = [], []
    for _ in range(n):
        cells = rng.permutation(36)[: rng.integers(0, 13)]
        places = []
        for cell in cells.tolist():
            x, y = 100 * (cell % 6) + rng.integers(0, 20), 100 * (cell // 6) + rng.integers(0, 20)
            places.append([int(x), int(y), int(x + rng.integers(10, 75)), int(y + rng.integers(10, 75))])
        objects.append([
            (box, int(rng.integers(3)), round(float(rng.uniform(0.85, 0.99)), 4)) for box in places[2:]
        ])  # fmt: skip
        free.append(places[:2])
    return objects, free


@pytest.mark.parametrize("seed", range(5))
def test_planted_mistakes_in_boxes_are_found_and_nothing_else(seed: int) -> None:
    objects, free = scenes(seed)
    rng = np.random.default_rng(seed + 100)
    target: list[list[tuple]] = []
    missing, swapped, spurious = [], [], []
    for i, (image, places) in enumerate(zip(objects, free, strict=True)):
        selected = []
        for box, label, score in image:
            text, draw = " ".join(map(str, box)), rng.random()
            if draw < 0.05:
                missing.append((score, f"{i}.png: {NAMES[label]} {text} ({score:.2f})"))
                continue
            outputs = (label + 1) % 3 if draw < 0.1 else label
            selected.append((box, outputs))
            if outputs != label:
                shown = f"{i}.png: {NAMES[outputs]} {text}, probably {NAMES[label]} ({score:.2f})"
                swapped.append((score, shown))
        for place in places:
            if rng.random() < 0.15:
                label = int(rng.integers(3))
                selected.append((place, label))
                spurious.append(f"{i}.png: {NAMES[label]} {' '.join(map(str, place))}")
        target.append(selected)
    result = asked(instances(*objects), instances(*target))
    assert missing
    assert swapped
    assert spurious
    for name, planted in (("missing-boxes", missing), ("box-class-issues", swapped)):
        assert list(result[name].items) == [text for _, text in sorted(planted, key=lambda p: -p[0])]
        images = len({text.partition(":")[0] for _, text in planted})
        assert f"{len(planted)} boxes in {images} images" in result[name].message
    assert set(result["box-issues"].items) == set(spurious)
    assert len(result["box-issues"].items) == len(spurious) == result["box-issues"].count
    assert all(f.severity != "error" and "probably" in f.message for f in result.values())
    assert set(result) == set(boxes.FINDINGS)


def test_sound_boxes_are_not_doubted() -> None:
    objects, _ = scenes(0)
    prediction = instances(*objects)
    assert asked(prediction, replace(prediction, scores=None)) == {}
    nothing = instances([], [])
    assert asked(replace(nothing, scores=torch.zeros(0)), nothing) == {}


def test_only_sure_detections_speak_against_a_box() -> None:
    """Sure is half way from the class's threshold to 1: 0.6 for red, 0.8 for blue."""
    prediction = instances([([0, 0, 50, 50], 0, 0.61), ([100, 0, 150, 50], 0, 0.59),
                      ([200, 0, 250, 50], 2, 0.81), ([0, 100, 50, 150], 2, 0.79)])  # fmt: skip
    result = asked(prediction, instances([]))
    assert [item.split(": ")[1] for item in result["missing-boxes"].items] == [
        "blue 200 0 250 50 (0.81)", "red 0 0 50 50 (0.61)"
    ]  # fmt: skip


def test_an_object_that_is_missing_is_named_once_whatever_it_was_taken_for() -> None:
    prediction = instances([([0, 0, 50, 50], 0, 0.9), ([2, 0, 52, 50], 1, 0.95), ([0, 5, 50, 50], 0, 0.8)])
    assert asked(prediction, instances([]))["missing-boxes"].items == ("0.png: green 2 0 52 50 (0.95)",)


def test_who_touches_a_box_or_a_crowd_points_at_nothing_missing() -> None:
    prediction = instances([([0, 0, 40, 40], 0, 0.9), ([500, 500, 520, 520], 0, 0.9)])
    target = instances([([20, 0, 60, 40], 1), ([450, 450, 600, 600], 0)], crowd=[False, True])
    assert set(asked(prediction, target)) == set()
    assert set(asked(prediction, replace(target, crowd=None))) == {"missing-boxes", "box-issues"}


def test_a_class_is_doubted_once_and_not_against_a_surer_detection_of_it() -> None:
    box = [0, 0, 50, 50]
    target = instances([(box, 0)])
    second = instances([(box, 1, 0.95), (box, 2, 0.9)])
    assert asked(second, target)["box-class-issues"].items == ("0.png: red 0 0 50 50, probably green (0.95)",)
    assert asked(instances([(box, 0, 0.97), (box, 1, 0.95)]), target) == {}
    assert "box-class-issues" in asked(instances([(box, 1, 0.95), (box, 0, 0.3)]), target)


def test_two_boxes_of_two_classes_on_one_object_are_no_doubt() -> None:
    box = [0, 0, 50, 50]
    assert asked(instances([(box, 1, 0.95)]), instances([(box, 0), (box, 1)])) == {}


def test_unsure_detections_support_a_box_and_difficult_ones_may_be_missed() -> None:
    target = instances([([0, 0, 50, 50], 0), (FAR, 1)], difficult=[False, True])
    assert asked(instances([([0, 0, 50, 20], 2, 0.02)]), target) == {}  # IoU 0.4
    off = instances([([0, 0, 50, 10], 2, 0.02)])  # IoU 0.2
    assert asked(off, target)["box-issues"].items == ("0.png: red 0 0 50 50",)
    both = asked(off, replace(target, difficult=None))["box-issues"]
    assert [item.split()[1] for item in both.items] == ["green", "red"]  # the less overlapped first


def probabilities(true: np.ndarray, classes: int, rng: np.random.Generator) -> torch.Tensor:
    logits = rng.normal(size=(len(true), classes))
    logits[np.arange(len(true)), true] += 8
    return torch.softmax(torch.from_numpy(logits), 1)


@pytest.mark.parametrize("seed", range(5))
def test_planted_wrong_labels_are_found_those_of_unseen_images_first(seed: int) -> None:
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 3, 400)
    wrong = rng.permutation(400)[:20]
    given_ = true.copy()
    given_[wrong] = (true[wrong] + rng.integers(1, 3, 20)) % 3
    scores = probabilities(true, 3, rng)
    ids, trained = [f"{i}.png" for i in range(400)], {f"{i}.png" for i in range(300)}
    outputs = ClassLabels(scores.argmax(1), scores)
    (result,) = labels.label_issues(outputs, ClassLabels(torch.from_numpy(given_)), ids, NAMES, trained)
    order = [int(item.partition(".")[0]) for item in result.items]
    # What reaches the mean of its class is found: the rest of the wrong ones is likely, not sure.
    assert set(order) <= set(wrong.tolist())
    assert len(order) == len(set(order)) == result.count >= 10
    assert sorted(order, key=lambda i: i < 300) == order
    margin = scores[torch.arange(400), torch.from_numpy(true)] - scores[torch.arange(400), given_]
    for part in ([i for i in order if i >= 300], [i for i in order if i < 300]):
        assert part == sorted(part, key=lambda i: -float(margin[i]))
    first = order[0]
    assert result.items[0].startswith(f"{first}.png: {NAMES[given_[first]]}, probably {NAMES[true[first]]} (")
    unseen = sum(i >= 300 for i in order)
    assert f"{unseen} of the 100 that the model was not trained on" in result.message
    assert "too sure" in result.message


def test_confident_learning_by_hand() -> None:
    """Thresholds: (0.9 + 0.7 + 0.2) / 3 = 0.6 and (0.6 + 0.4) / 2 = 0.5."""
    first = np.array([0.9, 0.7, 0.2, 0.4, 0.6])
    outputs = labels.confident(np.stack([first, 1 - first], 1), np.array([0, 0, 0, 1, 1]))
    assert outputs.tolist() == [0, 0, 1, 1, 0]


def test_a_class_without_labels_and_a_model_that_cannot_tell_lead_to_no_doubt() -> None:
    scores = np.array([[0.1, 0.1, 0.8], [0.8, 0.1, 0.1]])
    assert labels.confident(scores, np.array([0, 0])).tolist() == [0, 0]
    assert labels.confident(np.full((6, 3), 1 / 3), np.array([0, 1, 2] * 2)).tolist() == [0, 1, 2] * 2


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(2, 4))
def test_the_order_of_items_does_not_matter(seed: int, n: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    scores, given_ = rng.dirichlet(np.ones(classes), n), rng.integers(0, classes, n)
    outputs, order = labels.confident(scores, given_), rng.permutation(n)
    assert np.array_equal(labels.confident(scores[order], given_[order]), outputs[order])
    # Who is counted as another class is surer of it than the items labelled so are on average.
    for i in np.flatnonzero(outputs != given_):
        assert scores[i, outputs[i]] >= scores[given_ == outputs[i], outputs[i]].mean() - 1e-6


def test_planted_wrong_labels_where_an_image_has_several() -> None:
    rng = np.random.default_rng(0)
    true = rng.random((200, 3)) < 0.4
    scores = torch.from_numpy(np.where(true, 0.95, 0.05))
    value = true.copy()
    value[[3, 50], [0, 2]] ^= True
    value[7] ^= True  # all three classes: named once
    ids = [f"{i}.png" for i in range(200)]
    (result,) = labels.label_issues(
        ClassLabels(scores > 0.5, scores), ClassLabels(torch.from_numpy(value)), ids, NAMES, ()
    )
    assert sorted(item.partition(":")[0] for item in result.items) == ["3.png", "50.png", "7.png"]
    text = next(item for item in result.items if item.startswith("3.png"))
    assert text == ("3.png: without red, probably with it (0.95)" if true[3, 0]
                    else "3.png: with red, probably without it (0.95)")  # fmt: skip
