"""Model summary, layer by layer: shapes, parameters, FLOPs and receptive fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Field:
    """Receptive field of a unit.

    Attributes:
        size: (height, width) in pixels; None where it is the whole image.
        step: Pixels between neighbouring units, (down, across).
    """

    size: tuple[int, int] | None
    step: tuple[int, int] = (1, 1)

    def text(self) -> str:
        """ "14x14", or "all"."""
        return "all" if self.size is None else f"{self.size[0]}x{self.size[1]}"

    def through(self, kernel: Any, stride: Any, dilation: Any = 1) -> Field:
        """Receptive field after a convolution or pooling."""
        if self.size is None:
            return self
        sides = zip(self.size, self.step, _pair(kernel), _pair(stride), _pair(dilation), strict=True)
        grown = [(r + d * (k - 1) * j, j * s) for r, j, k, s, d in sides]
        return Field((grown[0][0], grown[1][0]), (grown[0][1], grown[1][1]))


@dataclass(frozen=True)
class Layer:
    """One call of one layer.

    Attributes:
        name: Its path in the network.
        type: Its class.
        output: Shape that comes out, without the batch; () where it was not called.
        parameters: Its own, trainable or not; counted at its first call only.
        flops: Floating-point operations of its convolutions and matrix products, a multiply-add being
            two.
        field: What each of its units sees; None where that is not defined or not known.
    """

    name: str
    type: str
    output: tuple[int, ...]
    parameters: int
    flops: int
    field: Field | None


def trace(network: nn.Module, image: Tensor) -> list[Layer]:
    """Run an image through the network and list the layers in the order of the calls.

    Listed are the layers without parts of their own (identities left out), and those that have
    parameters or do arithmetic beside their parts (attention). Layers with parameters that are never
    called come last.

    Args:
        network: Any network on images; may be on the meta device.
        image: (1, C, H, W) on the same device; its values do not matter.
    """
    counter = FlopCounterMode(display=False)
    recorder = _Recorder(counter)
    image._field = Field((1, 1))  # type: ignore[attr-defined]
    training = network.training
    trainable = [p for p in network.parameters() if p.requires_grad]
    handles = [
        hook
        for name, module in network.named_modules()
        for hook in (
            module.register_forward_pre_hook(recorder.before(name)),
            module.register_forward_hook(recorder.after),
        )
    ]
    try:
        # The counter stumbles over parameters that are passed between modules while gradients are off.
        for parameter in trainable:
            parameter.requires_grad_(False)
        with torch.no_grad(), counter, _Fields():
            network.eval()(image)
    finally:
        for handle in handles:
            handle.remove()
        for parameter in trainable:
            parameter.requires_grad_(True)
        network.train(training)
    called = recorder.layers
    left = [
        Layer(name, type(m).__name__, (), parameters, 0, None)
        for name, m in network.named_modules()
        if (parameters := recorder.own_parameters(m))
    ]
    return [layer for layer in called if layer is not None] + left


class _Recorder:
    """Forward hooks that record each call; the FLOPs of a call exclude those of its submodules."""

    def __init__(self, counter: FlopCounterMode) -> None:
        self.counter = counter
        self.layers: list[Layer | None] = []
        self.open: list[tuple[str, int, int, int]] = []  # name, place in `layers`, FLOPs before, of parts
        self.seen: set[int] = set()

    def before(self, name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any) -> None:
            del module, inputs
            self.open.append((name, len(self.layers), self.counter.get_total_flops(), 0))
            self.layers.append(None)

        return hook

    def after(self, module: nn.Module, inputs: Any, output: Any) -> None:
        del inputs
        name, place, start, parts = self.open.pop()
        total = self.counter.get_total_flops() - start
        if self.open:
            above = self.open.pop()
            self.open.append((*above[:3], above[3] + total))
        parameters = self.own_parameters(module)
        leaf = next(module.children(), None) is None and not isinstance(module, nn.Identity)
        if leaf or parameters or total > parts:
            shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
            field = getattr(output, "_field", None)
            kind = type(module).__name__
            self.layers[place] = Layer(name or "(network)", kind, shape, parameters, total - parts, field)

    def own_parameters(self, module: nn.Module) -> int:
        """Parameters of the module itself that were not counted before."""
        fresh = [p for p in module.parameters(recurse=False) if id(p) not in self.seen]
        self.seen.update(id(p) for p in fresh)
        return sum(p.numel() for p in fresh)


_KEEPING = (
    "add add_ sub mul mul_ div __add__ __radd__ __iadd__ __sub__ __mul__ __rmul__ __imul__ __truediv__ "
    "relu relu_ relu6 leaky_relu prelu elu celu selu gelu silu mish hardswish hardsigmoid hardtanh sigmoid "
    "tanh softplus batch_norm layer_norm group_norm rms_norm local_response_norm dropout dropout2d pad "
    "cat stack chunk split unbind contiguous clone to float detach permute transpose reshape view flatten "
    "linear squeeze unsqueeze"
)
KEEPING = frozenset(_KEEPING.split())
"""Functions after which a unit sees what it saw before (statistics of norms aside)."""

POOLING = ("mean", "amax", "max", "adaptive_avg_pool2d", "adaptive_max_pool2d")
"""Functions after which a unit sees the whole image."""


class _Fields(TorchFunctionMode):
    """`TorchFunctionMode` that propagates receptive fields from the inputs to the output of each function."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        before = [t._field for t in _tensors([*args, *kwargs.values()]) if hasattr(t, "_field")]
        if before:
            for tensor in _tensors([result]):
                tensor._field = _after(func.__name__, before, tensor, args, kwargs)  # type: ignore[attr-defined]
        return result


