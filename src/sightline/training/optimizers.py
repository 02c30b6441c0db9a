"""Optimizers by name, with weight decay only on the parameters that need it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from sightline.core.model import OptimizerGroup
from sightline.errors import UnknownName
from sightline.models.backbones._backbone import Backbone
from sightline.training.recipe import Recipe

_KNOWN = {
    name.lower(): cls
    for name, cls in vars(torch.optim).items()
    if isinstance(cls, type)
    and issubclass(cls, torch.optim.Optimizer)
    and name not in ("Optimizer", "LBFGS", "SparseAdam", "Muon")  # need closures, sparse gradients, matrices
}


def check_name(name: str) -> str:
    """The name in lower case.

    Raises:
        UnknownName: If torch.optim has no such class.
    """
    if name.lower() not in _KNOWN:
        raise UnknownName("optimizer", name, _KNOWN)
    return name.lower()


def build(
    groups: Iterable[OptimizerGroup], recipe: Recipe, scales: Mapping[nn.Parameter, float] | None = None
) -> torch.optim.Optimizer:
    """The recipe's optimizer over the parameters of these groups.

    Weight decay acts on matrices and kernels only: biases, norm scales and other vectors are
    left alone, as in He et al., "Bag of Tricks", CVPR 2019, section 3.1.

    Args:
        groups: What is trained; a group's own settings stand over the recipe's.
        recipe: Optimizer, learning rate, weight decay, momentum.
        scales: Share of the learning rate of some parameters (`lr_scale` in their group), else 1.

    Raises:
        UnknownName: If torch.optim has no such class, or it has no such setting as a group's.
    """
    name = check_name(recipe.optimizer or "adamw")
    takes = inspect.signature(_KNOWN[name]).parameters
    settings: dict[str, Any] = {"lr": recipe.lr}
    momentum = 0.9 if recipe.momentum is None else recipe.momentum
    if "momentum" in takes:
        settings["momentum"] = momentum
        if "nesterov" in takes and momentum > 0:
            settings["nesterov"] = True
    elif "betas" in takes and name != "adamax":
        settings["betas"] = (momentum, 0.999)
    groups = list(groups)
    for group in groups:
        if unknown := group.overrides.keys() - takes.keys():
            raise UnknownName(f"setting of optimizer {name}", min(unknown), takes)
    param_groups = [entry for group in groups for entry in _param_groups(group, recipe, scales)]
    return _KNOWN[name](param_groups, **settings)


def _param_groups(
    group: OptimizerGroup, recipe: Recipe, scales: Mapping[nn.Parameter, float] | None
) -> list[dict[str, Any]]:
    """Parameter groups for torch.optim: a dict for each learning rate and weight decay."""
    members: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for parameter in group.parameters:
        if parameter.requires_grad:
            scale = 1.0 if scales is None else scales.get(parameter, 1.0)
            members.setdefault((scale, parameter.ndim > 1), []).append(parameter)
    decay = group.overrides.get("weight_decay", recipe.weight_decay or 0.0)
    return [
        {
            **group.overrides,
            "params": members[key],
            "weight_decay": decay if key[1] else 0.0,
            "lr_scale": key[0] * group.lr_scale,
        }
        for key in sorted(members, key=lambda key: (-key[0], -key[1]))
    ]


def layer_scales(backbone: Backbone, decay: float) -> dict[nn.Parameter, float]:
    """Layer-wise learning-rate decay: multiplier of each parameter, times `decay` from block to block.

    Source: Howard, Ruder, ULMFiT, ACL 2018, section 3.2 (discriminative fine-tuning).
    """
    blocks = backbone.blocks()
    return {p: decay ** (len(blocks) - i) for i, block in enumerate(blocks) for p in block.parameters()}


def l1(module: nn.Module) -> torch.Tensor:
    """L1 penalty: sum of absolute weights, of matrices and kernels only."""
    weights = [p.abs().sum() for p in module.parameters() if p.requires_grad and p.ndim > 1]
    return torch.stack(weights).sum() if weights else torch.zeros(())
