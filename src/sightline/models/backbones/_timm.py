"""timm backbones: any classifier of timm by name. This is the only file that imports timm, and it is slow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import timm
import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.errors import UsageError
from sightline.models.backbones._backbone import Backbone, _unrolled, for_channels
from sightline.models.weights import embedded, hub

B = TypeVar("B", bound=Backbone)


@dataclass(frozen=True)
class TimmOptions:
    """Options that are passed to timm; None keeps the default of the network.

    Args:
        drop_rate: Dropout before the head.
        drop_path_rate: Share of residual branches that is skipped in training.
    """

    drop_rate: float | None = None
    drop_path_rate: float | None = None


class TimmBackbone(Backbone):
    """A timm network whose last layer was taken out and made the head.

    Args:
        net: What `timm.create_model` gave.
        outputs: Numbers that come out.
    """

    def __init__(self, net: Any, outputs: int) -> None:
        super().__init__()
        head = net.get_classifier()
        net.reset_classifier(0)
        self.net = net
        # Some families end in several heads or in something else than a linear layer: they get a fresh one.
        width = getattr(net, "head_hidden_size", None) or net.num_features
        self.head = head if isinstance(head, nn.Linear) else nn.Linear(width, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D): pooled features."""
        features: Tensor = self.net(x)
        return features

    def blocks(self) -> list[nn.Module]:
        """Modules in the order of the network's own list."""
        return [b for m in self.net.children() for b in _unrolled(m)]


class TimmPyramid(Backbone):
    """A timm network with feature maps at several strides (`features_only`).

    Args:
        net: What `timm.create_model` gave with `features_only`.
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.head = nn.Identity()
        info = net.feature_info
        self.levels = tuple(zip(info.channels(), info.reduction(), strict=True))

    def maps(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) to a map (B, channels, H / stride, W / stride) of each level, finest first."""
        maps = self.net(x)
        # Some families keep channels last.
        last = str(getattr(self.net, "output_fmt", "")).endswith("NHWC")
        return [m.permute(0, 3, 1, 2) for m in maps] if last else list(maps)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D): global average pooling of the last feature map."""
        return self.maps(x)[-1].mean((2, 3))

    def blocks(self) -> list[nn.Module]:
        """Modules in the order of the network's own list."""
        return [b for m in self.net.children() for b in _unrolled(m)]


def names() -> list[str]:
    """All classifiers that timm can build."""
    model_names: list[str] = timm.list_models()
    return model_names


def is_model(name: str) -> bool:
    """Whether timm has it, with or without the tag of a set of weights ("vit_tiny_patch16_224.augreg")."""
    return bool(timm.is_model(name))


def published(name: str) -> bool:
    """Whether timm knows of published weights for it."""
    return bool(timm.models.is_model_pretrained(name))


def sets() -> dict[str, str]:
    """All published sets of weights, as one names them, each with its repository on the hub or address.

    The set that a network takes by itself bears the network's name, others a tag too ("resnet50.tv_in1k").
    """
    tags = {}
    for full in timm.list_pretrained():
        name, _, tag = full.partition(".")
        usual = timm.get_pretrained_cfg(name)
        config = timm.get_pretrained_cfg(full)
        tags[name if usual is not None and usual.tag == tag else full] = config.hf_hub_id or config.url
    return tags


def hosted(name: str) -> hub.Weights | None:
    """Where the weights that timm knows lie on the hub, as safetensors; None where they lie elsewhere."""
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        return None
    repo, _, revision = config.hf_hub_id.partition("@")
    file = str(config.hf_hub_filename or "model").replace("pytorch_", "")
    license = config.license if config.license not in (None, "unknown") else ""
    return hub.Weights(repo, str(Path(file).with_suffix(".safetensors")), revision or "main", license)


def elsewhere(name: str) -> str:
    """Address of weights that are not on the hub, or ""."""
    config = timm.get_pretrained_cfg(name)
    return "" if config is None or config.hf_hub_id else str(config.url or "")


def any_sides(name: str) -> bool:
    """Whether it is built without the size of its images."""
    config = timm.get_pretrained_cfg(name)
    return config is None or not config.fixed_input_size


def facts(name: str) -> tuple[str, str]:
    """Tag and license of the default weights of a network; "" where timm does not say."""
    config = timm.get_pretrained_cfg(name)
    return ("", "") if config is None else (config.tag or "", config.license or "")


def weigh(name: str) -> int:
    """Bytes of the tensors of a network; it is built on the meta device, without memory."""
    with torch.device("meta"):
        net = timm.create_model(name)
    return sum(t.numel() * t.element_size() for t in net.state_dict().values())


