"""The report of a run: command, data, learning curves, scores, network."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.report import (
    BarPlot,
    Figure,
    ImageGrid,
    IntervalPlot,
    LinePlot,
    PredictionGallery,
    Results,
    Table,
)
from sightline.core.run import Run, scoreboard
from sightline.data.inputs import finder, input_kind, view_item
from sightline.evaluation import conclusions
from sightline.evaluation.attempt import attempt
from sightline.ops import draw
from sightline.report import page
from sightline.report.page import Page, Section
from sightline.training.plan import Plan

SAMPLES = 24
MAPS = 16
"""Filters and activation maps shown."""


def write(run: Run, plan: Plan, model: Model, results: Results) -> Path:
    """Write report.html into the run folder."""
    card = plan.task.metrics()[plan.task.card.primary_metric].card
    main = results.scores[plan.task.card.primary_metric]
    facts = [(plan.task.card.primary_metric, main.text(card.percent))]
    facts += [
        (f"{name} baseline", scores[plan.task.card.primary_metric].text(card.percent))
        for name, scores in results.baselines.items()
    ]
    looks = results.metadata["test_access_count"]
    opened = "once" if looks == 1 else f"{looks} times"
    facts += [(f"test {results.item}s", str(results.n)), ("test set opened", opened)]
    sections = [
        command_section(run, plan),
        data(plan),
        curves(run),
        Section("Scores", "Each with its 95 % interval, beside the baselines, on the same items.",
                [score_comparison(results, card.name, card.percent), replace(scoreboard(results), title="")]),
        Section("A closer look", figures=results.figures),
        attempt("The first layer", lambda: first_layer(model, plan), None, results.conclusions),
        costs(results),
        how_to_load(run, results),
    ]  # fmt: skip
    name, seed = plan.decisions["model"].partition(":")[0], plan.arguments.seed
    lead = f"{name} for {plan.task.card.name} on {plan.dataset.name}, seed {seed}."
    content = Page(run.path.name, lead, facts, results.conclusions, [s for s in sections if s is not None])
    file = run.path / "report.html"
    page.write(content, finder(plan.dataset), file)
    return file


def score_comparison(results: Results, name: str, percent: bool) -> IntervalPlot:
    """Main score of network and baselines, as points with intervals."""
    scores = {"network": results.scores[name], **{b: s[name] for b, s in results.baselines.items()}}
    return IntervalPlot(f"{conclusions.capitalized(name)}, network and baselines", name, scores, percent)


def command_section(run: Run, plan: Plan) -> Section:
    """Section: the command that repeats the run, and every decision with its reason."""
    words = ["sightline", "train", plan.arguments.data]
    for name, value in plan.arguments.given().items():
        option = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            several = value if isinstance(value, list | tuple) else [value]
            words += [word for single in several for word in (f"--{option}", str(single))]
    words += ["--folds", str(run.record.folds)] if run.record.folds is not None else []
    text = "    " + shlex.join(words) + "\n\n" + "\n\n".join(plan.messages)
    rows = [[k, v] for k, v in plan.decisions.items()]
    recipe = [[k, str(v)] for k, v in vars(plan.recipe).items() if v is not None]
    record = run.record
    machine = [["machine", ", ".join(f"{k} {v}" for k, v in record.environment.items())],
               ["versions", ", ".join(f"{k} {v}" for k, v in record.versions.items())],
               ["started", record.started]]  # fmt: skip
    return Section("What was asked", text, [
        Table("Decisions", ["what", "choice and reason"], rows + machine),
        Table("Recipe", ["setting", "value"], recipe),
    ])  # fmt: skip


def data(plan: Plan) -> Section:
    """Section: a sample of the training images, counts per class and split, and the findings."""
    dataset, info = plan.dataset, plan.task.info
    train = dataset.indices_of("train")
    shown = train[np.random.default_rng(0).permutation(len(train))[:SAMPLES]]
    targets = dataset.targets[torch.from_numpy(shown)]
    names = info.classes.names if info.classes is not None else ()
    exhibits: list[Figure] = [
        PredictionGallery("A sample of the training images", [dataset.ids[i] for i in shown],
                plan.task.describe_targets(targets), target=targets, names=names)
    ]  # fmt: skip
    if info.classes is not None:
        counts = dict(zip(names, map(float, info.class_counts), strict=True))
        exhibits.append(BarPlot("Training examples of each class", "class", "examples", counts))
    doubt = [i for f in plan.findings if f.name == "exif-and-positions" for i in f.items]
    turned = np.flatnonzero(np.isin(np.array(dataset.ids, dtype=object), doubt))[:SAMPLES]
    if len(turned):
        targets = dataset.targets[torch.from_numpy(turned)]
        exhibits.append(
            PredictionGallery(
                "Do the annotations follow the EXIF rotation?",
                [dataset.ids[i] for i in turned],
                plan.task.describe_targets(targets),
                "Where they lie beside their objects: --exif ignore.",
                target=targets,
                names=names,
            )
        )
    parts = [[s, len(dataset.indices_of(s))] for s in ("train", "val", "test")]
    exhibits.append(Table("Split", ["part", "images"], parts))
    summary = f"{len(plan.findings)} findings." if plan.findings else "The check found nothing."
    return Section("The data", summary, exhibits, tuple(plan.findings))


def curves(run: Run) -> Section:
    """Section: loss and score over the epochs."""
    events = list(run.events())
    hidden = ("val_score", "val_loss", "train_loss")
    scores = [k for k in (events[0] if events else {}) if k.startswith("val_") and k not in hidden]

    def series(name: str) -> list[tuple[float, float]]:
        return [(e["epoch"], e[name]) for e in events if e.get(name) is not None]

    names = {"training": "train_loss", "validation": "val_loss"}
    names |= {
        n[6:-5]: n for n in (events[-1] if events else {}) if n.startswith("train_") and n.endswith("/loss")
    }
    losses = {name: points for name, key in names.items() if (points := series(key))}
    if not losses:
        return Section("Learning curves", "The model takes no steps: there is nothing to draw.")
    note = "Training loss is measured on augmented images with dropout on, so it may lie above."
    loss = LinePlot("Loss", "epoch", "loss", losses, note=note)
    drawn: list[Figure] = [loss]
    drawn += [LinePlot(f"Validation {n[4:]}", "epoch", n[4:], {"validation": series(n)}) for n in scores]
    return Section("Learning curves", figures=drawn)


def first_layer(model: Model, plan: Plan) -> Section | None:
    """Section: filters of the first convolution, and its feature maps for one test image."""
    backbone: Any = model.backbone()
    conv = backbone.first_conv() if backbone is not None and hasattr(backbone, "first_conv") else None
    if conv is None:
        return None
    test = plan.part("test")
    spec = InputSpec.of(plan.settings)
    inputs = input_kind(spec.kind).tensors(view_item(test.pixels, 0, spec, plan.settings["resize"])[None])
    maps_of_layer: list[torch.Tensor] = []
    hook = conv.register_forward_hook(
        lambda module, given, answer: maps_of_layer.append(answer.detach().float().cpu())
    )
    device = next(model.parameters()).device
    with torch.no_grad():
        model.eval()(*(value.contiguous().to(device) for value in inputs.values()))
    hook.remove()
    weights = conv.weight.detach().float().cpu()
    filters = [draw.stretched(w.numpy() if w.shape[0] in (1, 3) else w.mean(0, keepdim=True).numpy())
               for w in weights[:MAPS]]  # fmt: skip
    maps = [draw.stretched(m[None].numpy()) for m in maps_of_layer[0][0][:MAPS]]
    numbers = [str(i) for i in range(len(filters))]
    return Section("The first layer", f"{weights.shape[0]} filters of "
                   f"{weights.shape[2]}x{weights.shape[3]} pixels; the first {len(filters)} are shown.", [
        ImageGrid("Filters", filters, numbers, "Each scaled to its own range."),
        ImageGrid(f"Their answers to {test.ids[0]}", maps, numbers, "Bright: strong positive answer."),
    ])  # fmt: skip


def costs(results: Results) -> Section:
    """Section: seconds, energy, parameters, FLOPs."""
    cost = results.metadata["cost"]
    joules = cost["joules"]
    energy = "not measurable on this machine"
    if joules is not None:
        energy = f"{joules / 3600:.3g} Wh (processor packages, idle share included)"
    rows = [
        ["training time", f"{cost['seconds']:.0f} s on {cost['device']}"],
        ["energy of training", energy],
        ["trainable parameters", f"{cost['parameters']:,}"],
        ["FLOPs of one image", f"{cost['flops']:,} (a multiply-add counts as two)"],
    ]
    if "pruned" in results.metadata:
        rows.append(
            ["pruned", f"{results.metadata['pruned']['text']}; from {results.metadata['pruned']['from']}"]
        )
    return Section("Cost", figures=[Table("", ["what", "how much"], rows)])


def how_to_load(run: Run, results: Results) -> Section:
    """Section: how to use the model, and the limits of its scores."""
    text = (
        "In Python:\n\n"
        "    import sightline as sl\n"
        f'    model = sl.load("{run.path.as_posix()}")\n'
        '    for outcome in model.predict("new-photos/"):\n'
        "        print(outcome.id, outcome.row)\n\n"
        "On the command line:\n\n"
        f"    sightline predict {run.path.as_posix()} new-photos/ --out predictions.csv\n\n"
        "The scores hold for images that come from where the test images came from. They say nothing "
        "about other cameras, places or times."
    )
    return Section("How to use the model", text)
