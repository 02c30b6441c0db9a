"""Model registry: every network by name; our own folder comes first, then timm."""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, make_dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from sightline import config as core_options
from sightline.core.card import ModelCard
from sightline.errors import UnknownName, UsageError
from sightline.models.backbones import BACKBONES
from sightline.models.backbones._backbone import Backbone
from sightline.models.weights import embedded, sources
from sightline.models.weights.download import Pretrained, fetch_or_skip

DEFAULT = "resnet-small"
"""What is trained where no network is named."""
HINT = "`sightline models --all` lists them."
PYRAMIDS = "Networks with maps at strides 8, 16 and 32 are csp and most convolutional ones of timm."


@runtime_checkable
class Pyramid(Protocol):
    """Protocol of a backbone with feature maps at several strides.

    Attributes:
        levels: (channels, stride) of each map, finest first.
    """

    levels: tuple[tuple[int, int], ...]

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """(B, C, H, W) normalised images to a map (B, channels, H / stride, W / stride) of each level."""
        ...


def names(all: bool = False) -> list[str]:
    """Names of our own networks; with `all` also those of timm."""
    if not all:
        return BACKBONES.names()
    more: list[str] = _timm().names()
    return BACKBONES.names() + more


def card(name: str) -> ModelCard:
    """Model card of a network, without building it.

    Raises:
        UnknownName: If there is none of that name; suggests the nearest.
    """
    if name in BACKBONES:
        model_card: ModelCard = BACKBONES.load(name).CARD
        return model_card
    return typing.cast(ModelCard, _known(name).card(name))


def any_sides(name: str) -> bool:
    """Whether a network, once it is built, also takes images of other sizes; "own" and "auto" do."""
    if name in ("own", "auto"):
        return True
    return name in BACKBONES or bool(_known(name).any_sides(name))


def options(name: str) -> type:
    """Options of a network, as a dataclass made from the signature of its `build`.

    `options.listed` shows them to people.

    Raises:
        UnknownName: If there is no network of that name.
    """
    if name not in BACKBONES:
        return _known(name).TimmOptions  # type: ignore[no-any-return]
    build = BACKBONES.load(name).build
    hints = typing.get_type_hints(build)
    given = ("outputs", "channels", "size", "pretrained")
    parameters = [p for p in inspect.signature(build).parameters.values() if p.name not in given]
    options_class = make_dataclass(
        "Options", [(p.name, hints[p.name], p.default) for p in parameters], frozen=True
    )
    options_class.__doc__ = build.__doc__
    return options_class


def create(
    name: str,
    *,
    outputs: int,
    channels: int,
    size: tuple[int, int],
    pretrained: Pretrained = "no",
    **settings: Any,
) -> Backbone:
    """Build a network, and check with one forward pass that it takes images of this size.

    The initial weights follow from torch's global seed.

    Args:
        name: One of `names(all=True)`.
        outputs: Numbers that come out: classes, or values.
        channels: Channels of the images, 1 or 3.
        size: Their (height, width).
        pretrained: Published weights: no, yes (an error if they cannot be had), auto (go on from
            scratch then, and say so; `Backbone.origin` tells what happened).
        settings: The network's own settings, see `options`.

    Raises:
        UnknownName: If there is no such network or setting.
        UsageError: If a value is of the wrong kind or the images are too small.
        SightlineError: If published weights were asked for and cannot be had.
    """
    checked = _validate_options(name, settings)
    backbone = _with_weights(
        name,
        pretrained,
        lambda published: _built(name, published, outputs=outputs, channels=channels, size=size, **checked),
    )
    _try(name, backbone, outputs, channels, size)
    return backbone


def pyramid(
    name: str,
    *,
    channels: int,
    size: tuple[int, int],
    pretrained: Pretrained = "no",
    strides: tuple[int, ...] = (8, 16, 32),
    **settings: Any,
) -> Pyramid:
    """Build a feature extractor with maps at several strides, without a head, and check it.

    Args:
        name: One of `names(all=True)`.
        channels: Channels of the images, 1 or 3.
        size: Their (height, width), multiples of 32.
        pretrained: As for `create`.
        strides: Pixels to a cell of each map; networks of ours have 8, 16 and 32 only.
        settings: The network's own settings, see `options`.

    Raises:
        UnknownName: If there is no such network or setting.
        UsageError: If it has no maps at these strides, or the images are too small.
        SightlineError: If published weights were asked for and cannot be had.
    """
    checked = _validate_options(name, settings)
    if name not in BACKBONES:
        build = partial(_known(name).pyramid, name, channels=channels, size=size, strides=strides, **checked)
        network = _with_weights(name, pretrained, lambda published: build(pretrained=published))
    else:
        network = create(name, outputs=1, channels=channels, size=size, pretrained=pretrained, **settings)
        network.head = nn.Identity()
    if not isinstance(network, Pyramid):
        raise UsageError(f"Model '{name}' has no feature maps to detect with. {PYRAMIDS}")
    if (at := tuple(stride for _, stride in network.levels)) != strides:
        actual, needed = (", ".join(map(str, values)) for values in (at, strides))
        raise UsageError(f"Model '{name}' has maps at strides {actual}; needed are {needed}.")
    _try_maps(name, network, channels, size)
    return network


