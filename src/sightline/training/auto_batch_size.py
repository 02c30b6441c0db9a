"""Automatic batch size: the largest that fits into memory, found by trying."""

from __future__ import annotations

from collections.abc import Callable

import torch

from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.errors import TrainingFailed
from sightline.training.turns import turns_of


def largest(attempt: Callable[[int], None], start: int) -> int:
    """The largest of start, start/2, start/4, ... with which `attempt` does not run out of memory.

    Args:
        attempt: One training step with so many images; raises torch.OutOfMemoryError.
        start: The largest size that is wanted.

    Raises:
        TrainingFailed: If not even one image fits.
    """
    size = start
    while size >= 1:
        try:
            attempt(size)
        except torch.OutOfMemoryError:
            size //= 2
            continue
        return size
    raise TrainingFailed("Not even one image fits into memory. Use a smaller --model or --size.")


def on_gpu(model: Model, targets: Callable[[int], object], start: int, device: torch.device) -> int:
    """The largest batch whose step fits on the GPU with a quarter of its memory to spare.

    Args:
        model: On the device.
        targets: Targets for so many images, on the CPU.
        start: The largest size that is wanted.
        device: A CUDA device.
    """
    spec = InputSpec.of(model.settings)
    rng = torch.Generator(device)

    def attempt(n: int) -> None:
        count = n + n // 3
        batch = Batch(spec.zeros(count), targets(count), []).to(device)
        try:
            model.train()
            for turn in turns_of(model.optimizer_groups()):
                if (loss := model.loss(batch, rng, turn).get("loss")) is not None:
                    loss.backward()  # type: ignore[no-untyped-call]
        finally:
            model.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()

    return largest(attempt, start)
