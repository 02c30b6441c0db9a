"""Embedding: losses equal naive loops, batches have pairs, and a collapse is noticed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.vector import Vector
from sightline.data.loading.samplers import PER_CLASS, per_class
from sightline.errors import TrainingFailed
from sightline.tasks.embed import _identities
from sightline.testing import toy_plan
from sightline.training.runner import build_model


def model_of(name: str) -> Any:
    return build_model(toy_plan("embed", n=8, model=name)).train()


def drawn(n: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    vectors = F.normalize(torch.randn(n, 128, generator=generator), dim=1)
    return vectors, torch.arange(n) % 2


def test_triplet_loss_takes_the_hardest_of_each() -> None:
    vectors, identity = drawn()
    far = torch.cdist(vectors, vectors)
    losses = []
    for i in range(len(vectors)):
        same = [far[i, j] for j in range(len(vectors)) if j != i and identity[j] == identity[i]]
        other = [far[i, j] for j in range(len(vectors)) if identity[j] != identity[i]]
        losses.append(math.log1p(math.exp(8 * float(max(same) - min(other)))))
    assert float(model_of("triplet").loss_of(vectors, identity)) == pytest.approx(np.mean(losses), rel=1e-4)
    alone = model_of("triplet").loss_of(vectors[:1], identity[:1])
    assert float(alone) == 0


def test_contrastive_loss_pushes_to_the_margin() -> None:
    vectors, identity = drawn()
    near = F.normalize(vectors + 3 * vectors[:1], dim=1)
    far = torch.cdist(near, near)
    pairs = [(i, j) for i in range(12) for j in range(12) if i != j]
    genuine = [float(far[i, j]) ** 2 for i, j in pairs if identity[i] == identity[j]]
    lacks = [0.5 - float(far[i, j]) for i, j in pairs if identity[i] != identity[j]]
    lacks = [lack**2 for lack in lacks if lack > 0]
    assert lacks
    wanted = np.mean(genuine) + np.mean(lacks)
    assert float(model_of("siamese").loss_of(near, identity)) == pytest.approx(wanted, rel=1e-3)


def test_arcface_adds_the_margin_to_the_right_angle() -> None:
    model = model_of("arcface")
    vectors, identity = drawn()
    plain = float(model.loss_of(vectors, identity).detach())
    model.on_step_end(1, 1.0)
    cosines = vectors @ F.normalize(model.proxies, dim=1).T
    angles = cosines.detach().clamp(-1, 1).acos()
    angles[torch.arange(12), identity] += 0.5
    wanted = F.cross_entropy(model._scale * angles.cos(), identity)
    loss = float(model.loss_of(vectors, identity).detach())
    assert loss == pytest.approx(float(wanted), rel=1e-4)
    assert loss > plain


def test_a_collapse_stops_training_with_the_way_out() -> None:
    model = model_of("siamese")
    plan = toy_plan("embed", n=8, model="siamese")
    image = torch.zeros(4, plan.settings["channels"], 16, 16, dtype=torch.uint8)
    batch = Batch(image, ClassLabels(torch.tensor([0, 0, 1, 1])), list("abcd"))
    outputs = {"embedding": F.normalize(torch.ones(4, 128), dim=1)}
    rng = torch.Generator()
    for step in range(1, 60):  # some alike vectors at the beginning are no collapse
        model.loss(batch, rng, outputs=outputs)
        model.on_step_end(step, 0.1)
    for _ in range(60):
        model.loss(batch, rng, outputs=outputs)
    with pytest.raises(TrainingFailed, match=r"alike .* Use --model arcface"):
        model.on_step_end(120, 0.2)
    assert model.eval().loss(batch, rng) == {}


def test_batches_have_several_images_of_a_class_and_each_image_once() -> None:
    labels = np.repeat(np.arange(20), [1, 2, 3, 5, 9] * 4)
    order = per_class(labels, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(len(labels)))
    in_order = labels[order]
    partner = (np.diff(in_order, prepend=-1) == 0) | (np.diff(in_order, append=-1) == 0)
    assert (partner | np.isin(in_order, labels[np.isin(labels, range(0, 20, 5))])).all()
    runs = np.diff(np.flatnonzero(np.diff(in_order, prepend=-1, append=-1)))
    assert runs.max() <= 3 * PER_CLASS
    other = per_class(labels, np.random.default_rng(1))
    assert (other != order).any()


def test_one_person_under_two_names_and_an_image_in_the_wrong_folder_are_named() -> None:
    generator = torch.Generator().manual_seed(3)
    centers = F.normalize(torch.randn(5, 32, generator=generator), dim=1)
    person = torch.arange(40) % 5
    vectors = F.normalize(centers[person] + 0.05 * torch.randn(40, 32, generator=generator), dim=1)
    name = person.clone()
    name[::10] = 9  # half of the images of person 0 lie under another name
    name[1] = 2  # an image of person 1 lies with person 2
    ids = [f"{i}.png" for i in range(40)]
    found = _identities.issues(Vector(vectors), ClassLabels(name), ids, {"threshold": 0.7})
    assert {f.name for f in found} == set(_identities.FINDINGS)
    items = {f.name: f.items for f in found}
    assert items["image-unlike-identity"] == ("1.png",)
    (alike,) = items["identities-alike"]
    assert alike.startswith("5.png = 0.png")
    assert not _identities.issues(Vector(vectors), ClassLabels(person), ids, {"threshold": 0.7})
    closest = _identities.closest_impostors(vectors.numpy(), name.numpy(), 3)
    assert {int(name[closest[0].first]), int(name[closest[0].second])} <= {0, 9, 1, 2}
