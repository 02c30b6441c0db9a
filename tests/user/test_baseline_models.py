"""A baseline is a model as any other: trained, loaded, tested, timed, and exported where it is arithmetic."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import sightline as sl
from sightline.core.run import Run
from sightline.core.task import Baseline
from sightline.errors import UnknownName, UsageError
from sightline.models.adapters.fitted import require_kept
from sightline.models.weights import embedded
from tests.user.conftest import write_photos

EXPORTED = ("majority", "mean")
SMALL = {"size": 64}


@pytest.mark.parametrize(("data", "name"), [
    ("shapes:150", "majority"), ("shapes:150", "linear"), ("shapes:multi:150", "linear"),
    ("shapes:count:150", "mean"), ("shapes:count:150", "linear"),
    ("shapes:boxes:40", "box"), ("shapes:boxes:40", "windows"),
    ("shapes:masks:40", "place"), ("shapes:masks:40", "colors"),
])  # fmt: skip
def test_a_baseline_is_kept_and_answers_as_it_does_beside_a_network(
    data: str, name: str, tmp_path: Path
) -> None:
    run = sl.train(data, model=f"baseline:{name}", out=tmp_path / "run", **SMALL)
    for metric, score in run.results.baselines[name].items():
        assert run.results.scores[metric].value == pytest.approx(score.value, abs=1e-5, nan_ok=True), metric
    assert sl.load(tmp_path / "run").task.card.name == run.results.task
    again = sl.evaluate(str(tmp_path / "run"), data, out=tmp_path / "report.html")
    assert again.scores.keys() == run.results.scores.keys()
    if name not in EXPORTED:
        with pytest.raises(UsageError, match="cannot be exported: what it does is no arithmetic on tensors"):
            sl.export(tmp_path / "run", to="onnx")
    else:
        assert sl.export(tmp_path / "run", to="onnx").gate.passed


@pytest.mark.skipif(
    bool(embedded.trouble(embedded.DEFAULT)), reason="the network's weights are not installed"
)
@pytest.mark.parametrize("name", ["frozen", "frozen-knn"])
def test_a_baseline_on_a_frozen_network_brings_it_along(name: str, tmp_path: Path) -> None:
    data = str(write_photos(tmp_path / "photos", 60))
    run = sl.train(data, model=f"baseline:{name}", out=tmp_path / "run")
    assert run.results.metadata["cost"]["parameters"] == 0
    assert run.results.scores["accuracy"].value > 0.5
    assert sl.evaluate(str(tmp_path / "run"), data, out=tmp_path / "r.html").scores["accuracy"].value > 0.5
    if name == "frozen":
        assert sl.export(tmp_path / "run", to="onnx").gate.passed


def test_a_baseline_is_timed(tmp_path: Path) -> None:
    sl.train("shapes:60", model="baseline:linear", out=tmp_path / "run", **SMALL)
    timed = sl.benchmark(str(tmp_path / "run"), batch_size=4)
    assert timed.n > 0
    assert len(timed.lines) == 1


def test_what_cannot_be_kept_is_refused_with_what_can(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"baseline:forest stands beside networks only.*baseline:place"):
        sl.train("shapes:masks:40", model="baseline:forest", out=tmp_path / "run")
    with pytest.raises(UnknownName, match="Did you mean 'baseline:linear'"):
        sl.train("shapes:150", model="baseline:linaer", out=tmp_path / "run")
    sl.train("shapes:150", model="baseline:majority", out=tmp_path / "run")
    with pytest.raises(UsageError, match="has no layers to show"):
        sl.inspect(str(tmp_path / "run"))
    assert Run.open(tmp_path / "run").record.recipe["epochs"] == 1


@pytest.mark.parametrize(("frozen", "input", "inputs", "prediction", "text"), [
    (False, "image", ("image",), "outlines", "needs predictions of kind label, number, masks or instances"),
    (False, "pair", ("left", "right"), "label", "needs one input; each pair has left and right"),
    (True, "clip", ("image",), "label", "looks through a network for images; each item is a clip"),
])  # fmt: skip
def test_what_a_baseline_needs_as_a_model_is_said(
    frozen: bool, input: str, inputs: tuple[str, ...], prediction: str, text: str
) -> None:
    baseline = Baseline("near", "the nearest", lambda images, target: {}, frozen=frozen)
    with pytest.raises(UsageError, match=f"baseline:near .*{text}.*beside the networks"):
        require_kept(baseline, input, inputs, prediction)
    require_kept(replace(baseline, frozen=False), "clip", ("image",), "label")
