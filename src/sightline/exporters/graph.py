"""Graph to export: a model from images to outputs, and the document (metadata) stored with it."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.core.inputs import InputSpec, batch_settings
from sightline.core.model import Model
from sightline.errors import UsageError
from sightline.models.detection.suppression import final
from sightline.ops.resize_shape import RECT_MULTIPLE, fixed
from sightline.runtime.targets import TARGETS, target_type

FORMAT = 2
"""Version of the document in the file."""
KEY = "sightline"
"""Under which the file has it."""
INPUT = "images"
MAX_SIDE = 2**15
"""Of an input whose sides may vary."""
Include = Literal["none", "postprocess", "nms", "preprocess"]

Array = NDArray[Any]
Runner = Callable[[Array], dict[str, Array]]
"""Runs an exported file on (B, C, H, W) images; the outputs by name."""


def with_fixed_sides(model: Model) -> Model:
    """The same network, which is given all images at one size: letterbox instead of rect."""
    same = copy.copy(model)
    same.settings = {**model.settings, "resize": fixed(model.settings["resize"])}
    return same


class Graph(nn.Module):
    """A model from images to what a file says of them.

    Args:
        model: The model, in evaluation mode.
        include: What the graph contains. postprocess: images are uint8, and the outputs are those of
            `Model.postprocess`. none: images are float32 and normalized, and the outputs are those of the
            network. nms: as postprocess, and of the candidates only the objects stay (`nms_graph`).
            preprocess: as nms, or as postprocess if nothing is to be suppressed; the resizing around it is
            not part of this graph (`preprocess_graph`).
    """

    def __init__(self, model: Model, include: Include = "postprocess") -> None:
        super().__init__()
        self.model, self.include = model, include
        if len(self.spec.names) > 1:
            raise UsageError(
                f"Model '{model.card.name}' takes a {self.spec.kind} for each item, as the inputs "
                f"{' and '.join(self.spec.names)}; what is exported takes one."
            )
        self.names: tuple[str, ...] = ()
        self._told = SimpleNamespace(names=())  # attributes that are set while tracing are set back
        if include != "none":
            self.names = tuple(self.outputs_of(self.example(1)))
        else:  # networks say less when they are exported: what only the loss wants is left out
            traced(self)
            self.names = self._told.names

    def outputs_of(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs by name."""
        if self.include == "none":
            mean, std = self.model.mean, self.model.std
            outputs: dict[str, Tensor] = self.model(images * std + mean)
            return {name: value.float() for name, value in outputs.items() if name in (self.names or outputs)}
        settings = batch_settings(self.model.settings, images)
        answer = self.model.postprocess(self.model(images), settings)
        if self.include == "postprocess" or (self.include == "preprocess" and self._plain(answer)):
            return answer
        if "count" in answer:  # the model has dropped them itself
            return answer
        if "boxes" not in answer:
            raise UsageError(
                f"--include nms drops overlapping boxes; model '{self.model.card.name}' says none that are "
                "dropped. Leave it out: --include postprocess holds everything."
            )
        return final(answer, settings)

    def _plain(self, answer: dict[str, Tensor]) -> bool:
        """Whether nothing is to be dropped of what is said of a stored image; checked."""
        if not self.spec.is_plain:
            raise UsageError(
                "--include preprocess is for images of 8 bits, grey or in colors; model "
                f"'{self.model.card.name}' takes a {self.spec.kind} of {self.spec.channels} channels "
                f"({self.spec.dtype}). Take --include postprocess."
            )
        tiles = bool(self.model.settings.get("tile_size"))
        if tiles or set(answer) not in _placed():
            why = "sees tiles, and not images" if tiles else "says what is read outside (masks of objects)"
            raise UsageError(
                f"--include preprocess cannot be: model '{self.model.card.name}' {why}. "
                "Take --include postprocess."
            )
        return "boxes" not in answer

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The outputs in the order of `names`."""
        outputs = self.outputs_of(images)
        self._told.names = self.names or tuple(outputs)
        return tuple(outputs[name] for name in self._told.names)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings for reading the file's outputs: NMS that is inside the graph is not applied again."""
        return {**self.model.settings, "nms": 1.0} if "count" in self.names else self.model.settings

    def example(self, n: int) -> Tensor:
        """Images of noise, as the graph takes them."""
        return self.prepared(next(iter(self.spec.noise(n).values())))

    @property
    def spec(self) -> InputSpec:
        """What the model takes of one item."""
        return InputSpec.of(self.model.settings)

    def prepared(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W) uint8, or float in [0, 1], as the graph takes them."""
        if self.include != "none":
            return images
        full = 255 if images.dtype == torch.uint8 else 1
        return (images.float() / full - self.model.mean) / self.model.std


def _placed() -> list[set[str]]:
    """Outputs that can be mapped to pixels of a stored image."""
    return [set(kind.outputs) for kind in map(target_type, TARGETS.names()) if kind.placed]


@dataclass(frozen=True)
class Job:
    """One file to write.

    Attributes:
        graph: What is written, in evaluation mode on the CPU.
        document: What goes with it, JSON-able.
        precision: fp32, fp16, int8 or int8-dynamic.
        calibration: (N, C, H, W) training images as the graph takes them, where the precision is int8.
    """

    graph: Graph
    document: Mapping[str, Any]
    precision: str = "fp32"
    calibration: Array | None = None


def traced(graph: Graph) -> torch.export.ExportedProgram:
    """Trace the graph with torch.export, with a dynamic batch size; with rect also with dynamic sides.

    Raises:
        UsageError: If it has branches or sizes that depend on what is in the image.
    """
    dims: dict[int, Any] = {0: torch.export.Dim("batch", min=1)}
    if graph.model.settings.get("resize") == "rect":
        for axis, name in ((2, "rows"), (3, "columns")):
            dims[axis] = RECT_MULTIPLE * torch.export.Dim(name, min=1, max=MAX_SIDE // RECT_MULTIPLE)
    try:
        with torch.no_grad(), _out_of_place(graph):
            return torch.export.export(graph, (graph.example(2),), dynamic_shapes={INPUT: dims}, strict=False)
    except Exception as error:  # whatever torch's tracer meets in a network of any library
        name = graph.model.card.name
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(f"Model '{name}' cannot be exported: {first}") from error


@contextlib.contextmanager
def _out_of_place(module: nn.Module) -> Iterator[None]:
    """Let activations make new tensors: torch.onnx splits those that change their input into many operators,
    which takes longer than all the rest.
    """
    changed: list[Any] = [part for part in module.modules() if getattr(part, "inplace", False)]
    for part in changed:
        part.inplace = False
    try:
        yield
    finally:
        for part in changed:
            part.inplace = True


def calibration_of(job: Job) -> Array:
    """Calibration images, from which activation ranges are measured."""
    assert job.calibration is not None
    return np.ascontiguousarray(job.calibration)
