"""Export validation: the file predicts the validation images, and its score must not fall by more than
allowed.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sightline.console import say, track
from sightline.core.dataset import Dataset
from sightline.core.inputs import batch_settings
from sightline.core.model import Model
from sightline.core.report import Score
from sightline.core.targets.base import Targets
from sightline.core.task import Task
from sightline.data.loading.preprocess import resize_to_input
from sightline.data.loading.rect_loader import in_order_of_rects
from sightline.data.loading.tiles import batches, tile_dataset
from sightline.devices import Devices
from sightline.exporters.drift import LIMIT, first, max_abs_diff
from sightline.exporters.graph import Array, Graph, Runner, traced
from sightline.exporters.nms_graph import suppresses
from sightline.inference.predict_batches import predict
from sightline.metrics import intervals
from sightline.models.detection.suppression import final
from sightline.runtime.targets import target_type

FLOAT, INTEGER = 0.1, 1.0
"""Points that the score may fall by, with numbers of 32 or 16 bits and with whole numbers of 8 bits."""
BATCH = 16
"""Images that file and network answer at a time."""
MAX_LISTED = 5
"""Images that are named when a file is rejected."""
ROUNDING = 1e-5
"""Share that outputs of a file are off from the network's by rounding alone, over many layers."""
SHAKES = 12
"""Networks with weights so far off that are asked, at most, which objects they find."""
SHAKEN, UNEXPLAINED = 500, 1
"""Images in doubt that these are asked of, at most, and how many of so many may stay without a reason: then,
with 95 % confidence, fewer than 1 in 100 of those in doubt do (exact binomial limit: 0.95 %)."""


@dataclass(frozen=True)
class Gate:
    """Result of the export validation.

    Attributes:
        metric: Name of the main score.
        before: Score of the network on the validation images.
        after: Score of the file on the same images.
        fell: Drop of the score in points (of 100); for a score that is no share, in per cent of its value.
        tolerance: Drop that is allowed.
        apart: Maximum difference of each output, as a share of its maximum value.
        changed: Images with another prediction: class, classes of objects, classes of pixels, or number.
        n: Number of validation images.
        why: Reason for rejecting the file, or "".
        worst: Names of the images whose outputs differ most, if it is rejected.
        node: Where in the graph the outputs first differ, if it is rejected and this was located.
    """

    metric: str
    before: Score
    after: Score
    fell: float
    tolerance: float
    apart: dict[str, float]
    changed: int
    n: int
    why: str = ""
    worst: list[str] = field(default_factory=list)
    node: str = ""

    @property
    def passed(self) -> bool:
        """Whether the file is accepted."""
        return not self.why


def gate(
    graph: Graph,
    open_with: Callable[[Sequence[str]], Runner],
    part: Dataset,
    task: Task,
    tolerance: float,
    exact: bool,
    network: Model | None = None,
) -> Gate:
    """Compare a file with the network that it was exported from.

    Args:
        graph: The network, on the CPU.
        open_with: Opens the file, with these values inside it among the outputs.
        part: The validation images.
        task: The task.
        tolerance: Points that the score may fall by.
        exact: Whether the outputs must be the same too, but for rounding: with numbers of 32 bits.
        network: The network as it is used without the file, where that is another use: each image in its own
            rectangle (`--resize rect`), where the graph has one size.
    """
    part = in_order_of_rects(part, graph.model.settings)
    comparison = _Comparison(graph, open_with([]), part, target_type(task.card.prediction_type).ranked)
    loader = batches(part, graph.model.settings, batch_size=BATCH)
    for batch in track(loader.epoch(0), "checking the file"):
        comparison.add(batch)
    before, after = (loader.whole(type(p[0]).cat(p)) for p in (comparison.before, comparison.after))
    if network is not None:
        loader_of_network = batches(part, network.settings, batch_size=BATCH)
        before = predict(network, loader_of_network, Devices(torch.device("cpu"))).prediction
    name = task.card.primary_metric
    card = task.metrics()[name].card
    score, other = (_main_score(task, p, loader.targets, part.groups) for p in (before, after))
    fell = (score.value - other.value) * (1 if card.higher_is_better else -1)
    fell *= 100 if card.best == 1 else 100 / max(abs(score.value), 1e-9)
    changed = int(before.differs(after).sum())
    result = Gate(name, score, other, fell, tolerance, comparison.apart, changed, len(part))
    why = _why(result, comparison)
    if not why and exact:
        why = _drifted(graph, comparison, part)
    if not why:
        return result
    order = np.argsort(-np.array(comparison.drift), kind="stable")[:MAX_LISTED]
    worst = [comparison.ids[i] for i in order if comparison.drift[i] > 0]
    node = first(graph, lambda taps: open_with(taps), comparison.sample)
    return replace(result, why=why, worst=worst, node=node)


