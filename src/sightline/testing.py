"""Conformance checks for plug-ins, ours and those of other authors.

Each raises AssertionError with a sentence if a plug-in breaks its contract.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.dataset import Dataset
from sightline.core.model import Model
from sightline.core.sample import IMAGE, Batch
from sightline.core.task import Baseline, Task
from sightline.data.inputs import input_kind
from sightline.data.scan import scan
from sightline.models.surgery import layer_widths
from sightline.models.surgery.pruning import prune
from sightline.storage import read_tensors, write_json, write_tensors
from sightline.tasks import TASKS, task_type
from sightline.training.arguments import TrainArguments
from sightline.training.distillation import Teacher
from sightline.training.plan import Plan, make_plan, trainer_of
from sightline.training.prepare_data import PreparedData
from sightline.training.recipe import Recipe
from sightline.training.runner import build_model, model_config

SIDE = 16


def toy_plan(
    name: str, *, n: int = 8, model: str | None = None, options: Mapping[str, Any] | None = None
) -> Plan:
    """A plan on the task's toy data, all of it for training.

    Args:
        name: The task.
        n: Images, of which the last but one is for validation and the last for the test.
        model: Its method; None: the usual one.
        options: Settings of task and method, such as a small variant.
    """
    card = TASKS.load(name).CARD
    dataset = task_type(name).synthetic_dataset(n, SIDE, seed=0)
    prepared = PreparedData(card, dataset, scan(dataset), [], {}, [])
    splits = np.array([*["train"] * (n - 2), "val", "test"], dtype=object)
    package = TASKS.load(name)
    trained = trainer_of(package.MODELS.load((model or card.default_model).partition(":")[0])).steps
    recipe = Recipe(augment="none" if trained else None, batch_size=n)
    arguments = TrainArguments("toy", task=name, model=model, recipe=recipe, options=dict(options or {}))
    return make_plan(arguments, prepared, splits=splits)


def batch_of(dataset: Dataset) -> Batch:
    """All items of a small data set as one batch."""
    kind = input_kind(getattr(dataset.pixels, "input", IMAGE))
    views = kind.stack([dataset.pixels.read(i) for i in range(len(dataset))])
    return Batch(kind.tensors(views), dataset.targets, list(dataset.ids))


def check_task(name: str) -> None:
    """A task's card, toy data, metrics, baselines, rows and exhibits."""
    card, kind = TASKS.load(name).CARD, task_type(name)
    assert card.name == name, f"the card says '{card.name}', the folder '{name}'"
    toy_data, toy_again = kind.synthetic_dataset(8, SIDE, seed=0), kind.synthetic_dataset(8, SIDE, seed=0)
    assert toy_data.fingerprint() == toy_again.fingerprint(), "toy must be the same for the same seed"
    assert toy_data.target_type == card.target_type, (
        f"toy gives a {toy_data.target_type}, the card says {card.target_type}"
    )
    toy = toy_plan(name)
    task = toy.task
    assert card.primary_metric in task.metrics(), f"metrics() lacks the card's score '{card.primary_metric}'"
    _check_best(task, toy_data)
    for baseline in task.baselines():
        images = input_kind(card.input).stack([toy_data.pixels.read(i) for i in range(len(toy_data))])
        images_given = _as_seen(baseline, images)
        prediction = baseline.fit(images_given if baseline.uses_images else None, toy_data.targets)(
            images_given
        )
        assert prediction.kind == card.prediction_type, f"baseline {baseline.name} gives a {prediction.kind}"
        assert len(prediction) == len(toy_data), (
            f"baseline {baseline.name} answers {len(prediction)} of {len(toy_data)} images"
        )
    assert not task.baselines()[0].uses_images, "the first baseline must not look at the images"


def _as_seen(baseline: Baseline, images: np.ndarray) -> Any:
    """What stands for the images that a baseline looks at: as they are, as features, or as maps."""
    if baseline.maps:
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        levels = [torch.nn.functional.avg_pool2d(pixels, stride) for stride in (4, 8, 16)]
        return list(map(list, zip(*levels, strict=True)))
    return images.reshape(len(images), -1) if baseline.frozen else images


