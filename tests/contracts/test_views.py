"""Every view of a network works for every task, and finds what was planted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sightline import storage
from sightline.core.dataset import Classes, Dataset
from sightline.core.inputs import InputSpec
from sightline.core.model import Model
from sightline.core.targets.label import ClassLabels
from sightline.data.io.pixels import Arrays
from sightline.explanation.network import Network, View
from sightline.explanation.source import Source
from sightline.explanation.subject import is_explained, untouched
from sightline.explanation.views import VIEWS, maximization
from sightline.tasks import TASKS
from sightline.testing import toy_plan
from sightline.training.runner import build_model
from tests.fixtures.planted import NAMES, fresh_network, planted_images, planted_network


def network_of(model: Model, dataset: Dataset | str) -> Network:
    """A network with data that lie in memory."""
    source = Source(Path("run"), {**model.settings, "resize": "stretch"}, model)
    source.__dict__["data"] = dataset
    return Network(source, model)


def planted_data(n: int, labels: Tensor | None = None) -> Dataset:
    """Planted images, three quarters of them for training; with other labels if they are given."""
    data = planted_images(n, seed=7)
    pixels = Arrays(data.images.permute(0, 2, 3, 1).contiguous().numpy())
    targets = ClassLabels(data.labels if labels is None else labels)
    parts = np.array(["train"] * (3 * n // 4) + ["val"] * (n - 3 * n // 4), dtype=object)
    ids = [str(i) for i in range(n)]
    return Dataset("planted", "planted", ids, pixels, targets, Classes(NAMES)).with_splits(parts)


def view_of(name: str, network: Network) -> View:
    with untouched(network.model):
        view = VIEWS.load(name).run(network)
    assert isinstance(view, View), view
    return view


@pytest.mark.parametrize("task", TASKS.names())
def test_every_view_of_every_task(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence, figures and a record; what says no classes and no numbers has no images made for them."""
    monkeypatch.setattr(maximization, "STEPS", 1)
    toy = toy_plan(task, n=8)
    model = build_model(toy)
    if not is_explained(InputSpec.of(model.settings)):
        pytest.skip("its items have no maps")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    network, shown = network_of(model, toy.dataset), 0
    for name in VIEWS.names():
        with untouched(model):
            view = VIEWS.load(name).run(network)
        if isinstance(view, str):
            assert name == "maximization", f"{name}: {view}"
            continue
        shown += 1
        assert view.sentence
        assert view.figures or name == "dead-units"
        assert json.loads(json.dumps(storage.finite(view.values)))
    assert shown >= 4
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    assert model.training


def test_every_view_says_what_it_means_in_one_sentence() -> None:
    for name in VIEWS.names():
        card = VIEWS.load(name).CARD
        assert card.name == name
        assert card.meaning.endswith(".")
        assert card.meaning.count(". ") == 0


def test_without_data_the_reason_is_given() -> None:
    network = network_of(planted_network(), "the photos are gone")
    shown = {name: VIEWS.load(name).run(network) for name in VIEWS.names()}
    assert isinstance(shown.pop("filters"), View)
    assert set(shown.values()) == {"the photos are gone"}


def test_the_network_says_the_class_of_what_was_made_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maximization, "STEPS", 40)
    view = view_of("maximization", network_of(planted_network(), planted_data(80)))
    assert list(view.values["scores"]) == list(NAMES)
    assert min(view.values["scores"].values()) > 0.9


def test_wrong_labels_are_odd_and_nearer_to_their_own_class() -> None:
    labels = planted_images(200, seed=7).labels.clone()
    wrong = {int(i) for i in (labels[:150] == 0).nonzero().flatten()[:3]}
    labels[list(wrong)] = 1
    view = view_of("prototypes", network_of(planted_network(), planted_data(200, labels)))
    assert {int(i) for i in view.values["classes"][NAMES[1]]["odd"][:3]} == wrong
    assert not wrong & {int(i) for i in view.values["classes"][NAMES[1]]["typical"]}
    assert view.values["nearest_mean_accuracy"] > 0.9


def test_dead_units_and_empty_filters_are_counted_where_they_are() -> None:
    model = fresh_network(seed=1)
    before = view_of("dead-units", network_of(model, planted_data(40))).values["layers"]
    assert before["network.stages.0.branch.0"]["dead"] < 5
    with torch.no_grad():
        model.network.stem[0].weight[:2] = 0
        norm = model.network.stages[0].widen[2]
        norm.weight[:5], norm.bias[:5] = 0, -1
    network = network_of(model, planted_data(40))
    assert view_of("filters", network).values["empty"] == 2
    dead = view_of("dead-units", network).values
    assert dead["layers"]["network.stages.0.branch.0"] == {"units": 8, "dead": 5}
    assert dead["layers"]["network.stages.0.widen.0"]["dead"] >= 2


def test_activations_are_of_layers_from_fine_to_coarse() -> None:
    values = view_of("activations", network_of(planted_network(), planted_data(40))).values
    cells = [layer["cells"][0] for layer in values["layers"]]
    assert cells == sorted(cells, reverse=True)
    assert len(cells) >= 3
    assert len(values["images"]) == 3


def test_test_images_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maximization, "STEPS", 1)
    network, splits = network_of(planted_network(), planted_data(40)), set()
    part = Network.part
    monkeypatch.setattr(
        Network, "part", lambda self, split, most: splits.add(split) or part(self, split, most)
    )
    for name in VIEWS.names():
        view_of(name, network)
    assert splits == {"train", "val"}
