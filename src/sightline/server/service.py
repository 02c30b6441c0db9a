"""State of a running server: its models by name, its limits, its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sightline.errors import SightlineError
from sightline.runtime.inputs import input_reader
from sightline.runtime.targets import TARGETS, target_type
from sightline.runtime.targets.instances import thresholds
from sightline.server.engine import Engine, starting
from sightline.server.jobs import WorkerConfig, WorkerReady
from sightline.server.limits import Limits
from sightline.server.metrics import Metrics
from sightline.server.request_error import RequestError


@dataclass
class Service:
    """The served models and their state.

    Attributes:
        engines: By name; the first answers requests that name none.
        limits: See there.
        metrics: What is counted.
        draining: Whether the server is stopping.
        failure: Why a model cannot be served, if one cannot.
    """

    limits: Limits
    metrics: Metrics = field(default_factory=Metrics)
    engines: dict[str, Engine] = field(default_factory=dict)
    draining: bool = False
    failure: SightlineError | None = None

    @classmethod
    def of(cls, models: Mapping[str, WorkerConfig], limits: Limits) -> Service:
        """Create a service of these models; nothing is started."""
        service = cls(limits)
        for name, spec in models.items():
            service.engines[name] = Engine(name, spec, limits, service.metrics, service.fail)
        return service

    def fail(self, error: SightlineError) -> None:
        """Record that a model cannot be served: the server will end with this error."""
        self.failure = self.failure or error

    @property
    def ready(self) -> bool:
        """Whether every model is ready and the server is not stopping."""
        return not self.draining and all(engine.able for engine in self.engines.values())

    @property
    def busy(self) -> bool:
        """Whether all queues are full."""
        return all(engine.queue.full for engine in self.engines.values())

    def engine(self, name: str | None) -> Engine:
        """The model of a name, or the first.

        Raises:
            Refused: 404 if there is none of the name.
        """
        if name is None:
            return next(iter(self.engines.values()))
        if name not in self.engines:
            raise RequestError(
                404, "unknown-model", f"There is no such model. Known: {', '.join(self.engines)}."
            )
        return self.engines[name]

    def loaded(self, engine: Engine) -> WorkerReady:
        """Metadata of a loaded model.

        Raises:
            Refused: 503 while it is being loaded.
        """
        if engine.ready is None:
            raise starting(engine.name)
        return engine.ready

    def model_info(self, engine: Engine) -> dict[str, Any]:
        """Model card for people and programs: classes, thresholds, metric, input, license."""
        ready = self.loaded(engine)
        card, settings = ready.card, ready.card.get("model_config", {})
        axes = input_reader(settings.get("input", "image")).axes
        keys = (
            "task",
            "model",
            "prediction",
            "outputs",
            "metric",
            "license",
            "data",
            "run",
            "made",
            "version",
            "unchecked",
            "takes",
        )
        return {
            "name": engine.name,
            **{key: card[key] for key in keys if key in card},
            "classes": settings.get("classes") or [],
            **_min_scores(card),
            "input": dict(zip(axes, ready.shape, strict=True)),
            "models": list(self.engines),
        }

    def start(self) -> None:
        """Start all workers."""
        for engine in self.engines.values():
            engine.start()

    async def stop(self) -> None:
        """End all workers."""
        for engine in self.engines.values():
            await engine.stop()

    def kill(self) -> None:
        """End all workers at once; needs no event loop."""
        for engine in self.engines.values():
            engine.kill()


def finds_objects(card: Mapping[str, Any]) -> bool:
    """Whether a model predicts objects, which have scores."""
    kind = str(card.get("prediction"))
    return kind in TARGETS and target_type(kind).objects


def _min_scores(card: Mapping[str, Any]) -> dict[str, Any]:
    """Score threshold of each class, by name; empty for models without objects."""
    if not finds_objects(card):
        return {}
    names, settings = card["model_config"].get("classes") or [], card["model_config"]
    return {"thresholds": dict(zip(names, (round(float(t), 4) for t in thresholds(settings)), strict=True))}
