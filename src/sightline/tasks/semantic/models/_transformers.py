"""Segmentation transformers of Hugging Face; the library is imported only when one is built."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sightline.errors import MissingExtra
from sightline.models.adapters import base
from sightline.models.weights.download import Pretrained, fetch_or_skip, patient
from sightline.models.weights.hub import Weights, described
from sightline.tasks.semantic.models._network import SegmentationModel

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and deviation that the published networks were trained with."""


@dataclass(frozen=True)
class HubVariant:
    """One size of a network.

    Attributes:
        hub: Name of its published weights (ADE20K), or "".
        config: What it differs in from the library's default.
    """

    hub: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)


class TransformersSegmenter(SegmentationModel):
    """A segmentation network of transformers.

    Raises:
        MissingExtra: If transformers is not installed.
    """

    kinds: ClassVar[tuple[str, str]]
    """The library's class of the configuration and that of the network."""
    body: ClassVar[str]
    """Dotted name of what looks at the image."""
    variants: ClassVar[Mapping[str, HubVariant]]

    @abstractmethod
    def config(self, variant: HubVariant) -> dict[str, Any]:
        """Settings of the library's configuration, for the number of image channels."""

    def build(self, pretrained: Pretrained) -> base.LibraryNetwork:
        """The library's network, for this many classes and channels."""
        name = self.settings["variant"]
        library_module, variant = _library(self.card.name), self.variants[name]
        config, kind = (getattr(library_module, k) for k in self.kinds)
        net = kind(config(num_labels=len(self.settings["classes"]), **self.config(variant)))
        here = described(Weights(variant.hub)) if variant.hub and pretrained != "no" else ""
        weights = fetch_or_skip(
            f"'{self.card.name}' ({name})", pretrained, _fetch(kind, variant), installed=here
        )
        if weights is not None:
            base.fill(net, weights, self.body)
        network = base.LibraryNetwork(net, self.body, still=False)
        if weights is not None:
            network.origin = f"huggingface.co: {variant.hub}"
            network.pixels = IMAGENET if self.settings["channels"] == 3 else None
        return network


def _library(model: str) -> Any:
    """The library transformers.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise MissingExtra(f"--model {model}", "transformers") from None
    return transformers


def _fetch(kind: Any, variant: HubVariant) -> Callable[[], base.Tensors] | None:
    """A function that downloads the published tensors."""

    def fetch() -> base.Tensors:
        with patient(variant.hub):
            tensors: base.Tensors = kind.from_pretrained(variant.hub).state_dict()
            return tensors

    return fetch if variant.hub else None
