"""TensorBoard logging of the values of each epoch (extra: tensorboard)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sightline.core.run import Run
from sightline.errors import MissingExtra
from sightline.training.callbacks.base import Callback

if TYPE_CHECKING:
    from sightline.training.state import Training


class Tracker(Callback):
    """Write TensorBoard events into the run folder.

    Args:
        run: Where they go: `tensorboard/` in its folder.

    Raises:
        MissingExtra: If TensorBoard is not installed.
    """

    def __init__(self, run: Run) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtra("--tracker tensorboard", "tensorboard") from None
        self.writer = SummaryWriter(str(run.path / "tensorboard"))  # type: ignore[no-untyped-call]

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """Add one point to every curve."""
        for name, value in logs.items():
            if isinstance(value, float):
                self.writer.add_scalar(name, value, training.epoch)  # type: ignore[no-untyped-call]
        return False

    def end(self, training: Training) -> None:
        """Close the file."""
        self.writer.close()  # type: ignore[no-untyped-call]
