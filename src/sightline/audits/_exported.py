"""An exported file in place of its network: answers without gradients, layers or features."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.errors import DataError
from sightline.exporters.formats import EXPORTERS
from sightline.exporters.graph import Graph, with_fixed_sides


def run_of(path: Path) -> tuple[Path, Path | None]:
    """The run folder, and the exported file where one was named.

    Raises:
        DataError: If the file does not lie in the export folder of a run, or is of no format of ours.
    """
    if not path.is_file():
        return path, None
    run = path.resolve().parent.parent
    if _format(path) is None or not (run / "run.json").is_file():
        raise DataError(
            f"{path} is no exported file in the folder of its run. An audit needs the images of the run: "
            "name RUN, or RUN/export/FILE."
        )
    return run, path


def _format(file: Path) -> ModuleType | None:
    modules = map(EXPORTERS.load, EXPORTERS.names())
    return next((m for m in modules if m.CARD.ending == file.suffix), None)


class ExportedModel(Model):
    """A model that asks an exported file; on the CPU.

    Args:
        model: The network that it was exported from; only its settings are used, and how outputs are read.
        file: The file.

    Raises:
        DataError: If it takes stored images of any size (`--include preprocess`).
    """

    card: ClassVar[ModelCard] = ModelCard("exported", "An exported file.", "")

    def __init__(self, model: Model, file: Path) -> None:
        record = Path(f"{file}.json")
        content: dict[str, Any] = json.loads(record.read_text("utf-8")) if record.is_file() else {}
        include = content.get("include", "postprocess")
        if include == "preprocess":
            raise DataError(
                f"{file} resizes images itself, and is not audited yet. Export it with --include postprocess."
            )
        fixed = with_fixed_sides(model) if model.settings["resize"] == "rect" else model
        graph_of_file = Graph(fixed.eval().cpu(), include)
        super().__init__(dict(graph_of_file.settings))
        object.__setattr__(self, "graph", graph_of_file)  # no submodule: not the file's weights
        module = _format(file)
        assert module is not None
        self.run_file = module.runner(file, 0)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """What the file gives; for a classifier without logits, the logarithm of its probabilities."""
        graph: Graph = self.graph  # type: ignore[assignment]
        if images.is_floating_point() and graph.include != "none" and graph.spec.dtype == "uint8":
            images = (images * 255).round().clamp(0, 255).to(torch.uint8)
        given = np.ascontiguousarray(graph.prepared(images).numpy())
        outputs = {name: torch.from_numpy(np.array(v)) for name, v in self.run_file(given).items()}
        scores = outputs.get("scores")
        if scores is not None and scores.ndim == 2 and "boxes" not in outputs:
            outputs["logits"] = scores.float().clamp_min(1e-38).log()
        return outputs

    def predict_from_outputs(self, outputs: dict[str, Tensor], settings: dict[str, Any]) -> Any:  # type: ignore[override]
        """Predictions, read as the file's outputs are."""
        graph: Graph = self.graph  # type: ignore[assignment]
        if graph.include == "none":
            return graph.model.predict_from_outputs(outputs, settings)
        return graph.model.to_predictions(outputs, settings)

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        """Not used: the network of the file reads its outputs."""
        raise NotImplementedError
