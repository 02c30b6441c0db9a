"""Base class of the networks that write captions: image features, teacher forcing, beam search, reading."""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.text import Captions
from sightline.core.task import DataInfo
from sightline.core.word_pieces import END, START, WordPieces
from sightline.models import registry
from sightline.models.weights.download import Pretrained
from sightline.tasks.caption.models._beam import State, search
from sightline.tasks.caption.models._encoder import Encoder
from sightline.tasks.caption.options import CaptionOptions

STRIDES = (8, 16, 32)
TUNED = {"freeze": "backbone", "freeze_bn": True}
"""Recipe where installed weights of the encoder are used: they stay as they are."""
MAX_REFERENCES = 5
"""Captions of an image that a step learns from; of more they are drawn."""
SLACK, MAX_AUTOMATIC = 1.2, 60
"""Room beyond the length of nearly all training captions, and word pieces at most, if no length is given."""
PADDING = -1


class CaptionModel(Model):
    """A network that describes an image word piece by word piece.

    Args:
        settings: See `settings_for`; the recipe's `size`, `mean`, `std` and `channels` beside it.
        pretrained: Published weights of the encoder: no, auto or yes.
    """

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        size: tuple[int, int] = tuple(settings["size"])  # type: ignore[assignment]
        if settings["backbone"] == "own":
            self.encoder: Any = Encoder(settings["channels"], size)
        else:
            self.encoder = registry.pyramid(
                settings["backbone"],
                channels=settings["channels"],
                size=size,
                pretrained=pretrained,
                strides=STRIDES,
            )
        width, stride = self.encoder.levels[-1]
        cells = math.ceil(size[0] / stride) * math.ceil(size[1] / stride)
        self.vocabulary = _pieces(tuple(settings["pieces"]))
        self.build(width, cells, len(self.vocabulary))

    @abstractmethod
    def build(self, width: int, cells: int, pieces: int) -> None:
        """Add what follows the encoder.

        Args:
            width: Channels of its map.
            cells: Places P of the map.
            pieces: Size V of the vocabulary.
        """

    @abstractmethod
    def look(self, maps: Tensor) -> Tensor:
        """(B, P, C) features of the places of an image to (B, P, D), as the decoder is given them."""

    @abstractmethod
    def logits(self, features: Tensor, tokens: Tensor) -> Tensor:
        """(R, T, V) logits of the piece after each of (R, T) pieces, given (R, P, D) features."""

    @abstractmethod
    def begin(self, features: Tensor) -> State:
        """State of the decoder before the first piece, rows first."""

    @abstractmethod
    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """(R, V) logits of the piece after (R, t) pieces, and the next state."""

    @classmethod
    def settings_for(cls, info: DataInfo, options: CaptionOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options: the vocabulary, and the greatest length.

        Raises:
            UnknownName: If there is no such backbone.
        """
        backbone = "own" if options.backbone in ("auto", "own") else options.backbone
        if backbone != "own":
            registry.card(backbone)
        words = info.statistics["words"]
        vocabulary = WordPieces.learn(words, options.vocabulary)
        pieces = sum(count * len(vocabulary.encode(word)) for word, count in words.items())
        each = pieces / max(sum(words.values()), 1)
        usual = min(MAX_AUTOMATIC, math.ceil(SLACK * each * info.statistics["usual_length"]) + 1)
        return {
            "backbone": backbone,
            "pieces": list(vocabulary.pieces),
            "max_length": options.max_length or usual,
            "beam": options.beam,
            "block_repeats": options.block_repeats,
        }

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"features": (B, P, D)} for (B, C, H, W) images; except in training {"tokens": (B, L) int64,
        "score": (B,)} too, which are all that an exported file says.
        """
        maps = self.encoder.maps(self.normalize(images))[-1]
        features = self.look(maps.flatten(2).transpose(1, 2))
        if self.training:
            return {"features": features}
        outputs = self.write(features)
        return outputs if torch.compiler.is_exporting() else {"features": features, **outputs}

    def write(self, features: Tensor) -> dict[str, Tensor]:
        """The best caption for (B, P, D) features; see `search`."""
        beam = self.settings["beam"]
        rows = features[:, None].expand(-1, beam, -1, -1).flatten(0, 1)
        length, block_repeats = self.settings["max_length"], self.settings["block_repeats"]
        return search(self.step, self.begin(rows), beam, length, block_repeats)

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """{"tokens": (B, L), "score": (B,)}."""
        del settings
        return {name: outputs[name] for name in ("tokens", "score")}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Captions:
        """The texts of the word pieces."""
        vocabulary = _pieces(tuple(settings["pieces"]))
        rows = [vocabulary.decode(row) for row in answer["tokens"].long().tolist()]
        ended = torch.tensor([row[1] for row in rows], dtype=torch.bool, device=answer["score"].device)
        return Captions(tuple((text,) for text, _ in rows), answer["score"].float(), ended)

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": mean cross-entropy of the next word piece, over all pieces of all captions}."""
        features = (outputs or self(batch.images))["features"]
        references = [self._drawn(row, rng) for row in batch.targets.texts]
        owner = [i for i, row in enumerate(references) for _ in row]
        tokens = self._tokens([text for row in references for text in row], features.device)
        logits = self.logits(features[owner], tokens[:, :-1].clamp(min=END))
        loss = F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten(), ignore_index=PADDING)
        return {"loss": loss}

    def evidence(self, outputs: dict[str, Tensor], about: Captions) -> Tensor:  # type: ignore[override]
        """(B,) mean log probability of the word pieces of a caption."""
        features = outputs["features"]
        tokens = self._tokens([row[0] for row in about.texts], features.device)
        chances = self.logits(features, tokens[:, :-1].clamp(min=END)).log_softmax(2)
        wanted = tokens[:, 1:].clamp(min=END)
        real = (tokens[:, 1:] != PADDING).float()
        return (chances.gather(2, wanted[:, :, None])[:, :, 0] * real).sum(1) / real.sum(1)

    def _drawn(self, texts: tuple[str, ...], rng: torch.Generator) -> list[str]:
        """Captions of an image that are learnt from; in validation the first ones."""
        if len(texts) <= MAX_REFERENCES or not self.training:
            return list(texts[:MAX_REFERENCES])
        order = torch.randperm(len(texts), generator=rng, device=rng.device)
        return [texts[i] for i in order[:MAX_REFERENCES].tolist()]

    def _tokens(self, texts: list[str], device: torch.device) -> Tensor:
        """(R, T) pieces of captions from START to END, `PADDING` behind; cut off at the greatest length."""
        length = self.settings["max_length"]
        rows = [[START, *[*self.vocabulary.encode(text), END][:length]] for text in texts]
        longest = max(map(len, rows))
        return torch.tensor([row + [PADDING] * (longest - len(row)) for row in rows], device=device)

    def backbone(self) -> nn.Module:
        """The encoder; what follows it is always trained."""
        encoder: nn.Module = self.encoder
        return encoder


@lru_cache(maxsize=8)
def _pieces(pieces: tuple[str, ...]) -> WordPieces:
    return WordPieces(pieces)
