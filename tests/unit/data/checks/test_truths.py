"""Labels, numbers, class names, counts, splits and groups."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.data.io.pixels import Arrays
from tests.unit.data.checks.conftest import findings, labeled, random_images


def numbers(values: np.ndarray) -> Dataset:
    target = RegressionValues(torch.from_numpy(values.astype(np.float32)).reshape(len(values), -1))
    ids = [f"{i:03d}" for i in range(len(values))]
    return Dataset("n", "toy", ids, Arrays(random_images(len(values))), target, outputs=("price",))


def trouble(result: dict[str, Finding]) -> set[str]:
    return {n for n, f in result.items() if f.severity != "info"}


def test_sound_truths_give_neither_error_nor_warning() -> None:
    assert not trouble(findings(labeled(random_images(60))))
    assert not trouble(findings(numbers(np.linspace(0, 1, 60))))


def test_missing_and_unknown_labels() -> None:
    labels = [i % 2 for i in range(60)]
    labels[3], labels[8], labels[9] = -1, 5, 5
    reported = findings(labeled(random_images(60), labels))
    assert (reported["labels-missing"].severity, reported["labels-missing"].items) == ("error", ("003",))
    assert (reported["labels-unknown"].severity, reported["labels-unknown"].items) == (
        "error",
        ("008", "009"),
    )


@pytest.mark.parametrize(
    ("names", "alike"),
    [
        (("Cat", "cat", "dog"), ("Cat = cat",)),
        (("cat", "cat ", "dog"), ("cat = cat ",)),
        (("hot dog", "hot-dog", "Hot_Dog"), ("hot dog = hot-dog = Hot_Dog",)),
        (("a", "A", "b"), ()),
        (("cat1", "cat2", "dog"), ()),
        (("-", "_", "+"), ()),
    ],
)
def test_class_names_written_in_two_ways(names: tuple[str, ...], alike: tuple[str, ...]) -> None:
    reported = findings(labeled(random_images(90), names=names))
    assert (reported["similar-class-names"].items if alike else ()) == alike
    assert ("similar-class-names" in reported) == bool(alike)
    if alike:
        assert reported["similar-class-names"].severity == "error"


def test_empty_class_name() -> None:
    reported = findings(labeled(random_images(60), names=("cat", " ")))
    assert reported["class-names-empty"].items == ("1",)


def test_class_ids_with_holes_are_told() -> None:
    dataset = replace(labeled(random_images(60)), classes=Classes(("cat", "dog"), (3, 17)))
    assert findings(dataset)["non-contiguous-class-ids"].items == ("3: cat", "17: dog")


def test_images_with_none_of_several_labels_are_told() -> None:
    value = torch.zeros(60, 2, dtype=torch.bool)
    value[:, 0] = True
    value[30:, 1] = True
    value[[4, 5]] = False
    dataset = replace(labeled(random_images(60)), targets=ClassLabels(value))
    reported = findings(dataset)
    assert (reported["images-without-labels"].severity, reported["images-without-labels"].items) == (
        "info",
        ("004", "005"),
    )
    assert not trouble(reported)


def test_targets_that_are_no_numbers_or_far_out() -> None:
    values = np.linspace(0, 1, 60)
    values[2], values[7], values[11] = np.nan, np.inf, -999
    reported = findings(numbers(values))
    assert reported["non-finite-targets"].severity == "error"
    assert reported["non-finite-targets"].items == ("002", "007")
    assert reported["target-outliers"].items == ("011",)
    assert reported["target-outliers"].severity == "warning"
    assert "(-999; the others are from 0 to 1)" in reported["target-outliers"].message


def test_targets_of_one_value_cannot_be_learned() -> None:
    assert findings(numbers(np.full(60, 3.5)))["constant-target"].items == ("price",)


def test_one_class_only() -> None:
    reported = findings(labeled(random_images(30), names=("cat",)))
    assert (reported["single-class"].severity, reported["single-class"].items) == ("error", ("cat",))


def test_class_without_images_and_class_too_small() -> None:
    reported = findings(
        labeled(random_images(60), [0] * 29 + [1] * 29 + [2, 2], ("cat", "dog", "emu", "fox"))
    )
    assert (reported["class-without-images"].severity, reported["class-without-images"].items) == (
        "error",
        ("fox",),
    )
    assert (reported["class-too-few-images"].severity, reported["class-too-few-images"].items) == (
        "error",
        ("emu",),
    )


def test_small_class_and_imbalance_are_warnings() -> None:
    reported = findings(labeled(random_images(60), [0] * 55 + [1] * 5))
    assert (reported["class-few-images"].severity, reported["class-few-images"].items) == (
        "warning",
        ("dog",),
    )
    assert (reported["imbalance"].severity, reported["imbalance"].items) == ("warning", ("dog",))
    assert "11 times" in reported["imbalance"].message


def test_class_that_training_never_sees() -> None:
    splits = np.array(["train"] * 40 + ["test"] * 20, dtype=object)
    labels = [i % 2 for i in range(58)] + [2, 2]
    dataset = labeled(random_images(60), labels, ("cat", "dog", "{emu}")).with_splits(splits)
    result = findings(dataset)["class-missing-in-train"]
    assert (result.severity, result.items) == ("error", ("058", "059"))
    assert "'{emu}'" in result.message


def test_splits_without_train_or_with_holes() -> None:
    dataset = labeled(random_images(60))
    only_test = dataset.with_splits(np.full(60, "test", dtype=object))
    assert findings(only_test)["no-train-split"].severity == "error"
    holes = np.array(["train"] * 50 + [""] * 10, dtype=object)
    result = findings(dataset.with_splits(holes))["split-missing"]
    assert (result.severity, result.count) == ("warning", 10)


def test_group_in_two_splits() -> None:
    splits = np.array(["train"] * 40 + ["test"] * 20, dtype=object)
    groups = np.array([f"p{i // 6}" for i in range(60)], dtype=object)  # p6 holds 36..41
    dataset = replace(labeled(random_images(60)).with_splits(splits), groups=groups)
    result = findings(dataset)["groups-across-splits"]
    assert (result.severity, result.items) == ("error", tuple(f"{i:03d}" for i in range(36, 42)))
    whole = np.where(np.arange(60) < 42, "train", "test").astype(object)
    assert "groups-across-splits" not in findings(dataset.with_splits(whole))