def fill(net: nn.Module, name: str) -> None:
    """Put the installed weights of a network into it, or into the part of it that gives feature maps.

    The classifier stays fresh. A first convolution of one channel takes the sum over the colours: the
    weights were trained with the same mean and deviation for each, so that grey gives the same maps. One of
    other bands takes the kernels of the colors in turn, scaled so that their sum stays.

    Raises:
        SightlineError: If they cannot be had, or do not fit this version of timm.
    """
    with torch.device("meta"):
        whole = timm.create_model(name)
    tensors = embedded.load(name, list(whole.state_dict()))
    taken = {}
    for key, tensor in net.state_dict().items():
        if key.startswith("classifier."):
            continue
        weight = tensors[key]
        taken[key] = for_channels(weight, tensor)
    net.load_state_dict(taken, strict=False)


def card(name: str) -> ModelCard:
    """Model card of a timm network, without building it."""
    config = timm.get_pretrained_cfg(name)
    size = tuple(config.input_size[-2:]) if config is not None else None
    family = timm.models.model_entrypoint(name).__module__.rsplit(".", 1)[-1]
    return ModelCard(
        name=name,
        summary=f"timm, family {family}",
        paper=(config and (config.paper_name or config.paper_ids)) or "see timm",
        size=size,
    )


def build(
    name: str,
    *,
    outputs: int,
    channels: int,
    size: tuple[int, int],
    pretrained: bool = False,
    **options: Any,
) -> Backbone:
    """Build a timm classifier for images of this size.

    Raises:
        UsageError: If the network cannot be built so.
    """
    fetch = pretrained and bool(embedded.trouble(name))
    more = _download(name) if fetch else {}
    net = _net(name, size, options, num_classes=outputs, in_chans=channels, **more)
    if pretrained and not fetch:
        fill(net, name)
    return _signed(TimmBackbone(net, outputs), name, channels, pretrained)


def pyramid(
    name: str,
    *,
    channels: int,
    size: tuple[int, int],
    strides: tuple[int, ...] = (8, 16, 32),
    pretrained: bool = False,
    **options: Any,
) -> TimmPyramid:
    """Build a timm feature extractor for images of this size, with maps at these strides.

    Raises:
        UsageError: If the network cannot be built so, or has no maps at these strides.
    """
    info = _net(name, size, options, features_only=True, in_chans=channels).feature_info
    at = {stride: i for i, stride in zip(info.out_indices, info.reduction(), strict=True)}
    if not set(strides) <= set(at):
        raise UsageError(
            f"Model '{name}' has maps at strides {', '.join(map(str, at))}; "
            f"needed are {', '.join(map(str, strides))}."
        )
    chosen = tuple(at[stride] for stride in strides)
    fetch = pretrained and bool(embedded.trouble(name))
    more = _download(name) if fetch else {}
    net = _net(name, size, options, features_only=True, out_indices=chosen, in_chans=channels, **more)
    if pretrained and not fetch:
        fill(net, name)
    return _signed(TimmPyramid(net), name, channels, pretrained)


def _download(name: str) -> dict[str, Any]:
    """Keyword arguments that make timm load published weights from a file that our hub module downloaded."""
    where = hosted(name)
    if where is None:
        return {"pretrained": True}
    return {"pretrained": True, "pretrained_cfg_overlay": {"file": str(hub.fetch(where))}}


def _net(name: str, size: tuple[int, int], options: dict[str, Any], **more: Any) -> Any:
    """Call timm's factory; an error of timm becomes a `UsageError` in words."""
    config = timm.get_pretrained_cfg(name)
    options = {k: v for k, v in options.items() if v is not None}
    if config is not None and config.fixed_input_size:
        options["img_size"] = size
    try:
        return timm.create_model(name, **more, **options)
    except (TypeError, AssertionError) as error:
        options_text = ", ".join(f"{k}={v}" for k, v in options.items())
        raise UsageError(
            f"timm cannot build '{name}' with {options_text or 'its own settings'}: {error}"
        ) from error
    except RuntimeError as error:
        if not more.get("features_only") or "features_only" not in str(error):
            raise
        raise UsageError(f"Model '{name}' has no feature maps to detect with: {error}") from error


def _signed(backbone: B, name: str, channels: int, pretrained: bool) -> B:
    """Set `origin` (where the weights come from) on a backbone, if weights were downloaded."""
    config, installed = timm.get_pretrained_cfg(name), embedded.CARDS.get(name)
    if pretrained and installed is not None and not embedded.trouble(name):
        backbone.origin = f"installed: {installed.requirement}, SHA-256 {installed.sha256}"
        if channels <= 3:  # of other bands the data's own mean and deviation are taken
            backbone.pixels = installed.mean[:channels], installed.std[:channels]
    elif pretrained and config is not None:
        where = hosted(name)
        cached = hub.cached(where) if where is not None else None
        digest = f", SHA-256 {cached.sha256}" if cached is not None and cached.sha256 else ""
        backbone.origin = f"timm: {config.hf_hub_id or config.url}{digest}"
        if channels == len(config.mean):
            backbone.pixels = (tuple(config.mean), tuple(config.std))
    return backbone
