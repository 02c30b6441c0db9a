"""Scores of captions: the numbers of pycocoevalcap, without Java."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.core.metric import MetricCollection
from sightline.core.targets.text import Captions
from sightline.metrics import METRICS
from sightline.metrics.functional.caption_words import caption_words
from sightline.metrics.intervals import score

NAMES = ("bleu-1", "bleu-2", "bleu-3", "bleu-4", "rouge-l", "cider")
SAID = (
    "a brown dog runs over the grass", "two women sit on a bench", "a man on a bike", "a boy a boy a boy",
    "the red boat lies at the pier in the sun", "somebody",
)  # fmt: skip
WANTED = (
    ("A brown dog is running over wet grass .", "The dog's running !", "a dog runs over the grass, fast"),
    ("Two women are sitting on a bench .", "They can't see the two women (on a bench)"),
    ("A man rides a bike down a hill", "a cyclist"),
    ("A boy jumps into a pool", "a boy in a pool", "A boy is swimming", "a boy , wet"),
    ("A red boat at the pier",),
    ("Nobody is here", "an empty room with a chair"),
)
# Computed once by pycocoevalcap 1.2: PTBTokenizer, then compute_score of Bleu(4), Rouge and Cider
AS_COCO = (0.685714286, 0.595550000, 0.445921921, 0.310823048, 0.574615543, 1.767333140)
# The same on flickr8k_1000: the first caption of the first 200 images against the other four.
ON_FLICKR = (0.670567057, 0.485585077, 0.346693783, 0.245330535, 0.521647529, 0.880636858)


def scores(said: Any, wanted: Any) -> tuple[list[float], MetricCollection]:
    metrics = MetricCollection({name: METRICS.load(name).METRIC() for name in NAMES})
    metrics.update(Captions(tuple((text,) for text in said)), Captions(tuple(map(tuple, wanted))))
    return list(metrics.compute().values()), metrics


def test_scores_are_those_of_pycocoevalcap() -> None:
    values, metrics = scores(SAID, WANTED)
    assert values == pytest.approx(AS_COCO, abs=1e-6)
    assert metrics.computed["caption words"] == 1, "captions are cut into words once for all scores"
    assert "1 to 4 references" in metrics["bleu-4"].limit(Captions(tuple(map(tuple, WANTED))))


def test_scores_on_photographs_are_those_of_pycocoevalcap(data_folder: Callable[[str], Path]) -> None:
    texts: dict[str, list[str]] = {}
    with (data_folder("flickr8k_1000") / "captions.txt").open(encoding="utf-8", newline="") as table:
        for name, text in list(csv.reader(table))[1:]:
            texts.setdefault(name, []).append(text)
    rows = list(texts.values())[:200]
    values, metrics = scores([row[0] for row in rows], [row[1:] for row in rows])
    assert values == pytest.approx(ON_FLICKR, abs=1e-6)
    cider = score(metrics["cider"], metrics["cider"].stats)
    assert 0.7 < cider.low < cider.value < cider.high < 1.1
    again = score(metrics["cider"], {k: v[::-1] for k, v in metrics["cider"].stats.items()})
    assert again.value == pytest.approx(cider.value)


def test_a_worse_caption_scores_less_and_none_scores_nothing() -> None:
    assert scores(("", "", "", "", "", ""), WANTED)[0][-2:] == [0.0, 0.0]
    same, _ = scores([row[0] for row in WANTED], WANTED)
    shuffled, _ = scores([" ".join(reversed(row[0].split())) for row in WANTED], WANTED)
    assert same[0] == pytest.approx(shuffled[0])
    assert all(a > b for a, b in zip(same[1:], shuffled[1:], strict=True)), "the order of words counts"
    assert np.isnan(scores(("cat",) * 2, (("cat",), ("cat",)))[0][3]), "no caption has four words"


@pytest.mark.parametrize(("text", "words"), [
    ("A man's dog isn't here; it can't run.", "a man 's dog is n't here it ca n't run"),
    ("CANNOT gonna y'all 'em o'clock", "can not gon na y' all 'em o'clock"),
    ("Mr. Smith's t-shirt: $5.00 in the U.S.A. now", "mr. smith 's t-shirt $ 5.00 in the u.s.a. now"),
    ("(left) \u201cred\u201d \u2013 50% off & more?!", "-lrb- left -rrb- red 50 % off & more ?!"),
    ("dog/cat 3-year-old 1,000 people #1 @home", "dog/cat 3-year-old 1,000 people # 1 @home"),
    ("emoji \U0001f600 na\u00efve \u05e9\u05dc\u05d5\u05dd", "emoji na\u00efve \u05e9\u05dc\u05d5\u05dd"),
    ("see http://example.com/a.jpg or img_123.jpg", "see http://example.com/a.jpg or img_123 jpg"),
])  # fmt: skip
def test_words_are_those_of_the_penn_treebank(text: str, words: str) -> None:
    """As `java edu.stanford.nlp.process.PTBTokenizer -lowerCase`, without punctuation."""
    assert " ".join(caption_words(text)) == words
