"""Load weights from a file or a run into a network, and freeze parts of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sightline import console
from sightline.errors import DataError, UsageError
from sightline.models.backbones._backbone import Backbone, for_channels
from sightline.storage import read_tensors

WRAPPINGS = ("", "network.", "net.", "network.net.", "module.", "backbone.", "net.backbone.body.",
             "net.backbone.", "network.backbone.", "net.encoder.model.")  # fmt: skip
"""What stands before the names of a backbone's tensors where it is, or was saved as, part of something."""


@dataclass(frozen=True)
class Loaded:
    """Report of loading weights, by names of tensors.

    Attributes:
        source: The file.
        loaded: Tensors that were taken.
        adapted: Those of them that were made for three colors, and are kernels of other channels now.
        fresh: Tensors of the head that fit another number of outputs and stay as they were.
        missing: Tensors of the network that the file does not have.
        misfits: Tensors of another shape: (name, expected, found).
        unexpected: Tensors of the file that the network has no place for.
    """

    source: Path
    loaded: tuple[str, ...]
    adapted: tuple[str, ...]
    fresh: tuple[str, ...]
    missing: tuple[str, ...]
    misfits: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    unexpected: tuple[str, ...]

    def text(self) -> str:
        """The same in words, one line for each kind of finding."""
        total = len(self.loaded) + len(self.fresh) + len(self.missing) + len(self.misfits)
        lines = [f"Weights: {len(self.loaded)} of {total} tensors taken from {self.source}."]
        if self.adapted:
            lines.append(f"Made for three colors, adapted to other channels: {_few(self.adapted)}.")
        if self.fresh:
            lines.append(f"The head is for other outputs and starts fresh ({', '.join(self.fresh)}).")
        if self.missing:
            lines.append(f"Not in the file, left as they were: {_few(self.missing)}.")
        if self.misfits:
            shapes = [f"{n} (expected {list(e)}, found {list(f)})" for n, e, f in self.misfits]
            lines.append(f"Of another shape, left as they were: {_few(shapes)}.")
        if self.unexpected:
            lines.append(f"In the file, but with no place in the network: {_few(self.unexpected)}.")
        return "\n".join(lines)


def _few(names: tuple[str, ...] | list[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def find(source: Path) -> Path:
    """The file that holds the weights: `source` itself, or what lies in a run or model folder.

    Raises:
        DataError: If there is none.
    """
    if not source.is_dir():
        return source
    for inside in ("model/model.safetensors", "model.safetensors"):
        if (source / inside).is_file():
            return source / inside
    raise DataError(
        f"{source} holds no weights. Expected a .safetensors file, or a run or model folder with "
        "model.safetensors in it; a run that broke off before its first epoch has none."
    )


def card_beside(source: Path) -> dict[str, Any]:
    """Contents of model.json beside the weights; empty if there is none."""
    file = find(source).with_name("model.json")
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return record


def load_into(module: nn.Module, source: Path, *, fresh_head: bool = False) -> Loaded:
    """Load weights from a file into a network by name and shape, and report the result.

    The head of another number of outputs stays fresh. Prefixes that only say what the network was
    part of when it was saved are looked through.

    Args:
        module: A backbone, or a model that holds one.
        source: A .safetensors file, a run folder or a model folder.
        fresh_head: Leave the head as it is though it would fit: it was made for other classes.

    Raises:
        DataError: If it cannot be read, or if less than half of the network's tensors are in it.
    """
    file = find(Path(source))
    state = module.state_dict()
    tensors = _match_prefix(read_tensors(file), state)
    adapted = {n: for_channels(t, state[n]) for n, t in tensors.items() if n in state}
    adapted = {n: t for n, t in adapted.items() if t is not tensors[n] and t.shape == state[n].shape}
    tensors |= adapted
    heads = _head_names(module)
    fits = {n for n, t in tensors.items() if n in state and state[n].shape == t.shape}
    fits -= heads if fresh_head else set()
    odd = [n for n in state if n in tensors and n not in fits]
    loaded = Loaded(
        source=file,
        loaded=tuple(n for n in state if n in fits),
        adapted=tuple(adapted),
        fresh=tuple(n for n in odd if n in heads),
        missing=tuple(n for n in state if n not in tensors),
        misfits=tuple((n, tuple(state[n].shape), tuple(tensors[n].shape)) for n in odd if n not in heads),
        unexpected=tuple(n for n in tensors if n not in state),
    )
    if 2 * len(fits) < len(state) - len(loaded.fresh):
        raise DataError(
            f"{file} does not hold weights of this network; nothing was changed.\n{loaded.text()}\n"
            "Give the --model that the weights are of."
        )
    with torch.no_grad():
        for name in loaded.loaded:
            state[name].copy_(tensors[name])
    console.say(loaded.text())
    return loaded


def _match_prefix(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors by the change of prefix that makes most of them fit the network."""

    def changed(old: str, new: str) -> dict[str, Tensor]:
        return {(new + n.removeprefix(old) if n.startswith(old) else n): t for n, t in tensors.items()}

    def fitting(names: Mapping[str, Tensor]) -> int:
        return sum(n in state and state[n].shape == t.shape for n, t in names.items())

    candidates = [changed(old, new) for old, new in product(WRAPPINGS, WRAPPINGS) if old != new or not old]
    return max(candidates, key=fitting)


def _head_names(module: nn.Module) -> set[str]:
    """Names of the tensors of the head, wherever in the module the backbone is."""
    return {
        f"{where}.{name}" if where else name
        for where, part in module.named_modules()
        if isinstance(part, Backbone)
        for name in part.state_dict()
        if name.startswith("head.")
    }


def freeze(backbone: Backbone, what: str) -> int:
    """Keep parts of a network from being trained.

    Args:
        backbone: The network.
        what: none, backbone (all but the head), or all-but-N: the head and the last N blocks are
            trained.

    Returns:
        How many parameters are frozen.

    Raises:
        UsageError: If it is none of these, or N is more than there are blocks.
    """
    blocks = backbone.blocks()
    match = re.fullmatch(r"all-but-(\d+)", what)
    if what not in ("none", "backbone") and not match:
        raise UsageError(f"--freeze takes none, backbone or all-but-N. Received '{what}'.")
    free = int(match[1]) if match else 0
    if free > len(blocks):
        raise UsageError(f"--freeze {what}: this network has {len(blocks)} blocks.")
    backbone.requires_grad_(what == "none")
    for block in blocks[len(blocks) - free :]:
        block.requires_grad_(True)
    backbone.head.requires_grad_(True)
    return sum(p.numel() for p in backbone.parameters() if not p.requires_grad)


def unfreeze_stage(backbone: Backbone, fraction: float) -> None:
    """Gradual unfreezing: make the last blocks of a frozen network trainable.

    Args:
        backbone: The network.
        fraction: Share of its blocks that is trained, in [0, 1]; at 1 everything is.
    """
    if fraction >= 1:
        backbone.requires_grad_(True)
        return
    blocks = backbone.blocks()
    for block in blocks[len(blocks) - round(max(fraction, 0.0) * len(blocks)) :]:
        block.requires_grad_(True)


def frozen_modules(module: nn.Module) -> list[nn.Module]:
    """Layers with running statistics (batch norm) whose parameters are all frozen.

    They must be put into eval mode after each `train()`, or their statistics would drift.
    """
    return [
        m
        for m in module.modules()
        if getattr(m, "running_mean", None) is not None
        and any(True for _ in m.parameters(recurse=False))
        and not any(p.requires_grad for p in m.parameters(recurse=False))
    ]
