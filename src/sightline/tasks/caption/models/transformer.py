"""A small transformer decoder over the places of a feature map."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.caption.models._beam import State
from sightline.tasks.caption.models._caption_model import TUNED, CaptionModel

CARD = ModelCard(
    name="transformer",
    summary="A transformer decoder of two layers with attention to the places of a feature map.",
    paper="Vaswani et al., Attention is all you need, NeurIPS 2017; Cornia et al., Meshed-memory, CVPR 2020",
    stride=32,
    defaults={"batch_size": 32, "lr": 5e-4},
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=TUNED,
)
WIDTH, HEADS, LAYERS, DROPOUT = 192, 4, 2, 0.2


class Attention(nn.Module):
    """Attention with several heads, written out: exporters know its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.keys, self.values = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, memory: Tensor, causal: bool) -> Tensor:
        """(R, T, D) that look at (R, S, D); with `causal`, at themselves and what is before."""
        query, keys, values = (
            part.unflatten(2, (HEADS, -1)).transpose(1, 2)
            for part in (self.query(x), self.keys(memory), self.values(memory))
        )
        scores = query @ keys.transpose(2, 3) / (WIDTH / HEADS) ** 0.5
        if causal:
            later = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -1e4)
        attended: Tensor = self.out((scores.softmax(3) @ values).transpose(1, 2).flatten(2))
        return attended


class Layer(nn.Module):
    """Attention to the words before, to the image, and a hidden layer; each with layer norm before it."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.image = Attention(), Attention()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))
        self.hidden, self.out = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """(R, T, D) words to the same, given (R, P, D) features."""
        normed = self.norms[0](x)
        x = x + self.dropout(self.words(normed, normed, True))
        x = x + self.dropout(self.image(self.norms[1](x), features, False))
        written: Tensor = x + self.dropout(self.out(F.gelu(self.hidden(self.norms[2](x)))))
        return written


class Transformer(CaptionModel):
    """A transformer decoder with learnt positions of words and of places."""

    card: ClassVar[ModelCard] = CARD

    def build(self, width: int, cells: int, pieces: int) -> None:
        """Features, embeddings, layers, and what gives logits."""
        self.features = nn.Linear(width, WIDTH)
        self.places = nn.Parameter(0.02 * torch.randn(cells, WIDTH))
        self.embedding = nn.Embedding(pieces, WIDTH)
        self.positions = nn.Parameter(0.02 * torch.randn(self.settings["max_length"], WIDTH))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.norm, self.out = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, pieces)
        self.dropout = nn.Dropout(DROPOUT)

    def look(self, maps: Tensor) -> Tensor:
        """See `CaptionModel.look`."""
        features: Tensor = self.features(maps).relu() + self.places
        return features

    def begin(self, features: Tensor) -> State:
        """The features: what was written is looked at anew for each piece."""
        return (features,)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """See `CaptionModel.step`."""
        return self._read(state[0], tokens)[:, -1], state

    def logits(self, features: Tensor, tokens: Tensor) -> Tensor:
        """See `CaptionModel.logits`."""
        return self._read(features, tokens)

    def _read(self, features: Tensor, tokens: Tensor) -> Tensor:
        x = self.dropout(self.embedding(tokens) + self.positions[: tokens.shape[1]])
        for layer in self.layers:
            x = layer(x, features)
        logits: Tensor = self.out(self.norm(x))
        return logits


MODEL = Transformer
