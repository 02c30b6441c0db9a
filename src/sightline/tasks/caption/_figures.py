"""Report items of captions: what they are like, and images with their captions and references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from sightline.core.metric import Evaluation
from sightline.core.report import Figure, PredictionGallery, Table
from sightline.core.targets.text import Captions
from sightline.core.word_pieces import words_of
from sightline.metrics.cider import Cider, scores_of_images
from sightline.metrics.functional.caption_words import caption_words

MAX_SHOWN = 8
"""Images in a gallery."""
MAX_REFERENCES = 3
"""References that stand beside a caption."""
ALIKE = 0.2
"""Share of the images with one caption from which on the report says that the model hardly looks."""


def figures(prediction: Captions, target: Captions, ids: list[str], words: Mapping[str, int]) -> list[Figure]:
    """The report items, in order.

    Args:
        prediction: Of N images.
        target: Their references.
        ids: Names of the images.
        words: Words of the training captions.
    """
    return [facts(prediction, target, words), *_galleries(prediction, target, ids)]


def facts(prediction: Captions, target: Captions, words: Mapping[str, int]) -> Table:
    """How many captions differ, how often the commonest is said, how many were ended, which words are new."""
    texts = [" ".join(words_of(row[0])) for row in prediction.texts]
    n = max(len(texts), 1)
    ((text, count),) = Counter(texts).most_common(1) or [("", 0)]
    used = [word for words_of_text in map(str.split, texts) for word in words_of_text]
    references = [words_of(text) for row in target.texts for text in row]
    wanted = [word for row in references for word in row]
    unseen = [word for word in wanted if word not in words]
    open_ended = n - int(prediction.ended.sum()) if prediction.ended is not None else 0
    counts = [len(row) for row in target.texts] or [0]
    rows: list[list[object]] = [
        ["images", len(texts)],
        [
            "references of an image",
            f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else counts[0],
        ],
        ["different captions", f"{len(set(texts)):,} ({len(set(texts)) / n:.0%} of the images)"],
        ["the commonest caption", f"'{text}' ({count / n:.0%} of the images)"],
        ["captions without an end", f"{open_ended:,} ({open_ended / n:.0%})"],
        [
            "words of a caption",
            f"{len(used) / n:.1f}; of a reference {len(wanted) / max(len(references), 1):.1f}",
        ],
        ["different words", f"{len(set(used)):,}; in the references {len(set(wanted)):,}"],
        ["words of the references that no training caption has", f"{len(unseen) / max(len(wanted), 1):.1%}"],
    ]
    note = (
        ""
        if count <= ALIKE * n or n < 2
        else "Many images have one and the same caption: the model hardly looks."
    )
    if open_ended > ALIKE * n:
        note += " Many captions are cut off: --max-length is short, or training was."
    return Table("The captions", ["", "predicted"], rows, note.strip())


def _galleries(prediction: Captions, target: Captions, ids: list[str]) -> list[Figure]:
    stats = Cider().from_evaluation(Evaluation(prediction, target))
    scores = scores_of_images(stats)
    order = np.argsort(scores, kind="stable")
    some = np.random.default_rng(0).permutation(len(ids))
    shown = {"A sample of the images": some, "Images with the lowest CIDEr": order,
             "Images with the highest CIDEr": order[::-1]}  # fmt: skip
    return [
        PredictionGallery(
            title,
            [ids[i] for i in chosen[:MAX_SHOWN].tolist()],
            [_text(prediction, target, i, scores[i]) for i in chosen[:MAX_SHOWN].tolist()],
            "The caption, CIDEr, and the references.",
        )
        for title, chosen in shown.items()
    ]


def _text(prediction: Captions, target: Captions, i: int, score: float) -> str:
    texts = target.texts[i]
    shown = " / ".join(" ".join(caption_words(text)) for text in texts[:MAX_REFERENCES])
    more = f" / {len(texts) - MAX_REFERENCES} more" if len(texts) > MAX_REFERENCES else ""
    return f"\u201c{prediction.texts[i][0]}\u201d ({score:.2f}). {shown}{more}"
