"""Dependency graph of channels: which channels of a network can only be removed together.

One image runs through the network, and every tensor carries ids of its channels. A convolution makes new
ids; an elementwise function keeps them; adding two tensors joins their ids; concatenation, split and flatten
move them. Channels that meet any other function are fixed: what is not known stays unchanged. The idea is
that of Fang et al., DepGraph, CVPR 2023, for single channels instead of whole layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sightline.models.surgery.layer_widths import CONVOLUTIONS, LAYERS, NORMS

Names = np.ndarray

_KEEPING = (
    "relu relu_ relu6 relu6_ leaky_relu leaky_relu_ elu elu_ celu selu gelu silu silu_ mish hardswish "
    "hardswish_ hardsigmoid hardsigmoid_ hardtanh hardtanh_ sigmoid sigmoid_ tanh tanh_ softplus dropout "
    "dropout_ dropout2d feature_dropout alpha_dropout clamp clamp_ contiguous clone to float detach type abs "
    "neg sqrt square pow exp max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d "
    "fractional_max_pool2d lp_pool2d interpolate upsample boolean_dispatch _max_pool2d _adaptive_max_pool2d "
    "_fractional_max_pool2d max_pool3d avg_pool3d _max_pool3d dropout3d requires_grad_ bernoulli_"
)
KEEPING = frozenset(_KEEPING.split())
"""Functions that work on each channel by itself."""
_JOINING = (
    "add add_ sub sub_ mul mul_ div div_ true_divide __add__ __radd__ __iadd__ __sub__ __rsub__ __isub__ "
    "__mul__ __rmul__ __imul__ __truediv__ __itruediv__ maximum minimum"
)
JOINING = frozenset(_JOINING.split())
"""Functions of two tensors that work on each pair of channels by itself."""
REDUCING = ("mean", "sum", "amax", "amin", "std", "var")
SHAPING = ("flatten", "view", "reshape", "squeeze", "unsqueeze", "unflatten")

Shapes = dict[int, tuple[int, ...]]
Layers = dict[int, tuple[str, nn.Module]]


@dataclass
class Seat:
    """Channel ids at the inputs and outputs of one layer.

    Attributes:
        outputs: (n,) names of what comes out, or None where they must stay.
        inputs: (m,) names of what goes in, or None likewise.
        deep: Whether each output has one input only (a depthwise convolution).
    """

    outputs: Names | None = None
    inputs: Names | None = None
    deep: bool = False


@dataclass
class Channels:
    """Union-find over the channels of a network.

    Attributes:
        above: Each channel's parent among those it is one with; a root is its own.
        fixed: Names of channels that must stay.
        seats: What each layer does with them, by name.
    """

    above: list[int] = field(default_factory=list)
    fixed: set[int] = field(default_factory=set)
    seats: dict[str, Seat] = field(default_factory=dict)

    def fresh(self, n: int) -> Names:
        """Ids of n new channels, (n,) int64."""
        start = len(self.above)
        self.above.extend(range(start, start + n))
        return np.arange(start, start + n)

    def root(self, name: int) -> int:
        """Representative of the set that a channel belongs to."""
        while self.above[name] != name:
            self.above[name] = self.above[self.above[name]]
            name = self.above[name]
        return name

    def roots(self, names: Names) -> Names:
        """Representatives of many channels, elementwise."""
        return np.array([self.root(int(n)) for n in names], dtype=np.int64)

    def join(self, first: Names, second: Names) -> None:
        """Merge the sets of pairs of channels, (n,) and (n,)."""
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            self.above[self.root(a)] = self.root(b)

    def fix(self, names: Names | None) -> None:
        """Mark channels as fixed: they are never removed."""
        if names is not None:
            self.fixed.update(names.tolist())


def channels_of(network: nn.Module, run: Callable[[], Any]) -> Channels:
    """Trace the channels of a network while it runs.

    Args:
        network: Any network.
        run: Runs it on images, as often and in such modes as matter; gives all that comes out.
    """
    channels = Channels()
    with torch.no_grad(), _marked(network) as layers:
        with _Names(channels, layers):
            out = run()
        for tensor in tensors(out):
            channels.fix(_names(tensor)[1])
    return channels


def tensors(tree: Any) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples and mappings."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, dict):
        for part in tree.values():
            yield from tensors(part)
    elif isinstance(tree, list | tuple):
        for part in tree:
            yield from tensors(part)


@contextmanager
def _marked(network: nn.Module) -> Iterator[Layers]:
    """Map the identity of each layer's weight to the layer, while the mode is active."""
    layers: Layers = {}
    for name, module in network.named_modules():
        if isinstance(module, LAYERS) and module.weight is not None:
            layers[id(module.weight)] = (name, module)
    yield layers


