"""Word pieces: captions as whole numbers, by byte-pair encoding of the words of the training captions.

Standard library only, since exported files are read with it too.

Source: Sennrich et al., Neural machine translation of rare words with subword units, ACL 2016.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from heapq import heapify, heappop, heappush
from itertools import pairwise

END, UNKNOWN, START = 0, 1, 2
SPECIAL = 3
"""Numbers below this one are no pieces: the end of a caption, what no piece is for, and its start."""
MIN_PAIRS = 2
"""Occurrences of a pair of pieces from which it becomes a piece."""
_Pair = tuple[str, str]


def words_of(text: str) -> list[str]:
    """Words of a text in any script: lower case, without punctuation but hyphens and apostrophes inside."""
    text = unicodedata.normalize("NFC", text).replace("’", "'").lower()
    spaced = "".join(c if _in_words(c) else " " for c in text)
    return [word for part in spaced.split() if (word := part.strip("'-"))]


@lru_cache(maxsize=1 << 16)
def _in_words(character: str) -> bool:
    return character in "'-" or unicodedata.category(character)[0] in "LMN"


class WordPieces:
    """The pieces of a vocabulary. A piece that begins a word begins with a space.

    Args:
        pieces: In the order of their numbers, from `SPECIAL` on.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = tuple(pieces)
        self._numbers = {piece: SPECIAL + i for i, piece in enumerate(self.pieces)}
        self._words: dict[str, list[int]] = {}

    @classmethod
    def learn(cls, words: Mapping[str, int], most: int) -> WordPieces:
        """Characters, then the most frequent pairs of pieces one after the other.

        Args:
            words: How often each word occurs.
            most: Pieces at most; all characters are kept in any case.
        """
        table = _Pairs(words)
        pieces = sorted({piece for parts in table.split.values() for piece in parts})
        present = set(pieces)
        while len(pieces) < most and (pair := table.commonest()) is not None:
            table.merge(pair)
            if "".join(pair) not in present:
                pieces.append("".join(pair))
                present.add(pieces[-1])
        return cls(pieces)

    def __len__(self) -> int:
        """Pieces and special numbers together."""
        return SPECIAL + len(self.pieces)

    def encode(self, text: str) -> list[int]:
        """Numbers of the pieces of a text, without an end; characters that no piece has are `UNKNOWN`."""
        return [number for word in words_of(text) for number in self._word(word)]

    def _word(self, word: str) -> list[int]:
        """Pairs are merged to the piece with the lowest number first."""
        if word not in self._words:
            parts = _characters(word)
            while len(parts) > 1:
                pairs = {pair: self._numbers.get("".join(pair)) for pair in pairwise(parts)}
                merges = [(number, pair) for pair, number in pairs.items() if number is not None]
                if not merges:
                    break
                parts = _merged(parts, min(merges)[1])
            self._words[word] = [self._numbers.get(part, UNKNOWN) for part in parts]
        return self._words[word]

    def decode(self, numbers: Iterable[int]) -> tuple[str, bool]:
        """The text up to the first end, and whether there is one."""
        text: list[str] = []
        for number in numbers:
            if number == END:
                return "".join(text).strip(), True
            if number >= SPECIAL:
                text.append(self.pieces[number - SPECIAL])
        return "".join(text).strip(), False


class _Pairs:
    """Neighboring pieces of words, how often they occur, and the words that have them."""

    def __init__(self, words: Mapping[str, int]) -> None:
        self.words = words
        self.split = {word: _characters(word) for word in words if word}
        self.counts: Counter[_Pair] = Counter()
        self.where: dict[_Pair, set[str]] = defaultdict(set)
        for word, parts in self.split.items():
            self._count(word, parts, 1)
        self.heap = [(-count, pair) for pair, count in self.counts.items()]
        heapify(self.heap)

    def commonest(self) -> _Pair | None:
        """The commonest pair; None if none occurs often enough."""
        while self.heap:
            count, pair = heappop(self.heap)
            if -count == self.counts[pair]:  # else it was counted again since
                return pair if -count >= MIN_PAIRS else None
        return None

    def merge(self, pair: _Pair) -> None:
        """Make one piece of a pair, in all words."""
        changed: set[_Pair] = set()
        for word in self.where.pop(pair):
            changed |= self._count(word, self.split[word], -1)
            self.split[word] = _merged(self.split[word], pair)
            changed |= self._count(word, self.split[word], 1)
        for other in changed - {pair}:
            heappush(self.heap, (-self.counts[other], other))

    def _count(self, word: str, parts: Sequence[str], sign: int) -> set[_Pair]:
        pairs = list(pairwise(parts))
        for pair in pairs:
            self.counts[pair] += sign * self.words[word]
            self.where[pair].add(word)
        return set(pairs)


def _characters(word: str) -> list[str]:
    return [f" {word[0]}", *word[1:]]


def _merged(parts: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """The pieces of a word after each occurrence of a pair became one piece."""
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged
