"""Splits keep their promises whatever the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.dataset import SPLITS, Classes, Dataset
from sightline.core.targets.label import ClassLabels
from sightline.data.io.pixels import Arrays
from sightline.data.split import SPLITS_FILE, folds, read_splits, split, splits_from_json, splits_to_json
from sightline.errors import DataError, UsageError


def dataset(labels: Any, splits: Any = None, groups: Any = None) -> Dataset:
    n = len(labels)
    return Dataset(
        name="made",
        format="made",
        ids=[f"item/{i:04d}" for i in range(n)],
        pixels=Arrays(np.zeros((n, 1, 1, 1), np.uint8)),
        targets=ClassLabels(torch.as_tensor(labels, dtype=torch.int64)),
        classes=Classes(tuple(str(k) for k in range(max(labels, default=0) + 1))),
        splits=np.array(splits if splits is not None else [""] * n, dtype=object),
        groups=None if groups is None else np.array(groups, dtype=object),
    )


LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=120)
ANY = settings(max_examples=60, deadline=None)


@ANY
@given(LABELS, st.integers(0, 5))
def test_each_item_is_in_one_part_and_classes_keep_their_share(labels: list[int], seed: int) -> None:
    strata = np.array(labels)
    parts = split(dataset(labels), seed=seed, strata=strata).assignment
    assert set(parts) <= set(SPLITS)
    for k in set(labels):
        mine = parts[strata == k]
        counts = {s: int((mine == s).sum()) for s in SPLITS}
        assert counts["train"] >= 1
        if len(mine) >= 3:
            assert min(counts.values()) >= 1
        for s, share in zip(SPLITS, (0.7, 0.15, 0.15), strict=True):
            slack = 1 if len(mine) >= 7 else 2  # a class of 3 to 6 gives one to each part first
            assert abs(counts[s] - share * len(mine)) <= slack


@ANY
@given(LABELS, st.integers(0, 5), st.randoms(use_true_random=False))
def test_the_order_of_the_items_does_not_matter(labels: list[int], seed: int, random: Any) -> None:
    data = dataset(labels, groups=[f"g{i // 2}" for i in range(len(labels))])
    order = list(range(len(labels)))
    random.shuffle(order)
    shuffled = data.subset(order)
    first = split(data, seed=seed, strata=np.array(labels)).assignment
    other = split(shuffled, seed=seed, strata=np.array(labels)[order]).assignment
    assert first[order].tolist() == other.tolist()


@ANY
@given(st.data())
def test_groups_and_duplicates_are_never_torn_apart(data: Any) -> None:
    labels = data.draw(LABELS)
    n = len(labels)
    groups = [f"g{k}" for k in data.draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))]
    twins = np.array(data.draw(st.lists(st.integers(0, 40), min_size=n, max_size=n)))
    result = dataset(labels, groups=groups)
    parts = split(result, seed=1, strata=np.array(labels), together=twins).assignment
    for keys in (np.array(groups), twins):
        for key in set(keys.tolist()):
            assert len(set(parts[keys == key])) == 1
    tested = folds(dataset(labels, groups=[str(i) for i in range(n)]), 2, seed=1) if n > 1 else []
    assert sorted(np.concatenate(tested).tolist() if tested else range(n)) == list(range(n))


def test_another_seed_is_another_split() -> None:
    labels = [i % 3 for i in range(90)]
    first, other = (split(dataset(labels), seed=s, strata=np.array(labels)).assignment for s in (0, 1))
    assert (first != other).any()
    assert (first == split(dataset(labels), seed=0, strata=np.array(labels)).assignment).all()


def test_parts_have_their_share_over_many_small_classes() -> None:
    labels = [i % 40 for i in range(400)]
    parts = split(dataset(labels), strata=np.array(labels)).assignment
    assert {s: int((parts == s).sum()) for s in SPLITS} == {"train": 280, "val": 60, "test": 60}


def test_unequal_groups_still_keep_the_share() -> None:
    groups = [f"g{min(i // 7, 12 + i % 60)}" for i in range(600)]
    parts = split(dataset([0] * 600, groups=groups)).assignment
    largest = max(groups.count(g) for g in set(groups))
    assert abs((parts == "train").sum() - 420) <= largest
    assert set(parts) == set(SPLITS)


def test_a_given_split_is_kept() -> None:
    given_splits = ["train", "val", "test", "train"]
    result = split(dataset([0, 0, 0, 1], given_splits), seed=9)
    assert result.assignment.tolist() == given_splits


def test_only_train_and_test_given_leaves_the_test_set_alone() -> None:
    labels = [i % 2 for i in range(200)]
    data = dataset(labels, ["train"] * 100 + ["test"] * 100)
    result = split(data, strata=np.array(labels))
    assert (result.assignment[100:] == "test").all()
    assert (result.assignment[:100] == "val").sum() == 15
    assert any("val is 15%" in note for note in result.messages)


def test_only_train_and_val_given_sets_a_test_part_aside_and_says_so() -> None:
    data = dataset([0] * 200, ["train"] * 100 + ["val"] * 100)
    result = split(data)
    assert (result.assignment[100:] == "val").all()
    assert (result.assignment[:100] == "test").sum() == 15
    assert any("no test" in note for note in result.messages)


def test_items_without_a_split_are_put_to_train_and_told() -> None:
    result = split(dataset([0] * 6, ["train", "train", "val", "test", "", ""]))
    assert result.assignment.tolist() == ["train", "train", "val", "test", "train", "train"]
    assert any("2 items have no split" in note for note in result.messages)


def test_data_without_a_training_part_are_refused() -> None:
    with pytest.raises(DataError, match="no train"):
        split(dataset([0, 1], ["test", "test"]))


def test_small_classes_go_to_train_and_are_told() -> None:
    labels = [0] * 20 + [1, 1, 2]
    result = split(dataset(labels), strata=np.array(labels))
    assert (result.assignment[20:] == "train").all()
    assert any("2 classes have too few" in note for note in result.messages)


def test_a_part_can_be_left_out() -> None:
    parts = split(dataset([0] * 100), fractions=(0.85, 0.15, 0.0)).assignment
    assert (parts == "val").sum() == 15
    assert "test" not in parts


@ANY
@given(st.lists(st.integers(0, 3), min_size=10, max_size=80), st.integers(2, 5))
def test_folds_test_each_item_once_in_proportion(labels: list[int], k: int) -> None:
    strata = np.array(labels)
    parts = folds(dataset(labels), k, seed=3, strata=strata)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    for value in set(labels):
        counts = [int((strata[p] == value).sum()) for p in parts]
        assert max(counts) - min(counts) <= 1


def test_folds_that_cannot_be_are_refused() -> None:
    with pytest.raises(UsageError, match="2 to 3"):
        folds(dataset([0] * 6, groups=["a", "a", "b", "b", "c", "c"]), 4)
    with pytest.raises(UsageError, match="--folds"):
        folds(dataset([0] * 6), 1)


def test_a_split_can_be_stored_and_replayed() -> None:
    data = dataset([i % 3 for i in range(60)])
    parts = split(data, seed=4).assignment
    stored = splits_to_json(data, parts)
    order = np.random.default_rng(0).permutation(60)
    assert splits_from_json(data.subset(order), stored).tolist() == parts[order].tolist()
    with pytest.raises(DataError, match="1 are gone"):
        splits_from_json(data.subset(range(59)), stored)


def test_a_stored_split_is_read_from_a_run_or_a_file(tmp_path: Path) -> None:
    stored = {"train": ["a"], "val": [], "test": ["b"]}
    file = tmp_path / SPLITS_FILE
    file.write_text(json.dumps(stored))
    assert read_splits(tmp_path) == read_splits(file) == stored
    for text in ("[1]", "{}", '{"train": 3}'):
        file.write_text(text)
        with pytest.raises(DataError, match=r"splits\.json holds no split"):
            read_splits(tmp_path)
    with pytest.raises(DataError, match=r"gone.*no split can be read"):
        read_splits(tmp_path / "gone")


def test_sixty_thousand_items_take_no_time_to_speak_of() -> None:
    labels = np.arange(60_000) % 10
    parts = split(dataset(labels.tolist()), strata=labels).assignment
    assert (parts == "train").sum() == 42_000