def _main_score(task: Task, prediction: Targets, target: Targets, groups: np.ndarray | None) -> Score:
    """The task's main score alone: the others would cost as much again, each."""
    metric = task.metrics()[task.card.primary_metric]
    metric.update(prediction, target)
    return intervals.score(metric, metric.stats, groups=groups)


def _why(result: Gate, comparison: _Comparison) -> str:
    if not np.isfinite(list(comparison.apart.values())).all():
        return "it says numbers that are not finite"
    if np.isnan(result.before.value):
        return f"{result.metric} of the network itself is no number on these images: nothing can be said"
    if not result.fell <= result.tolerance:
        limit = f"--max-score-drop {result.tolerance:g}"
        return f"{result.metric} fell by {result.fell:.2f} points, more than {limit}"
    return ""


def _drifted(graph: Graph, comparison: _Comparison, part: Dataset) -> str:
    """Reason if the outputs of a float32 file differ by more than rounding explains, or ""."""
    if comparison.final:
        return _others_stay(graph, comparison, part)
    judged = {k: v for k, v in comparison.apart.items() if k not in comparison.loose or k == "scores"}
    name, off = max(judged.items(), key=lambda item: item[1])
    if off <= LIMIT:
        return ""
    if name == "scores" and comparison.loose and suppresses(traced(graph)):  # between its stages
        return _others_stay(graph, comparison, part)
    return f"'{name}' differs by {100 * off:.2g} % of its greatest value: more than rounding explains"


def _others_stay(graph: Graph, comparison: _Comparison, part: Dataset) -> str:
    """Reason for rejecting a file with NMS include, or "".

    With two boxes of almost equal scores, one bit decides which of them suppresses the other. If the network
    itself predicts other objects once its weights are perturbed by rounding errors of float32, the file is
    not blamed. Only images on which the file predicts other objects are tested; of very many, a fixed sample.
    """
    n = len(comparison.ranked)
    other = [i for i, off in enumerate(comparison.ranked) if off > LIMIT]
    if len(other) <= LIMIT * n:
        return ""
    looked_at = _some(other, comparison.ids)
    most = LIMIT * n if len(looked_at) == len(other) else UNEXPLAINED
    # No other object drops the best one: where its score differs, rounding does not explain it.
    never = sum(comparison.best[i] > LIMIT for i in looked_at)
    left = [i for i in looked_at if comparison.best[i] <= LIMIT]
    for seed in range(SHAKES):
        if never + len(left) <= most or never > most:
            break
        left = _sure(graph, _rows(part, left, graph.model.settings), left, seed, comparison.loose)
    if never + len(left) <= most:
        few = "" if len(looked_at) == len(other) else f" (looked at on {len(looked_at)} of these)"
        say(
            f"On {len(other)} of {n} images the scores are so much alike that rounding decides which objects "
            f"stay{few}: there the file need not leave the same."
        )
        return ""
    share = 100 * (never + len(left)) / len(looked_at) * len(other) / n
    return f"other objects stay on {share:.2g} % of the images: more than rounding explains"


def _some(rows: list[int], ids: Sequence[str]) -> list[int]:
    """A fixed sample of rows, the same for the same ids."""
    drawn = sorted(rows, key=lambda i: hashlib.sha256(ids[i].encode()).digest())
    return sorted(drawn[:SHAKEN])


def _rows(part: Dataset, rows: list[int], settings: dict[str, Any]) -> Any:
    """Batches of some images, or of some tiles, by their row numbers."""
    whole = tile_dataset(part, settings["tile_size"])[0] if settings.get("tile_size") else part
    return batches(whole.subset(np.array(rows)), {**settings, "tile_size": 0}, batch_size=BATCH)


def _sure(graph: Graph, loader: Any, rows: list[int], seed: int, ranked: Sequence[str]) -> list[int]:
    """Rows on which a perturbed network predicts the same objects."""
    shaken = _shaken(graph, seed)
    unsure = [u for batch in loader.epoch(0) for u in _unsure(graph, shaken, batch, seed, ranked)]
    return [row for row, other in zip(rows, unsure, strict=True) if not other]


