"""Attention that is followed through a transformer is what it computes; other networks are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sightline.core.targets.label import ClassLabels
from sightline.errors import UsageError
from sightline.explanation import attention as attention_module
from sightline.explanation.attention import attention
from sightline.explanation.choose import choose
from sightline.explanation.methods import EXPLAINERS
from sightline.explanation.source import Source
from sightline.explanation.subject import Subject, untouched
from tests.fixtures.planted import enlarged, fresh_network, fresh_transformer, planted_images


def test_rollout_is_the_product_of_the_attentions_that_the_network_computes() -> None:
    """Weights as the network's own steps give them where its attention is not fused; prediction unchanged."""
    model, data = fresh_transformer(seed=2), enlarged(planted_images(2, seed=5))
    images, about = data.images.float() / 255, ClassLabels(data.labels)
    with untouched(model):
        subject = Subject.of(model)
        flow = attention(subject, images, about)
        logits = model(images)["logits"]
        heat = EXPLAINERS.load("rollout").run(subject, images, about, torch.Generator())
        steps: list[torch.Tensor] = []
        for block in model.network.net.blocks:
            block.attn.fused_attn = False
            block.attn.attn_drop.register_forward_hook(lambda _, given, answer: steps.append(answer))
        assert torch.allclose(model(images)["logits"], logits, atol=1e-4)
    assert len(steps) == len(flow.weights) == 6
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(steps, flow.weights, strict=True))
    assert torch.equal(flow.read[:, 0], torch.ones(2)), "the class token is what the head reads"
    product = np.eye(101)[None]
    for weights in steps:
        product = (weights.mean(1).double().numpy() + np.eye(101)) / 2 @ product
    cells = heat[:, 8::16, 8::16].numpy()  # the middles of the patches, up to interpolation
    assert np.corrcoef(cells.ravel(), product[:, 0, 1:].ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ([], "no attention over all patches"),
        ([(8, 2, 49, 49)], "windows"),
        ([(1, 2, 100, 25)], "windows"),
        ([(1, 2, 101, 101), (1, 2, 300, 300)], "detection transformers"),
        ([(1, 2, 105, 105)], "registers"),
        ([(1, 2, 3, 3)], "no grid of patches"),
    ],
)
def test_other_attention_is_refused_in_words(shapes: list[tuple[int, ...]], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        attention_module._layout([torch.zeros(shape) for shape in shapes], torch.zeros(1, 3, 160, 160))


def test_a_transformer_gets_its_method_and_a_convolutional_network_does_not() -> None:
    for model, data in (
        (fresh_transformer(), enlarged(planted_images(1, seed=5))),
        (fresh_network(), planted_images(1, seed=5)),
    ):
        images, about = data.images.float() / 255, ClassLabels(data.labels)
        source = Source(None, model.settings, model)  # type: ignore[arg-type]
        with source.subject() as subject:
            choice = choose(source, subject, None, images, about, measure=False)
            if len(images[0, 0]) == 160:
                assert choice.module.CARD.name == "gradient-rollout"
            else:
                assert choice.module.CARD.name == "layercam"
                with pytest.raises(UsageError, match=r"no attention over all patches.*occlusion"):
                    choose(source, subject, "rollout", images, about, measure=False)
