"""Execute a plan: build loaders and model, and train. Shared by train and tune."""

from __future__ import annotations

import importlib
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from sightline.attacks import read_ball
from sightline.console import say
from sightline.core.dataset import SPLITS, Dataset
from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.model_config import ModelConfig
from sightline.core.run import Run
from sightline.core.run_record import DataRecord, RunRecord
from sightline.data.inputs import input_kind
from sightline.data.loading.loader import Augment
from sightline.data.loading.preprocess import resize_targets
from sightline.data.loading.tiles import AnyLoader, batches
from sightline.devices import Devices
from sightline.evaluation.frozen_features import Frozen
from sightline.evaluation.run_data import absolute_arguments
from sightline.inference import threads
from sightline.inference.predict_batches import Predicted, predict
from sightline.models.surgery import layer_widths
from sightline.models.weights import embedded, load
from sightline.ops.resize_shape import fixed
from sightline.training import auto_batch_size, fair, frozen_frames, pruned_run, robust, teacher_run
from sightline.training.callbacks.base import Callback
from sightline.training.callbacks.early_stop import EarlyStop
from sightline.training.callbacks.energy import Energy
from sightline.training.callbacks.events import Events
from sightline.training.initial_weights import tuned_side, unsuited
from sightline.training.plan import Plan
from sightline.training.probe import fit_probe
from sightline.training.recipe import size_in_bytes
from sightline.training.state import Attack
from sightline.training.trainer import Job, Validate
from sightline.training.trainers import TRAINERS

_LOCK = threading.RLock()

MAX_PROBE_IMAGES = 10_000
"""Training images that the head is fitted on before training; with more, training itself does better."""
FEW_PROBE_IMAGES = 1_000
"""Up to so many images each is seen in all views."""
MAX_PROBE_VIEWS = 4
"""The plain one, and changed ones: few images are better used so, for some seconds more."""


def build_model(plan: Plan, *, bare: bool = False) -> Model:
    """The model with its initial weights: seeded, published, or from a file or run.

    Args:
        plan: What to build.
        bare: Leave out weights that are fetched or read, since others will replace them.
    """
    torch.manual_seed(plan.arguments.seed)
    if bare:
        return layer_widths.build(plan.method.MODEL, plan.settings)
    model: Model = plan.method.MODEL(plan.settings, pretrained=plan.start.pretrained)
    pixels = getattr(model.backbone(), "pixels", None)
    if pixels is not None:
        model.set_normalization(*pixels)
    if plan.arguments.weights:
        _begin(model, plan, Path(plan.arguments.weights))
    return model


def _begin(model: Model, plan: Plan, source: Path) -> None:
    """Load weights from a file or run: into the whole model for the same method, else into its backbone."""
    backbone, card = model.backbone(), load.card_beside(source)
    settings = card.get("model_config", {})
    same = all(settings.get(k) == plan.settings[k] for k in ("task", "method"))
    theirs, ours = (
        (info or {}).get("classes") for info in (card.get("data_info"), model_config(plan, {})["data_info"])
    )
    names = [list((class_info or {}).get("names", ())) for class_info in (theirs, ours)]
    other = bool(card) and names[0] != names[1] and not plan.task.card.open_set
    into = model if same or backbone is None else backbone
    loaded = load.load_into(into, source, fresh_head=other)
    if other and not loaded.fresh and len(names[0]) == len(names[1]):
        few = [", ".join(some[:5]) + (", ..." if len(some) > 5 else "") for some in names]
        say(
            f"weights   The classes there are {few[0]}, here {few[1]}: what was learnt of each is taken for "
            "the one of the same number."
        )


def loader(
    plan: Plan, dataset: Dataset, devices: Devices, *, train: bool = False, mix: bool = True
) -> AnyLoader:
    """Data loader with the plan's preprocessing; for training augmented, and mixed if `mix`."""
    recipe = plan.recipe
    return batches(
        dataset,
        plan.settings,
        # Batch norm cannot take a lone image: a remainder that small waits for the next epoch's order.
        least=2 * devices.world,
        batch_size=recipe.batch_size or 32,
        train=train,
        seed=plan.arguments.seed,
        sampler=recipe.sampler or "random",
        weights=fair.sampling_weights(plan, dataset) if train else None,
        workers=recipe.workers or 0,
        cache=size_in_bytes(recipe.cache or "0"),
        augment=_augment(plan, mix) if train else None,
        rank=devices.rank,
        world=devices.world,
    )


