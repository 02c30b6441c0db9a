"""Whatever check is found in the folder: it has a card, keeps to it, and leaves sound data alone."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from sightline.core.card import CheckCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.data.check import run_checks
from sightline.data.checks import CHECKS
from sightline.data.io.pixels import Arrays
from sightline.data.scan import scan

N = 64


def sound(kind: str) -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, 8, 8, 3)).repeat(4, 1).repeat(4, 2).astype(np.uint8)
    ids = [f"{i:03d}" for i in range(N)]
    if kind == "number":
        target = RegressionValues(torch.linspace(0, 1, 2 * N).reshape(N, 2))
        return Dataset("t", "toy", ids, Arrays(images), target, outputs=("a", "b"))
    value = torch.arange(N) % 2
    if kind == "multi":
        value = torch.stack([value == 0, value == 1, torch.arange(N) % 3 > 0], 1)
    names = ("cat", "dog", "emu")[: 3 if kind == "multi" else 2]
    return Dataset("t", "toy", ids, Arrays(images), ClassLabels(value), Classes(names))


def messy(kind: str) -> Dataset:
    """Copies, constant images, splits that tear groups: whatever does not need files."""
    dataset = sound(kind)
    images = dataset.pixels.array.copy()  # type: ignore[attr-defined]
    images[40] = images[1]
    images[41] = images[2][:, ::-1]
    images[5] = 7
    splits = np.array(["train"] * 32 + ["test"] * 32, dtype=object)
    groups = np.array([str(i % 9) for i in range(N)], dtype=object)
    return replace(dataset, pixels=Arrays(images), splits=splits, groups=groups)


@pytest.mark.parametrize("name", CHECKS.names())
def test_card(name: str) -> None:
    card = CHECKS.load(name).CARD
    assert isinstance(card, CheckCard)
    assert card.name == name
    assert card.summary
    assert card.findings
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", f) for f in card.findings)


def test_finding_names_are_unique() -> None:
    names = [f for name in CHECKS.names() for f in CHECKS.load(name).CARD.findings]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("kind", ["label", "multi", "number"])
@pytest.mark.parametrize("name", CHECKS.names())
def test_sound_data_pass(name: str, kind: str) -> None:
    dataset = sound(kind)
    result = CHECKS.load(name).run(dataset, scan(dataset))
    assert [f for f in result if f.severity != "info"] == []


@pytest.mark.parametrize("kind", ["label", "multi", "number"])
@pytest.mark.parametrize("name", CHECKS.names())
def test_findings_are_those_of_the_card_and_whole(name: str, kind: str) -> None:
    dataset, module = messy(kind), CHECKS.load(name)
    for finding in module.run(dataset, scan(dataset)):
        assert finding.name in module.CARD.findings
        assert finding.severity in ("error", "warning", "info")
        assert finding.message
        assert finding.fix
        assert finding.count > 0
        assert finding.items


ELSEWHERE = {
    "boxes",
    "captions",
    "clips",
    "keypoints",
    "unreadable-files",
    "labels",
    "levels",
    "masks",
    "image-properties",
    "instance-masks",
    "positions",
    "tracks",
    "sizes",
    "splits",
}
"""Checks that the messy data here give no reason to speak: what they find is tested in tests/unit/data."""


def test_every_other_check_finds_what_is_wrong_here() -> None:
    dataset = messy("label")
    speaking = {name for name in CHECKS.names() if CHECKS.load(name).run(dataset, scan(dataset))}
    assert speaking == set(CHECKS.names()) - ELSEWHERE


@pytest.mark.parametrize("kind", ["label", "multi", "number"])
def test_all_together_the_worst_come_first_and_each_once(kind: str) -> None:
    dataset = messy(kind)
    result = run_checks(dataset, scan(dataset))
    order = [("error", "warning", "info").index(f.severity) for f in result]
    assert order == sorted(order)
    assert len({f.name for f in result}) == len(result)
    assert {"duplicates-across-splits", "groups-across-splits", "constant-images"} <= {f.name for f in result}


@pytest.mark.parametrize("kind", ["label", "multi", "number"])
def test_no_image_at_all(kind: str) -> None:
    dataset = sound(kind).subset([])
    run_checks(dataset, scan(dataset))
