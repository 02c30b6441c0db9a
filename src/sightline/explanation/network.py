"""What views of a whole network are given (`Network`), and what they give (`View`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sightline.core.model import Model
from sightline.core.report import Figure
from sightline.core.targets.base import Statement, Targets
from sightline.data.inputs._kind import displayed
from sightline.data.loading.tiles import batches
from sightline.explanation import layers
from sightline.explanation.layers import Layer
from sightline.explanation.source import Source
from sightline.explanation.subject import Subject, as_grid, watched
from sightline.inference.predict_batches import at_once

BYTES = 2**27
"""Of the images of one part of the data that are held at a time."""


@dataclass(frozen=True)
class View:
    """What one view shows.

    Attributes:
        sentence: What was found, in words.
        figures: For the page.
        values: For the record, JSON-able.
    """

    sentence: str
    figures: Sequence[Figure] = ()
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """Some items of the run's data, as the model sees them; of a model of tiles some tiles.

    Attributes:
        images: (N, C, *S) float32 in [0, 1].
        targets: Of the N items, in pixels of the images.
        ids: Their names.
    """

    images: Tensor
    targets: Targets
    ids: Sequence[str]


class Network:
    """A trained network with its data. Use it within `untouched(model)`.

    Args:
        source: The run.
        model: Its network.
        seed: Of all draws.
    """

    def __init__(self, source: Source, model: Model, seed: int = 0) -> None:
        self.source, self.model, self.seed = source, model, seed
        self.subject = Subject.of(model)
        self._parts: dict[tuple[str, int], Part | str] = {}

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty where there are none."""
        return tuple(self.source.settings.get("classes") or ())

    def part(self, split: str, most: int) -> Part | str:
        """At most so many items of a split, drawn once, in the order of the data; or why there are none."""
        if (split, most) not in self._parts:
            self._parts[split, most] = self._drawn(split, most)
        return self._parts[split, most]

    def _drawn(self, split: str, most: int) -> Part | str:
        data, spec = self.source.data, self.source.spec
        if isinstance(data, str):
            return data
        rows = data.indices_of(split)
        count = max(4, min(most, BYTES // (spec.cells * spec.channels)))
        chosen = np.sort(np.random.default_rng(self.seed).permutation(rows)[:count])
        loader = batches(data.subset(chosen), self.source.settings, batch_size=at_once(spec))
        images: list[Tensor] = []
        targets: list[Targets] = []
        ids: list[str] = []
        for batch in loader.epoch(0):
            images.append(batch.images)
            targets.append(batch.targets)
            ids += batch.ids
            if len(ids) >= count:
                break
        if not ids:
            return f"the run has no images for {split}"
        stacked = torch.cat(images)[:count]
        pixels = stacked.float() / 255 if stacked.dtype == torch.uint8 else stacked.float()
        return Part(pixels, type(targets[0]).cat(targets)[: len(pixels)], ids[:count])

    def chunks(self, images: Tensor) -> Iterator[Tensor]:
        """Images, as many at a time as fit."""
        yield from torch.split(images, at_once(self.source.spec))

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """(N, D) float64 features before the head: of a backbone its features, else what the last dense layer
        is given, else the means of the last maps."""
        return torch.cat([self._features(chunk) for chunk in self.chunks(images)]).double().cpu()

    def _features(self, images: Tensor) -> Tensor:
        backbone: Any = self.model.backbone()
        pixels = images.to(self.model.mean.device)
        if hasattr(backbone, "features"):
            features: Tensor = backbone.features(self.model.normalize(pixels)).flatten(1)
            return features
        given: list[Tensor] = []
        dense = [m for m in self.model.modules() if isinstance(m, nn.Linear)]
        handles = [m.register_forward_pre_hook(lambda _, values: given.append(values[0])) for m in dense]
        self.model(pixels)
        for handle in handles:
            handle.remove()
        if given and len(given[-1]) % len(images) == 0:  # frames of clips may lie in the batch
            return given[-1].view(len(images), -1, given[-1].shape[-1]).mean(1)
        return self.maps(images, [self.layers[-1].name])[0].flatten(2).mean(2)

    @cached_property
    def layers(self) -> list[Layer]:
        """Layers of the backbone with maps over the image, in the order in which they are computed."""
        return layers.with_maps(self.subject, torch.full((1, *self.source.spec.shape), 0.5))

    @torch.no_grad()
    def maps(self, images: Tensor, names: list[str]) -> list[Tensor]:
        """(N, K, *G) maps of layers."""
        with watched(self.model, names) as outputs:
            self.model(images.to(self.model.mean.device))
        grids = [as_grid(outputs[name].float().cpu(), len(images), tuple(images.shape[2:])) for name in names]
        return [grid for grid in grids if grid is not None]

    def statements(self, most: int) -> list[tuple[str, Targets]] | str:
        """What the network can say, each as in the first training item that says it: every class, or each
        number at its highest and its lowest; `most` of them. Or why there are none."""
        part = self.part("train", 1000)
        if isinstance(part, str):
            return part
        if self.classes:
            has = part.targets.class_presence(len(self.classes))
            rows = [(name, k, has[:, k].nonzero().flatten()) for k, name in enumerate(self.classes)]
            stated = [(name, self._stated(part, int(row[0]), k)) for name, k, row in rows if len(row)]
        else:
            stated = [
                (f"{name}, {how}", self._stated(part, i, k))
                for k, name in enumerate(self.subject.names)
                for how, i in _ends(part.targets, k)
            ]
        return [(name, about) for name, about in stated if about is not None][:most]

    def _stated(self, part: Part, i: int, label: int) -> Targets | None:
        target = part.targets[i].as_prediction(len(self.classes))
        matching: list[Statement] = [s for s in target.statements() if s.label == label]
        return matching[0].about if matching else None


def _ends(targets: Targets, k: int) -> list[tuple[str, int]]:
    """The items with the highest and the lowest of a number."""
    value: Tensor = getattr(targets, "value", torch.zeros(len(targets), 0))
    if value.ndim != 2 or k >= value.shape[1]:
        return []
    numbers = value[:, k].double().nan_to_num(float(value[:, k].nanmean()))
    return [("high", int(numbers.argmax())), ("low", int(numbers.argmin()))]


def middle(item: Tensor) -> Tensor:
    """(K, H, W) of an image or map; of a clip (K, T, H, W) its middle frame."""
    return item if item.ndim == 3 else item[:, item.shape[1] // 2]


def pixels_of(image: Tensor) -> np.ndarray:
    """(H, W, 3 or 1) uint8 for people, of an input (C, *S) in [0, 1]; of a clip its middle frame."""
    item = (middle(image).movedim(0, -1).clamp(0, 1) * 255).round().to(torch.uint8)
    return displayed(item.cpu().numpy())
