"""Predictions of a task's baselines for the test images."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from sightline.console import say, track
from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec
from sightline.core.sample import Batch
from sightline.core.task import Baseline, Task
from sightline.data.inputs import input_kind, view_item
from sightline.data.loading.preprocess import resize_targets
from sightline.evaluation.attempt import attempt
from sightline.evaluation.frozen_features import Frozen
from sightline.models.adapters.fitted import MAX_TRAIN_IMAGES, input_of
from sightline.ops.resize_shape import fixed


def predict_baselines(
    task: Task,
    train: Dataset,
    test: Dataset,
    settings: Mapping[str, Any],
    frozen: Frozen | None,
    failed: list[str],
) -> dict[str, Any]:
    """Predictions of every baseline on the test items.

    Args:
        task: The task.
        train: What they learn from.
        test: What they answer.
        settings: Of the model.
        frozen: The installed network, or None where the images are no photographs or it is not there.
        failed: Gets a sentence on each that failed and is left out.
    """
    predictions: dict[str, Any] = {}
    settings = {**settings, "resize": fixed(settings["resize"])}

    def ask(baseline: Baseline, answer: Callable[[], Any]) -> None:
        prediction = attempt(f"The baseline {baseline.name}", answer, None, failed)
        if prediction is not None:
            predictions[baseline.name] = prediction

    for baseline in task.baselines():
        if not baseline.frozen:
            ask(baseline, partial(_answers, baseline, train, test, settings))
        elif frozen is not None and baseline.maps:
            ask(baseline, partial(_mapped, baseline, train, test, settings, frozen))
    waiting = [b for b in task.baselines() if b.frozen and not b.maps]
    if frozen is None or not waiting:
        return predictions
    part = train.subset(np.sort(np.random.default_rng(0).permutation(len(train))[:MAX_TRAIN_IMAGES]))
    look = partial(_features, frozen, part, test)
    features = attempt("The look through the frozen network", look, None, failed)
    if features is None:
        return predictions
    for baseline in waiting:
        ask(baseline, partial(_on_features, baseline, part, *features))
    return predictions


def _features(frozen: Frozen, train: Dataset, test: Dataset) -> tuple[Any, Any]:
    """(N, D) features of the training and of the test items."""
    started = time.monotonic()
    train_features, test_features = frozen.features(train), frozen.features(test)
    say(f"frozen    features of {len(train) + len(test)} images ({time.monotonic() - started:.1f} s)")
    return train_features, test_features


def _on_features(baseline: Baseline, train: Dataset, train_features: Any, test_features: Any) -> Any:
    """Predictions of a baseline on frozen features for the test items."""
    started = time.monotonic()
    prediction = baseline.fit(train_features, train.targets)(test_features)
    say(f"baseline  {baseline.name}: {baseline.summary} ({time.monotonic() - started:.1f} s)")
    return prediction


def _answers(baseline: Baseline, train: Dataset, test: Dataset, settings: Mapping[str, Any]) -> Any:
    """Predictions of a baseline for the test items, in pixels of the stored images."""
    size, most = input_of(baseline, settings["size"])
    order = np.random.default_rng(0).permutation(len(train))
    chosen = np.sort(order[:most] if baseline.uses_images else order)
    target = resize_targets(train.targets[torch.from_numpy(chosen)], size, settings["resize"])[0]
    images = _small(train, settings, chosen, size) if baseline.uses_images else None
    started, taken = time.monotonic(), 0.0
    answer = baseline.fit(images, target)
    taken += time.monotonic() - started
    parts = []
    for start in range(0, len(test), most):
        where = np.arange(start, min(start + most, len(test)))
        resized = _small(test, settings, where, size)
        _, *places = resize_targets(test.targets[torch.from_numpy(where)], size, settings["resize"])
        started = time.monotonic()
        parts.append(Batch(torch.empty(0), None, (), *places).back(answer(resized)))
        taken += time.monotonic() - started
    say(f"baseline  {baseline.name}: {baseline.summary} ({taken:.1f} s)")
    return type(parts[0]).cat(parts)


def _mapped(
    baseline: Baseline, train: Dataset, test: Dataset, settings: Mapping[str, Any], frozen: Frozen
) -> Any:
    """Predictions of a baseline on frozen maps for the test items, in pixels of the stored images."""
    (height, width), most = input_of(baseline, settings["size"])
    size = height, width
    part = train.subset(np.sort(np.random.default_rng(0).permutation(len(train))[:most]))
    started = time.monotonic()
    answer = baseline.fit(frozen.maps(part, size), resize_targets(part.targets, size, settings["resize"])[0])
    _, *places = resize_targets(test.targets, size, settings["resize"])
    prediction = Batch(torch.empty(0), None, (), *places).back(answer(frozen.maps(test, size)))
    say(f"baseline  {baseline.name}: {baseline.summary} ({time.monotonic() - started:.1f} s)")
    return prediction


def _small(
    dataset: Dataset, settings: Mapping[str, Any], where: np.ndarray, size: tuple[int, ...]
) -> np.ndarray:
    spec, resize = replace(InputSpec.of(settings), spatial_shape=size), settings["resize"]
    look = (view_item(dataset.pixels, int(i), spec, resize) for i in where)
    views = list(track(look, "images for the baselines", len(where)))
    return input_kind(spec.kind).stack(views)
