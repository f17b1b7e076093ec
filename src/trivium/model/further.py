"""Further inputs of a model with a head, which no published model has: how words are spelled, and what the question names.

Each is a vector a token, added to the embeddings before the first block. Its last matrix starts at zero, so a model begins
as it was without it.

Legend: B rows, T tokens, W words in the batch, C letters of a word, D hidden size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trivium.base.words import Rows
from trivium.model.transformer import Transformer

Further = Literal["", "spelling", "matching"]
LETTER_SIZE, FILTERS, WIDTH = 32, 128, 3


class Spelling(nn.Module):
    """A convolution over each word's letters (Ma and Hovy 2016, section 2.1), given to all its tokens: (B, T, D)."""

    def __init__(self, letters: int, hidden_size: int, generator: torch.Generator) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, LETTER_SIZE, padding_idx=0)
        self.convolution = nn.Conv1d(LETTER_SIZE, FILTERS, WIDTH, padding=WIDTH // 2, bias=False)
        self.out = nn.Linear(FILTERS, hidden_size, bias=False)
        with torch.no_grad():
            self.embedding.weight.normal_(0.0, 0.3, generator=generator)
            self.embedding.weight[0].zero_()
            spread = (LETTER_SIZE * WIDTH) ** -0.5
            self.convolution.weight.normal_(0.0, spread, generator=generator)
            self.out.weight.zero_()

    def forward(self, rows: Rows) -> Tensor:
        assert rows.words is not None and rows.letters is not None, "this model reads spelling"
        return F.embedding(rows.words, self.of_words(rows.letters))

    def of_words(self, letters: Tensor) -> Tensor:
        """Letters (W, C), 0 for padding, to vectors (W, D); a word without letters gets zero."""
        seen = F.embedding(letters, self.embedding.weight, padding_idx=0)  # (W, C, 32)
        features = self.convolution(seen.transpose(1, 2))  # (W, 128, C)
        hidden = features.masked_fill((letters == 0)[:, None], -1e4).amax(dim=2)  # (W, 128)
        hidden = torch.where((letters != 0).any(dim=1, keepdim=True), F.gelu(hidden), torch.zeros_like(hidden))
        return self.out(hidden)  # type: ignore[no-any-return]


class Matching(nn.Module):
    """Whether a token's word stands in the question too (Chen et al. 2017, section 3.2): one of two vectors, (B, T, D)."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(2, hidden_size)
        with torch.no_grad():
            self.embedding.weight.zero_()

    def forward(self, rows: Rows) -> Tensor:
        assert rows.asked is not None, "this model reads what the question names"
        return F.embedding(rows.asked, self.embedding.weight)


def add_input(model: Transformer, kind: Further, letters: int, generator: torch.Generator) -> None:
    """Give the model a further input, a new one; `letters` is how many a spelling may have."""
    size = model.shape.hidden_size
    if kind:
        model.extra = Spelling(letters, size, generator) if kind == "spelling" else Matching(size)


def states(model: Transformer, rows: Rows) -> Tensor:
    """Hidden states (B, T, D) of the rows, with the further input where the model has one. Where rows are packed the model
    runs on (P, Q) tokens instead of (B, T); what it gives for padding then means nothing."""
    if rows.packed is None:
        hidden = model.embed(rows.tokens, types=rows.types)
        return model.run(hidden if model.extra is None else hidden + model.extra(rows), real=rows.real)
    count, length = rows.tokens.shape
    places = rows.packed.clamp(min=0)  # (P, Q)
    segments, positions = rows.packed.div(length, rounding_mode="floor"), places % length

    def gathered(table: Tensor | None) -> Tensor | None:
        return None if table is None else table.flatten()[places]

    tokens, types = rows.tokens.flatten()[places], rows.types.flatten()[places]
    hidden = model.embed(tokens, positions, types)  # (P, Q, D)
    if model.extra is not None:
        own = replace(rows, tokens=tokens, types=types, words=gathered(rows.words), asked=gathered(rows.asked))
        hidden = hidden + model.extra(own)
    hidden = model.run(hidden, positions=positions, segments=segments)
    back = rows.tokens.new_zeros(
        count * length + 1
    )  # where each token lies among the packed; the last entry takes what is none
    to = torch.where(rows.packed < 0, count * length, rows.packed).flatten()
    back.scatter_(0, to, torch.arange(len(to), device=to.device))
    chosen = hidden.flatten(0, 1).index_select(0, back[:-1])
    return chosen.view(count, length, -1)
