"""Images that show nothing, in every part: each task trains, scores with its baselines, predicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sightline as sl
from sightline.core.dataset import Dataset
from sightline.core.targets.instances import Instances
from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.data.formats import coco, masks
from sightline.errors import DataError
from sightline.inference.model_folder import restore
from sightline.tasks import TASKS, task_type

PARTS = np.array(["train"] * 8 + ["val"] * 4 + ["test"] * 4, dtype=object)
PLACED = [
    name for name in TASKS.names() if TASKS.load(name).CARD.target_type in ("instances", "outlines", "masks")
]
QUICK: dict[str, dict[str, Any]] = {
    "detect": {"model": "yolo-n", "size": 64},
    "instance": {"model": "yolo-n", "size": 64},
    "semantic": {"model": "unet2015", "variant": "small", "size": 32},
}


def emptied(task: str, bare: set[int], crowds: set[int]) -> Dataset:
    """Toy data with images of nothing, and of crowds only (where pixels are told, of one class)."""
    dataset = task_type(task).synthetic_dataset(len(PARTS), 16, seed=0).with_splits(PARTS)
    targets = dataset.targets
    if isinstance(targets, SemanticMasks):
        maps = [
            np.full_like(targets.map(i), IGNORE_INDEX) if i in bare else targets.map(i)
            for i in range(len(PARTS))
        ]
        return replace(
            dataset, targets=SemanticMasks.of([m * 0 if i in crowds else m for i, m in enumerate(maps)])
        )
    assert isinstance(targets, Instances)
    left = targets.select(~torch.isin(targets.image, torch.tensor(sorted(bare))))
    crowd = torch.isin(left.image, torch.tensor(sorted(crowds)))
    return replace(dataset, targets=replace(left, crowd=crowd))


def written(dataset: Dataset, folder: Path) -> str:
    """The data as files."""
    kind = masks if isinstance(dataset.targets, SemanticMasks) else coco
    return str(kind.write(dataset, folder))


@pytest.mark.parametrize(
    ("bare", "crowds"),
    [
        ({0, 8, 12}, {1, 9, 13}),
        (set(range(12, 16)), set()),
        ({*range(1, 8), *range(9, 12)}, {12, 13, 14, 15}),
    ],
    ids=["one in each part", "all of test", "all but one of train and val"],
)
@pytest.mark.parametrize("task", PLACED)
def test_nothing_in_some_images(task: str, bare: set[int], crowds: set[int], tmp_path: Path) -> None:
    dataset = emptied(task, bare, crowds)
    data = written(dataset, tmp_path / "data")
    accept = [f.name for f in sl.check(data, task=task).findings if f.severity == "error"]
    assert "no-boxes-to-train" not in accept
    assert "no-masks-to-train" not in accept
    how = {**QUICK[task], "epochs": 1, "batch_size": 4, "accept": accept}
    run = sl.train(data, task=task, out=tmp_path / "run", **how)
    outputs = "\n".join(run.results.conclusions)
    assert "failed" not in outputs
    cheap = {b.name for b in restore(tmp_path / "run")[1].baselines() if not b.frozen}
    assert set(run.results.baselines) >= cheap
    assert (tmp_path / "run/report.html").is_file()
    again = sl.evaluate(tmp_path / "run")
    assert "nan" not in "\n".join(again.conclusions)
    assert again.figures
    for i in range(12, 16):
        Image.fromarray(dataset.pixels.read(i)).save(tmp_path / f"{i}.png")
    result = list(sl.load(tmp_path / "run").predict([tmp_path / f"{i}.png" for i in range(12, 16)]))
    assert len(result) == 4


@pytest.mark.parametrize("task", PLACED)
@pytest.mark.parametrize("part", ["train", "val"])
def test_a_part_of_nothing_is_refused_before_training(task: str, part: str, tmp_path: Path) -> None:
    """Crowds teach nothing either, so that a part of images without objects and of crowds has nothing."""
    bare = set(np.flatnonzero(part == PARTS).tolist())
    lone = bare.pop() if task != "semantic" else -1
    data = written(emptied(task, bare, {lone}), tmp_path / "data")
    result = {f.name: f for f in sl.check(data, task=task).findings}
    name = "no-masks-to-train" if task == "semantic" else "no-boxes-to-train"
    assert result[name].severity == "error"
    assert part in result[name].message
    with pytest.raises(DataError, match=name):
        sl.train(data, task=task, out=tmp_path / "run")
    with pytest.raises(DataError, match=f"the {part} part has"):
        sl.train(
            data, task=task, out=tmp_path / "run", accept=[f for f in result if result[f].severity == "error"]
        )
    assert not (tmp_path / "run").exists()


def test_images_with_no_label_of_several(tmp_path: Path) -> None:
    """None of the labels is an answer too: of one image in each part, and of all of test."""
    rng = np.random.default_rng(0)
    rows = ["path,labels,split"]
    for i, part in enumerate(PARTS):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        labels = "" if part == "test" or i in (0, 8) else ["a", "b", "a|b"][i % 3]
        rows.append(f"{i}.png,{labels},{part}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    data = str(tmp_path / "labels.csv")
    accept = [f.name for f in sl.check(data).findings if f.severity == "error"]
    run = sl.train(data, epochs=1, accept=accept, out=tmp_path / "run")
    assert run.results.n == 4
    assert "failed" not in "\n".join(run.results.conclusions)
    assert "nan" not in "\n".join(run.results.conclusions)
