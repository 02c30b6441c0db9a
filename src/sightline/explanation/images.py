"""Explanation of the predictions for images: the whole of `sightline explain RUN IMAGE...`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sightline import storage
from sightline.console import track
from sightline.core.targets.base import Targets
from sightline.data.loading.preprocess import input_affine
from sightline.errors import UnreadableImage, UsageError
from sightline.explanation import page, trust
from sightline.explanation.about import Question, first_words, questions
from sightline.explanation.choose import Choice, choose
from sightline.explanation.fills import FILLS, Decision, decision, percent, rank_correlation
from sightline.explanation.places import extent, inside_image, to_image
from sightline.explanation.result import Explained
from sightline.explanation.source import Source, as_input, open_source
from sightline.explanation.subject import Subject
from sightline.inference.sources import Input, Sources

Tests = Literal["quick", "full", "no"]
PADDED = 0.05
"""Share of the evidence in the padding from which on it is printed."""


@dataclass(frozen=True)
class View:
    """One image as the model sees it.

    Attributes:
        input: The image.
        pixels: (1, C, *S) float32 in [0, 1].
        stored: Height and width of the stored image.
        affine: (1, 2, 3) from stored image to input.
        prediction: Of the model, in pixels of the input.
        target: The target where it is known, in the same pixels.
    """

    input: Input
    pixels: Tensor
    stored: tuple[int, int]
    affine: Tensor
    prediction: Targets
    target: Targets | None

    @property
    def inside(self) -> Tensor:
        """(*S) bool: pixels that show the image."""
        size = self.pixels.shape[2:]
        return inside_image(self.affine, self.stored, (size[-2], size[-1])).expand(size)


def explain_images(
    path: Path,
    images: Sequence[str],
    method: str | None,
    about: str,
    tests: Tests,
    out: Path | None,
    device: str,
    require_trust: bool = False,
) -> Explained:
    """Explain the predictions for images, and write maps, page and record.

    Args:
        path: Run, model folder or exported file.
        images: Files, folders or globs.
        method: Name of a method, or None for the one that suits the model.
        about: What is explained; see `about.questions`.
        tests: How much the explanation is tested on the run's validation images.
        out: Folder for what is written; None: "explain" in the run, or beside the exported file.
        device: auto, cpu, cuda, cuda:N or mps.
        require_trust: Whether the exit code is 1 unless the tests show that the maps can be trusted.

    Raises:
        UsageError: If the method needs more than the model gives, or trust is required without tests.
    """
    if require_trust and tests == "no":
        raise UsageError("--require trust rests on the tests. Leave --tests no out.")
    source = open_source(path, device)
    sources = Sources.for_model(list(images), source.settings)
    folder = out or (path / "explain" if path.is_dir() else path.parent / f"explain-{path.name}")
    with source.subject() as subject:
        result, choice = Explained("", "", "", folder, trust_required=require_trust), None
        shown: list[page.Map] = []
        alike: list[float] = []
        for item in track(sources, "explaining"):
            try:
                view = _view(source, subject, item)
            except UnreadableImage as error:
                result.errors[item.id] = error.detail
                continue
            chosen = questions(view.prediction, view.target, subject.names, about)
            if not chosen:
                result.errors[item.id] = _nothing(view, subject, about)
            for question in chosen:
                if choice is None:
                    choice = choose(source, subject, method, view.pixels, question.about, tests != "no")
                shown.append(_explained(subject, choice, view, question, result))
            if chosen and chosen[0].role == "predicted" and choice is not None:
                alike += _other(subject, choice.module, view, shown[-len(chosen)].heat)
        if choice is not None:
            result.method, result.reason = choice.module.CARD.name, choice.reason
            result.layer = choice.layer.name if choice.layer else ""
            result.trials = [] if tests == "no" else _tested(source, subject, choice.module, tests, alike)
            _write(source, result, shown, choice.module)
    return result


def _tested(
    source: Source, subject: Subject, module: ModuleType, tests: Tests, alike: list[float]
) -> list[trust.Trial]:
    amount = "full" if tests == "full" else "quick"
    trials = [test(subject, source, module.run, amount) for test in (trust.mosaics, trust.random_weights)]
    return [*trials, trust.other_class(alike)]


def _view(source: Source, subject: Subject, item: Input) -> View:
    """One image as the model sees it, with prediction and target."""
    views, stored = item.seen(source.settings)
    pixels = as_input(next(iter(views)))[None]
    size = (pixels.shape[-2], pixels.shape[-1])
    place = torch.tensor([stored[-2:]])
    affine = input_affine(place, size, source.settings["resize"])
    target = source.target(item.id)
    if target is not None and target.located:
        target = target.warp(affine, torch.tensor([size]))
    height, width = stored[-2:]
    return View(item, pixels, (height, width), affine, subject.predict(pixels), target)


def _explained(
    subject: Subject, choice: Choice, view: View, question: Question, result: Explained
) -> page.Map:
    """One map, its line and its row."""
    subject.notes.clear()
    rng = torch.Generator().manual_seed(0)
    heat = choice.module.run(subject, view.pixels, question.about, rng)[0]
    notes = list(dict.fromkeys(subject.notes))
    lost = float(heat.abs()[~view.inside].sum()) / max(float(heat.abs().sum()), 1e-12)
    if lost > PADDED:
        notes.append(f"{percent(lost)} of the evidence lay in the padding, which is no part of the image")
    heat = heat.masked_fill(~view.inside, 0)
    strength = float(heat.abs().max())
    if strength == 0:
        notes.append("no evidence: the map is 0 everywhere")
    decided = None
    if (
        question.role in ("predicted", "runner-up", "class", "box 1")
        and strength > 0
        and _is_said(view, question)
    ):
        decided = decision(subject, view.pixels, heat, question.about, view.inside)
    name = view.input.name
    sentence = _sentence(subject, view, question, decided)
    result.lines.append(f"{name}  {question.words}  {sentence}".rstrip() + "".join(f"; {n}" for n in notes))
    result.rows.append(_row(view, question, decided, strength, notes))
    grid = choice.layer.text if choice.layer else ""
    return page.Map(view.input, view.stored, view.affine, heat, question, sentence, notes, strength, grid)


def _is_said(view: View, question: Question) -> bool:
    """Whether the statement is one that the model makes now, so that it can be taken away from it."""
    about = question.about
    if about.exclusive:
        return not bool(about.differs(view.prediction).any())
    return float(about.likeness(view.prediction)[0]) > 0


def _sentence(subject: Subject, view: View, question: Question, decided: Decision | None) -> str:
    """What removing the pixels does, in words."""
    if decided is None:
        return ""
    if decided.without is None or decided.share != decided.share:
        return f"not decided by any half of the pixels ({decided.fills} of {len(FILLS)} fills change it)"
    box = extent(decided.pixels, view.affine, view.stored)
    where = "" if box is None else f" (x {box[0]}-{box[2]}, y {box[1]}-{box[3]})"
    other, keep = "less than half of it is left", f"alone they keep {decided.alone:.2f} of it"
    if question.about.exclusive:
        other = first_words(decided.without, subject.names)
        keep = f"alone they keep {question.words.rpartition(' ')[0]} {decided.alone:.2f}"
    return (
        f"decided by {percent(decided.share)} of the pixels{where}: without them {other} "
        f"({decided.fills} of {len(FILLS)} fills), {keep}"
    )


def _row(
    view: View, question: Question, decided: Decision | None, strength: float, notes: list[str]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "image": view.input.id,
        "about": question.role,
        "statement": question.words,
        "score": question.statement.score,
        "map": map_name(view.input, question),
        "strength": strength,
        "notes": notes,
    }
    if decided is not None:
        row |= {
            "decided_by": decided.share,
            "fills": decided.fills,
            "alone": decided.alone,
            "enough_alone": decided.enough,
        }
    return row


def _nothing(view: View, subject: Subject, about: str) -> str:
    """Why there is nothing to explain."""
    if not view.prediction.statements():
        return "nothing is predicted, so there is nothing to explain"
    return f"the prediction has no '{about}'; it begins with {first_words(view.prediction, subject.names)}"


def _other(subject: Subject, module: ModuleType, view: View, heat: Tensor) -> list[float]:
    """How alike the map of the runner-up is, where the prediction has classes."""
    statements = view.prediction.statements()
    if len(statements) < 2 or not view.prediction.exclusive or module.CARD.needs == "predictions":
        return []
    other = module.run(subject, view.pixels, statements[1].about, torch.Generator().manual_seed(0))[0]
    return [rank_correlation(heat, other.masked_fill(~view.inside, 0))]


def map_name(item: Input, question: Question) -> str:
    """Name of the file of a map: that of the image, and what it is about if that is not the prediction."""
    stem = re.sub(r"[^\w.#-]+", "-", str(Path(item.name).with_suffix("")).strip("/"))
    role = "" if question.role == "predicted" else "-" + re.sub(r"\W+", "-", question.role)
    return f"{stem}{role}.npy"


def _write(source: Source, result: Explained, shown: list[page.Map], module: ModuleType) -> None:
    """Maps, record and page."""
    result.folder.mkdir(parents=True, exist_ok=True)
    for entry in shown:
        heat = to_image(entry.heat, entry.affine, entry.stored) / max(entry.strength, 1e-12)
        np.save(result.folder / map_name(entry.input, entry.question), heat.numpy().astype(np.float16))
    storage.write_json(result.folder / "explain.json", result.to_json())
    page.write(source, result, shown, module.CARD)
