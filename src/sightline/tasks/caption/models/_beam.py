"""Beam search by tensor arithmetic alone, so that exported files contain it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sightline.core.word_pieces import END, START, UNKNOWN

LENGTH_POWER = 0.7
"""A caption is ranked by its log probability over its length to this power (Wu et al., 2016, section 7)."""
NEVER = -1e4
State = tuple[Tensor, ...]
Step = Callable[[Tensor, State], tuple[Tensor, State]]


def search(step: Step, state: State, beam: int, length: int, block_repeats: int) -> dict[str, Tensor]:
    """The best caption of each image.

    Args:
        step: From (B * K, t) pieces so far, begun by START, and a state to (B * K, V) logits of the next one
            and the next state.
        state: Of B * K rows, the K of an image one after the other.
        beam: K, captions that are kept at a time.
        length: Pieces L at most.
        block_repeats: Runs of so many pieces come once; nor does a piece follow itself. 0: no rule.

    Returns:
        {"tokens": (B, L) int64, ENDs after the end, "score": (B,) mean probability of a piece (geometric)}.
    """
    rows = state[0].shape[0]
    tokens = torch.full((rows, 1), START, dtype=torch.int64, device=state[0].device)
    first = torch.arange(beam, device=tokens.device) * NEVER
    scores = first + torch.zeros_like(state[0].flatten(1)[:, 0]).view(-1, beam)
    ended = torch.zeros_like(scores, dtype=torch.bool)
    for _ in range(length):
        logits, state = step(tokens, state)
        chances = _allowed(logits.float(), tokens, block_repeats).log_softmax(1)
        vocabulary = chances.shape[1]
        stay = torch.full((vocabulary,), NEVER, device=chances.device)
        stay[END] = 0
        chances = torch.where(ended[:, :, None], stay, chances.view(-1, beam, vocabulary))
        scores, best = (scores[:, :, None] + chances).flatten(1).topk(beam, dim=1)
        parent, piece = best // vocabulary, best % vocabulary
        ended = ended.gather(1, parent) | (piece == END)
        tokens = torch.cat([_chosen(tokens, parent), piece.view(-1, 1)], 1)
        state = tuple(_chosen(part, parent) for part in state)
        if not torch.compiler.is_exporting() and bool(ended.all()):
            break
    return _best(tokens[:, 1:].view(-1, beam, tokens.shape[1] - 1), scores, length)


def _best(tokens: Tensor, scores: Tensor, length: int) -> dict[str, Tensor]:
    """The best of K captions (B, K, t) with log probabilities (B, K), filled up to L pieces."""
    pieces = ((tokens != END).float().sum(2) + 1).clamp(1, length)
    winner = (scores / pieces**LENGTH_POWER).argmax(1, keepdim=True)
    caption = tokens.gather(1, winner[:, :, None].expand(-1, -1, tokens.shape[2]))[:, 0]
    score = (scores / pieces).gather(1, winner)[:, 0].exp()
    return {
        "tokens": torch.nn.functional.pad(caption, (0, length - caption.shape[1]), value=END),
        "score": score,
    }


def _chosen(rows: Tensor, parent: Tensor) -> Tensor:
    """Rows (B * K, ...) in the order of the beginnings (B, K) that were kept."""
    beam = parent.shape[1]
    if beam == 1:
        return rows
    flat = rows.reshape(-1, beam, rows[0].numel())
    return flat.gather(1, parent[:, :, None].expand(-1, -1, flat.shape[2])).view(rows.shape)


def _allowed(logits: Tensor, tokens: Tensor, block_repeats: int) -> Tensor:
    """Logits (R, V) without what no caption holds, and what would repeat a run of (R, t) pieces."""
    special = torch.zeros(logits.shape[1], device=logits.device)
    special[[UNKNOWN, START]] = NEVER
    logits = logits + special
    if not block_repeats:
        return logits
    repeated = torch.zeros_like(logits).scatter(1, tokens[:, -1:], 1.0)
    windows = tokens.shape[1] - block_repeats + 1
    if windows > 0:
        last = tokens[:, windows:]
        same = torch.stack(
            [tokens[:, i : i + windows] == last[:, i : i + 1] for i in range(block_repeats - 1)]
        )
        hits = same.all(0) if block_repeats > 1 else torch.ones_like(tokens[:, :windows], dtype=torch.bool)
        repeated = repeated.scatter_add(1, tokens[:, block_repeats - 1 :], hits.float())
    repeated = repeated * (torch.arange(logits.shape[1], device=logits.device) != END)
    return logits + repeated.clamp(max=1) * NEVER
