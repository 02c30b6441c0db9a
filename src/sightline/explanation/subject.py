"""Subject: what is explained, a network or an exported file, in the pixels of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.targets.base import Targets

CHUNK = 2**21
"""Pixels that are predicted at a time."""


@dataclass
class Subject:
    """What is explained. Images are (B, C, *S) float32 in [0, 1], S is (H, W) or (T, H, W).

    Attributes:
        settings: Of the model.
        answer: Images to predictions, in pixels of the images.
        model: The network in evaluation mode, without gradients of its weights; None for an exported file.
        layer: Name of the layer that methods of layers look at; "" where there is none.
        notes: What a method has to say of its last map.
    """

    settings: Mapping[str, Any]
    answer: Callable[[Tensor], Any]
    model: Model | None = None
    layer: str = ""
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, model: Model) -> Subject:
        """The subject with a network. Use it within `untouched(model)`."""
        device = model.mean.device

        def answer(images: Tensor) -> Any:
            outputs = {name: value.float() for name, value in model(images.to(device)).items()}
            return model.predict_from_outputs(outputs, model.settings).to("cpu")

        return cls(model.settings, answer, model)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes, or of the numbers."""
        return tuple(self.settings.get("classes") or self.settings.get("outputs") or ())

    @torch.no_grad()
    def predict(self, images: Tensor) -> Any:
        """Predictions, in pixels of the images; a few at a time."""
        size = max(1, CHUNK // max(1, images[0].numel()))
        parts = [self.answer(images[i : i + size]) for i in range(0, len(images), size)]
        return type(parts[0]).cat(parts)

    def likeness(self, images: Tensor, about: Targets) -> Tensor:
        """(B,) in [0, 1]: how much the predictions say a statement; see `Targets.likeness`.

        Args:
            images: B variants of one image.
            about: The statement, of one image.
        """
        return about[[0] * len(images)].likeness(self.predict(images)).float().nan_to_num()

    def evidence(self, images: Tensor, about: Targets) -> Tensor:
        """(B,) differentiable; see `Model.evidence`."""
        assert self.model is not None
        with torch.enable_grad():
            device = self.model.mean.device
            outputs = {name: value.float() for name, value in self.model(images.to(device)).items()}
            return self.model.evidence(outputs, about.to(device)).cpu()

    def gradient(self, images: Tensor, about: Targets) -> tuple[Tensor, Tensor]:
        """The evidence (B,) and its gradient (B, C, *S); zeros where it does not depend on the pixels."""
        pixels = images.detach().clone().requires_grad_()
        evidence = self.evidence(pixels, about)
        return evidence.detach(), gradients_of(evidence, [pixels])[0]

    def activations(self, images: Tensor, about: Targets) -> tuple[Tensor, Tensor]:
        """Feature maps (B, K, *G) of the layer, and the gradient of the evidence by them."""
        pixels = images.detach().clone().requires_grad_()
        assert self.model is not None
        with watched(self.model, [self.layer]) as maps:
            evidence = self.evidence(pixels, about)
        (output,) = maps.values()
        spatial = tuple(images.shape[2:])
        slope = gradients_of(evidence, [output])[0]
        grids = [as_grid(value.detach(), len(images), spatial) for value in (output, slope)]
        assert grids[0] is not None
        assert grids[1] is not None
        return grids[0], grids[1]


def gradients_of(evidence: Tensor, by: list[Tensor]) -> list[Tensor]:
    """Gradients of evidence (B,) by tensors; zeros by those that it does not depend on."""
    if not evidence.requires_grad or not by:
        return [torch.zeros_like(value) for value in by]
    slopes = torch.autograd.grad(evidence.sum(), by, allow_unused=True)
    return [torch.zeros_like(v) if g is None else g for v, g in zip(by, slopes, strict=True)]


@contextmanager
def untouched(model: Model | None) -> Iterator[None]:
    """Evaluation mode, float32 and no gradients of weights inside this block; all as before after it."""
    if model is None:
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    flags = [(p, p.requires_grad) for p in model.parameters()]
    model.eval().requires_grad_(False)
    try:
        with torch.autocast(next((p.device.type for p, _ in flags), "cpu"), enabled=False):
            yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


@contextmanager
def watched(model: nn.Module, names: list[str]) -> Iterator[dict[str, Tensor]]:
    """Outputs of modules by name, in the order in which they are computed.

    What follows is given a copy, so that a ReLU in place changes that. Hooks of gradients on modules would
    break there (pytorch issue 61519); the gradient is taken by the tensor instead.
    """
    maps: dict[str, Tensor] = {}
    calls: dict[str, int] = {}

    def hook(name: str) -> Callable[[nn.Module, Any, Any], Any]:
        def keep(module: nn.Module, arguments: Any, output: Any) -> Any:
            if not isinstance(output, Tensor) or not output.is_floating_point():
                return output
            calls[name] = calls.get(name, 0) + 1
            maps.pop(name, None)
            if calls[name] == 1:  # a module that is used twice has two outputs, and no one map
                maps[name] = output
            return output.clone()

        return keep

    handles = [model.get_submodule(name).register_forward_hook(hook(name)) for name in names]
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def as_grid(output: Tensor, n: int, spatial: tuple[int, ...]) -> Tensor | None:
    """An output of a module as maps (B, K, *G) over the image, or None if it is no such thing.

    Frames of clips that were folded into the batch are unfolded. Tokens of a transformer become maps if their
    number, without up to eight extra ones in front, is that of a grid with the image's shape.
    """
    if output.ndim == 2 + len(spatial) and len(output) == n:
        return output
    if len(spatial) == 3 and output.ndim == 4 and len(output) == n * spatial[0]:
        return output.view(n, spatial[0], *output.shape[1:]).transpose(1, 2)
    layout = token_grid(output.shape[1], spatial) if output.ndim == 3 and len(output) == n else None
    return None if layout is None else output[:, layout[0] :].mT.reshape(n, -1, *layout[1])


def token_grid(tokens: int, spatial: tuple[int, ...]) -> tuple[int, tuple[int, int]] | None:
    """How many of the tokens of a transformer stand in front of those of patches, up to eight, and rows and
    columns of the patches; None if their number is not that of a grid with the image's shape."""
    for extra in range(min(9, tokens) if len(spatial) == 2 else 0):
        rows = round(((tokens - extra) * spatial[0] / spatial[1]) ** 0.5)
        columns = round(rows * spatial[1] / spatial[0])
        if rows > 1 and rows * columns == tokens - extra:
            return extra, (rows, columns)
    return None


def enlarged(maps: Tensor, images: Tensor) -> Tensor:
    """Maps (B, *G) at the size of images (B, C, *S), linearly interpolated."""
    mode = "bilinear" if maps.ndim == 3 else "trilinear"
    return F.interpolate(maps[:, None], tuple(images.shape[2:]), mode=mode, align_corners=False)[:, 0]


def is_explained(spec: InputSpec) -> bool:
    """Whether items of a model's input have maps: images and clips."""
    return spec.kind in ("image", "clip") and len(spec.names) == 1
