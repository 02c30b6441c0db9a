"""Words of captions as the scores count them: the tokenizer of the Penn Treebank, in the cases of captions.

Scores of captions are compared between papers, and all papers cut captions with Stanford's tokenizer in Java
before they count. This one gives the same words, without Java, on the captions of Flickr8k; what differs are
rare cases of written language, such as addresses with odd characters.
"""

from __future__ import annotations

import re
from functools import lru_cache

_QUOTES = str.maketrans({"’": "'", "‘": "`", "“": '"', "”": '"', "–": "-", "—": "-", "\u00a0": " "})
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'"}
_SPLIT = {
    "y'all": "y' all",
    "cannot": "can not", "gonna": "gon na", "gotta": "got ta", "wanna": "wan na", "gimme": "gim me",
    "lemme": "lem me", "'tis": "'t is", "'twas": "'t was",
}  # fmt: skip
"""Words that are two."""
_WHOLE = ("ma'am", "o'clock", "d'oh", "'n'", "'em", "'cause", "'til", "'till")
_ABBREVIATIONS = "mr|mrs|ms|dr|st|jr|sr|vs|etc|no|prof|gen|col|lt|sgt|capt|ave|blvd|inc|ltd|co|corp|mt"
_TOKEN = re.compile(
    r"(?P<tag></?[a-z][^<>]*>)"
    r"|(?P<address>@\w+|(?:https?://|www\.)\S+|[\w.+-]+@[\w-]+\.[\w.-]+\w)"
    rf"|(?P<whole>(?<!\w)(?:{'|'.join(map(re.escape, _WHOLE))})(?!\w))"
    rf"|(?P<two>(?<!\w)(?:{'|'.join(map(re.escape, _SPLIT))})(?!\w))"
    r"|(?P<short>(?<!\w)(?:[^\W\d_]\.){2,}|(?<!\w)(?:" + _ABBREVIATIONS + r")\.(?=\s+\S))"
    r"|(?P<not>n't(?!\w))"
    r"|(?P<clitic>'(?:s|m|d|re|ve|ll)(?!\w))"
    r"|(?P<number>(?<![^\W_])\d+(?:[.,:/]\d+)+(?!\w))"
    r"|(?P<word>\w+?(?=n't(?!\w))|\w+(?:[-/]+\w+)*)"
    r"|(?P<bracket>[()\[\]{}])"
    r"|(?P<marks>[?!]+|\.{2,}|-{2,})"
    r"|(?P<other>\S)"
)
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_UNCOUNTED = {"'", "`", '"', ".", "?", "!", ",", ":", "-", "--", "...", ";"}
"""Punctuation that no score counts."""


@lru_cache(maxsize=1 << 17)
def caption_words(text: str) -> tuple[str, ...]:
    """Words of a caption, lower case and without punctuation.

    Args:
        text: One sentence or more.

    Source: Chen et al., Microsoft COCO Captions: data collection and evaluation server, 2015, section 3.2.
    """
    text = text.lower().translate(_QUOTES)
    for name, character in _ENTITIES.items():
        text = text.replace(name, character)
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if match.lastgroup == "two":
            words += _SPLIT[token].split()
        elif match.lastgroup == "bracket":
            words.append(_BRACKETS[token])
        elif match.lastgroup in ("marks", "other"):
            if token not in _UNCOUNTED and token.strip(".-") and ord(token[0]) < 1 << 16:
                words.append(token)
        else:
            words.append(token)
    return tuple(words)
