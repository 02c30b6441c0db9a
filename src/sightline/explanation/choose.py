"""Choice of method and layer: by what the model gives, and by what is measured on its own images."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from torch import Tensor

from sightline.core.targets.base import Targets
from sightline.errors import UsageError
from sightline.explanation import layers, trust
from sightline.explanation.attention import attention
from sightline.explanation.fills import percent
from sightline.explanation.layers import Layer
from sightline.explanation.methods import EXPLAINERS
from sightline.explanation.source import Source
from sightline.explanation.subject import Subject

TRANSFORMER = "gradient-rollout"
"""Method for a network with attention over all patches."""
DEFAULTS = ("layercam", "hires-cam")
"""Methods for a network. The first is taken where no mosaic can tell which is better. On photographs of ants
and bees 28 % of the first's maps lay in the right quarter of mosaics, and 78 % of the second's; on planted
shapes the first is better."""
BLIND = "occlusion"
"""Method for what gives predictions only."""
SEED = 1
"""Of the mosaics that choose; the test of the method that was chosen has others."""


@dataclass(frozen=True)
class Choice:
    """Method and layer.

    Attributes:
        module: The method.
        reason: Why it is this one.
        layer: Where methods of layers look, or None.
    """

    module: ModuleType
    reason: str
    layer: Layer | None = None


def choose(
    source: Source, subject: Subject, method: str | None, images: Tensor, about: Targets, measure: bool
) -> Choice:
    """Choose the method for a model, and set the layer of the subject.

    Args:
        source: The model, with its data.
        subject: The same, for methods.
        method: Name of a method, or None.
        images: (1, C, *S), the first image.
        about: A statement about it.
        measure: Whether the run's validation images may decide.

    Raises:
        UsageError: If the method needs more than the model gives.
    """
    module = EXPLAINERS.load(method or (DEFAULTS[0] if source.model is not None else BLIND))
    needs = module.CARD.needs
    if source.model is None:
        _require_predictions(module, method, source)
        why = "as asked" if method else "an exported file gives predictions and no gradients"
        return Choice(module, why)
    if needs == "predictions":
        return Choice(module, "as asked")
    candidates, blind = _seen(subject, images, about, needs)
    if blind and method is not None:
        raise UsageError(f"--method {method} is not possible here: {blind}. Use --method {BLIND}.")
    if blind:
        return Choice(EXPLAINERS.load(BLIND), f"{blind}, so a method without gradients was chosen")
    if method is not None and needs != "layers":
        return Choice(module, "as asked")
    choices = [
        _at_layer(EXPLAINERS.load(name), candidates, images) for name in ([method] if method else DEFAULTS)
    ]
    if method is None and not without_attention(subject, images, about):
        choices.insert(0, Choice(EXPLAINERS.load(TRANSFORMER), "the default for vision transformers"))
    best = _measured(source, subject, choices) if measure and method is None else choices[0]
    subject.layer = best.layer.name if best.layer else ""
    return Choice(best.module, "as asked", best.layer) if method else best


def _require_predictions(module: ModuleType, method: str | None, source: Source) -> None:
    if module.CARD.needs == "predictions":
        return
    blind = [n for n in EXPLAINERS.names() if EXPLAINERS.load(n).CARD.needs == "predictions"]
    raise UsageError(
        f"--method {method} needs {module.CARD.needs}, and {source.path} is an exported file, which gives "
        f"predictions only. Use --method {' or --method '.join(blind)}, or explain the run itself."
    )


def _seen(subject: Subject, images: Tensor, about: Targets, needs: str) -> tuple[list[Layer], str]:
    """Layers that can be looked at, and what stands in the way of gradients, or ""."""
    try:
        if not bool(subject.gradient(images, about)[1].any()):
            return [], "the gradient of what is predicted is 0 everywhere"
        candidates = layers.traced(subject, images, about)
    except UsageError as error:
        return [], str(error).rstrip(".")
    if needs == "attention":
        return candidates, without_attention(subject, images, about)
    return candidates, "no layer has maps over the image" if needs == "layers" and not candidates else ""


def without_attention(subject: Subject, images: Tensor, about: Targets) -> str:
    """Why attention cannot be followed from patch to patch, or ""."""
    try:
        attention(subject, images, about)
    except UsageError as error:
        return str(error).rstrip(".")
    return ""


def _at_layer(module: ModuleType, candidates: list[Layer], images: Tensor) -> Choice:
    """A method at the layer that its card asks for."""
    fine = layers.deepest(candidates, min(images.shape[-2:]))
    return Choice(
        module, "the default for networks", fine if module.CARD.layer == "fine" else layers.last(candidates)
    )


def _measured(source: Source, subject: Subject, choices: list[Choice]) -> Choice:
    """The method with the most in the right quarter of mosaics; the first where nothing can be measured."""
    shares = []
    for choice in choices:
        subject.layer = choice.layer.name if choice.layer else ""
        trial = trust.mosaics(subject, source, choice.module.run, "quick", SEED)
        if trial.passed is None:
            return choices[0]
        shares.append(trial.value)
    best = max(range(len(choices)), key=lambda i: shares[i])
    words = ", ".join(
        f"{c.module.CARD.name}{f' at {c.layer.text}' if c.layer else ''} {percent(s)}"
        for c, s in zip(choices, shares, strict=True)
    )
    return Choice(
        choices[best].module,
        f"of the maps in the right quarter of your mosaics: {words}",
        choices[best].layer,
    )
