"""Activation maximization: images that are changed until the network says a class as strongly as it can."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.report import ImageGrid
from sightline.core.targets.base import Targets
from sightline.explanation.card import ViewCard
from sightline.explanation.network import Network, View, pixels_of
from sightline.explanation.subject import Subject

CARD = ViewCard(
    name="maximization",
    title="What each class looks for",
    meaning="Each image began as gray and was changed until the network said the class as strongly as it "
    "could: what appears is what raises the score, which need not be what people see in the class.",
    rank=30,
    paper="Erhan et al., Visualizing Higher-Layer Features of a Deep Network, 2009; jitter after Mordvintsev "
    "et al., Inceptionism, 2015; blur after Yosinski et al., Understanding Neural Networks Through Deep "
    "Visualization, 2015",
)
MOST = 12
"""Classes that are shown."""
STEPS = 96
STEP = 0.02
"""Mean change of a value in [0, 1] by one step."""
JITTER = 1 / 16
"""Largest shift before each step, as a share of the sides: what appears must not depend on the place."""
BLUR = 0.04
"""Deviation of the blur of the first steps, as a share of the longer side; it falls to half a pixel: large
forms come first."""
DECAY = 0.01
"""Share of the distance from gray that is lost in each step."""


def run(network: Network) -> View | str:
    """One image for each class, or for each number at its highest and lowest."""
    stated = network.statements(MOST)
    if isinstance(stated, str):
        return stated
    rows = []
    for name, about in stated:
        image = maximized(network.subject, network.source.spec.shape, about, network.seed)
        score = float(network.subject.likeness(image[None], about))
        rows.append((name, image, score))
    if not rows:
        return "the training images say nothing that could be raised"
    names = len(network.classes) or len(rows)
    sentence = f"{len(rows)} images, one for each class" if network.classes else f"{len(rows)} images"
    note = f"The first {len(rows)} of {names} classes are shown." if len(rows) < names else ""
    grid = ImageGrid(
        "",
        [pixels_of(image) for _, image, _ in rows],
        [f"{name} {score:.2f}" for name, _, score in rows],
        f"Below each image stands how much of the statement the network says of it, from 0 to 1. {note}",
        pixelated=False,
        side=220,
    )
    return View(sentence, [grid], {"scores": {name: score for name, _, score in rows}})


def maximized(subject: Subject, shape: tuple[int, ...], about: Targets, seed: int) -> Tensor:
    """(C, *S) in [0, 1]: gray, changed step by step along the blurred gradient of the evidence."""
    rng = torch.Generator().manual_seed(seed)
    height, width = shape[-2:]
    image = (0.5 + 0.02 * torch.randn(shape, generator=rng)).clamp(0, 1)
    for step in range(STEPS):
        most = (max(1, int(height * JITTER)), max(1, int(width * JITTER)))
        if about.located:  # the place is part of the statement
            most = (0, 0)
        shift = [int(torch.randint(-m, m + 1, (), generator=rng)) for m in most]
        moved = image.roll(shift, (-2, -1))
        slope = subject.gradient(moved[None], about)[1][0].roll([-s for s in shift], (-2, -1))
        sigma = max(0.5, BLUR * max(height, width) * (1 - step / (0.8 * STEPS)))
        slope = blurred(slope, sigma)
        size = slope.abs().mean()
        if size == 0:
            continue
        image = (0.5 + (1 - DECAY) * (image - 0.5) + STEP * slope / size).clamp(0, 1)
    return image


def blurred(image: Tensor, sigma: float) -> Tensor:
    """(C, *S) after a Gaussian over height and width."""
    reach = math.ceil(2 * sigma)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    flat = image.reshape(-1, 1, *image.shape[-2:])
    pads = [min(reach, side - 1) for side in image.shape[-2:]]
    padded = F.pad(flat, (reach, reach, reach, reach), mode="replicate" if min(pads) < reach else "reflect")
    rows = F.conv2d(padded, kernel.view(1, 1, -1, 1))
    return F.conv2d(rows, kernel.view(1, 1, 1, -1)).view_as(image)
