"""Case: the model, its predictions and its images, as the checks of an audit are given them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec, batch_settings
from sightline.core.metric import Metric, Statistics
from sightline.core.model import Model
from sightline.core.report import Score
from sightline.core.sample import Batch
from sightline.core.targets.base import Targets
from sightline.core.task import Task
from sightline.data.loading.tiles import AnyLoader, batches
from sightline.devices import Devices
from sightline.inference.predict_batches import at_once
from sightline.metrics import intervals

TRAIN = 4000
"""Training images at most that a check looks at."""
Change = Callable[[Batch], Batch]
SHOWN = 0.3
"""Score from which on an object is shown, where validation has chosen no threshold for its class."""


def shown(prediction: Any, settings: Mapping[str, Any]) -> Any:
    """The objects of a prediction that users see: from the threshold of their class on."""
    least = torch.tensor(settings.get("thresholds") or [SHOWN] * max(1, len(settings.get("classes") or ())))
    return prediction.select(prediction.scores >= least.to(prediction.scores)[prediction.labels])


class Part:
    """Images with what the model says of them.

    Args:
        name: train, val or test.
        dataset: The images with their targets.
        prediction: Of all of them; or a function that predicts, called once when it is needed.

    Attributes:
        name: As given.
        dataset: As given.
    """

    def __init__(
        self, name: str, dataset: Dataset, prediction: Targets | Callable[[Dataset], Targets]
    ) -> None:
        self.name, self.dataset, self._prediction = name, dataset, prediction

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def ids(self) -> list[str]:
        """Names of the images."""
        return list(self.dataset.ids)

    @property
    def target(self) -> Any:
        """Targets of all images."""
        return self.dataset.targets

    @property
    def prediction(self) -> Any:
        """Predictions of all images, on the CPU, in pixels of the stored images."""
        if not isinstance(self._prediction, Targets):
            self._prediction = self._prediction(self.dataset)
        return self._prediction

    def subset(self, where: np.ndarray) -> Part:
        """Some of the images, by index."""
        return Part(self.name, self.dataset.subset(where), self.prediction[torch.from_numpy(where)])

    def sample(self, n: int, seed: int) -> Part:
        """n of the images, random by the seed and in the order of the data; itself if there are no more."""
        if n >= len(self):
            return self
        return self.subset(np.sort(np.random.default_rng(seed).permutation(len(self))[:n]))


@dataclass
class Case:
    """What an audit looks at.

    Attributes:
        task: The task.
        part: The images that are judged, with predictions.
        settings: Of the model; of predictions alone the names of the classes at least.
        model: The model in evaluation mode, on the device; None where there are predictions alone.
        train: Training images, `TRAIN` of them at most, with predictions that are made when they are needed.
        columns: Columns whose groups are compared, as the user named them; none: those that the data have.
        strangers: Images that are of no class, as the user named them; None: built-in ones.
        devices: Where the model runs.
        command: What repeats the audit, for messages.
        seed: Of every draw.
        planted: What a check must name, in a case that was made to test it.
    """

    task: Task
    part: Part
    settings: dict[str, Any]
    model: Model | None = None
    train: Part | None = None
    columns: tuple[str, ...] = ()
    strangers: Dataset | None = None
    devices: Devices = field(default_factory=lambda: Devices(torch.device("cpu")))
    command: str = "sightline audit RUN"
    seed: int = 0
    planted: tuple[str, ...] = ()

    @property
    def metric(self) -> Metric:
        """A fresh metric of the kind that the task goes by."""
        return self.task.metrics()[self.task.card.primary_metric]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return tuple(self.settings.get("classes") or ())

    @property
    def features(self) -> Callable[[Tensor], Tensor] | None:
        """From normalized images to (B, D) features before the head; None for a model without such."""
        backbone = None if self.model is None else self.model.backbone()
        if isinstance(getattr(backbone, "body", None), nn.ModuleList):  # stages with connections around them
            return None
        return getattr(backbone, "features", None)

    def statistics(self, part: Part, prediction: Targets | None = None) -> Statistics:
        """The metric's statistics of each image, of other predictions for the part if they are given."""
        metric = self.metric
        metric.update(part.prediction if prediction is None else prediction, part.target, part.dataset.groups)
        return metric.stats

    def score(self, part: Part, prediction: Targets | None = None) -> Score:
        """The metric with its interval."""
        return intervals.score(self.metric, self.statistics(part, prediction), groups=part.dataset.groups)

    def loader(self, dataset: Dataset) -> AnyLoader:
        """Batches of a data set in its order, brought to the model's input: uint8, or float in [0, 1]."""
        spec = InputSpec.of(self.settings)
        return batches(dataset, self.settings, batch_size=at_once(spec))

    @torch.no_grad()
    def answer(self, batch: Batch) -> Targets:
        """Predictions for a batch, on the CPU, in pixels of the stored images."""
        assert self.model is not None
        outputs = self.model(*batch.to(self.devices.device).inputs.values())
        outputs = {name: value.float() for name, value in outputs.items()}
        settings = batch_settings(self.settings, batch.images)
        prediction: Targets = self.model.predict_from_outputs(outputs, settings).to("cpu")
        return batch.back(prediction).compressed()

    def predict(self, data: Dataset | AnyLoader, change: Change | None = None) -> Targets:
        """Predictions for all images, in order.

        Args:
            data: The images, or what `loader` gave: images that are looked at again are then decoded once.
            change: Applied to each batch before the model sees it.
        """
        loader = self.loader(data) if isinstance(data, Dataset) else data
        parts = [self.answer(batch if change is None else change(batch)) for batch in loader.epoch(0)]
        whole: Targets = loader.whole(type(parts[0]).cat(parts))
        return whole

    @torch.no_grad()
    def features_of(self, dataset: Dataset) -> np.ndarray:
        """(N, D) float64 features before the head, of all images."""
        return np.concatenate(list(self._features(dataset)))

    def _features(self, dataset: Dataset) -> Iterator[np.ndarray]:
        features, model = self.features, self.model
        assert model is not None
        assert features is not None
        for batch in self.loader(dataset).epoch(0):
            images = model.normalize(batch.images.to(self.devices.device))
            yield features(images).flatten(1).double().cpu().numpy()
