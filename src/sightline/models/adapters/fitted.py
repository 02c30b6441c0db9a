"""Base class of models that are fitted once (scikit-learn and others), with their state in tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.sample import IMAGE, Batch
from sightline.core.targets.instances import Instances
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.masks import SemanticMasks
from sightline.core.targets.number import RegressionValues
from sightline.core.task import Baseline, DataInfo
from sightline.errors import UnknownName, UsageError
from sightline.models import registry
from sightline.models.weights import embedded
from sightline.models.weights.download import Pretrained

PREFIX = "baseline:"
"""What a user writes before the name of a baseline to have it as a model."""
MAX_TRAIN_IMAGES = 5000
"""Images of 64 x 64 that a baseline looks at, in training and at once: enough for a baseline, in seconds."""
KEPT = (ClassLabels.kind, RegressionValues.kind, SemanticMasks.kind, Instances.kind)
"""Kinds of prediction that a baseline can give as a model: as tensors by name."""


def input_of(baseline: Baseline, size: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Input size of a baseline beside a model of some size, and how many images of it are looked at."""
    scale = min(1.0, baseline.side / max(size, default=1))
    return tuple(round(side * scale) for side in size), MAX_TRAIN_IMAGES * 64**2 // baseline.side**2


class _Tensors(nn.Module):
    """Tensors by name; accepts whatever a file contains."""

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        for key, value in state_dict.items():
            if key.startswith(prefix):
                self.register_buffer(key.removeprefix(prefix), torch.empty_like(value))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class FittedModel(Model):
    """A model whose state is the result of `fit`: tensors whose names and shapes depend on the data.

    They lie in `model.safetensors` as "fitted.NAME", and no code is run to read them.

    Args:
        settings: See `Model`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self.fitted = _Tensors()

    def learn(self, state: Mapping[str, Any]) -> None:
        """Store the result of a fit.

        Args:
            state: Tensors or arrays of any shape, by names without a dot.
        """
        for name, value in state.items():
            self.fitted.register_buffer(name, torch.as_tensor(value).to(self.mean.device))

    @property
    def learned(self) -> dict[str, Tensor]:
        """The stored tensors, by name; empty before a fit."""
        return dict(self.fitted.named_buffers())


class BaselineModel(FittedModel):
    """A task's baseline as a model: it is saved, predicts, is tested and timed like any other model.

    Args:
        settings: See `Model`.
        pretrained: Whether a frozen network begins with its weights.
    """

    baseline: ClassVar[Baseline]
    network: Any

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        if self.baseline.frozen:
            size, channels = tuple(settings["size"]), settings["channels"]
            self.network = registry.create(
                embedded.DEFAULT, outputs=1, channels=channels, size=size, pretrained=pretrained
            ).requires_grad_(False)

    @classmethod
    def settings_for(cls, info: DataInfo, options: Any) -> dict[str, Any]:
        """Settings from the data: the input is no larger than the baseline needs."""
        del options
        size = info.size if cls.baseline.frozen else input_of(cls.baseline, info.size)[0]
        settings: dict[str, Any] = {"size": list(size), "multilabel": info.multilabel}
        if info.classes is not None:
            settings |= {"classes": list(info.classes.names), "class_ids": list(info.classes.ids)}
        return settings | ({"outputs": list(info.outputs)} if info.outputs else {})

    @torch.no_grad()
    def fit(self, batches: Iterable[Batch], seed: int) -> str:
        """Fit the baseline, on a sample of the images if there are very many."""
        self.eval()
        images, targets, count = _sample(batches, input_of(self.baseline, ())[1], seed)
        self.learn(self.baseline.learn(self._seen(images), targets))
        of = "" if len(images) == count else f", drawn from {count}"
        return f"{self.baseline.summary}, to {len(images)} images{of}"

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Tensors for `Model.postprocess`, for (B, C, H, W) images."""
        graph = self.baseline.graph
        if graph is not None:
            x = self.network.features(self.normalize(images)) if self.baseline.frozen else images
            return graph(self.learned, x)
        if torch.compiler.is_exporting():
            raise UsageError("what it does is no arithmetic on tensors, but a library's on the CPU")
        assert self.baseline.answer is not None
        state = {name: value.cpu() for name, value in self.learned.items()}
        answer = _tensors(self.baseline.answer(state, self._seen(images)))
        return {name: value.to(images.device) for name, value in answer.items()}

    def _seen(self, images: Tensor) -> Any:
        """Input of the baseline: (B, H, W, C), as a data set stores it; or (B, D) features."""
        if self.baseline.frozen:
            parts = torch.split(images, 32)
            return np.concatenate([self.network.features(self.normalize(p)).cpu().numpy() for p in parts])
        stored = images
        if images.dtype != torch.uint8 and InputSpec.of(self.settings).dtype == "uint8":
            stored = (images * 255).round().to(torch.uint8)
        return stored.movedim(1, -1).cpu().numpy()

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        """Prediction from the tensors."""
        if "value" in answer:
            return RegressionValues(answer["value"])
        if "boxes" in answer:
            return _objects(answer, settings)
        if "classes" in answer:
            return SemanticMasks.of(answer["classes"])
        scores = answer["scores"]
        return ClassLabels(scores > 0.5 if settings["multilabel"] else scores.argmax(1), scores)

    def backbone(self) -> nn.Module | None:
        """The frozen network, if it has one."""
        return self.network if self.baseline.frozen else None


