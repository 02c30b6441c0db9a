"""Freezing what cannot be frozen is refused, not passed over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from sightline.core.card import ModelCard
from sightline.errors import UsageError
from sightline.training.freezing import set_trainable
from sightline.training.recipe import Recipe


def training(freeze: str) -> Any:
    card = ModelCard(name="whole", summary="A model that is one piece.", paper="", parameters=0)
    model = SimpleNamespace(card=card, backbone=lambda: nn.Linear(2, 2))
    return SimpleNamespace(model=model, recipe=Recipe(freeze=freeze))


def test_a_model_without_parts_refuses_to_be_frozen() -> None:
    set_trainable(training("none"), 10)
    with pytest.raises(UsageError, match=r"'whole' has no part.*--freeze all-but-2"):
        set_trainable(training("all-but-2"), 10)
