"""Show, Attend and Tell: an LSTM that looks at another part of the image for each word piece."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.caption.models._beam import State
from sightline.tasks.caption.models._caption_model import TUNED, CaptionModel

CARD = ModelCard(
    name="show-attend-tell",
    summary="A recurrent network (LSTM) with soft attention to the places of a feature map.",
    paper="Xu et al., Show, attend and tell: image caption generation with visual attention, ICML 2015",
    stride=32,
    defaults={"batch_size": 32, "lr": 1e-3},
    tuned_backbone=embedded.DEFAULT,
    tuned_defaults=TUNED,
)
WIDTH = 192
"""Of the state, the features and the attention."""
DROPOUT = 0.3


class ShowAttendTell(CaptionModel):
    """An LSTM with soft attention (sections 3.1.2 and 4.2), and learnt positions of the places."""

    card: ClassVar[ModelCard] = CARD

    def build(self, width: int, cells: int, pieces: int) -> None:
        """Features, attention, gate, cell, and what gives logits."""
        self.features = nn.Linear(width, WIDTH)
        self.places = nn.Parameter(0.02 * torch.randn(cells, WIDTH))
        self.start_state, self.start_cell = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.embedding = nn.Embedding(pieces, WIDTH)
        self.of_features, self.of_state = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.attention, self.gate = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, WIDTH)
        self.cell = nn.LSTMCell(2 * WIDTH, WIDTH)
        self.deep = nn.Linear(2 * WIDTH, WIDTH)
        self.dropout, self.out = nn.Dropout(DROPOUT), nn.Linear(WIDTH, pieces)

    def look(self, maps: Tensor) -> Tensor:
        """See `CaptionModel.look`."""
        features: Tensor = self.features(maps).relu() + self.places
        return features

    def begin(self, features: Tensor) -> State:
        """State and cell from the mean feature; features, and what the attention makes of them, beside."""
        mean = features.mean(1)
        return (
            self.start_state(mean).tanh(),
            self.start_cell(mean).tanh(),
            features,
            self.of_features(features),
        )

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """See `CaptionModel.step`."""
        hidden, state = self._advance(self.embedding(tokens[:, -1]), state)
        return self.out(hidden), state

    def logits(self, features: Tensor, tokens: Tensor) -> Tensor:
        """See `CaptionModel.logits`."""
        state, hidden = self.begin(features), []
        for word in self.embedding(tokens).unbind(1):
            row, state = self._advance(word, state)
            hidden.append(row)
        logits: Tensor = self.out(torch.stack(hidden, 1))
        return logits

    def _advance(self, word: Tensor, state: State) -> tuple[Tensor, State]:
        """(R, D) what logits are made from after a word (R, D), and the next state."""
        hidden, cell, features, keys = state
        weights = self.attention((keys + self.of_state(hidden)[:, None]).tanh()).softmax(1)
        context = (weights * features).sum(1) * self.gate(hidden).sigmoid()
        hidden, cell = self.cell(torch.cat([word, context], 1), (hidden, cell))
        deep = (word + self.deep(torch.cat([hidden, context], 1))).tanh()
        return self.dropout(deep), (hidden, cell, features, keys)


MODEL = ShowAttendTell