def _tensors(tree: Any) -> list[Any]:
    if isinstance(tree, Tensor):
        return [tree]
    return [t for part in tree for t in _tensors(part)] if isinstance(tree, list | tuple) else []


def _after(name: str, before: list[Field | None], result: Tensor, args: Any, kwargs: Any) -> Field | None:
    """Receptive field after a function, from those of its inputs; None where no rule is known."""
    if name in POOLING:
        return Field(None)
    fields = [f for f in before if f is not None]
    window = _window(name, args, kwargs)
    if len(fields) < len(before) or not (window or _keeps(name, result, args)):
        return None
    if result.ndim <= 2 or any(f.size is None for f in fields):
        return Field(None)
    sizes, steps = [f.size or (0, 0) for f in fields], [f.step for f in fields]
    largest = Field(
        (max(h for h, _ in sizes), max(w for _, w in sizes)),
        (max(h for h, _ in steps), max(w for _, w in steps)),
    )
    return largest.through(*window) if window else largest


def _keeps(name: str, result: Tensor, args: Any) -> bool:
    """Whether a function leaves the receptive field unchanged."""
    if name == "linear":  # of tokens it may as well mix places as channels
        return result.ndim != 3
    if name == "permute":
        order = args[1] if isinstance(args[1], list | tuple) else args[1:]
        return tuple(order) in ((0, 2, 3, 1), (0, 3, 1, 2))
    return name in KEEPING


def _window(name: str, args: Any, kwargs: Any) -> tuple[Any, Any, Any] | None:
    """(kernel, stride, dilation) of a convolution or pooling, else None."""

    def given(place: int, key: str, default: Any) -> Any:
        value = args[place] if len(args) > place else kwargs.get(key)
        return default if value is None else value

    if name == "conv2d":
        return tuple(args[1].shape[2:]), given(3, "stride", 1), given(5, "dilation", 1)
    if name in ("max_pool2d", "avg_pool2d"):
        kernel = given(1, "kernel_size", None)
        dilation = given(4, "dilation", 1) if name == "max_pool2d" else 1
        return kernel, given(2, "stride", kernel), dilation
    if name == "pixel_unshuffle":
        factor = given(1, "downscale_factor", None)
        return factor, factor, 1
    return None
