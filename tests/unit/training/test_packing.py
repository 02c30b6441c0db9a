from __future__ import annotations

import torch

from sightline.training.checkpoint_state import pack, unpack


def test_pack_keeps_nested_state_exactly() -> None:
    tree = {
        "state": {0: {"step": torch.tensor(3.0), "avg": torch.randn(2, 2)}},
        "groups": [{"lr": 0.1, "b": (0.9, 1)}],
    }
    tensors: dict[str, torch.Tensor] = {}
    again = unpack(pack(tree, tensors), tensors)
    assert torch.equal(again["state"][0]["avg"], tree["state"][0]["avg"])  # type: ignore[index]
    assert again["groups"] == [{"lr": 0.1, "b": [0.9, 1]}]
