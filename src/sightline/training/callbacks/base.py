"""Base class of callbacks. The training loop calls their hooks and does not depend on what they do."""

from __future__ import annotations

from typing import Any

from sightline.training.state import Training


class Callback:
    """Something that happens beside training. Override what is needed."""

    def start(self, training: Training) -> None:
        """Before the first step, also of a resumed run."""

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """After each epoch's validation; may add to `logs`. True stops training."""
        return False

    def end(self, training: Training) -> None:
        """After the last epoch, also when stopped early or broken off."""

    def state(self) -> dict[str, Any]:
        """What must be kept to go on exactly; JSON-able."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Inverse of `state`."""