def fetch(name: str, pretrained: Pretrained) -> str:
    """Download published weights of a network before training starts, if they can be had.

    Args:
        name: One of `names(all=True)`.
        pretrained: As for `create`.

    Returns:
        Why there are none, or "".

    Raises:
        UnknownName: If there is no such network.
        SightlineError: If they were asked for and cannot be had.
    """
    lost = embedded.trouble(name, thorough=True) if name in embedded.CARDS else ""
    if name in embedded.CARDS and not lost:
        return ""
    lack = _without(name)
    if lack and pretrained == "auto":
        return lack
    network = create(name, outputs=1, channels=3, size=card(name).size or (224, 224), pretrained=pretrained)
    if network.origin != "scratch":
        return ""
    return lost or f"published weights of {name} cannot be had"


def _timm() -> Any:
    from sightline.models.backbones import _timm as door

    return door


def _known(name: str) -> Any:
    door = _timm()
    if not door.is_model(name):
        raise UnknownName("model", name, names(all=True), HINT)
    return door


def _built(name: str, pretrained: bool, **arguments: Any) -> Backbone:
    if name not in BACKBONES:
        return typing.cast(Backbone, _known(name).build(name, pretrained=pretrained, **arguments))
    build = BACKBONES.load(name).build
    if pretrained:
        arguments["pretrained"] = True
    return typing.cast(Backbone, build(**arguments))


def _with_weights(name: str, pretrained: Pretrained, build: Callable[[bool], Backbone]) -> Backbone:
    """Build with published weights if they are requested and available, else without."""
    if pretrained == "no":
        return build(False)
    weights = fetch_or_skip(
        f"'{name}'",
        pretrained,
        lambda: build(True),
        lambda: _without(name),
        sources.here(name),
        saying=sources.saying(name),
        lost=sources.lost(name),
    )
    return build(False) if weights is None else weights


def _without(name: str) -> str:
    """Reason for not trying to get published weights, or ""."""
    if name in BACKBONES:
        if "pretrained" not in inspect.signature(BACKBONES.load(name).build).parameters:
            return "none are published for this model"
    elif not _known(name).published(name):
        return "timm lists none"
    return ""


def _validate_options(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Complete and type-checked settings of a network."""
    kind = options(name)
    if settings and not fields(kind):
        raise UsageError(f"Model '{name}' has no settings of its own. Received {', '.join(settings)}.")
    return dict(vars(core_options.build(kind, settings, f"model '{name}'")))


def _try(name: str, backbone: Backbone, outputs: int, channels: int, size: tuple[int, int]) -> None:
    """Run one empty image (1, C, H, W) through the network: a wrong size becomes an error in words."""
    first: nn.Parameter = next(backbone.parameters())
    image = torch.zeros(1, channels, *size, device=first.device)
    training = backbone.training
    try:
        with torch.no_grad():
            shape = tuple(backbone.eval()(image).shape)
    except (RuntimeError, AssertionError, ValueError) as error:
        made_for = card(name).size
        hint = " Try a larger --size."
        if made_for:
            hint = f" It was made for {made_for[0]}x{made_for[1]}: try --size {max(made_for)}."
        raise UsageError(
            f"Model '{name}' cannot take images of {size[0]}x{size[1]} with {channels} channels "
            f"({str(error).splitlines()[0]}).{hint}"
        ) from error
    finally:
        backbone.train(training)
    if shape != (1, outputs):
        raise UsageError(f"Model '{name}' is no classifier: expected outputs (1, {outputs}), found {shape}.")


def _try_maps(name: str, backbone: Any, channels: int, size: tuple[int, int]) -> None:
    """Run one empty image through the network, and check the sizes of the maps against the strides."""
    image = torch.zeros(1, channels, *size, device=next(backbone.parameters()).device)
    training = backbone.training
    try:
        with torch.no_grad():
            shapes: list[Any] = [tuple(x.shape[1:]) for x in backbone.eval().maps(image)]
    except (RuntimeError, AssertionError, ValueError) as error:
        shapes = [str(error).splitlines()[0]]
    finally:
        backbone.train(training)
    expected = [(c, math.ceil(size[0] / s), math.ceil(size[1] / s)) for c, s in backbone.levels]
    strides = ", ".join(str(stride) for _, stride in backbone.levels)
    if shapes != expected:
        raise UsageError(
            f"Model '{name}' cannot be read at strides {strides} for images of {size[0]}x{size[1]} with "
            f"{channels} channels: expected maps {expected}, found {shapes}. "
            f"Try a --size that is a multiple of 32. {PYRAMIDS}"
        )
