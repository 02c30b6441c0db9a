"""Cost: time, size and energy of an answer."""

from __future__ import annotations

import time

import numpy as np
import torch

from sightline.audits._budget import Budget
from sightline.audits._case import Case
from sightline.audits._planted import with_model
from sightline.audits._rules import judge
from sightline.audits._verdict import AuditCard, Cost, Verdict
from sightline.core.inputs import InputSpec
from sightline.core.report import Score
from sightline.evaluation.energy import EnergyMeter

CARD = AuditCard(
    name="cost",
    title="Cost",
    summary="time, size and energy of an answer",
    rank=90,
    scores=("cost.milliseconds", "cost.millijoules"),
    least=1,
    cost=Cost(seconds=2.0),
    needs=("model",),
    sees="One image at a time on this machine, while other programs may run. Energy is that of the whole "
    "processor package, idle share included, where the machine measures it; else it is not estimated.",
)
SECONDS = 1.0
LEAST_RUNS = 5


def run(case: Case, budget: Budget) -> Verdict:
    """Measure answers to one image at a time."""
    del budget
    assert case.model is not None
    spec = InputSpec.of(case.settings)
    inputs = [v.to(case.devices.device) for v in spec.noise(1).values()]
    _answer(case, inputs)
    times: list[float] = []
    meter, started = EnergyMeter(), time.perf_counter()
    meter.start()
    while len(times) < LEAST_RUNS or time.perf_counter() - started < SECONDS:
        times.append(_answer(case, inputs))
    elapsed = time.perf_counter() - started
    meter.add()
    milliseconds = 1000 * np.array(times)
    low, middle, high = np.quantile(milliseconds, [0.025, 0.5, 0.975])
    span = "median and 95 % of the runs"
    scores = {"cost.milliseconds": Score(float(middle), float(low), float(high), len(times), span)}
    parameters = sum(p.numel() for p in case.model.parameters())
    span_of_runs = f"95 % of {len(times)} runs: {low:.3g} to {high:.3g}"
    sentence = f"{middle:.3g} ms an image ({span_of_runs})"
    sentence += f", {parameters:,} parameters" if parameters else ""
    if not meter.joules:  # no counter, or none that this user may read
        sentence += "; energy is not measurable on this machine."
    else:
        each = 1000 * meter.joules / len(times)
        scores["cost.millijoules"] = Score(
            each, float("nan"), float("nan"), len(times), "RAPL, whole package"
        )
        sentence += f"; {each:.3g} mJ an image (whole processor package, {meter.joules / elapsed:.3g} W)."
    settings = {"device": str(case.devices.device), "threads": torch.get_num_threads(), "batch": 1}
    return judge(CARD, sentence, scores, n=1, settings=settings)


@torch.no_grad()
def _answer(case: Case, inputs: list[torch.Tensor]) -> float:
    """Seconds of one image, until its prediction is on the CPU."""
    assert case.model is not None
    started = time.perf_counter()
    outputs = {name: value.float() for name, value in case.model(*inputs).items()}
    case.model.predict_from_outputs(outputs, case.settings).to("cpu")
    return time.perf_counter() - started


def plant(seed: int) -> Case:
    """Any model: there is no bound."""
    return _case(seed)


def clean(seed: int) -> Case:
    """The same."""
    return _case(seed)


def _case(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    return with_model(images, rng.integers(0, 3, 8), lambda x: x.mean((2, 3)))
