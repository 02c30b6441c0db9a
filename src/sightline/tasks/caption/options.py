"""Options of captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sightline.config import Range


@dataclass(frozen=True)
class CaptionOptions:
    """Settings of captions.

    Args:
        backbone: Network whose feature map is described, by its name in `sightline models`; own is a small
            one of ours; auto is one with installed weights, where training starts from such.
        vocabulary: Word pieces at most; all characters are among them.
        max_length: Word pieces of a caption at most; 0 is as many as nearly all training captions have.
        beam: Beginnings of a caption that are kept at a time (beam search); 1 is greedy.
        block_repeats: Runs of so many word pieces come once in a caption; 0 for no such rule.
    """

    backbone: str = "auto"
    vocabulary: Annotated[int, Range(50, 20_000)] = 2_000
    max_length: Annotated[int, Range(0, 200)] = 0
    beam: Annotated[int, Range(1, 20)] = 3
    block_repeats: Annotated[int, Range(0, 10)] = 4
