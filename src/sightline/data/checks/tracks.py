"""Check of tracks: boxes outside or without size, identities that return late, frames beyond the end."""

from __future__ import annotations

import torch
from torch import Tensor

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding, Severity
from sightline.core.targets.tracks import Tracks
from sightline.data.scan import Scan

CARD = CheckCard(
    name="tracks",
    summary="Boxes of tracks outside the frame, without size or beyond the last frame; identities used again",
    findings=(
        "frames-beyond-end", "track-boxes-without-size", "track-boxes-outside", "track-ids-reused",
        "track-boxes-not-scored",
    ),
)  # fmt: skip
GAP = 5.0
"""Seconds after which an identity that returns may be another object."""
RATE = 25.0
"""Frames per second that are assumed where none are known."""


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Boxes one by one, and the gaps of each identity. Nothing where the targets are no tracks."""
    del scan
    tracks = dataset.targets
    if not isinstance(tracks, Tracks):
        return []
    far = tracks.sizes[tracks.sequence].double().flip(1)
    sides = tracks.boxes[:, 2:] - tracks.boxes[:, :2]
    reaches = (tracks.boxes[:, :2] < far).all(1) & (tracks.boxes[:, 2:] > 0).all(1)
    return [
        *_on(dataset, "frames-beyond-end", "error", tracks.frames > tracks.lengths[tracks.sequence],
             "lie after the last frame of their sequence", "Correct seqLength, or take these boxes out."),
        *_on(dataset, "track-boxes-without-size", "error", (sides <= 0).any(1),
             "have no width or no height: nothing can match them", "Take them out, or draw them again."),
        *_on(dataset, "track-boxes-outside", "warning", (far > 0).all(1) & ~reaches,
             "lie wholly outside of the frame", "Take them out, unless unseen objects are to be followed."),
        *_on(dataset, "track-ids-reused", "warning", _returns(tracks),
             f"follow a gap of more than {GAP:g} seconds in their identity; taken as the same object",
             "Give another identity to what is another object."),
        *_on(dataset, "track-boxes-not-scored", "info", ~tracks.scored(),
             "are not scored: their flag is 0, or their class is set aside", "Nothing, if this is meant."),
    ]  # fmt: skip


def _on(dataset: Dataset, name: str, severity: Severity, rows: Tensor, text: str, fix: str) -> list[Finding]:
    """A finding on some boxes, with the sequence, frame and identity of each."""
    tracks = dataset.targets_as(Tracks)
    where = rows.nonzero().flatten()
    if not len(where):
        return []
    facts = zip(*(v[where].tolist() for v in (tracks.sequence, tracks.frames, tracks.ids)), strict=True)
    items = tuple(f"{dataset.ids[i]} frame {frame} id {number}" for i, frame, number in facts)
    return [Finding(name, severity, f"{len(where):,} boxes {text}", fix, len(where), items)]


def _returns(tracks: Tracks) -> Tensor:
    """(M,) bool: the first box of an identity after a long gap."""
    order = torch.arange(len(tracks.ids))
    for key in (tracks.frames, tracks.ids, tracks.sequence):
        order = order[key[order].argsort(stable=True)]
    rates = torch.where(tracks.rates > 0, tracks.rates, torch.full_like(tracks.rates, RATE))
    result = torch.zeros(len(order), dtype=torch.bool)
    before, after = order[:-1], order[1:]
    same = (tracks.sequence[before] == tracks.sequence[after]) & (tracks.ids[before] == tracks.ids[after])
    gap = tracks.frames[after] - tracks.frames[before]
    result[after] = same & (gap > GAP * rates[tracks.sequence[after]])
    return result
