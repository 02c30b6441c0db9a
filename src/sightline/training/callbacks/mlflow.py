"""MLflow logging of the values of each epoch (extra: mlflow), with its usage reporting switched off."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sightline.core.run import Run
from sightline.errors import MissingExtra
from sightline.training.callbacks.base import Callback

if TYPE_CHECKING:
    from sightline.training.state import Training


class Tracker(Callback):
    """MLflow tracker: writes to MLFLOW_TRACKING_URI, else to a database file beside the run.

    Args:
        run: The run that is tracked; its folder name is the run's name there.

    Raises:
        MissingExtra: If MLflow is not installed.
    """

    def __init__(self, run: Run) -> None:
        try:
            import mlflow
        except ImportError:
            raise MissingExtra("--tracker mlflow", "mlflow") from None
        self.mlflow = mlflow
        if "MLFLOW_TRACKING_URI" not in os.environ:
            mlflow.set_tracking_uri(f"sqlite:///{run.path.parent.absolute() / 'mlflow.db'}")
        mlflow.set_experiment("sightline")
        mlflow.start_run(run_name=run.path.name)
        mlflow.log_params({k: v for k, v in run.record.recipe.items() if v is not None})

    def epoch(self, training: Training, logs: dict[str, Any]) -> bool:
        """Add one point to every curve."""
        numbers = {k: v for k, v in logs.items() if isinstance(v, float)}
        self.mlflow.log_metrics(numbers, step=training.epoch)
        return False

    def end(self, training: Training) -> None:
        """Close the run there."""
        self.mlflow.end_run()
