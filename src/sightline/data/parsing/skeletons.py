"""Left and right of a skeleton: pairs from the user, and what is known of a skeleton in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from sightline.core.dataset import Dataset
from sightline.core.skeleton import Pair, Skeleton
from sightline.core.targets.keypoints import Keypoints
from sightline.errors import UsageError

_NONE = "none"
_MOST = 24
_SIDED = re.compile(r"left|right|(?<![a-z])[lr](?![a-z])", re.IGNORECASE)


def with_pairs(dataset: Dataset, pairs: str | None) -> Dataset:
    """A data set with the left and right points that a user names, and messages about its skeleton.

    Args:
        dataset: What was read; without keypoints it is returned as it is.
        pairs: See `parse_pairs`; None: those that follow from names, or that a file states.

    Raises:
        UsageError: If pairs are named and cannot be understood, or there are no keypoints.
    """
    targets = dataset.targets
    if not isinstance(targets, Keypoints):
        if pairs is not None:
            raise UsageError(f"--pairs names left and right keypoints; these are {targets.description}.")
        return dataset
    skeleton = targets.skeleton
    if pairs is not None:
        skeleton = replace(skeleton, pairs=parse_pairs(pairs, skeleton.names))
    messages = (*dataset.messages, *describe_skeleton(skeleton))
    return replace(dataset, targets=replace(targets, skeleton=skeleton), messages=messages)


def parse_pairs(text: str, names: Sequence[str]) -> tuple[Pair, ...] | None:
    """Pairs as "leftear-rightear,left_hip-right_hip" or, by number from 1, "2-3,4-5"; "none" is None.

    Raises:
        UsageError: If a part is no pair, or a point is in two.
    """
    if text.strip().lower() == _NONE:
        return None
    index = {name: j for j, name in enumerate(names)}
    index |= {str(j + 1): j for j in range(len(names)) if str(j + 1) not in index}
    pairs: list[Pair] = []
    for part in text.split(","):
        halves = [(part[:k].strip(), part[k + 1 :].strip()) for k, c in enumerate(part) if c in "-:"]
        pair = next(((index[a], index[b]) for a, b in halves if a in index and b in index and a != b), None)
        if pair is None:
            raise UsageError(
                f"--pairs: '{part.strip()}' is no pair of keypoints. Write name-name or number-number (from "
                f"1), with commas between pairs, or none. The keypoints are {_listed(names)}."
            )
        pairs.append(pair)
    ends = [names[j] for pair in pairs for j in pair]
    twice = sorted({name for name in ends if ends.count(name) > 1})
    if twice:
        raise UsageError(f"--pairs: {', '.join(twice)} is in two pairs. Name each keypoint once.")
    return tuple(pairs)


def describe_skeleton(skeleton: Skeleton) -> list[str]:
    """Keypoints, and which of them change places in a mirrored image, in sentences."""
    names = skeleton.names
    lines = [f"Keypoints of each object ({len(names)}): {_listed(names)}."]
    if skeleton.pairs is None:
        lines.append(
            "Which keypoints are left and right is not known by their names: images will not be mirrored. "
            "Name pairs with --pairs, such as 1-2,3-4."
        )
        return lines
    shown = ", ".join(f"{names[a]} - {names[b]}" for a, b in skeleton.pairs[:_MOST])
    lines.append(
        f"Left and right, which change places in a mirrored image: {shown}. If that is wrong: --pairs."
        if shown
        else "No keypoints change places in a mirrored image. If that is wrong: --pairs."
    )
    paired = {j for pair in skeleton.pairs for j in pair}
    lone = [name for j, name in enumerate(names) if j not in paired and _SIDED.search(name)]
    if lone:
        lines.append(
            f"No counterpart was recognized of {_listed(lone)}: it stays itself in a mirrored image."
        )
    return lines


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more
