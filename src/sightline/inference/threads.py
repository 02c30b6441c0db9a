"""Number of CPU threads for a network: one if its operations are small.

Threads synchronize at the end of every operation. In a small network an operation is so short
that a second thread gains little (0.2 to 0.3 s of an epoch of the built-in digits). If other programs use the
cores, all threads wait for the slowest: the epoch then took 19 to 26 times as long. See docs/benchmarks.md,
"On a busy machine".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.devices import Devices

SMALL = 400_000_000
"""Floating-point operations of a batch forward, a multiply-add being two; one thread for fewer."""


@contextmanager
def few_threads(models: list[Model], images: int, devices: Devices) -> Iterator[None]:
    """Use one CPU thread inside this block if operations are small; the previous number is restored.

    The number of threads changes the last bits of results, so that it follows from the networks and the
    batch alone and never from a clock: a run that is resumed gets the same. `OMP_NUM_THREADS` overrules it.

    Args:
        models: What a step runs, on the device.
        images: In a batch, over all processes.
        devices: Where it runs.
    """
    before = torch.get_num_threads()
    decided = devices.device.type != "cpu" or before == 1 or "OMP_NUM_THREADS" in os.environ
    if decided or sum(map(_operations, models)) * images // devices.world >= SMALL:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@torch.no_grad()
def _operations(model: Model) -> int:
    """Floating-point operations of convolutions and matrix products for one item forward."""
    from torch.utils.flop_counter import FlopCounterMode  # not before: it takes 0.1 s

    training = model.training
    inputs = [value.float() for value in InputSpec.of(model.settings).zeros(1).values()]
    with FlopCounterMode(display=False) as counter:
        model.eval()(*inputs)
    model.train(training)
    return int(counter.get_total_flops())