def _names(tensor: Any) -> tuple[int, Names | None]:
    """(dimension, ids) of the channels that a tensor carries."""
    names: tuple[int, Names | None] = getattr(tensor, "_channels", (0, None))
    return names


def _carry(tensor: Tensor, dim: int, names: Names | None) -> None:
    tensor._channels = (dim, names)  # type: ignore[attr-defined]


class _Names(TorchFunctionMode):
    """`TorchFunctionMode` that propagates channel ids from the inputs to the output of each function."""

    def __init__(self, channels: Channels, layers: Layers) -> None:
        super().__init__()
        self.found, self.layers = channels, layers

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        before = [(t, *_names(t)) for t in tensors([args, kwargs]) if _names(t)[1] is not None]
        shapes = {id(t): tuple(t.shape) for t, _, _ in before}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in ("conv2d", "conv3d", "conv_transpose2d", "linear", "batch_norm"):
            known_names = self._layer(name, result, args, kwargs)
        else:
            nothing = not before or next(tensors(result), None) is None
            known_names = nothing or self._moved(name, before, shapes, result, args, kwargs)
        if known_names:
            return result
        for _, _, names in before:
            self.found.fix(names)
        for tensor in tensors(result):
            _carry(tensor, 0, None)
        return result

    def _layer(self, name: str, result: Tensor, args: Any, kwargs: Any) -> bool:
        """Record the inputs and outputs of a layer; False if the function is no layer of the network."""
        given = list(args)
        image = given[0] if given else kwargs["input"]
        weights = [*given[1:], *kwargs.values()]
        layer = next((self.layers[id(w)] for w in weights if id(w) in self.layers), None)
        if layer is None:
            return False
        where, module = layer
        dim, names = _names(image)
        last = result.ndim - 1
        if names is not None and dim != (last if name == "linear" else 1):
            return False
        seat = self.found.seats.get(where)
        if isinstance(module, NORMS):
            if names is None:
                return False
            seat = self._seat(where, seat, Seat(names))
        elif isinstance(module, CONVOLUTIONS) and module.groups > 1:
            deep = module.groups == module.in_channels == module.out_channels
            if not deep or names is None or name not in ("conv2d", "conv3d"):
                return False
            seat = self._seat(where, seat, Seat(names, names, deep=True))
        else:
            n = result.shape[last if name == "linear" else 1]
            outputs = self.found.fresh(n) if seat is None or seat.outputs is None else seat.outputs
            seat = self._seat(where, seat, Seat(outputs, names))
        _carry(result, last if name == "linear" else 1, seat.outputs)
        return True

    def _seat(self, where: str, before: Seat | None, now: Seat) -> Seat:
        """Merge the channels of a layer that is called twice."""
        if before is None:
            self.found.seats[where] = now
            return now
        for first, second in ((before.outputs, now.outputs), (before.inputs, now.inputs)):
            if first is not None and second is not None:
                self.found.join(first, second)
            else:
                self.found.fix(first)
                self.found.fix(second)
        return before

    def _moved(
        self, name: str, before: list[Any], shapes: Shapes, result: Any, args: Any, kwargs: Any
    ) -> bool:
        """Propagate ids through a function without weights; False where no rule is known."""
        tensor, dim, names = before[0]
        shape = shapes[id(tensor)]
        if any(isinstance(t, nn.Parameter) for t in tensors([args, kwargs])):
            return False
        if name == "cat" or name == "concat":
            return self._cat(result, args, kwargs)
        if name in ("chunk", "split", "__getitem__"):
            return self._cut(name, tensor, dim, names, result, args, kwargs)
        if name in JOINING:
            return self._join(before, shapes, result, args)
        if len(before) > 1 or not isinstance(result, Tensor):
            return False
        if name in KEEPING and result.ndim == len(shape) and result.shape[dim] == shape[dim]:
            _carry(result, dim, names)
            return True
        if name == "pad" and result.ndim == len(shape) and result.shape[:2] == shape[:2] and dim == 1:
            _carry(result, dim, names)
            return True
        if name in REDUCING:
            return _reduced(len(shape), dim, names, result, args, kwargs)
        if name in ("permute", "transpose"):
            return _permuted(name, len(shape), dim, names, result, args, kwargs)
        return name in SHAPING and _shaped(shape, dim, names, result)

    def _join(self, before: list[Any], shapes: Shapes, result: Any, args: Any) -> bool:
        """Elementwise function of two tensors; one may broadcast over the channels."""
        _, dim, names = before[0]
        back = len(shapes[id(before[0][0])]) - dim  # counted from the end, as broadcasting does
        for other in tensors(args):
            if id(other) in shapes:
                continue
            if other.ndim >= back and other.shape[-back] != 1:
                return False
        if len(before) > 1:
            second, offset, others = before[1]
            if len(shapes[id(second)]) - offset != back or len(names) != len(others):
                return False
            self.found.join(names, others)
        _carry(result, result.ndim - back, names)
        return True

    def _cat(self, result: Tensor, args: Any, kwargs: Any) -> bool:
        parts = list(args[0] if args else kwargs["tensors"])
        along = (args[1] if len(args) > 1 else kwargs.get("dim", 0)) % result.ndim
        dims = {_names(p)[0] for p in parts if _names(p)[1] is not None}
        if len(dims) != 1:
            return False
        dim = dims.pop()
        if along == dim:
            known_names = [_names(p)[1] for p in parts]
            named = [
                self._still(p.shape[dim]) if k is None else k for p, k in zip(parts, known_names, strict=True)
            ]
            _carry(result, dim, np.concatenate(named))
            return True
        if any(_names(p)[1] is None for p in parts):
            return False
        first = _names(parts[0])[1]
        assert first is not None
        for part in parts[1:]:
            self.found.join(first, _names(part)[1])  # type: ignore[arg-type]
        _carry(result, dim, first)
        return True

    def _still(self, n: int) -> Names:
        """n new fixed channels, for example those of the input image."""
        names = self.found.fresh(n)
        self.found.fix(names)
        return names

    def _cut(
        self, name: str, tensor: Tensor, dim: int, names: Names, result: Any, args: Any, kwargs: Any
    ) -> bool:
        """Split or slice of a tensor. An equal split requires that the same number remains in each part."""
        if name == "__getitem__":
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            if not all(isinstance(i, slice) for i in index) or len(index) > tensor.ndim:
                return False
            _carry(result, dim, names[index[dim]] if dim < len(index) else names)
            return True
        along = (args[2] if len(args) > 2 else kwargs.get("dim", 0)) % tensor.ndim
        if along != dim:
            for part in result:
                _carry(part, dim, names)
            return True
        if name != "chunk" or len({part.shape[dim] for part in result}) > 1:
            return False
        each = np.split(names, len(result))
        for part, names_of_part in zip(result, each, strict=True):
            self.found.join(each[0], names_of_part)
            _carry(part, dim, names_of_part)
        return True


