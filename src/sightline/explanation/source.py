"""Opening of what is explained: a run, or an exported file, with its data where they are at hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.console import quiet
from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.run import Run
from sightline.core.targets.base import Targets
from sightline.data.inputs import view_item
from sightline.devices import Devices, pick
from sightline.errors import DataError, SightlineError, UsageError
from sightline.evaluation.run_data import load_run_dataset
from sightline.explanation.subject import Subject, is_explained, untouched
from sightline.exporters.formats import EXPORTERS
from sightline.inference.model_folder import read_card, require_whole_images, restore
from sightline.ops.resize_shape import fixed
from sightline.runtime import onnx_file
from sightline.tasks import load_method


@dataclass
class Source:
    """What is explained.

    Attributes:
        path: The run, model folder or exported file.
        settings: Of the model; images are given to it at one size.
        model: The network, or None for an exported file.
        answer: Predictions of an exported file, or None.
    """

    path: Path
    settings: dict[str, Any]
    model: Model | None
    answer: Callable[[Tensor], Any] | None = None

    @contextmanager
    def subject(self) -> Iterator[Subject]:
        """What methods are given; the network is as before after this block."""
        if self.model is None:
            assert self.answer is not None
            yield Subject(self.settings, self.answer)
            return
        with untouched(self.model):
            yield Subject.of(self.model)

    @property
    def spec(self) -> InputSpec:
        """What the model takes of one item."""
        return InputSpec.of(self.settings)

    @cached_property
    def data(self) -> Dataset | str:
        """The run's data with its splits, or why they are not at hand."""
        folder = next((p for p in (self.path, *self.path.parents[:2]) if (p / "run.json").is_file()), None)
        if folder is None:
            return f"{self.path} is not in a run folder"
        try:
            with quiet():
                return load_run_dataset(Run.open(folder))
        except SightlineError as error:
            return str(error)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """Number of each item of the data, by its whole path."""
        if isinstance(self.data, str) or not hasattr(self.data.pixels, "path"):
            return {}
        pixels: Any = self.data.pixels
        return {str(Path(pixels.path(i)).resolve()): i for i in range(len(self.data))}

    def target(self, file: str) -> Targets | None:
        """The target of an image of the run's own data, in pixels of the stored image; else None."""
        number = self._numbers.get(str(Path(file).resolve()))
        return None if number is None or isinstance(self.data, str) else self.data.targets[number]

    def view(self, dataset: Dataset, i: int) -> Tensor:
        """(C, *S) float32 in [0, 1]: what the model sees of an item."""
        return as_input(view_item(dataset.pixels, i, self.spec, self.settings["resize"]))


def as_input(view: np.ndarray) -> Tensor:
    """(C, *S) float32 in [0, 1] from what a model sees, the channels last."""
    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(view, -1, 0)))
    return tensor / 255 if tensor.dtype == torch.uint8 else tensor.float()


def open_source(path: Path, device: str) -> Source:
    """Open a run, a model folder or an exported file.

    Raises:
        DataError: If it is neither.
        UsageError: If its input has no maps, or is seen by tiles.
    """
    return _looked_at(_file(path), tiles=False) if path.is_file() else open_run(path, device)


def open_run(path: Path, device: str, tiles: bool = False) -> Source:
    """Open a run or a model folder.

    Args:
        path: The folder.
        device: auto, cpu, cuda, cuda:N or mps.
        tiles: Whether its inputs may be parts of an image: tiles, or objects that are cut out.

    Raises:
        DataError: If it holds no model.
        UsageError: If its input has no maps, or is a part of an image where that is not meant.
    """
    model, _, card = restore(path)
    if not tiles:
        require_whole_images(card["model_config"], f"{path} cannot be explained")
    model.settings = {**model.settings, "resize": fixed(model.settings["resize"])}
    model.to(Devices(pick(device)).device).eval()
    return _looked_at(Source(path, model.settings, model), tiles)


def _looked_at(source: Source, tiles: bool) -> Source:
    """The same, if it can be explained."""
    path = source.path
    if not is_explained(source.spec):
        raise UsageError(f"{path} takes a {source.spec.kind} for each item; explain takes images and clips.")
    if source.settings.get("tile_size") and not tiles:
        side = source.settings["tile_size"]
        raise UsageError(
            f"{path} sees images by tiles of {side} pixels, and a map of a tile says nothing of the others. "
            f"Explain a run that was trained without --tile-size, on tiles of {side} x {side} pixels."
        )
    return source


def _file(path: Path) -> Source:
    """An exported file, run by its runtime; its outputs are read as the network's."""
    exporter = next((m for m in map(EXPORTERS.load, EXPORTERS.names()) if m.CARD.ending == path.suffix), None)
    if exporter is None:
        raise DataError(f"{path} is no file of `sightline export`. Give a run folder or an exported file.")
    include, settings = _record(path)
    if include not in ("postprocess", "nms"):
        raise UsageError(
            f"{path} was exported with --include {include}: its outputs cannot be read here. "
            "Export it with --include postprocess."
        )
    settings = {**settings, "resize": fixed(settings["resize"])}
    method, runner = load_method({"model_config": settings}).MODEL, exporter.runner(path)
    bits = InputSpec.of(settings).dtype

    def answer(images: Tensor) -> Any:
        pixels = (images * 255).round().clamp(0, 255).to(torch.uint8) if bits == "uint8" else images
        parts = [runner(pixels[i : i + 1].numpy()) for i in range(len(pixels))]
        outputs = {name: torch.cat([torch.as_tensor(part[name]) for part in parts]) for name in parts[0]}
        return method.to_predictions(outputs, settings)

    return Source(path, settings, None, answer)


def _record(path: Path) -> tuple[str, dict[str, Any]]:
    """What an exported file holds, and the settings of its model: from the card in an ONNX file, else from
    the run that the file lies in."""
    if path.suffix == ".onnx":
        card = onnx_file.load(path)[1]
        return card["include"], card["model_config"]
    record = Path(f"{path}.json")
    if not record.is_file():
        raise DataError(f"{path} has no {record.name} beside it, which says what it holds. Export it again.")
    document = json.loads(record.read_text(encoding="utf-8"))
    card = read_card(path.parent.parent)[1]
    return document["include"], {**card["model_config"], "resize": document["resize"]}
