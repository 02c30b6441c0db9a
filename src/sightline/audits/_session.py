"""An audit from run folder to page: what is judged, the plan, the checks, the files."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from sightline import storage
from sightline._version import __version__
from sightline.audits import AUDITS
from sightline.audits._budget import Budget, Planned, Speed, duration, measure, option, plan
from sightline.audits._case import TRAIN, Case, Part
from sightline.audits._exported import ExportedModel, run_of
from sightline.audits._page import write_page
from sightline.audits._require import answer, parse
from sightline.audits._result import Audit
from sightline.audits._rules import LEVELS, skip
from sightline.audits._verdict import AuditCard, Verdict
from sightline.console import say
from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec
from sightline.core.run import Run
from sightline.data.open import open_data
from sightline.devices import Devices
from sightline.errors import UnknownName, UsageError
from sightline.evaluation import scored_data, test_ledger
from sightline.evaluation.attempt import attempt
from sightline.inference import threads
from sightline.inference.model_folder import restore
from sightline.inference.predict_batches import at_once


@dataclass(frozen=True)
class Wishes:
    """What the user asked of an audit.

    Attributes:
        seconds: For all checks together.
        only: Names of the checks; none: all.
        skip: Names of checks that are left out.
        split: val or test.
        group: Columns whose groups are compared.
        ood: Folder of images that are of no class, or None.
        require: Requirements as they were written.
        out: Folder for the results, or None: audit, audit-2, ... in the run.
        device: Where the model runs.
        seed: Of every draw.
    """

    seconds: float = 600.0
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    split: Literal["val", "test"] = "val"
    group: tuple[str, ...] = ()
    ood: Path | None = None
    require: tuple[str, ...] = ()
    out: Path | None = None
    device: str = "auto"
    seed: int = 0


def audit_run(path: Path, wishes: Wishes) -> Audit:
    """Audit a run, or a file that was exported from it.

    Raises:
        UsageError: If an option cannot be right.
        DataError: If the folder is no run, or its data are not what it was trained on.
    """
    started = time.perf_counter()
    modules = chosen(wishes)
    requirements = [parse(text) for text in wishes.require]
    run_path, file = run_of(path)
    run = Run.open(run_path)
    folder = _folder(run.path / "audit" if file is None else Path(f"{file}-audit"), wishes.out)
    case, looks = open_case(run, wishes, file)
    speed = _speed(case, run, modules)
    left = wishes.seconds - (time.perf_counter() - started)
    verdicts = _judged(case, modules, speed, left)
    facts = _facts(run, case, wishes, looks, time.perf_counter() - started, file)
    ordered = sorted(verdicts, key=lambda v: (LEVELS.index(v.level), AUDITS.load(v.name).CARD.rank))
    answers = tuple(answer(r, ordered) for r in requirements)
    audit = Audit(folder, facts, tuple(ordered), answers)
    write(audit, case)
    return audit


def chosen(wishes: Wishes) -> list[ModuleType]:
    """The checks that were asked for, in the order of the page.

    Raises:
        UnknownName: If there is no check of a name.
        UsageError: If none is left.
    """
    names = set(AUDITS.names())
    for name in (*wishes.only, *wishes.skip):
        if name not in names:
            raise UnknownName("check", name, names)
    wanted = [n for n in AUDITS.names() if n not in wishes.skip and (not wishes.only or n in wishes.only)]
    if not wanted:
        raise UsageError("No check is left: --only and --skip name the same.")
    return sorted((AUDITS.load(name) for name in wanted), key=lambda m: m.CARD.rank)


def open_case(run: Run, wishes: Wishes, file: Path | None = None) -> tuple[Case, int]:
    """The case of a run, or of a file exported from it, and how often its test part has been used; 0 where it
    is not.
    """
    model, task, _ = restore(run.path)
    dataset = scored_data.open_for(run, None, None, None, None)
    scored = scored_data.images_to_score(run, dataset, model.settings, wishes.split, None)
    columns = _columns(scored.dataset, wishes.group)
    strangers = None
    if wishes.ood is not None:
        strangers = open_data(str(wishes.ood), target_type="none", input=task.card.input)
    looks = test_ledger.record_test_access(run, scored.held, "audit") if scored.name == "test" else 0
    devices = Devices.start(wishes.device if file is None else "cpu")
    model = (model if file is None else ExportedModel(model, file)).to(devices.device).eval()
    train = scored.dataset.subset(scored.dataset.indices_of("train"))
    if len(train) > TRAIN:
        train = train.subset(np.sort(np.random.default_rng(wishes.seed).permutation(len(train))[:TRAIN]))

    def predict(images: Dataset) -> Any:
        with threads.few_threads([model], at_once(InputSpec.of(model.settings)), devices):
            return case.predict(images)

    case = Case(
        task, Part(scored.name, scored.part, predict), model.settings, model,
        Part("train", train, predict) if len(train) else None,
        columns, strangers, devices, f"sightline audit {file or run.path}", wishes.seed,
    )  # fmt: skip
    return case, looks


def _columns(dataset: Dataset, names: Sequence[str]) -> tuple[str, ...]:
    """The columns that were named.

    Raises:
        UsageError: If the data have no columns.
        UnknownName: If they have not this one; suggests the nearest.
    """
    present = [*dataset.columns, *(["group"] if dataset.groups is not None else [])]
    for name in names:
        if not present:
            raise UsageError(
                f"--group {name}: {dataset.name} has no columns. A table of the images with its path, its "
                "label and this column keeps it: sightline train labels.csv."
            )
        if name not in present:
            raise UnknownName("column", name, present)
    return tuple(names)


def _speed(case: Case, run: Run, modules: Sequence[ModuleType]) -> Speed:
    case.part.prediction  # noqa: B018 - predicts
    gradients = any(m.CARD.cost.backwards for m in modules)
    with threads.few_threads([case.model] if case.model else [], 64, case.devices):
        return measure(case, float(run.record.seconds or 0.0), gradients)


def unable(case: Case, card: AuditCard) -> str:
    """Why a check cannot judge a case, in words; "" if it can."""
    target, n = case.part.target, len(case.part)
    if card.target_types and target.kind not in card.target_types:
        return f"this check does not judge {target.description} yet."
    if card.target_types and case.part.prediction.kind not in card.target_types:
        return f"this check does not judge {case.part.prediction.description} yet."
    if "model" in card.needs and case.model is None:
        return "there are predictions alone, and no model to ask."
    if "train" in card.needs and case.train is None:
        return "there are no training images."
    if "features" in card.needs and case.features is None:
        return "the model has no features before a head."
    if n < card.least:
        return f"it needs {card.least} images, and there are {n}."
    return ""


def _judged(case: Case, modules: Sequence[ModuleType], speed: Speed, seconds: float) -> list[Verdict]:
    """The verdicts, in the order of the modules; the plan is printed first."""
    reasons = {m.CARD.name: unable(case, m.CARD) for m in modules}
    cards = [m.CARD for m in modules if not reasons[m.CARD.name]]
    trains = 0 if case.train is None else len(case.train)
    planned = {p.card.name: p for p in plan(cards, speed, len(case.part), trains, seconds)}
    say_plan(list(planned.values()), len(case.part))
    verdicts = []
    for module in modules:
        card: AuditCard = module.CARD
        if reason := reasons[card.name]:
            verdicts.append(skip(card, reason, of=len(case.part)))
        elif not planned[card.name].n:
            verdicts.append(_too_long(case, planned[card.name]))
        else:
            verdicts.append(run_check(module, case, planned[card.name]))
    return verdicts


def say_plan(planned: Sequence[Planned], n: int) -> None:
    """Print what will be done."""
    for p in planned:
        text = (
            f"{p.n:,} of {n:,} images, {duration(p.seconds)}" if p.n else f"left out: {duration(p.seconds)}"
        )
        say(f"{p.card.name:<12}{text}")


def _too_long(case: Case, planned: Planned) -> Verdict:
    name = planned.card.name
    command = f"{case.command} --only {name} --time {option(planned.seconds)}"
    reason = f"it takes about {duration(planned.seconds)}, and less time was left."
    return skip(planned.card, reason, command, len(case.part))


def run_check(module: ModuleType, case: Case, planned: Planned) -> Verdict:
    """The verdict of a check; one that fails is skipped with its error, and costs no other."""
    failed: list[str] = []
    started = time.perf_counter()
    budget = Budget(planned.n, planned.seconds)
    name = module.CARD.name
    verdict: Verdict | None = attempt(f"The check {name}", lambda: module.run(case, budget), None, failed)
    if verdict is None:
        verdict = skip(module.CARD, failed[0], f"{case.command} --only {name}")
    return replace(verdict, seconds=round(time.perf_counter() - started, 2), of=len(case.part))


def _folder(usual: Path, out: Path | None) -> Path:
    """A folder for the results: the one that was named, or the next free one after the usual one.

    Raises:
        UsageError: If the one that was named is not empty.
    """
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"{out} exists. Name another --out, or leave it out.")
        return out
    folders = [usual, *(Path(f"{usual}-{i}") for i in range(2, 10_000))]
    return next(folder for folder in folders if not folder.exists())


def _facts(
    run: Run, case: Case, wishes: Wishes, looks: int, seconds: float, file: Path | None
) -> dict[str, Any]:
    return {
        "sightline": __version__,
        "run": str(run.path),
        "task": case.task.card.name,
        "data": run.record.data.name,
        "fingerprint": run.record.data.fingerprint,
        "weights": storage.digest(file or run.path / "model/model.safetensors"),
        **({} if file is None else {"file": file.name}),
        "split": case.part.name,
        "n": len(case.part),
        "test_access_count": looks,
        "seed": wishes.seed,
        "time": wishes.seconds,
        "seconds": round(seconds, 1),
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": {**run.record.environment, "device": str(case.devices.device)},
    }


def write(audit: Audit, case: Case) -> None:
    """Write audit.json, NAME.jsonl and audit.html."""
    audit.folder.mkdir(parents=True, exist_ok=True)
    storage.write_json(audit.folder / "audit.json", audit.to_json())
    for verdict in audit.verdicts:
        if verdict.rows:
            lines = (json.dumps(storage.finite(row)) for row in verdict.rows)
            storage.write_text(audit.folder / f"{verdict.name}.jsonl", "\n".join(lines) + "\n")
    write_page(audit, case)
