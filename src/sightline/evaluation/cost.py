"""Cost of a run: time, energy, parameters, FLOPs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.run import Run


def measure_cost(model: Model, settings: Mapping[str, Any], run: Run, elapsed: float) -> dict[str, Any]:
    """Cost of the run: seconds, energy if it can be measured, parameters, FLOPs of one image."""
    from torch.utils.flop_counter import FlopCounterMode

    device = model.mean.device
    inputs = [value.float().to(device) for value in InputSpec.of(settings).zeros(1).values()]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.eval()(*inputs)
    return {
        "seconds": round(elapsed, 1),
        "joules": run.record.joules,
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "flops": counter.get_total_flops(),
        "device": str(device),
    }
