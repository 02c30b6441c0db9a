"""Prototypes: typical and odd training images of each class, by the network's features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sightline.core.report import ImageGrid, Table
from sightline.core.targets.base import Targets
from sightline.explanation.card import ViewCard
from sightline.explanation.fills import percent
from sightline.explanation.network import Network, Part, View, pixels_of

CARD = ViewCard(
    name="prototypes",
    title="Typical and odd images",
    meaning="The images of a class that lie nearest to its mean in the network's features are what the "
    "network takes for typical, and the farthest ones are odd: look there for wrong labels, rare cases and "
    "what the class has in common with another.",
    rank=40,
    paper="the mean of a class as its prototype after Snell et al., Prototypical Networks, NeurIPS 2017",
)
MOST = 1000
SHOWN = 7
CLASSES = 12


def run(network: Network) -> View | str:
    """Typical and odd training images of each class, of all images where there are no classes."""
    part = network.part("train", MOST)
    if isinstance(part, str):
        return part
    labels, names = groups(part.targets, network.classes)
    features = network.features(part.images)
    spread = features.std(0)
    scaled = features[:, spread > 0] / spread[spread > 0]
    if not scaled.shape[1]:
        return "the features are the same for all training images"
    present = [k for k in range(len(names)) if int((labels == k).sum()) > 1]
    means = torch.stack([scaled[labels == k].mean(0) for k in present])
    far = torch.cdist(scaled, means)
    figures: list[ImageGrid] = []
    values: dict[str, dict[str, list[str]]] = {}
    for place, k in enumerate(present):
        rows = (labels == k).nonzero().flatten()
        order = rows[far[rows, place].argsort()]
        count = min(SHOWN, len(order) // 2)
        typical, odd = order[:count].tolist(), order.flip(0)[:count].tolist()
        values[names[k]] = {"typical": [part.ids[i] for i in typical], "odd": [part.ids[i] for i in odd]}
        if len(figures) < CLASSES:
            nearest = [names[present[int(far[i].argmin())]] for i in range(len(far))]
            figures.append(_grid(part, names[k], typical, odd, far[:, place], nearest))
    right = _nearest_mean(network, means, spread, present) if len(present) > 1 else None
    sentence = f"{len(part.ids)} training images"
    if right is not None:
        sentence += (
            f"; the nearest mean is that of the right class for {percent(right)} of the validation images"
        )
    tables = [_alike(means, [names[k] for k in present])] if len(present) > 1 else []
    return View(sentence, [*figures, *tables], {"classes": values, "nearest_mean_accuracy": right})


def groups(targets: Targets, classes: Sequence[str]) -> tuple[Tensor, list[str]]:
    """(N,) number of each item's group, and the names: the classes, or one group of all."""
    if targets.exclusive and classes:
        return targets.class_presence(len(classes)).float().argmax(1), list(classes)
    return torch.zeros(len(targets), dtype=torch.int64), ["all images"]


def _grid(
    part: Part, name: str, typical: list[int], odd: list[int], far: Tensor, nearest: list[str]
) -> ImageGrid:
    """One class: typical images, then odd ones with the class whose mean is nearer."""
    captions = [f"typical, {far[i]:.1f}\n{part.ids[i]}" for i in typical]
    for i in odd:
        other = f", nearer to {nearest[i]}" if nearest[i] != name else ""
        captions.append(f"odd, {far[i]:.1f}{other}\n{part.ids[i]}")
    images = [pixels_of(part.images[i]) for i in [*typical, *odd]]
    note = "The numbers are distances from the mean, in deviations of the features."
    return ImageGrid(name, images, captions, note, pixelated=False)


def _nearest_mean(network: Network, means: Tensor, spread: Tensor, present: list[int]) -> float | None:
    """Share of the validation images whose nearest mean is that of their class."""
    part = network.part("val", MOST)
    if isinstance(part, str):
        return None
    labels = groups(part.targets, network.classes)[0]
    features = network.features(part.images)[:, spread > 0] / spread[spread > 0]
    nearest = torch.tensor(present)[torch.cdist(features, means).argmin(1)]
    return float((nearest == labels).double().mean())


def _alike(means: Tensor, names: list[str]) -> Table:
    """For each class the class with the nearest mean."""
    far = torch.cdist(means, means)
    far.fill_diagonal_(torch.inf)
    order = far.amin(1).argsort().tolist()
    rows = [[names[i], names[int(far[i].argmin())], float(far[i].min())] for i in order]
    note = "Classes that the network tells apart least, by the distance of their means."
    return Table("Nearest class", ["class", "nearest", "distance"], rows, note)
