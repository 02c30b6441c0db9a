"""Checks of class maps and of masks of objects: what is sound passes, what is planted is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.core.dataset import Classes, Dataset
from sightline.core.report import Finding
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.data.check import look
from sightline.data.checks import CHECKS
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data
from sightline.data.scan import scan
from tests.unit.data.checks.conftest import findings, random_images

N, SIDE = 60, 32
NAMES = ("sky", "road")


def maps(n: int = N) -> list[np.ndarray]:
    """Maps with a border between two classes, at many places."""
    result = [np.zeros((SIDE, SIDE), dtype=np.uint8) for _ in range(n)]
    for k, first in enumerate(result):
        first[:, 4 + k % 24 :] = 1
    return result


def masked(
    targets: Sequence[np.ndarray], names: Sequence[str] = NAMES, splits: Sequence[str] = ()
) -> Dataset:
    ids = [f"{i:03d}" for i in range(len(targets))]
    given = np.array(splits or [""] * len(targets), dtype=object)
    return Dataset(
        "m",
        "toy",
        ids,
        Arrays(random_images(len(targets))),
        SemanticMasks.of(targets),
        Classes(tuple(names)),
        given,
    )


def trouble(result: dict[str, Finding]) -> set[str]:
    return {n for n, f in result.items() if f.severity != "info"}


def test_sound_maps_pass() -> None:
    assert not trouble(findings(masked(maps())))
    for name in ("masks", "instance-masks"):
        empty = masked(maps()).subset([])
        assert CHECKS.load(name).run(empty, scan(empty)) == []


def test_maps_of_another_size_than_the_image() -> None:
    targets = maps()
    targets[3] = np.zeros((SIDE, SIDE // 2), dtype=np.uint8)
    targets[3][:, :4] = 1
    reported = findings(masked(targets))
    assert (reported["mask-sizes-differ"].severity, reported["mask-sizes-differ"].items) == (
        "error",
        ("003",),
    )
    assert "mask 16 x 32, image 32 x 32" in reported["mask-sizes-differ"].message


def test_a_mask_that_was_drawn_on_the_turned_image(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    mask = np.zeros((24, 32), dtype=np.uint8)
    mask[:, 9:] = 1
    for k, pixels in enumerate(random_images(4)):
        image = Image.fromarray(pixels[:24])
        image.save(tmp_path / f"images/{k}.jpg", **({"exif": turned} if k == 2 else {}))
        Image.fromarray(mask).save(tmp_path / f"masks/{k}.png")
    result = {f.name: f for f in look(open_data(tmp_path))[1]}
    assert (result["mask-size-transposed"].severity, result["mask-size-transposed"].items) == (
        "error",
        ("images/2.jpg",),
    )
    assert "mask-sizes-differ" not in result


def test_maps_without_a_class() -> None:
    targets = maps()
    targets[4][:] = IGNORE_INDEX
    targets[5][:20] = IGNORE_INDEX
    targets[6][:2] = IGNORE_INDEX
    reported = findings(masked(targets))
    assert (reported["masks-all-ignored"].severity, reported["masks-all-ignored"].items) == (
        "warning",
        ("004",),
    )
    assert reported["masks-mostly-ignored"].items == ("005",)
    assert reported["ignored-share"].items == ("005", "006")
    assert "2.8 %" in reported["ignored-share"].message
    splits = ["train"] * 30 + ["test"] * 30
    bare = [np.full_like(first, IGNORE_INDEX) if k < 30 else first for k, first in enumerate(maps())]
    reported = findings(masked(bare, splits=splits))
    assert reported["no-masks-to-train"].severity == "error"
    assert "masks-all-ignored" not in reported


def test_one_class_only_and_maps_of_one_class() -> None:
    same = [np.zeros_like(first) for first in maps()]
    assert findings(masked(same))["masks-single-class"].severity == "error"
    flat = [np.full_like(first, k % 2) for k, first in enumerate(maps())]
    assert findings(masked(flat))["single-class-images"].severity == "warning"
    some = [*flat[:3], *maps()[3:]]
    result = findings(masked(some))["single-class-images"]
    assert (result.severity, result.items) == ("info", ("000", "001", "002"))


def test_rare_classes_and_classes_beyond_the_table() -> None:
    targets = maps()
    for first in targets[:25]:
        first[0, 0] = 2
    reported = findings(masked(targets, ("sky", "road", "bird")))
    assert reported["class-few-pixels"].items == ("bird",)
    assert "'bird' (0.041 %)" in reported["class-few-pixels"].message
    assert findings(masked(targets))["mask-classes-unknown"].count == 25


def test_classes_that_a_split_lacks() -> None:
    targets = maps()
    splits = ["train"] * 30 + ["val"] * 15 + ["test"] * 15
    targets[59][3:6, 3:6] = 2
    reported = findings(masked(targets, ("sky", "road", "bird"), splits))
    assert reported["class-missing-in-train"].items == ("059",)
    targets[59][3:6, 3:6] = 0
    for first in targets[:25]:
        first[3:6, 3:6] = 2
    reported = findings(masked(targets, ("sky", "road", "bird"), splits))
    assert reported["class-missing-in-test"].items == ("bird (val)", "bird (test)")


def disc(x: int, y: int, radius: int = 4) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


def outlined(more: Sequence[tuple[int, np.ndarray]] = ()) -> Dataset:
    """Images with two discs each; further objects are in the first one."""
    rows = [[(0, disc(8, 8)), (1, disc(22, 20))] for _ in range(N)]
    rows[0] += more
    flat = [first for row in rows for first in row]
    targets = InstanceMasks.of(
        torch.tensor([[SIDE, SIDE]] * N),
        torch.tensor([len(row) for row in rows]),
        CroppedMasks.of([mask for _, mask in flat]),
        torch.tensor([k for k, _ in flat]),
    )
    ids = [f"{i:03d}" for i in range(N)]
    return Dataset("o", "toy", ids, Arrays(random_images(N)), targets, Classes(("cat", "dog")))


def test_sound_objects_pass() -> None:
    assert not trouble(findings(outlined()))
    assert not any(name.startswith("instance-masks") for name in findings(outlined()))


def test_objects_without_pixels_and_outside() -> None:
    data = outlined([(0, np.zeros((SIDE, SIDE)))])
    assert findings(data)["instance-masks-empty"].items == ("000: cat 0 0 0 0",)
    far = CroppedMasks(data.targets.bitmaps.corners + 20, data.targets.bitmaps.crops)
    reported = findings(replace(data, targets=replace(data.targets, masks=far)))
    assert reported["instance-masks-outside"].severity == "error"
    assert reported["instance-masks-outside"].count == 2 * N
    assert reported["instance-masks-box-mismatch"].count == 2 * N


@pytest.mark.parametrize(
    ("label", "mask", "name", "count"),
    [
        (0, disc(8, 8), "instance-masks-duplicated", 1),
        (1, disc(8, 8), "instance-masks-overlapping", 2),
        (0, disc(8, 9, 2), "instance-masks-overlapping", 2),
        (0, disc(26, 4, 2) | disc(4, 28, 2), "instance-masks-disconnected", 1),
    ],
)
def test_objects_on_each_other_and_in_parts(label: int, mask: np.ndarray, name: str, count: int) -> None:
    result = {n: f for n, f in findings(outlined([(label, mask)])).items() if n.startswith("instance-masks")}
    assert {n: f.count for n, f in result.items()} == {name: count}
    assert all(item.startswith("000: ") for item in result[name].items)


def test_an_object_behind_a_pole_is_whole() -> None:
    behind = disc(16, 16, 7)
    behind[:, 15:17] = False
    assert not any(n == "instance-masks-disconnected" for n in findings(outlined([(0, behind)])))


@pytest.mark.parametrize("kind", ["masks", "outlines"])
def test_shapes_pass(kind: str) -> None:
    data = open_data(f"shapes:{kind}:80")
    assert data.target_type == kind
    assert not trouble({f.name: f for f in look(data)[1]})
