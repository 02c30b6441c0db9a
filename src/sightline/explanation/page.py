"""The page of an explanation: maps over their images in one color scale, below what failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.core.report import Finding, ImageGrid, Table
from sightline.data.loading.preprocess import resize_to_input
from sightline.explanation.about import Question
from sightline.explanation.card import ExplainCard
from sightline.explanation.places import to_image
from sightline.explanation.result import Explained
from sightline.explanation.source import Source
from sightline.inference.input_item import Input
from sightline.ops import draw, heat
from sightline.report import page as report
from sightline.report.page import Page, Section
from sightline.runtime.targets import arrays_of

SIDE = 420
"""Longer side in pixels of an image on the page."""


@dataclass(frozen=True)
class Map:
    """One map.

    Attributes:
        input: Its image.
        stored: Height and width of the stored image.
        affine: (1, 2, 3) from stored image to input.
        heat: (*S) in pixels of the input; 0 in the padding.
        question: What it is about.
        sentence: What decides, in words.
        notes: What the method says of it.
        strength: Largest size of its values.
        grid: Cells of the layer, or "".
    """

    input: Input
    stored: tuple[int, int]
    affine: Tensor
    heat: Tensor
    question: Question
    sentence: str
    notes: list[str]
    strength: float
    grid: str


def write(source: Source, result: Explained, maps: list[Map], card: ExplainCard) -> None:
    """Write the page."""
    strongest = max(entry.strength for entry in maps)
    images = [drawn(entry, result, strongest) for entry in maps]
    captions = [caption(entry) for entry in maps]
    colors = "yellow to red is evidence for what is written below it"
    colors += ", blue evidence against it" if signed(maps) else ""
    note = (
        f"Left the image, right the map over it: {colors}. All maps of this page have one color scale: "
        "strength 1.00 is the strongest map of the page."
    )
    bar = heat.scale_bar(320, 18, signed(maps))
    tests = Section("How far this can be trusted", figures=[_trust(result, card)], text=_warnings(card))
    failed = Section("Failed", findings=_failed(result))
    shown = Section("Maps", figures=[
        ImageGrid("", images, captions, note, pixelated=False, side=2 * SIDE),
        ImageGrid("Color scale", [bar], ["none to strongest" if not signed(maps) else "against, none, for"],
                  pixelated=False, side=320),
    ])  # fmt: skip
    sections = [failed, shown, tests] if failed.findings else [shown, tests]
    layer = f" at {result.layer}" if result.layer else ""
    lead = f"{source.path.name}: what the predictions rest on, by {result.method}{layer} ({result.reason})."
    result_page = Page("Explanation", lead, [], [f"FAILED: {f.message}" for f in failed.findings], sections)
    report.write(result_page, _no_image, result.page)


def drawn(entry: Map, result: Explained, strongest: float) -> np.ndarray:
    """(H, W, 3) image and map side by side, with target, method, layer, grid and strength written below."""
    image = entry.input.full()
    k = min(SIDE / max(image.shape[:2]), max(1, SIDE // max(image.shape[:2])))
    size = (max(1, round(image.shape[0] * k)), max(1, round(image.shape[1] * k)))
    if k > 1:
        factor = round(k)
        small = image.repeat(factor, 0).repeat(factor, 1)
    else:
        small = resize_to_input(image, size, channels=image.shape[2])
    values = to_image(entry.heat, entry.affine, entry.stored)
    if values.ndim == 3:  # of a clip: a map for each frame of the strip
        frames = torch.linspace(0, len(values) - 1, image.shape[1] // entry.stored[1]).round().long()
        values = torch.cat(list(values[frames]), 1)
    large = torch.nn.functional.interpolate(values[None, None], small.shape[:2], mode="bilinear")[0, 0]
    over = heat.overlaid(small, (large / max(strongest, 1e-12)).numpy())
    left = np.repeat(small, 3, axis=2) if small.shape[2] == 1 else small
    gap = np.full((small.shape[0], 8, 3), 255, dtype=np.uint8)
    pair = np.concatenate([_marked(left, entry, size), gap, over], axis=1)
    grid = f" · {result.layer} · {entry.grid}" if entry.grid else ""
    strength = entry.strength / max(strongest, 1e-12)
    pair = draw.captioned(pair, f"{entry.question.role}: {entry.question.words}")
    return draw.captioned(pair, f"{result.method}{grid} · strength {strength:.2f}")


def _marked(image: np.ndarray, entry: Map, size: tuple[int, int]) -> np.ndarray:
    """The image with the object or region that is explained, where it lies in the image."""
    about = entry.question.about
    if not about.located:
        return image
    scale = torch.tensor([size[1] / entry.stored[1], size[0] / entry.stored[0]], dtype=torch.float64)
    back = torch.zeros(1, 2, 3, dtype=torch.float64)
    inner = entry.affine[0].diagonal()
    back[0].diagonal().copy_(scale / inner)
    back[0, :, 2] = -entry.affine[0, :, 2] / inner * scale
    placed: Any = about.warp(back, torch.tensor([size]))
    marked = arrays_of(placed[0]).draw(image, (), 0)
    return image if marked is None else marked


def caption(entry: Map) -> str:
    """Text below a map."""
    lines = [
        f"{entry.input.name}, {entry.question.role}: {entry.question.words}",
        entry.sentence,
        *entry.notes,
    ]
    return "\n".join(line for line in lines if line)


def signed(maps: list[Map]) -> bool:
    """Whether any map has evidence against."""
    return any(bool((entry.heat < 0).any()) for entry in maps)


def _trust(result: Explained, card: ExplainCard) -> Table:
    words = {True: "passed", False: "FAILED", None: "not measured"}
    rows = [
        [trial.name, words[trial.passed], trial.result.removeprefix("not measured: ")]
        for trial in result.trials
    ]
    note = "" if rows else "No test was made (--tests no)."
    return Table(f"{card.name}: {card.summary}", ["test on your model", "", "result"], rows, note)


def _warnings(card: ExplainCard) -> str:
    lines = [f"Source: {card.paper}." if card.paper else ""]
    if card.follows_image:
        lines.append(
            "This method follows the image: with random weights its maps still point at objects. That it "
            "points at an object is no proof that the network looks there."
        )
    if card.class_blind:
        lines.append("This method gives one map for an image, whatever class is asked about.")
    lines.append("A map shows what this model uses. It does not show that this is right, nor why.")
    return "\n\n".join(line for line in lines if line)


def _failed(result: Explained) -> tuple[Finding, ...]:
    fixes = "Do not rely on these maps. Try another --method, or --tests full for more images."
    failed = [t for t in result.trials if t.passed is False]
    names = ["explanation-" + t.name.partition(":")[0].replace(" ", "-") for t in failed]
    return tuple(
        Finding(name, "error", f"{t.name}: {t.result}", fixes, 0)
        for name, t in zip(names, failed, strict=True)
    )


def _no_image(item: str) -> Any:
    raise KeyError(item)
