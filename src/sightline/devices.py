"""Devices: device, precision, and process groups under torchrun."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from sightline.errors import UsageError

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def pick(name: str = "auto") -> torch.device:
    """The device of that name; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        UsageError: If it is not there.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if cuda else "mps" if mps else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device must be auto, cpu, cuda, cuda:N or mps. Received '{name}'.") from None
    available = {"cpu": True, "cuda": cuda, "mps": mps}.get(device.type, False)
    if not available:
        raise UsageError(
            f"--device {name}: this machine has no such device, or PyTorch {torch.__version__} "
            "was built without it. Use --device cpu or auto."
        )
    if device.type == "cuda" and device.index is not None and device.index >= torch.cuda.device_count():
        raise UsageError(f"--device {name}: there are only {torch.cuda.device_count()} CUDA devices.")
    return device


@dataclass
class Devices:
    """This process's share of the machine.

    Attributes:
        device: Where the model lives.
        precision: "fp32", "bf16" or "fp16" of the forward pass.
        rank: Number of this process.
        world: Number of processes.
    """

    device: torch.device
    precision: str = "fp32"
    rank: int = 0
    world: int = 1
    _scaler: Any = field(default=None, repr=False)

    @classmethod
    def start(cls, device: str = "auto", precision: str | None = "auto") -> Devices:
        """Join the other processes, if torchrun started several, and settle the precision.

        Raises:
            UsageError: If the device is absent, or fp16 is asked for on a CPU.
        """
        rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        chosen = pick(device)
        if world > 1:
            if chosen.type == "cuda":
                chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
                torch.cuda.set_device(chosen)
            if not dist.is_initialized():
                # The first process scores and writes the report while the others wait.
                backend = "nccl" if chosen.type == "cuda" else "gloo"
                dist.init_process_group(backend, timeout=timedelta(hours=6))
        if precision in ("auto", None):
            fit = chosen.type == "cuda" and torch.cuda.is_bf16_supported()
            precision = "bf16" if fit else "fp32"
        if precision == "fp16" and chosen.type != "cuda":
            raise UsageError(f"--precision fp16 needs a CUDA device. On {chosen.type} use bf16 or fp32.")
        scaler = torch.amp.GradScaler() if precision == "fp16" else None
        return cls(chosen, str(precision), rank, world, scaler)

    def seed(self, number: int) -> None:
        """Seed what draws without a generator of its own (dropout)."""
        if self.device.type == "cpu":  # torch.manual_seed would write down a stack trace for CUDA each time
            torch.default_generator.manual_seed(number)
        else:
            torch.manual_seed(number)

    def autocast(self) -> AbstractContextManager[Any]:
        """Run what is inside in the chosen precision."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, _TYPES[self.precision])

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module with its gradients averaged over all processes."""
        if self.world == 1:
            return module
        if self.device.type == "cuda":
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(module)

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss, scaled where fp16 needs it."""
        (loss if self._scaler is None else self._scaler.scale(loss)).backward()

    def step(self, optimizer: torch.optim.Optimizer, clip: float) -> float | None:
        """Clip gradients and take a step; the gradient norm before clipping, or None. `end_step` follows the
        last optimizer of a training step."""
        norm = None
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)
        if clip > 0:
            free = [p for group in optimizer.param_groups for p in group["params"]]
            norm = torch.nn.utils.clip_grad_norm_(free, clip)
        if self._scaler is None:
            optimizer.step()
        else:
            self._scaler.step(optimizer)
        optimizer.zero_grad(set_to_none=True)
        return None if norm is None else float(norm) if self.device.type == "cpu" else None

    def end_step(self) -> None:
        """Update the scale of fp16 gradients, once after all optimizers have stepped."""
        if self._scaler is not None:
            self._scaler.update()

    def gather(self, item: Any) -> list[Any]:
        """What every process holds, in the order of their numbers."""
        if self.world == 1:
            return [item]
        parts: list[Any] = [None] * self.world
        dist.all_gather_object(parts, item)
        return parts

    def agree(self, flag: bool) -> bool:
        """Whether any process says so."""
        return any(self.gather(flag)) if self.world > 1 else flag

    def wait(self) -> None:
        """Until all processes are here."""
        if self.world > 1:
            dist.barrier()

    @property
    def first(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def state(self) -> dict[str, Any]:
        """What must be kept to go on exactly."""
        return {} if self._scaler is None else {"scaler": self._scaler.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
        if self._scaler is not None and "scaler" in state:
            self._scaler.load_state_dict(state["scaler"])