@torch.no_grad()
def _unsure(graph: Graph, shaken: Graph, batch: Any, seed: int, ranked: Sequence[str]) -> list[bool]:
    """(B,) bool: whether NMS keeps other objects when weights and scores are perturbed."""
    images = graph.prepared(batch.images)
    a, b = graph.outputs_of(images), shaken.outputs_of(images)
    if "count" in a:
        model = shaken.model
        settings = batch_settings(model.settings, images)
        answer = model.postprocess(model(images), settings)
        if "count" not in answer:  # else the model has dropped them itself, before its second stage
            b = final({**answer, "scores": _moved(answer["scores"], seed)}, settings)
    pairs = [(a[name].numpy(), b[name].numpy(), name in ranked) for name in a]
    return [any(_difference(x[i], y[i], loose) > LIMIT for x, y, loose in pairs) for i in range(len(images))]


@torch.no_grad()
def _shaken(graph: Graph, seed: int) -> Graph:
    """Copy of the network with every weight perturbed by about the size of accumulated rounding errors."""
    graph = copy.deepcopy(graph)
    for value in graph.parameters():
        value.copy_(_moved(value, seed))
    return graph


def _moved(values: Tensor, seed: int) -> Tensor:
    noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(seed))
    return values * (1 + ROUNDING * noise)


class _Comparison:
    """Accumulated outputs and predictions of network and file."""

    def __init__(self, graph: Graph, run: Runner, part: Dataset, ranked: Sequence[str]) -> None:
        self._graph, self._run, self._part = graph, run, part
        self.before: list[Any] = []
        self.after: list[Any] = []
        self.ids: list[str] = []
        self.drift: list[float] = []
        self.final = "count" in graph.names
        self.ranked: list[float] = []  # how far the sorted scores of each image are off
        self.best: list[float] = []  # and the best of them, which no other object drops
        self.apart: dict[str, float] = dict.fromkeys(graph.names, 0.0)
        self.sample: Tensor = torch.empty(0)
        self.loose = ranked

    @torch.no_grad()
    def add(self, batch: Any) -> None:
        """One more batch."""
        graph, model = self._graph, self._graph.model
        images = graph.prepared(batch.images)
        if not len(self.sample):
            self.sample = images[:1].clone()
        target = graph.outputs_of(images)
        outputs = self._run(images.numpy())
        got = {name: torch.from_numpy(outputs[name]).to(value.dtype) for name, value in target.items()}
        each = [
            {
                name: _difference(target[name][i].numpy(), got[name][i].numpy(), name in self.loose)
                for name in target
            }
            for i in range(len(images))
        ]
        for differences in each:
            self.apart = {name: max(self.apart[name], differences[name]) for name in differences}
        if self.loose and "scores" in target:
            self.ranked += [differences["scores"] for differences in each]
            best = [
                (target["scores"][i].amax().numpy(), got["scores"][i].amax().numpy())
                for i in range(len(each))
            ]
            self.best += [max_abs_diff(a, b) for a, b in best]
        self.drift += [max(differences.values()) for differences in each]
        first = len(self.ids)
        self.ids += list(batch.ids)
        read = model.predict_from_outputs if graph.include == "none" else model.to_predictions
        # Of suppression inside the file the network knows nothing: its own answer is what is compared with.
        settings = batch_settings(model.settings, images)
        whole = model.predict_from_outputs(model(images), settings) if self.final else None
        self.before.append(batch.back(read(target, settings) if whole is None else whole).compressed())
        if graph.include == "preprocess":  # and is judged by what it says of the images as they are stored
            self.after += [self._stored(i) for i in range(first, len(self.ids))]
        else:
            self.after.append(batch.back(read(got, batch_settings(graph.settings, images))).compressed())

    def _stored(self, i: int) -> Any:
        """Prediction of the file for image i, in pixels of the stored image."""
        settings = self._graph.settings
        image = resize_to_input(self._part.pixels.read(i), None, channels=settings["channels"])
        outputs = self._run(np.ascontiguousarray(image.transpose(2, 0, 1))[None])
        answer = {name: torch.from_numpy(value) for name, value in outputs.items()}
        return self._graph.model.to_predictions(answer, {**settings, "size": image.shape[:2]}).compressed()


def _difference(target: Array, outputs: Array, loose: bool) -> float:
    """Difference of one image's output, in any order if loose; for integers the share of values that
    differ.
    """
    if target.shape != outputs.shape:
        return float("inf")
    if loose:
        target, outputs = np.sort(target, axis=0), np.sort(outputs, axis=0)
    if target.dtype.kind in "iub":
        return float((target != outputs).mean()) if target.size else 0.0
    return max_abs_diff(target, outputs)
