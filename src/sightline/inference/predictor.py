"""Predictor of a run: images in, predictions out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.inputs import InputSpec, batch_settings
from sightline.core.model import Model
from sightline.core.predictor import BATCH_SIZE, Outcome
from sightline.core.sample import Batch
from sightline.core.task import Task
from sightline.data.inputs import input_kind
from sightline.data.loading.preprocess import input_affine
from sightline.data.loading.tiles import tile_windows
from sightline.devices import Devices, pick
from sightline.errors import UnreadableImage
from sightline.inference.filters import OutputFilter, counted, filter_from_options, least_of
from sightline.inference.model_folder import require_whole_images, restore
from sightline.inference.predict_batches import at_once
from sightline.inference.presenters import kind_of
from sightline.inference.sources import Answer, Input, Sources
from sightline.inference.views import in_views
from sightline.ops.resize_shape import equal_shapes


class ModelPredictor:
    """Predictor with the model of a run.

    Attributes:
        settings: What the model was built from.
        task: Its task.
        model: The network, in evaluation mode.
    """

    def __init__(self, path: Path, device: str, views: int = 1) -> None:
        model, task, card = restore(path)
        require_whole_images(card["model_config"], f"{path} cannot predict")
        model = in_views(model, task, views)
        self._hold(model, task, model.settings if views > 1 else card["model_config"], device)

    @classmethod
    def of(cls, model: Model, task: Task, settings: dict[str, Any], device: str) -> ModelPredictor:
        """The predictor with a model that is in no run folder."""
        predictor = cls.__new__(cls)
        predictor._hold(model, task, settings, device)
        return predictor

    def _hold(self, model: Model, task: Task, settings: dict[str, Any], device: str) -> None:
        self.model, self.task, self.settings = model, task, settings
        self.devices = Devices(pick(device))
        self.model.to(self.devices.device).eval()

    @property
    def spec(self) -> InputSpec:
        """What the model takes of one item."""
        return InputSpec.of(self.settings)

    def predict(
        self,
        source: Any,
        *,
        batch_size: int = BATCH_SIZE,
        stream: bool = False,
        min_score: float | None = None,
    ) -> Iterator[Outcome]:
        """Yield predictions in order; a bad file gives an outcome with an error.

        Boxes and the like are in the pixels of the stored image, after EXIF orientation. A frame's id is
        "film.mp4#000123"; a film that is cut off ends with an outcome with an error.

        Args:
            source: A file (image or video), folder, glob, number of a webcam (0), rtsp:// or tcp://
                address; an array (H, W), or (H, W, C) in RGB, RGBA or grey, or (N, H, W, C), uint8 or uint16;
                a tensor (C, H, W) or (N, C, H, W) uint8; an image of Pillow; bytes of an image file; or a
                list of these.
            batch_size: Images at a time, at most; fewer where they are large.
            stream: Take an http address for a video stream.
            min_score: Lowest score of an object, in [0, 1]; 0 for all that the model saw, to measure with.
                None: the thresholds that were chosen for each class on the validation images.

        Raises:
            UsageError: If nothing is found, the source is an address of something that is not fetched, or
                `min_score` is given to a model that does not look for objects.
            MissingExtra: If a video is named and PyAV is not installed.
        """
        kind, names = kind_of(self.task.card.prediction_type), self.settings.get("classes", [])
        filter_from_options(kind, names, (), min_score)
        wish = OutputFilter(kind, names, None, least_of(self.settings, min_score), None, False)
        for answer in self.answers(Sources.for_model(source, self.settings, stream), batch_size):
            yield counted(self.task, answer.outcome, wish)

    def answers(self, sources: Sources, batch_size: int) -> Iterator[Answer]:
        """All predictions, also weak ones, each with its image."""
        batch_size = at_once(self.spec, batch_size)
        tiled = bool(self.settings.get("tile_size"))  # one large image at a time, and many of its tiles
        for batch in sources.batches(1 if tiled else batch_size):
            yield from self._batch(batch, batch_size)
        sources.say_cut()

    def _batch(self, inputs: Sequence[Input], batch_size: int) -> Iterator[Answer]:
        stored: list[tuple[int, ...]] = []
        parts: list[Iterator[np.ndarray]] = []
        readable: list[int] = []
        errors: dict[int, str] = {}
        for i, item in enumerate(inputs):
            try:
                views, size = item.seen(self.settings)
            except UnreadableImage as error:
                errors[i] = error.detail
                continue
            readable.append(i)
            stored.append(size)
            parts.append(views)
        rows: dict[int, tuple[Any, dict[str, Any]]] = {}
        if readable:
            try:
                prediction = self._answer(chain.from_iterable(parts), torch.tensor(stored), batch_size)
            except UnreadableImage as error:  # in the middle of the one image that is read by tiles
                errors[readable[0]] = error.detail
            else:
                flat = self.task.to_records(prediction)
                rows = {i: (prediction[n], flat[n]) for n, i in enumerate(readable)}
        for i, item in enumerate(inputs):
            outcome = Outcome(item.id, None, {}, errors[i]) if i in errors else Outcome(item.id, *rows[i])
            yield Answer(item, outcome)

    def _answer(self, parts: Iterator[np.ndarray], stored: torch.Tensor, batch_size: int) -> Any:
        """Predictions for whole images, from all their tiles or from themselves."""
        tiles = tile_windows(stored, self.settings["tile_size"]) if self.settings.get("tile_size") else None
        sizes = stored if tiles is None else tiles.sizes
        predictions: list[Any] = []
        places: list[int] = []
        for start in range(0, len(sizes), batch_size):
            some = list(islice(parts, batch_size))
            kind = input_kind(self.spec.kind)
            rect = self.settings.get("resize") == "rect"
            for rows in equal_shapes(view.shape for view in some) if rect else [list(range(len(some)))]:
                tensors = kind.tensors(kind.stack([some[i] for i in rows]))
                inputs = {name: value.contiguous() for name, value in tensors.items()}
                places += [start + i for i in rows]
                predictions.append(self._forward(inputs, sizes[places[-len(rows) :]]).compressed())
        whole = type(predictions[0]).cat(predictions)
        if places != sorted(places):
            whole = whole[torch.tensor(places).argsort()]
        return whole if tiles is None else tiles.join(whole)

    @torch.no_grad()
    def _forward(self, inputs: dict[str, torch.Tensor], stored: torch.Tensor) -> Any:
        size = self.spec.spatial_shape
        affine = input_affine(stored, size, self.settings["resize"]) if size else None
        batch = Batch(inputs, None, (), affine, stored)
        outputs = self.model(*batch.to(self.devices.device).inputs.values())
        outputs = {k: v.float() for k, v in outputs.items()}
        settings = batch_settings(self.settings, batch.images)
        return batch.back(self.model.predict_from_outputs(outputs, settings).to("cpu"))
