"""Fair training: groups of images, which a column of the data names, and the worst of them decides.

Where images have one class each, a group is a value of the column together with a class: otherwise a network
that takes the one for the other would be good to every group (Sagawa et al., Distributionally robust neural
networks for group shifts, ICLR 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.console import say
from sightline.core.dataset import Dataset
from sightline.core.model import Model
from sightline.core.report import Figure, Score, Table
from sightline.core.sample import Batch
from sightline.core.targets.base import Targets
from sightline.devices import Devices
from sightline.errors import UnknownName, UsageError
from sightline.evaluation import scoring
from sightline.inference.predict_batches import Predicted
from sightline.models.backbones._backbone import Backbone
from sightline.training.callbacks.base import Callback
from sightline.training.plan import Plan
from sightline.training.probe import Batches, fit_probe
from sightline.training.trainer import Validate

FEWEST = 5
"""Validation images of a group that takes part in choosing the weights."""
MOST = 50
"""Values of a column at most: of more, it names images and not groups."""
STEP = 0.01
"""Step of the weights of the groups (eta of the paper's algorithm 1)."""
FEATURES = 10_000
"""Images that a last layer is fitted on, at most."""
EMPTY = "(empty)"
IN_WORDS = {
    "balanced": "each group is drawn equally often",
    "dro": "each group is drawn equally often, and counts the more the greater its loss (group DRO)",
    "last-layer": "after training, the last layer is fitted on groups that are drawn equally often",
}


@dataclass(frozen=True)
class Groups:
    """Groups of the items of a data set.

    Attributes:
        names: Of the groups.
        index: Group of each item, by the item's name.
    """

    names: tuple[str, ...]
    index: Mapping[str, int]

    def of(self, ids: Sequence[str]) -> np.ndarray:
        """(N,) group of some items."""
        return np.array([self.index[item] for item in ids], dtype=np.int64)


def groups_of(plan: Plan) -> Groups:
    """The groups of all items of a plan."""
    dataset, column = plan.dataset, plan.recipe.group or ""
    values = [str(v) or EMPTY for v in _columns(dataset)[column]]
    keys = [f"{column} {value}" for value in values]
    labels = dataset.targets.stratify_labels() if dataset.targets.exclusive else None
    if labels is not None and dataset.classes is not None:
        keys = [f"{k}, {dataset.classes.names[c]}" for k, c in zip(keys, labels.tolist(), strict=True)]
    names = tuple(sorted(set(keys)))
    numbers = {name: i for i, name in enumerate(names)}
    return Groups(names, {item: numbers[key] for item, key in zip(dataset.ids, keys, strict=True)})


def _columns(dataset: Dataset) -> dict[str, np.ndarray]:
    columns = dict(dataset.columns)
    if dataset.groups is not None:
        columns.setdefault("group", dataset.groups)
    return columns


def validate(plan: Plan) -> Plan:
    """The plan with its groups in words; unchanged without --fair.

    Raises:
        UsageError: If there are no such groups, or something else that was asked for contradicts them.
    """
    fair, column = plan.recipe.fair, plan.recipe.group
    if fair is None:
        if column is not None:
            raise UsageError(
                f"--group {column} names the groups of --fair. Add --fair {' or '.join(IN_WORDS)}."
            )
        return plan
    _require_column(plan, column)
    if fair == "last-layer" and plan.method.MODEL.fit_head is Model.fit_head:
        raise UsageError(
            f"--fair last-layer: model '{plan.method.CARD.name}' has no last layer that can be fitted. "
            "Use --fair balanced."
        )
    for name, why in _against(plan).items():
        raise UsageError(f"--fair {fair} and --{name} cannot be together: {why}. Leave one of them out.")
    groups = groups_of(plan)
    counts, held = (
        np.bincount(groups.of(plan.part(part).ids), minlength=len(groups.names)) for part in ("train", "val")
    )
    ranked = [name for name, n in zip(groups.names, held, strict=True) if n >= FEWEST]
    if len(ranked) < 2:
        raise UsageError(
            f"--fair {fair}: {len(ranked)} of {len(groups.names)} groups of '{column}' have {FEWEST} "
            "validation images or more, and the worst one chooses the weights. Give a larger val part, or "
            "leave --fair out."
        )
    words = (
        f"{IN_WORDS[fair]}; {len(groups.names)} groups by {column}, of {counts.min():,} to {counts.max():,} "
        "training images; the epoch whose worst group validates best is kept"
    )
    messages = [_lacking("training", 1, groups, counts), _lacking("validation", FEWEST, groups, held)]
    return replace(
        plan,
        recipe=replace(plan.recipe, monitor="score"),
        decisions={**plan.decisions, "fair": words},
        messages=(*plan.messages, *(m for m in messages if m)),
    )


def _require_column(plan: Plan, column: str | None) -> None:
    """Refuse a column that names no groups, and data that have none.

    Raises:
        UsageError: If it is so.
    """
    option, columns = f"--fair {plan.recipe.fair}", _columns(plan.dataset)
    targets, card = plan.dataset.targets, plan.task.metrics()[plan.task.card.primary_metric].card
    if card.unit != "image" or not (targets.exclusive or plan.dataset.outputs):
        raise UsageError(
            f"{option} is for images with one class each, or with numbers; the data give "
            f"{targets.description}. Leave --fair out."
        )
    if not columns:
        raise UsageError(
            f"{option}: {plan.dataset.name} has no columns. A table of the images with its path, its label "
            "and a column that names the groups keeps them: sightline train labels.csv."
        )
    if column is None:
        raise UsageError(
            f"{option}: name the column whose groups shall be treated alike: --group {' or '.join(columns)}."
        )
    if column not in columns:
        raise UnknownName("column", column, set(columns))
    values = np.unique(columns[column].astype(str))
    if not 2 <= len(values) <= MOST:
        raise UsageError(
            f"--group {column}: the column has {len(values):,} values in {len(plan.dataset):,} images, 2 to "
            f"{MOST} are groups. Name another column."
        )


def _against(plan: Plan) -> dict[str, str]:
    """Options that contradict groups, and the reason."""
    recipe, given = plan.recipe, plan.arguments.settings
    reasons = {
        name: "an image of two groups is of neither"
        for name in ("mixup", "cutmix")
        if getattr(plan.task.options, name, 0)
    }
    if given.get("sampler") is not None:
        reasons[f"sampler {given['sampler']}"] = "the groups say how often an image is drawn"
    if given.get("monitor") == "loss":
        reasons["monitor loss"] = "the worst group chooses the weights"
    if recipe.robust is not None:
        reasons["robust"] = "attacked images and the worst group would both choose the weights"
    if plan.settings.get("tile_size"):
        reasons["tile-size"] = "tiles are drawn, and groups are of images"
    if plan.arguments.teacher is not None and recipe.fair == "dro":
        reasons["teacher"] = "its loss is not weighted by group"
    return reasons


def _lacking(part: str, least: int, groups: Groups, counts: np.ndarray) -> str:
    """A sentence on groups with too few images in a part, or nothing."""
    few = [f"{name} ({n})" for name, n in zip(groups.names, counts.tolist(), strict=True) if n < least]
    if not few:
        return ""
    what = "cannot be learned" if part == "training" else f"do not choose the weights (fewer than {least})"
    more = f" and {len(few) - 5} more" if len(few) > 5 else ""
    return f"Groups without enough {part} images {what}: {'; '.join(few[:5])}{more}."


def sampling_weights(plan: Plan, part: Dataset) -> np.ndarray | None:
    """(N,) weights with which each group is drawn equally often; None where groups do not count."""
    if plan.recipe.fair not in ("balanced", "dro"):
        return None
    return _weights(groups_of(plan), part)


def _weights(groups: Groups, part: Dataset) -> np.ndarray:
    of = groups.of(part.ids)
    weights: np.ndarray = 1.0 / np.bincount(of, minlength=len(groups.names))[of]
    return weights


class GroupDro(Callback):
    """The loss of group DRO: a mean of the losses of the groups, in which the worse ones count the more.

    Args:
        groups: The groups.
        devices: Processes that share each batch.
    """

    def __init__(self, groups: Groups, devices: Devices) -> None:
        self.groups, self.devices = groups, devices
        self.weights = np.full(len(groups.names), 1 / len(groups.names))

    def losses(self, model: Model, batch: Batch, rng: torch.Generator, turn: str) -> dict[str, Tensor]:
        """As `Model.loss`, with the weighted loss as "loss"; the plain one is "target"."""
        outputs, of = model(batch.images), self.groups.of(batch.ids)
        parts: dict[int, Tensor] = {}
        for group in np.unique(of).tolist():
            rows = torch.from_numpy(np.flatnonzero(of == group)).to(batch.images.device)
            given = {name: value[rows] for name, value in outputs.items()}
            parts[group] = model.loss(_rows(batch, rows), rng, turn, outputs=given)["loss"]
        shares = {group: int((of == group).sum()) / len(of) for group in parts}
        plain = torch.stack([parts[g] * shares[g] for g in parts]).sum()
        self._update({group: float(loss.detach()) for group, loss in parts.items()})
        loss = torch.stack([parts[g] * float(self.weights[g]) for g in parts]).sum()
        return {"loss": loss, "target": plain.detach()}

    def _update(self, losses: dict[int, float]) -> None:
        """Give the groups of a step their new weights; a group of several processes counts by its mean."""
        everywhere = self.devices.gather(losses)
        for group in sorted({g for part in everywhere for g in part}):
            mean = float(np.mean([part[group] for part in everywhere if group in part]))
            self.weights[group] *= np.exp(STEP * min(mean, 100.0))
        self.weights /= self.weights.sum()

    def state(self) -> dict[str, Any]:
        """The weights of the groups."""
        return {"weights": self.weights.tolist()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        self.weights = np.array(state["weights"])


def _rows(batch: Batch, rows: Tensor) -> Batch:
    """Some items of a batch."""
    inputs = {name: value[rows] for name, value in batch.inputs.items()}
    places = [None if v is None else v[rows.to(v.device)] for v in (batch.affine, batch.original_sizes)]
    return Batch(inputs, batch.targets[rows], [batch.ids[i] for i in rows.tolist()], *places)


def objective(plan: Plan, devices: Devices) -> GroupDro | None:
    """The loss of a plan, if groups change it."""
    return GroupDro(groups_of(plan), devices) if plan.recipe.fair == "dro" else None


def worst(plan: Plan, predicted: Predicted) -> dict[str, float]:
    """Value of the worst group on validation, as "val_worst" and, turned, as what chooses the weights; empty
    without --fair.
    """
    if plan.recipe.fair is None:
        return {}
    higher = plan.task.metrics()[plan.task.card.primary_metric].card.higher_is_better
    of, groups = groups_of(plan), {}
    where = of.of(predicted.ids)
    for group in np.unique(where).tolist():
        rows = torch.from_numpy(np.flatnonzero(where == group))
        if len(rows) >= FEWEST:
            groups[group] = scoring.main_score(plan.task, predicted.prediction[rows], predicted.target[rows])
    value = min(groups.values()) if higher else max(groups.values())
    return {"val_worst": value, "val_score": value if higher else -value}


def fit_last_layer(
    model: Model,
    plan: Plan,
    loader: Callable[[Dataset], Batches],
    validate: Validate,
    devices: Devices,
) -> None:
    """Fit the last layer of a trained network on groups that are drawn equally often (Kirichenko et al., Last
    layer re-training is sufficient for robustness to spurious correlations, ICLR 2023), and keep it if the
    worst group validates better; nothing without --fair last-layer.

    Args:
        model: The trained network.
        plan: Of it.
        loader: Gives batches of some items, as they are.
        validate: Gives "val_worst" and "val_score".
        devices: Where to run.
    """
    if plan.recipe.fair != "last-layer":
        return
    before, head = validate(model), {n: t.clone() for n, t in _head(model).items()}
    part = plan.part("train")
    weights, rng = _weights(groups_of(plan), part), np.random.default_rng(plan.arguments.seed)
    drawn = rng.choice(len(part), min(len(part), FEATURES), p=weights / weights.sum())
    fit_probe(model, [loader(part.subset(np.sort(drawn)))], loader(plan.part("val")), devices)
    after = validate(model)
    better = after["val_score"] > before["val_score"]
    if not better:
        _head(model)
        model.backbone().head.load_state_dict(head)  # type: ignore[union-attr]
    if devices.first:
        say(
            f"last layer  worst group on validation {before['val_worst']:.4f} before, "
            f"{after['val_worst']:.4f} after: {'kept' if better else 'the layer stays as it was'}"
        )


def _head(model: Model) -> Mapping[str, Tensor]:
    """Weights of the last layer.

    Raises:
        UsageError: If the model has none that can be fitted.
    """
    backbone = model.backbone()
    if not isinstance(backbone, Backbone):
        raise UsageError(
            f"Model '{model.card.name}' has no last layer for --fair last-layer. Use --fair balanced."
        )
    state: Mapping[str, Tensor] = backbone.head.state_dict()
    return state


def conclude(plan: Plan, predicted: Predicted, together: np.ndarray | None) -> tuple[list[str], list[Figure]]:
    """A sentence on the groups of the test part, and a table of them; nothing without --fair.

    Args:
        plan: Of the run.
        predicted: Predictions for the test part.
        together: (N,) what keeps images together (a person, a scene), or None.
    """
    if plan.recipe.fair is None:
        return [], []
    card = plan.task.metrics()[plan.task.card.primary_metric].card
    rows = sorted(
        _scores(plan, predicted, together), key=lambda row: row[1].value, reverse=not card.higher_is_better
    )
    table = Table(
        f"{card.name} by group", ["group", "images", card.name],
        [[name, score.n, score.text(card.percent)] for name, score in rows],
        f"Trained with --fair {plan.recipe.fair} --group {plan.recipe.group}.",
    )  # fmt: skip
    enough = [row for row in rows if row[1].n >= FEWEST]
    if not enough:
        return [f"No group of {plan.recipe.group} has {FEWEST} test images."], [table]
    (low, worst_score), (high, best_score) = enough[0], enough[-1]
    words = (
        f'Groups by {plan.recipe.group}: the worst, "{low}", has {card.name} '
        f'{worst_score.text(card.percent)} on test (n {worst_score.n}), the best, "{high}", '
        f"{best_score.text(card.percent)} (n {best_score.n})."
    )
    return [words], [table]


def _scores(plan: Plan, predicted: Predicted, together: np.ndarray | None) -> list[tuple[str, Score]]:
    main, groups = plan.task.card.primary_metric, groups_of(plan)
    of = groups.of(predicted.ids)
    scores = []
    for group in np.unique(of).tolist():
        where = np.flatnonzero(of == group)
        rows = torch.from_numpy(where)
        parts: tuple[Targets, Targets] = predicted.prediction[rows], predicted.target[rows]
        people = None if together is None else together[where]
        score = scoring.score(plan.task, *parts, people)[0][main]
        scores.append((groups.names[group], replace(score, n=len(where))))
    return scores
