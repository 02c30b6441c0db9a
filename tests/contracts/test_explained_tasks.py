"""Every task whose items have maps is explained: its statements, their likeness, and their evidence."""

from __future__ import annotations

import pytest
import torch

from sightline.core.inputs import InputSpec
from sightline.explanation.about import questions
from sightline.explanation.choose import choose
from sightline.explanation.source import Source
from sightline.explanation.subject import Subject, is_explained
from sightline.tasks import TASKS
from sightline.testing import batch_of, toy_plan
from sightline.training.runner import build_model

WITHOUT_GRADIENTS = {"track"}
"""Tasks whose default method is no network."""


@pytest.mark.parametrize("task", [name for name in TASKS.names() if name not in WITHOUT_GRADIENTS])
def test_a_task_is_explained(task: str) -> None:
    """What a prediction says is like itself, has evidence with a gradient, and gets a map by the default."""
    toy = toy_plan(task, n=4)
    model, batch = build_model(toy), batch_of(toy.dataset)
    if not is_explained(InputSpec.of(model.settings)):
        pytest.skip("its items have no maps")
    images = batch.images[:1].float() / 255
    target = toy.dataset.targets[0].as_prediction(len(toy.dataset.classes or ()))
    names = tuple(model.settings.get("classes") or model.settings.get("outputs") or ())
    source = Source(toy.arguments.data, model.settings, model)  # type: ignore[arg-type]
    with source.subject() as subject:
        assert isinstance(subject, Subject)
        if toy.task.card.prediction_type != toy.task.card.target_type:
            target = subject.predict(images)
        (question, *_) = questions(target, None, names, "predicted")
        assert question.words
        assert float(question.about.likeness(target)[0]) == pytest.approx(1, abs=1e-5)
        likeness = subject.likeness(torch.rand(2, *images.shape[1:]), question.about)
        assert likeness.shape == (2,)
        assert bool(((likeness >= 0) & (likeness <= 1)).all())
        assert subject.evidence(images, question.about).shape == (1,)
        choice = choose(source, subject, None, images, question.about, measure=False)
        heat = choice.module.run(subject, images, question.about, torch.Generator().manual_seed(0))
    assert heat.shape == (1, *images.shape[2:])
    assert bool(heat.isfinite().all())
    assert choice.layer is not None, choice.reason