def _check_best(task: Task, dataset: Dataset) -> None:
    """Target given as prediction must score best, where target and prediction are of one kind."""
    if task.card.target_type != task.card.prediction_type:
        return
    perfect = dataset.targets.as_prediction(len(dataset.classes or ()))
    metric = task.metrics()[task.card.primary_metric]
    metric.update(perfect, dataset.targets)
    assert metric.compute() == metric.card.best, f"{metric.card.name} of the target is {metric.compute()}"


def check_model(
    task: str, method: str, folder: Path, *, options: Mapping[str, Any] | None = None, steps: int = 15
) -> None:
    """A method of a task: gradients, a falling loss, batch independence, saving, JSON. See `check_learns`.
    One with nothing to train has no gradients and no loss.

    Args:
        task: The task.
        method: The method.
        folder: An empty folder, for what is saved.
        options: What makes the method small, such as a variant.
        steps: Steps in which the loss on four toy images must fall.
    """
    toy = toy_plan(task, n=4, model=method, options=options)
    dataset = toy.dataset
    batch = batch_of(dataset)
    model = build_model(toy)
    trained, rng = trainer_of(toy.method).steps, torch.Generator().manual_seed(0)
    if trained:
        _check_alone(model, batch)
        _check_gradients(model, batch, rng)
        _learn(model, batch, rng, steps, 3e-4)
    model.eval()
    (images,) = batch.inputs.values()
    with torch.no_grad():
        outputs = model(images)
    prediction = model.predict_from_outputs(outputs, model.settings)
    assert len(prediction) == len(dataset), "decode must give one prediction an image"
    assert prediction.kind == toy.task.card.prediction_type, f"decode gives a {prediction.kind}"
    _check_saved(toy, model, images[:1], folder)
    if trained:
        _check_begun_from(toy, model, folder)
    rows = toy.task.to_records(prediction)
    assert len(rows) == len(dataset), "rows() must give one row an image"
    json.dumps(prediction.to_json())
    json.dumps(rows)
    toy.task.figures(prediction, dataset.targets, list(dataset.ids), model.settings)


def check_learns(
    task: str, method: str, *, options: Mapping[str, Any] | None = None, steps: int = 150
) -> None:
    """A method learns eight toy images by heart: it is far better on them than the first baseline.

    Args:
        task: The task.
        method: The method.
        options: What makes the method small, such as a variant.
        steps: Steps that it may take.
    """
    toy = toy_plan(task, model=method, options=options)
    batch = batch_of(toy.dataset)
    model = build_model(toy)
    _learn(model, batch, torch.Generator().manual_seed(0), steps, 3e-3)
    with torch.no_grad():
        outputs = model.eval()(batch.images)
    _check_score(toy, model.predict_from_outputs(outputs, model.settings), toy.dataset)


def check_teachable(task: str, *, steps: int = 5) -> None:
    """A task's usual method learns what another network says, without a look at the target; one with nothing
    to train need not.
    """
    toy = toy_plan(task)
    if not trainer_of(toy.method).steps:
        return
    batch = batch_of(toy.dataset)
    teacher = Teacher(build_model(toy).eval().requires_grad_(False), 1.0, "a teacher")
    other = replace(toy, arguments=replace(toy.arguments, seed=1))
    student = build_model(other)
    teacher.check(student, batch.images)
    optimizer = torch.optim.Adam(student.parameters(), 2e-3)
    rng, far = torch.Generator().manual_seed(0), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = teacher.losses(student, batch, rng, "all")["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        far.append(float(loss.detach()))
    assert far[-1] < 0.9 * far[0], f"in {steps} steps the distance to the teacher does not fall: {far}"
    with torch.no_grad():
        outputs = student(batch.images)
    distance = sum(float(value) for value in student.distillation_loss(outputs, outputs).values())
    assert abs(distance) < 1e-3, f"a network is {distance} from itself"


def check_prunable(task: str, folder: Path) -> None:
    """A task's usual method can be made narrower, built again from its settings, and trained; one with
    nothing to train need not.
    """
    toy = toy_plan(task)
    if not trainer_of(toy.method).steps:
        return
    batch = batch_of(toy.dataset)
    model = build_model(toy)
    with torch.no_grad():
        for layer in model.modules():  # as if it had been trained: no channel like another
            if isinstance(layer, torch.nn.BatchNorm2d | torch.nn.BatchNorm3d):
                for values in (layer.weight, layer.bias, layer.running_mean):
                    values.add_(0.1 * torch.randn(values.shape))  # type: ignore[union-attr, operator, arg-type]
    whole = sum(p.numel() for p in model.parameters())
    pruned = prune(model, 0.5)
    left = sum(p.numel() for p in model.parameters())
    assert pruned.parameters == (whole, left), f"{pruned.parameters} is said, {whole} became {left}"
    assert left < 0.6 * whole, f"half of the channels are gone, but {left} of {whole} parameters are left"
    model.eval()
    _check_saved(toy, model, batch.images, folder)
    _check_gradients(model, batch, torch.Generator().manual_seed(0))


def _check_gradients(model: Model, batch: Batch, rng: torch.Generator) -> None:
    loss = model.train().loss(batch, rng)["loss"]
    assert bool(torch.isfinite(loss)), "the loss is not finite"
    loss.backward()  # type: ignore[no-untyped-call]
    for name, group in model.optimizer_groups().items():
        lacking = [p for p in group.parameters if p.grad is None]
        assert not lacking, f"{len(lacking)} parameters of group '{name}' get no gradient"


def _learn(model: Model, batch: Batch, rng: torch.Generator, steps: int, lr: float) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr)
    model.train()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model.loss(batch, rng)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    first, last = sum(losses[:4]), sum(losses[-4:])  # a loss may draw which boxes it looks at
    assert last < first, f"the loss does not fall in {steps} steps: {losses}"


