"""Captions: beam search, baselines, what the report says, and the way from data to a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import sightline as sl
from sightline.core.targets.text import Captions
from sightline.core.word_pieces import END, SPECIAL
from sightline.tasks.caption._figures import facts
from sightline.tasks.caption.baselines import baselines
from sightline.tasks.caption.models._beam import State, search

A, B, C = SPECIAL, SPECIAL + 1, SPECIAL + 2


def table_step(tokens: Tensor, state: State) -> tuple[Tensor, State]:
    """A begins better than B, but what follows B is far more probable; A goes on with itself for ever."""
    chances = torch.full((len(tokens), SPECIAL + 3), 1e-4)
    for row, last in zip(chances, tokens[:, -1].tolist(), strict=True):
        if tokens.shape[1] == 1:
            row[A], row[B] = 0.55, 0.45
        elif last == A:
            row[A], row[C], row[END] = 0.6, 0.2, 0.2
        elif last == B:
            row[C] = 0.99
        else:
            row[END] = 0.99
    return chances.log(), state


def said(beam: int, length: int = 5, block_repeats: int = 0) -> tuple[list[int], float]:
    outputs = search(table_step, (torch.zeros(2 * beam, 1),), beam, length, block_repeats)
    assert outputs["tokens"].shape == (2, length)
    assert torch.equal(outputs["tokens"][0], outputs["tokens"][1])
    return outputs["tokens"][0].tolist(), float(outputs["score"][0])


def test_a_beam_finds_a_better_caption_than_greedy_search_and_repeats_nothing() -> None:
    assert said(1)[0] == [A] * 5, "greedy: no end"
    tokens, score = said(3)
    assert tokens == [B, C, END, END, END]
    assert score == pytest.approx((0.45 * 0.99 * 0.99) ** (1 / 3), rel=0.02)
    assert said(1, block_repeats=2)[0].count(A) == 1
    assert said(1, length=1)[0] == [A]


def test_baselines_say_what_was_said_of_images_like_these() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (30, 32, 32, 3)).astype(np.uint8)
    images[:10, :, :, 0] += 180
    images[10:20, :, :, 2] += 180
    texts = (
        [("a red thing",)] * 10
        + [("a blue thing", "something blue", "a blue thing here")] * 10
        + [("dark",)] * 10
    )
    target = Captions(tuple(texts))
    constant, nearest, consensus = baselines()
    assert set(constant.fit(None, target)(images).texts) == {("a red thing",)}
    answers = nearest.fit(images[::2], target[::2])(images[1::2]).texts
    assert [row[0].split()[-1] for row in answers] == ["thing"] * 10 + ["dark"] * 5
    assert answers[5] == ("a blue thing",), "of the captions of an image that which is most like the others"
    features = images.reshape(30, -1).astype(np.float32)
    assert consensus.fit(features, target)(features[:1]).texts[0] == ("a red thing",)


def test_the_report_says_when_all_images_get_one_sentence() -> None:
    target = Captions((("a zebra", "a horse"),) * 6)
    alike = Captions((("a dog",),) * 6, torch.ones(6), torch.tensor([True, False] * 3))
    table = facts(alike, target, {"a": 3, "horse": 2})
    assert "hardly looks" in table.note
    assert "cut off" in table.note
    values = {row[0]: str(row[1]) for row in table.rows}
    assert values["different captions"] == "1 (17% of the images)"
    assert values["captions without an end"] == "3 (50%)"
    assert values["words of the references that no training caption has"] == "25.0%"


@pytest.mark.parametrize("model", ["show-attend-tell", "transformer"])
def test_from_scenes_to_sentences(model: str, tmp_path: Path) -> None:
    run = sl.train(
        "shapes:captions:40", model=model, size=32, epochs=1, batch_size=8, vocabulary=60, max_length=8,
        beam=2, out=tmp_path / "run", device="cpu",
    )  # fmt: skip
    results = json.loads((tmp_path / "run/results.json").read_text())
    assert {"CIDEr", "BLEU-4", "ROUGE-L", "exact match"} <= set(results["scores"])
    assert set(results["baselines"]) == {"commonest", "nearest"}
    page = (tmp_path / "run/report.html").read_text(encoding="utf-8")
    assert "different captions" in page
    assert "2 references an image" in page
    row = next(iter(sl.load(run.path).predict(np.zeros((40, 30, 3), np.uint8)))).row
    assert set(row) == {"caption", "confidence", "ended"}
    again = sl.evaluate(run.path).scores
    assert again["CIDEr"].value == pytest.approx(results["scores"]["CIDEr"]["value"], abs=1e-6)
