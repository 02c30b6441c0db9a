"""Optimisers by name, with weight decay where it belongs."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from sightline.engine.recipe import Recipe
from sightline.errors import UnknownName

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


def build(parameters: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over these parameters.

    Weight decay acts on matrices and kernels only: biases, norm scales and other vectors are
    left alone, as in He et al., "Bag of Tricks", CVPR 2019, section 3.1.

    Raises:
        UnknownName: If torch.optim has no such class.
    """
    name = check_name(recipe.optimizer or "adamw")
    free = [p for p in parameters if p.requires_grad]
    groups = [
        {"params": [p for p in free if p.ndim > 1], "weight_decay": recipe.weight_decay or 0.0},
        {"params": [p for p in free if p.ndim <= 1], "weight_decay": 0.0},
    ]
    takes = inspect.signature(_KNOWN[name]).parameters
    settings: dict[str, Any] = {"lr": recipe.lr}
    momentum = 0.9 if recipe.momentum is None else recipe.momentum
    if "momentum" in takes:
        settings["momentum"] = momentum
        if "nesterov" in takes and momentum > 0:
            settings["nesterov"] = True
    elif "betas" in takes and name != "adamax":
        settings["betas"] = (momentum, 0.999)
    return _KNOWN[name]([g for g in groups if g["params"]], **settings)


def l1(module: nn.Module) -> torch.Tensor:
    """Sum of absolute weights, of matrices and kernels only."""
    weights = [p.abs().sum() for p in module.parameters() if p.requires_grad and p.ndim > 1]
    return torch.stack(weights).sum() if weights else torch.zeros(())
