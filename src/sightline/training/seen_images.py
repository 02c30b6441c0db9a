"""Training images of a run by digest, and whether another run would be tested on them (leakage)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sightline import storage
from sightline.core.dataset import Dataset
from sightline.core.run import Run
from sightline.data.split import SPLITS_FILE, read_splits
from sightline.errors import UsageError
from sightline.training.plan import Plan

FILE = "learnt.json"
"""In a run: digests of the images that it was trained on ("train"), that what it began with was ("before"),
that any of them chose weights by ("chosen"); and test images that what it began with chose by ("told")."""


def write(plan: Plan, run: Path) -> None:
    """Record the training images of this plan."""
    before: set[str] = set()
    chosen = set(_digests(plan.part("val")).values())
    digests: list[str] = []
    for source in (plan.arguments.weights, plan.arguments.teacher):
        if source is not None and (folder := _run_of(Path(source))) is not None:
            before |= _learnt(folder)
            chosen |= set(_read_file(folder).get("chosen", ()))
            digests += _chosen(plan.part("test"), folder)
    trained = set(_digests(plan.part("train")).values())
    content = {
        "train": trained,
        "before": before - trained,
        "chosen": chosen - trained - before,
        "told": set(digests),
    }
    storage.write_json(run / FILE, {name: sorted(part) for name, part in content.items()})


def test_images_seen(run: Path) -> set[str]:
    """Test images of a run that were used to choose its initial weights, or its teacher's."""
    return set(_read_file(run).get("told", ()))


def validate(plan: Plan) -> Plan:
    """The plan with messages about its initial weights; unchanged if there are none.

    Raises:
        UsageError: If they have learnt images that are held out here.
    """
    if plan.arguments.weights is None:
        return plan
    return replace(plan, messages=(*plan.messages, *unseen(plan, Path(plan.arguments.weights), "--weights")))


def unseen(plan: Plan, source: Path, option: str) -> list[str]:
    """Messages about held-out images that the weights were trained on or chosen by.

    Args:
        plan: The run that will be tested on them.
        source: A run or what lies in one, or a file of weights from elsewhere.
        option: That named it.

    Raises:
        UsageError: If such images are among them, by their bytes.
    """
    run = _run_of(source)
    if run is None or not ((run / FILE).is_file() or (run / SPLITS_FILE).is_file()):
        return [f"What {option} {source} was trained on is not on record: it may know the test images."]
    held = plan.dataset.subset([i for i, s in enumerate(plan.dataset.splits) if s != "train"])
    named = _names(run)
    overlapping = [item for item in held.ids if item in named]
    if (run / FILE).is_file():
        own_digests = set(
            _digests(plan.part("train")).values()
        )  # copies across this split are a finding of the check
        learnt = _learnt(run) - own_digests
        certain = [item for item, digest in _digests(held).items() if digest in learnt]
    else:  # a run of before images were written down
        same = Run.open(run).record.data.fingerprint == plan.dataset.fingerprint()
        certain = overlapping if same else []
    if certain:
        raise UsageError(
            f"{option} {source} was trained on {_some(certain, held)}, so no score on them would hold. "
            f"Split the data as it did: --splits {run}."
        )
    sentences = []
    if overlapping:
        sentences.append(
            f"{_some(overlapping, held)} have names of images that {option} {source} was trained on, and "
            "other bytes. Where they are the same images, the scores are too good."
        )
    test = plan.part("test")
    if chosen := _chosen(test, run):
        sentences.append(
            f"{len(chosen)} of the {len(test)} test images ({', '.join(chosen[:3])}) are of those that the "
            f"weights of {option} {source} were chosen by, its val part. These were not trained on; scores "
            f"are somewhat too good; the report has them without these. Split as it did: --splits {run}."
        )
    return sentences


def _some(overlapping: list[str], held: Dataset) -> str:
    return f"{len(overlapping)} of the {len(held)} images held out here ({', '.join(overlapping[:3])})"


def _digests(dataset: Dataset) -> dict[str, str]:
    """Id to digest of the stored bytes."""
    return {item: dataset.pixels.digest(i) for i, item in enumerate(dataset.ids)}


def _read_file(run: Path) -> dict[str, list[str]]:
    """Content of a run's record; empty if there is none."""
    file = run / FILE
    record: dict[str, list[str]] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return record


def _learnt(run: Path) -> set[str]:
    """Digests of the training images of a run and of its initial weights; empty if not recorded."""
    record = _read_file(run)
    return {digest for part in ("train", "before") for digest in record.get(part, ())}


def _chosen(part: Dataset, run: Path) -> list[str]:
    """Items by which a run, or its initial weights, chose weights: by digest, or by name for older runs."""
    record = _read_file(run)
    if "chosen" not in record:
        names = _names(run, "val")
        return [item for item in part.ids if item in names]
    digests = set(record["chosen"])
    return [item for item, digest in _digests(part).items() if digest in digests]


def _names(run: Path, part: str = "train") -> set[str]:
    """Ids of the items of a part of a run; none where its split is not on record."""
    return set(read_splits(run).get(part, ())) if (run / SPLITS_FILE).is_file() else set()


def _run_of(source: Path) -> Path | None:
    """The run folder that weights are of: the folder itself, or one that it lies in."""
    return next((f for f in _around(source.absolute()) if (f / "run.json").is_file()), None)


def _around(source: Path) -> Iterator[Path]:
    yield source
    if source.name == "model" or source.is_file():
        yield from list(source.parents)[:2]  # RUN/model/model.safetensors, RUN/checkpoints/... are deeper
