"""Base class of callbacks. The training loop calls their hooks and does not depend on what they do."""

from __future__ import annotations

from typing import Any

from sightline.training.state import Training


class Callback:
    """Base class of callbacks. Override what is needed."""

    def start(self, training: Training) -> None:
        """Before the first step, also of a resumed run."""

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """After each epoch's validation; may add to `logs`. True stops training."""
        return False

    def end(self, training: Training) -> None:
        """After the last epoch, also if training stopped early or was interrupted."""

    def state(self) -> dict[str, Any]:
        """State for an exact resume; JSON-able."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
