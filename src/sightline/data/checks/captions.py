"""Check of captions: all alike, very long, with markup, that name their file, in several scripts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.core.targets.text import Captions
from sightline.core.word_pieces import words_of
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.parsing.findings import listed
from sightline.data.scan import Scan

MAX_WORDS = 80  # of a caption; descriptions of photographs have about ten
COMMON = 0.1  # share of the images that one caption may have
FEW_IMAGES = 20  # below which a caption that is common says little
STEM = 5  # characters from which on the name of a file is no usual word
CARD = CheckCard(
    name="captions",
    summary="Captions that are all alike, very long, hold markup, name their file, or are in several scripts",
    findings=(
        "captions-all-alike",
        "captions-repeated",
        "captions-long",
        "captions-with-markup",
        "captions-name-files",
        "captions-in-several-scripts",
        "captions-differ-in-number",
    ),
)
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>|&(#\d+|[a-zA-Z]+);")
_FILE = re.compile(r"\S+(" + "|".join(re.escape(e) for e in sorted(ALL_EXTENSIONS)) + r")\b", re.IGNORECASE)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Captions one by one, and how they differ. Nothing where targets are others."""
    del scan
    targets = dataset.targets
    if not isinstance(targets, Captions) or not len(targets):
        return []
    return [
        *_alike(dataset, targets),
        *_odd(dataset, targets),
        *_scripts(dataset, targets),
        *_numbers(targets),
    ]


def _alike(dataset: Dataset, targets: Captions) -> list[Finding]:
    """A caption that all images have, or many."""
    images: Counter[str] = Counter()
    for row in targets.texts:
        images.update({" ".join(words_of(text)) for text in row})
    ((text, count),) = images.most_common(1) or [("", 0)]
    n = len(targets)
    if n > 1 and len(images) == 1:
        what = f"All {n:,} images have the same caption: '{text}'."
        fix = "Look whether the column of captions is the right one (--target)."
        return [Finding("captions-all-alike", "error", what, fix, n)]
    if n < FEW_IMAGES or count <= COMMON * n:
        return []
    alike = [dataset.ids[i] for i, row in enumerate(targets.texts) if text in map(_plain, row)]
    what = f"images ({count / n:.0%}) have the same caption, '{text}'"
    fix = "Nothing, if it is right for all of them; a model will say it too often."
    return listed("captions-repeated", "warning", alike, what, fix)


def _plain(text: str) -> str:
    return " ".join(words_of(text))


def _odd(dataset: Dataset, targets: Captions) -> list[Finding]:
    """Captions that are no sentence about their image."""

    def where(is_odd: Callable[[int, str], bool]) -> list[str]:
        texts = [(i, text) for i, row in enumerate(targets.texts) for text in row if is_odd(i, text)]
        return [f"{dataset.ids[i]}: {text[:60]}" for i, text in texts]

    long = where(lambda _, text: len(words_of(text)) > MAX_WORDS)
    what = f"captions have more than {MAX_WORDS} words; training cuts them off"
    fix = "Write one or two sentences about each image."
    findings = listed("captions-long", "warning", long, what, fix)
    markup = where(lambda _, text: _MARKUP.search(text) is not None)
    what = "captions hold HTML, whose names a model would learn as words"
    fix = "Take the tags out, and write characters in place of their codes."
    findings += listed("captions-with-markup", "warning", markup, what, fix)
    naming = where(lambda i, text: _names_file(dataset.ids[i], text))
    what = "captions name a file, which no image shows"
    fix = "Take the names out, or look whether the column of captions is the right one (--target)."
    return findings + listed("captions-name-files", "warning", naming, what, fix)


def _names_file(item: str, text: str) -> bool:
    stem = item.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()
    return _FILE.search(text) is not None or (len(stem) >= STEM and stem in text.lower().split())


def _scripts(dataset: Dataset, targets: Captions) -> list[Finding]:
    """Captions in another script than most."""
    scripts = [(i, text, _script(text)) for i, row in enumerate(targets.texts) for text in row]
    counts = Counter(script for _, _, script in scripts if script)
    if len(counts) < 2:
        return []
    usual = counts.most_common(1)[0][0]
    items = [f"{dataset.ids[i]}: {text[:60]}" for i, text, script in scripts if script not in ("", usual)]
    what = f"captions are in another script than {usual.title()}; scores compare words as they are written"
    return listed("captions-in-several-scripts", "info", items, what, "Train one model for each language.")


def _script(text: str) -> str:
    """Script of the first letter (LATIN, ARABIC, CJK), or ""."""
    letter = next((c for c in text if c.isalpha()), "")
    return unicodedata.name(letter, "").split(" ")[0] if letter else ""


def _numbers(targets: Captions) -> list[Finding]:
    """Images with unlike numbers of captions."""
    counts = [len(row) for row in targets.texts]
    low, high = min(counts), max(counts)
    if low == high:
        return []
    what = (
        f"Images have {low} to {high} captions. Scores take the best of several references, so that images "
        "with many are easier."
    )
    return [
        Finding("captions-differ-in-number", "info", what, "Compare scores on the same images only.", high)
    ]