def _augment(plan: Plan, mix: bool) -> Callable[[float], Augment | None]:
    """Augmentation of training batches: the standard one, adapted by the task."""
    recipe, strength = plan.recipe, plan.recipe.augment or "none"
    spec = InputSpec.of(plan.settings)
    images = input_kind(spec.kind).augment(strength, recipe.hflip == "yes", spec)
    return lambda progress: plan.task.augment(strength, images, progress) if mix else images


def _probe(plan: Plan, devices: Devices) -> Callable[[Model], None] | None:
    """Fits the head before training, if the recipe says so."""
    if not plan.recipe.probe:
        return None
    part = plan.part("train")
    order = np.random.default_rng(plan.arguments.seed).permutation(len(part))
    part = part.subset(np.sort(order[:MAX_PROBE_IMAGES]))
    plain: Any = loader(plan, part, devices)
    val: Any = loader(plan, plan.part("val"), devices)
    count = int(np.clip(MAX_PROBE_VIEWS * FEW_PROBE_IMAGES // len(part), 1, MAX_PROBE_VIEWS))
    changed = [loader(plan, part, devices, train=True, mix=False)] * (count - 1)
    views: Any = [plain, *(changed if plan.recipe.augment != "none" else ())]
    return lambda model: fit_probe(model, views, val, devices)


@contextmanager
def _alone() -> Iterator[None]:
    """One training at a time in a process: all use PyTorch's one generator and thread settings."""
    if not _LOCK.acquire(blocking=False):
        say("Another training of this process is under way; this one waits for its end.")
        _LOCK.acquire()
    try:
        yield
    finally:
        _LOCK.release()


@_alone()
def fit(
    plan: Plan, run: Run, devices: Devices, *, resume: bool = False, extra: Sequence[Callback] = ()
) -> tuple[Model, float]:
    """Train the plan's model: the model with its best weights, and seconds of training over all resumes."""
    bare = resume and run.checkpoint("last") is not None
    changes: dict[str, Any] = {}
    if plan.arguments.prune is None or bare:
        model = build_model(plan, bare=bare).to(devices.device)
    else:
        torch.manual_seed(plan.arguments.seed)
        pruned, changes["pruned"] = pruned_run.build(plan)
        model = pruned.to(devices.device)
    if not bare:
        changes["weights"] = getattr(model.backbone(), "origin", "scratch")
    if devices.first:
        run.update(model_config=ModelConfig.from_json(plan.settings), **changes)
    if plan.recipe.channels_last and len(InputSpec.of(plan.settings).shape) == 3:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    trainer = TRAINERS.load(plan.method.CARD.trainer)
    visible = frozen_frames.with_features(plan, model, devices)
    train: Any = loader(visible, visible.part("train"), devices, train=trainer.CARD.steps)
    val = loader(visible, visible.part("val"), devices)
    by_group = fair.objective(plan, devices)
    attack, validate = _attacks(plan, devices, lambda m: validation(m, val, plan, devices))
    job = Job(
        model,
        train,
        validate,
        plan.recipe,
        run,
        devices,
        plan.arguments.seed,
        callbacks=[*_callbacks(plan, run, devices), *((by_group,) if by_group else ()), *extra],
        resume=resume,
        teacher=teacher_run.open_teacher(plan, devices),
        attack=attack,
        fair=by_group,
        prepare=_probe(plan, devices),
        doubt=len(plan.part("val")) ** -0.5,  # the log loss of an image varies by about its own size
    )
    with frozen_frames.taking_features(model, visible is not plan):
        return model, trainer.train(job).elapsed


def _attacks(plan: Plan, devices: Devices, validate: Validate) -> tuple[Attack | None, Validate]:
    """What is done to each batch, and the validation that goes with it; see `training/robust.py`."""
    if plan.recipe.robust is None:
        return None, validate
    treatment, part = robust.Robust(read_ball(plan.recipe.robust, "--robust")), plan.part("val")
    few: Any = loader(plan, part.subset(robust.some(len(part), plan.arguments.seed)), devices)
    return treatment.attacked, robust.attacked_too(validate, few, treatment.ball, devices)


def validation(model: Model, val: AnyLoader, plan: Plan, devices: Devices) -> dict[str, float]:
    """Loss, if there is one, and main score on validation; "val_score" is turned so that higher is better."""
    prediction = predict(model, val, devices)
    main = plan.task.card.primary_metric
    metric = plan.task.metrics()[main]
    groups = None
    if metric.card.unit != "image":  # of whole units, in the order of the data
        part = plan.part("val")
        prediction, groups = prediction.in_order(part.ids), part.groups
    metric.update(prediction.prediction, prediction.target, groups)
    value = metric.compute()
    turned = value if metric.card.higher_is_better else -value
    loss = {} if prediction.loss is None else {"val_loss": prediction.loss}
    return {**loss, f"val_{main}": value, "val_score": turned, **fair.worst(plan, prediction)}


def predict_part(model: Model, plan: Plan, part: AnyLoader, devices: Devices) -> Predicted:
    """Predictions of the trained model on the items of a loader, in their order."""
    with threads.few_threads([model], plan.recipe.batch_size or 32, devices):
        return predict(model, part, devices)


def frozen_for(plan: Plan, devices: Devices, failed: list[str]) -> Frozen | None:
    """The installed network that baselines look through, where the images are photographs and it is there.

    Args:
        plan: What is trained.
        devices: Where it runs.
        failed: Gets a sentence on why it is left out, where it could have been there.
    """
    if not any(b.frozen for b in plan.task.baselines()) or unsuited(plan.dataset, plan.scan):
        return None
    if not InputSpec.of(plan.settings).is_plain:
        return None
    if lack := embedded.trouble(embedded.DEFAULT, thorough=True):
        say(f"baseline  frozen: left out. {lack}")
        failed.append(f"The frozen baseline is left out: {lack}")
        return None
    side = tuned_side(plan.scan)
    channels = 1 if (plan.scan.channels == 1).all() else 3
    return Frozen((side, side), channels, fixed(plan.settings["resize"]), devices.device)


def _callbacks(plan: Plan, run: Run, devices: Devices) -> list[Callback]:
    callbacks: list[Callback] = []
    tracker = plan.recipe.tracker or "none"
    if tracker != "none" and devices.first:
        callbacks.append(importlib.import_module(f"sightline.training.callbacks.{tracker}").Tracker(run))
    callbacks += [Energy(run), Events(run)]
    if plan.recipe.robust is not None:
        callbacks.append(robust.Collapse())
    if plan.recipe.patience:
        callbacks.append(EarlyStop(plan.recipe.patience))
    return callbacks


def with_auto_batch_size(plan: Plan, devices: Devices) -> Plan:
    """The plan with an automatic batch size for its GPU, if none was given; unchanged on a CPU."""
    device = devices.device
    given = plan.arguments.settings.get("batch_size")
    if device.type != "cuda" or given is not None or not plan.trainer.steps:
        return plan
    train = plan.part("train")
    start = 1 << max(4, min(9, (len(train) // 40).bit_length() - 1))

    def targets(n: int) -> Any:
        settings = plan.settings
        return resize_targets(
            train.targets[torch.arange(n) % len(train)], tuple(settings["size"]), fixed(settings["resize"])
        )[0]

    model: Model = plan.method.MODEL(plan.settings).to(device)
    most_that_fit = devices.gather(auto_batch_size.on_gpu(model, targets, start, device))[0]
    say(f"batch     {most_that_fit} images a step: the most, up to {start}, that fit on {device}")
    return replace(plan, recipe=replace(plan.recipe, batch_size=most_that_fit))


def model_config(plan: Plan, settings: dict[str, Any]) -> dict[str, Any]:
    """Content of model.json: everything that is needed to use the weights."""
    return {
        "model_config": settings,
        "data_info": asdict(plan.task.info),
        "task_config": asdict(plan.task.options),
    }


def run_record(plan: Plan, command: str, **more: Any) -> RunRecord:
    """The run record of the plan; `more` are further attributes, such as `folds`."""
    dataset = plan.dataset
    return RunRecord(
        command=command,
        arguments=absolute_arguments(plan.arguments.to_json()),
        recipe=asdict(plan.recipe),
        **{**model_config(plan, {}), "model_config": ModelConfig.from_json(plan.settings)},
        decisions=plan.decisions,
        messages=tuple(plan.messages),
        data=DataRecord(
            name=dataset.name,
            source=plan.arguments.data,
            format=dataset.format,
            images=len(dataset),
            classes=tuple(dataset.classes.names) if dataset.classes else (),
            outputs=tuple(dataset.outputs),
            fingerprint=dataset.fingerprint(),
            splits={s: len(dataset.indices_of(s)) for s in SPLITS},
        ),
        seed=plan.arguments.seed,
        teacher=teacher_run.record(plan),
        **environment(),
        **more,
    )


def environment() -> dict[str, Any]:
    """Versions, machine and time, for the record."""
    names = ("sightline", "torch", "torchvision", "timm", "numpy", "scikit-learn", "pillow")
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "sightline": versions.get("sightline", "?"),
        "versions": versions,
        "environment": {
            "system": platform.platform(),
            "python": sys.version.split()[0],
            "processor": platform.processor() or platform.machine(),
            "cores": psutil.cpu_count(logical=True),
            "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        },
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