def _reduced(ndim: int, dim: int, names: Names, result: Tensor, args: Any, kwargs: Any) -> bool:
    along = args[1] if len(args) > 1 else kwargs.get("dim")
    if along is None:
        return False
    gone = {d % ndim for d in ([along] if isinstance(along, int) else along)}
    if dim in gone:
        return False
    keeps_dim = result.ndim == ndim
    _carry(result, dim if keeps_dim else dim - sum(d < dim for d in gone), names)
    return True


def _permuted(name: str, ndim: int, dim: int, names: Names, result: Tensor, args: Any, kwargs: Any) -> bool:
    order = list(range(ndim))
    if name == "permute":
        dims = args[1:] if len(args) > 2 else (args[1] if len(args) > 1 else kwargs["dims"])
        order = [d % ndim for d in dims]
    else:
        if len(args) != 3:
            return False
        a, b = (d % ndim for d in args[1:])
        order[a], order[b] = order[b], order[a]
    _carry(result, order.index(dim), names)
    return True


def _shaped(shape: tuple[int, ...], dim: int, names: Names, result: Tensor) -> bool:
    """Reshape: channels stay, or the dimensions behind a channel are flattened into it."""
    before = prod(shape[:dim])
    for axis in range(result.ndim):
        if prod(result.shape[:axis]) != before:
            continue
        each, rest = divmod(result.shape[axis], shape[dim])
        if rest or not each:
            continue
        behind = [prod(shape[dim + 1 : end]) for end in range(dim + 1, len(shape) + 1)]
        if each in behind:
            _carry(result, axis, np.repeat(names, each))
            return True
    return False