def _check_alone(model: Model, batch: Batch) -> None:
    """What is said of an image in a batch is what is said of it alone, but for rounding.

    Images and changes of the weights are noise, so that no two places of an image have the same score: where
    objects are ranked by it, rounding changes the order of equal ones. What ties with little noise does not
    with more, and the other way round where scores come near 1; what depends on the batch does so with any.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, batch.images[:3].shape, dtype=torch.uint8, generator=generator)
    differ = ""
    for scale in (0.005, 0.02, 0.1):
        noisy = copy.deepcopy(model)
        with torch.no_grad():
            for weights in noisy.parameters():
                weights.add_(scale * torch.randn(weights.shape, generator=generator))
            noisy.train()(images)  # batch norms get to know what comes of these weights
            together, alone = noisy.eval()(images), noisy(images[1:2])
        differ = ", ".join(name for name in alone if not _close(together[name][1:2], alone[name]))
        if not differ:
            return
    raise AssertionError(f"what is said of an image depends on the rest of the batch: {differ}")


def _close(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether numbers are equal but for a thousandth of the largest; also whether there are none."""
    most = 1e-3 * (1 + float(second.abs().max())) if second.numel() else 0.0
    return torch.allclose(first.double(), second.double(), rtol=0, atol=most)


def _check_score(toy: Plan, prediction: Any, dataset: Dataset) -> None:
    metric = toy.task.metrics()[toy.task.card.primary_metric]
    metric.update(prediction, dataset.targets)
    baseline = toy.task.metrics()[toy.task.card.primary_metric]
    dull = toy.task.baselines()[0].fit(None, dataset.targets)(dataset.ids)
    baseline.update(dull, dataset.targets)
    gap = abs(baseline.compute() - metric.card.best)
    left = abs(metric.compute() - metric.card.best)
    assert left <= 0.25 * gap, f"8 toy samples are not learnt by heart: {metric.card.name} {metric.compute()}"


def _check_begun_from(toy: Plan, model: Model, folder: Path) -> None:
    """A new run can begin with the weights of this one, with all of them."""
    write_json(folder / "model.json", model_config(toy, model.settings))
    begun = build_model(replace(toy, arguments=replace(toy.arguments, weights=str(folder), seed=1)))
    others = [k for k, v in model.state_dict().items() if not torch.equal(v, begun.state_dict()[k])]
    assert not others, f"--weights RUN does not take {others[:3]} of a run of the same method"


def _check_saved(toy: Plan, model: Model, images: torch.Tensor, folder: Path) -> None:
    """Settings survive JSON, weights survive safetensors, outputs are the same bit for bit."""
    write_tensors(folder / "model.safetensors", model.state_dict())
    again = layer_widths.build(toy.method.MODEL, json.loads(json.dumps(model.settings)))
    again.load_state_dict(read_tensors(folder / "model.safetensors"))
    with torch.no_grad():
        outputs, outputs_again = model(images), again.eval()(images)
    assert all(torch.equal(outputs[k], outputs_again[k]) for k in outputs), (
        "outputs differ after saving and loading"
    )