def _sample(batches: Iterable[Batch], most: int, seed: int) -> tuple[Tensor, Any, int]:
    """Random sample of images and targets, in order; and the total number.

    Source: Vitter, Random sampling with a reservoir, ACM TOMS 11, 1985, algorithm R.
    """
    rng, count = np.random.default_rng(seed), 0
    chosen: dict[int, tuple[int, Tensor, Any]] = {}
    for batch in batches:
        for i in range(len(batch)):
            place = count if count < most else int(rng.integers(0, count + 1))
            if place < most:
                chosen[place] = count, batch.images[i], batch.targets[i : i + 1]
            count += 1
    parts = sorted(chosen.values(), key=lambda part: part[0])
    targets = [target for _, _, target in parts]
    return torch.stack([image for _, image, _ in parts]), type(targets[0]).cat(targets), count


def _tensors(prediction: Any) -> dict[str, Tensor]:
    """Convert a prediction to the tensors of `Model.postprocess`."""
    if isinstance(prediction, ClassLabels):
        assert prediction.scores is not None
        return {"scores": prediction.scores.float()}
    if isinstance(prediction, RegressionValues):
        return {"value": prediction.value.float()}
    if isinstance(prediction, SemanticMasks):
        return {"classes": torch.stack([torch.from_numpy(prediction.map(i)) for i in range(len(prediction))])}
    counts = prediction.counts.tolist()
    columns = {"boxes": prediction.boxes, "scores": prediction.scores, "labels": prediction.labels}
    padded = {
        name: nn.utils.rnn.pad_sequence(list(values.split(counts)), batch_first=True)
        for name, values in columns.items()
    }
    return {**padded, "count": prediction.counts}


def _objects(answer: dict[str, Tensor], settings: dict[str, Any]) -> Instances:
    """Objects from padded tensors."""
    counts = answer["count"].long()
    real = torch.arange(answer["scores"].shape[1], device=counts.device) < counts[:, None]
    sizes = torch.tensor([settings["size"]] * len(counts), device=counts.device)
    return Instances(
        counts, sizes, answer["boxes"][real], answer["labels"][real].long(), answer["scores"][real]
    )


def baseline_named(name: str, baselines: list[Baseline]) -> Baseline:
    """The baseline that "baseline:NAME" stands for.

    Raises:
        UnknownName: If there is none.
        UsageError: If what it learns cannot be kept as tensors.
    """
    by_name = {PREFIX + b.name: b for b in baselines}
    if name not in by_name:
        raise UnknownName("baseline", name, by_name)
    if by_name[name].answer is None or by_name[name].maps:
        able = ", ".join(n for n, b in by_name.items() if b.answer is not None and not b.maps) or "none"
        raise UsageError(
            f"{name} stands beside networks only: what it learns is not kept as tensors. As models: {able}."
        )
    return by_name[name]


def require_kept(baseline: Baseline, input: str, inputs: Sequence[str], prediction: str) -> None:
    """Refuse a baseline as a model of data that it cannot be kept for.

    Args:
        baseline: Which.
        input: Kind of input of the task.
        inputs: Names of the tensors of such an input.
        prediction: Kind of what the task predicts.

    Raises:
        UsageError: Says what it would need.
    """
    name = PREFIX + baseline.name
    beside = "It stands beside the networks of this task only."
    if prediction not in KEPT:
        kinds = f"{', '.join(KEPT[:-1])} or {KEPT[-1]}"
        raise UsageError(
            f"{name} as a model needs predictions of kind {kinds}; these are {prediction}. {beside}"
        )
    if len(inputs) > 1:
        names = " and ".join(inputs)
        raise UsageError(f"{name} as a model needs one input; each {input} has {names}. {beside}")
    if baseline.frozen and input != IMAGE:
        raise UsageError(f"{name} looks through a network for images; each item is a {input}. {beside}")


def method_of(baseline: Baseline) -> ModuleType:
    """A baseline as a file in `models/` would have it: CARD and MODEL."""
    card = ModelCard(name=PREFIX + baseline.name, summary=baseline.summary, paper="", trainer="fit")
    method = ModuleType(card.name)
    vars(method)["CARD"] = card
    vars(method)["MODEL"] = type("FittedBaseline", (BaselineModel,), {"card": card, "baseline": baseline})
    return method
