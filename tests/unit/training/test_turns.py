"""Groups of parameters that take turns: what one turn does leaves no trace in the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.core.model import Model, OptimizerGroup
from sightline.core.run import Run
from sightline.core.run_record import RunRecord
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.devices import Devices
from sightline.errors import Interrupted, UnknownName, UsageError
from sightline.training.recipe import DEFAULTS, Recipe
from sightline.training.trainer import Job
from sightline.training.trainers import adversarial, gradient
from sightline.training.turns import Steps

PLAIN = {"momentum": 0.0, "weight_decay": 0.0, "clip_grad": 0.0, "schedule": "constant", "warmup": 0.0}


class Duel(Model):
    """A generator of one number and a critic that weighs it; both losses are linear."""

    card: ClassVar[ModelCard] = ModelCard("duel", "Two numbers.", "", trainer="adversarial")
    groups: ClassVar[dict[str, dict[str, Any]]] = {}
    mean_of_critic: Tensor

    def __init__(self) -> None:
        super().__init__({"mean": [0.0], "std": [1.0], "channels": 1, "size": [1, 1]})
        self.critic, self.generator = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        for layer in (self.critic, self.generator):
            nn.init.ones_(layer.weight)
        self.register_buffer("mean_of_critic", torch.zeros(1, 1))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"fake": self.generator(images.float().flatten(1))}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        return ClassLabels(answer["fake"][:, 0].round().long())

    def loss(
        self, batch: Batch, rng: torch.Generator, part: str = "all", outputs: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        if part == "critic":
            return {"loss": 0.6 * self.critic.weight.mean() * batch.images.float().mean()}
        noise = torch.rand((), generator=rng) if batch.images.float().mean() != 1 else 1.0
        return {"loss": 0.1 * self.critic(self(batch.images)["fake"]).mean() * noise}

    def optimizer_groups(self) -> Mapping[str, OptimizerGroup]:
        return {
            name: OptimizerGroup(
                list(getattr(self, name).parameters()), turn=name, **self.groups.get(name, {})
            )
            for name in ("critic", "generator")
        }

    def on_step_end(self, step: int, progress: float) -> None:
        self.mean_of_critic.lerp_(self.critic.weight.detach(), 0.1)


class Numbers:
    """Two batches an epoch; a signal comes before one of them."""

    def __init__(self, stop: int = 0, images: float | None = 1.0) -> None:
        self.stop, self.images, self.given = stop, images, 0

    def __len__(self) -> int:
        return 2

    def epoch(self, epoch: int, start: int = 0, progress: float = 0.0) -> Iterator[Batch]:
        for i in range(start, 2):
            self.given += 1
            if self.given == self.stop:
                os.kill(os.getpid(), signal.SIGINT)
            value = self.images if self.images is not None else 0.3 * epoch + i
            yield Batch(
                torch.full((2, 1, 1, 1), value), ClassLabels(torch.zeros(2, dtype=torch.int64)), ["a", "b"]
            )


def job(run: Run, model: Model, batches: Numbers, **recipe: Any) -> Job:
    given = {**DEFAULTS, "precision": "fp32", **recipe}
    return Job(
        model, batches, lambda m: {"val_loss": 1.0, "val_score": 1.0}, Recipe(**given), run,
        Devices(torch.device("cpu")), 0,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", RunRecord())


def test_the_generators_backward_leaves_no_gradient_in_the_critic(run: Run) -> None:
    """Two steps at rate 1 along the critic's gradient, 0.6; what the generator left made the second 0.7."""
    model = Duel()
    training = job(run, model, Numbers(), epochs=1, optimizer="sgd", lr=1.0, **PLAIN).state()
    steps = Steps(training)
    steps.begin_epoch(training)
    for batch in Numbers().epoch(1):
        before = float(model.critic.weight)
        steps.step(training, batch, 2, True)
        assert before - float(model.critic.weight) == pytest.approx(0.6)
        assert model.critic.weight.grad is None
        assert model.critic.weight.requires_grad
    assert set(training.sums) == {"critic/loss", "generator/loss", "images"}


def test_groups_have_rates_and_turns_of_their_own(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Duel, "groups", {"critic": {"lr_scale": 0.5}, "generator": {"every": 2}})
    model = Duel()
    training = job(run, model, Numbers(), epochs=1, optimizer="sgd", lr=1.0, **PLAIN).state()
    steps = Steps(training)
    steps.begin_epoch(training)
    first, second = Numbers().epoch(1)
    steps.step(training, first, 2, True)
    assert float(model.critic.weight) == pytest.approx(0.7)
    assert float(model.generator.weight) == 1
    steps.step(training, second, 2, True)
    assert float(model.generator.weight) == pytest.approx(1 - 0.1 * 0.4)  # by the critic as it is then


def test_a_setting_that_the_optimizer_lacks_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Duel, "groups", {"critic": {"overrides": {"betas": (0.5, 0.9)}}})
    with pytest.raises(UnknownName, match="setting of optimizer sgd 'betas'"):
        Steps(job(run, Duel(), Numbers(), optimizer="sgd", lr=1.0).state())
    training = job(run, Duel(), Numbers(), optimizer="adam", lr=1.0).state()
    Steps(training)
    assert [o.param_groups[0]["betas"] for o in training.optimizers.values()] == [(0.5, 0.9), (0.9, 0.999)]


def test_turns_and_trainer_must_agree(run: Run) -> None:
    with pytest.raises(UsageError, match=r"take turns \(critic, generator\).*trainer='adversarial'"):
        gradient.train(job(run, Duel(), Numbers(), epochs=1, lr=0.1))


@pytest.mark.parametrize("stop", [2, 3])
def test_stopped_between_two_steps_it_resumes_bit_for_bit(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Duel, "groups", {"generator": {"every": 2}})
    settings = {"epochs": 3, "optimizer": "adam", "lr": 0.05, "ema": 0.9}

    def trained(name: str, stop: int) -> dict[str, Tensor]:
        run = Run.create(tmp_path / name, RunRecord())
        first = job(run, Duel(), Numbers(stop, images=None), **settings)
        if stop:
            with pytest.raises(Interrupted):
                adversarial.train(first)
            again = job(run, Duel(), Numbers(images=None), **settings)
            adversarial.train(Job(**{**vars(again), "resume": True}))
        else:
            adversarial.train(first)
        selected = run.checkpoint("last")
        assert selected is not None
        return {**selected[0]["model"], **{f"ema.{k}": v for k, v in selected[0]["ema"].items()}}

    whole, resumed = trained("whole", 0), trained("resumed", stop)
    assert float(whole["mean_of_critic"]) > 0
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
