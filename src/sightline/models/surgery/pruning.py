"""Structured pruning: remove whole channels of a trained network, the smallest weights first.

Sources: Li et al., Pruning filters for efficient ConvNets, ICLR 2017 (magnitude of weights); Fang et al.,
DepGraph: Towards any structural pruning, CVPR 2023 (magnitude over all coupled weights).
"""

from __future__ import annotations

import copy
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.errors import UsageError
from sightline.models.surgery.channels import Channels, Seat, channels_of, tensors
from sightline.models.surgery.layer_widths import KEY, NORMS, resize

ROUND = 8
"""Processors work on so many channels at a time; sets of four times as many or more keep a multiple of it."""
MAX_DIFFERENCE = 1e-3
"""How far outputs may lie, as a share of the greatest, from those of the network without what was taken."""
MIN_SHARE = 0.01
"""Share of the numbers of an output that may lie further apart."""


@dataclass(frozen=True)
class Pruned:
    """Result of pruning: sizes before and after.

    Attributes:
        share: Of the channels that was asked for.
        channels: Before and after, of all layers that could be made narrower.
        parameters: Before and after.
        macs: Multiply-adds of convolutions and matrix products for one image, before and after.
    """

    share: float
    channels: tuple[int, int]
    parameters: tuple[int, int]
    macs: tuple[int, int]

    def text(self) -> str:
        """The same in words."""
        (a, b), (p, q), (m, n) = self.channels, self.parameters, self.macs
        return (
            f"{a - b:,} of {a:,} channels taken; {q:,} of {p:,} parameters left ({q / p:.0%}), "
            f"{n / 1e6:,.1f} of {m / 1e6:,.1f} million multiply-adds an image ({n / m:.0%})"
        )


def prune(model: Model, share: float) -> Pruned:
    """Remove channels of a model, and write the remaining channel counts into its settings.

    Of each set of channels that play the same part, the same share goes. The outputs are checked against
    those of the whole network that does not listen to what was taken.

    Args:
        model: With its trained weights, on the CPU; changed in place.
        share: Of the channels, in [0, 1).

    Raises:
        UsageError: If the network cannot be pruned; it is as it was then.
    """
    name = model.card.name
    shape = InputSpec.of(model.settings).shape
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, *shape), dtype=np.uint8))
    trial: Model = copy.deepcopy(model)
    channels = channels_of(trial, lambda: [_run(trial, images, training) for training in (False, True)])
    gone = _chosen(trial, channels, share)
    if share and not gone:
        raise UsageError(
            f"Model '{name}' cannot be pruned by {share}: no channels were found that can go and that are "
            "many enough. Train a smaller --model with --teacher instead."
        )
    trial = copy.deepcopy(model)
    shapes = _narrow_layers(trial, channels, gone)
    try:
        _agree(_deaf(model, channels, gone), trial, images)
    except (RuntimeError, AssertionError, ValueError, IndexError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"Model '{name}' cannot be pruned: its layers count on their channels ({first}). "
            "Train a smaller --model with --teacher instead."
        ) from error
    before = _costs(model, images)
    _narrow_layers(model, channels, gone)
    model.settings[KEY] = {**(model.settings.get(KEY) or {}), **shapes}
    after = _costs(model, images)
    free = {
        r
        for s in channels.seats.values()
        if s.outputs is not None
        for r in channels.roots(s.outputs).tolist()
    }
    free -= {channels.root(n) for n in channels.fixed}
    return Pruned(share, (len(free), len(free) - len(gone)), *zip(before, after, strict=True))  # type: ignore[arg-type]


def _run(model: Model, images: Tensor, training: bool) -> Any:
    """Outputs of the model in eval or in training mode."""
    model.train(training)
    return model(images)


