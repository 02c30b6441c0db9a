"""Embedder: vectors of images by any run that has one: its answer, or the features before its last layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline import storage
from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.sample import IMAGE
from sightline.core.targets.vector import Vector
from sightline.errors import UsageError
from sightline.inference.model_folder import require_whole_images, restore
from sightline.inference.predictor import ModelPredictor
from sightline.inference.sources import Sources
from sightline.models.backbones._backbone import Backbone


class FeatureModel(Model):
    """A model whose answer is the features before the last layer, of length 1.

    Args:
        model: Has a backbone with a head.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(model.settings)
        self.model = model

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"embedding": (B, D)} for (B, C, H, W) images."""
        network: Any = self.model.backbone()
        return {"embedding": F.normalize(network.features(self.model.normalize(images)).flatten(1), dim=1)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Vector:
        """The vectors."""
        del settings
        return Vector(answer["embedding"])


class Embedder:
    """Vectors of images.

    Args:
        run: Run folder or model folder.
        device: auto, cpu, cuda, cuda:N or mps.

    Attributes:
        digest: Of the weights.
        threshold: Cosine from which on two images count as one identity; None where the run has none.

    Raises:
        UsageError: If its model has no vector, or takes no whole images.
        DataError: If there is no model.
    """

    def __init__(self, run: Path, device: str) -> None:
        model, task, card = restore(run)
        settings = card["model_config"]
        require_whole_images(settings, f"{run} cannot be used for search")
        if InputSpec.of(settings).kind != IMAGE or settings.get("tile_size"):
            raise UsageError(f"{run} takes no whole images, so that it has no vector for an image.")
        if task.card.prediction_type != Vector.kind:
            if not isinstance(model.backbone(), Backbone):
                raise UsageError(
                    f"{run} is of task '{task.card.name}', whose model has no vector for an image. Name a "
                    "run of "
                    "embed or classify."
                )
            model = FeatureModel(model)
        folder = run / "model" if (run / "model").is_dir() else run
        self.digest = storage.digest(folder / "model.safetensors")
        self.threshold: float | None = settings.get("threshold") if _is_number(settings) else None
        self._predictor = ModelPredictor.of(model, task, settings, device)

    def sources(self, source: Any) -> Sources:
        """Images by name; see `Sources`."""
        return Sources.for_model(source, self._predictor.settings)

    def vectors(self, files: Sequence[Path], batch_size: int) -> Iterator[tuple[str, Tensor | None, str]]:
        """Id, (D,) vector and error of each image of these files; a file with pages has several."""
        if not files:
            return
        for answer in self._predictor.answers(Sources.of(files, self._predictor.spec), batch_size):
            outcome = answer.outcome
            vector = None if outcome.error else outcome.prediction.embedding[0].float()
            yield outcome.id, vector, outcome.error


def _is_number(settings: Any) -> bool:
    return isinstance(settings.get("threshold"), float)


def stack(vectors: Sequence[Tensor]) -> Tensor:
    """(N, D); (0, 0) of none."""
    return torch.stack(list(vectors)) if vectors else torch.empty(0, 0)