def _costs(model: Model, images: Tensor) -> tuple[int, int]:
    """(parameters, multiply-adds of one image)."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(images[:1])
    return sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2


def _chosen(model: nn.Module, channels: Channels, share: float) -> set[int]:
    """Representatives of the channels to remove: the smallest of each set with the same layers and sides."""
    fixed = {channels.root(n) for n in channels.fixed}
    layers: dict[int, list[tuple[str, str]]] = defaultdict(list)
    sizes: dict[int, list[float]] = defaultdict(list)
    for where, seat in channels.seats.items():
        layer: Any = model.get_submodule(where)
        for side, names, dim in _sides(layer, seat):
            size = layer.weight.detach().float().movedim(dim, 0)
            size = size.reshape(len(size), -1).norm(dim=1)
            size = size / size.mean().clamp(min=1e-12)
            for root, value in zip(channels.roots(names).tolist(), size.tolist(), strict=True):
                layers[root].append((where, side))
                sizes[root].append(value)
    sets: dict[Any, list[int]] = defaultdict(list)
    for root, parts in layers.items():
        if root not in fixed and any(side == "out" for _, side in parts):
            sets[tuple(sorted(set(parts)))].append(root)
    gone: set[int] = set()
    for roots in sets.values():
        order = sorted(roots, key=lambda r: (np.mean(sizes[r]), r))
        gone.update(order[: len(roots) - _left(len(roots), share)])
    return gone


def _left(n: int, share: float) -> int:
    """Number of channels that remain of n."""
    left = n * (1 - share)
    if n >= 4 * ROUND and share:
        return min(n, max(ROUND, ROUND * round(left / ROUND)))
    return max(1, round(left))


def _sides(layer: nn.Module, seat: Seat) -> list[tuple[str, np.ndarray, int]]:
    """(side, ids, dimension of the weight) for the inputs and outputs of a layer."""
    turned = isinstance(layer, nn.ConvTranspose2d)
    sides = [] if seat.outputs is None else [("out", seat.outputs, int(turned))]
    if seat.inputs is not None and not seat.deep:
        sides.append(("in", seat.inputs, 0 if turned else 1))
    return sides


def _narrow_layers(model: nn.Module, channels: Channels, gone: set[int]) -> dict[str, list[int]]:
    """Remove channels from the layers; returns the new weight shapes of the layers that changed."""
    shapes = {}
    for where, seat in channels.seats.items():
        layer: Any = model.get_submodule(where)
        weight, stay_inputs = layer.weight, None
        for side, names, dim in _sides(layer, seat):
            stay = torch.from_numpy(~np.isin(channels.roots(names), list(gone))).nonzero()[:, 0]
            weight = weight.detach().index_select(dim, stay)
            stay_inputs = stay if side == "out" else stay_inputs
        if weight.shape != layer.weight.shape:
            n = weight.shape[1 if isinstance(layer, nn.ConvTranspose2d) else 0]
            resize(layer, weight, torch.arange(n) if stay_inputs is None else stay_inputs)
            shapes[where] = list(weight.shape)
    return shapes


@torch.no_grad()
def _deaf(model: Model, channels: Channels, gone: set[int]) -> Model:
    """Reference for the check: the whole network with zero input weights for the removed channels."""
    trial: Model = copy.deepcopy(model)
    for where, seat in channels.seats.items():
        layer: Any = trial.get_submodule(where)
        if isinstance(layer, NORMS):
            continue
        for side, names, dim in _sides(layer, seat):
            if side == "in":
                deaf = torch.from_numpy(np.isin(channels.roots(names), list(gone))).nonzero()[:, 0]
                layer.weight.index_fill_(dim, deaf, 0.0)
    return trial


@torch.no_grad()
def _agree(whole: Model, narrow: Model, images: Tensor) -> None:
    """Check that two models give the same outputs, and that the second can be trained.

    Raises:
        AssertionError: If they do not.
    """
    first, second = (list(tensors(_run(m, images, False))) for m in (whole, narrow))
    for a, b in zip(first, second, strict=True):
        assert a.shape == b.shape, f"an output has shape {list(b.shape)} instead of {list(a.shape)}"
        if not a.numel():
            continue
        # Candidates come in the order of their scores and are cut off there, which hangs on the last bit.
        x, y = (t.float().flatten().sort().values for t in (a, b))
        far = (x - y).abs() > MAX_DIFFERENCE * (1 + float(x.abs().max()))
        assert float(far.float().mean()) <= MIN_SHARE, "its outputs hang on channels in another way"
    _run(copy.deepcopy(narrow), images, True)
