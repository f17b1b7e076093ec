"""How words are spelled, as a further input of a tagger: a convolution over letters (Ma and Hovy 2016, section 2.1).

A word's vector is added to the embeddings of all its tokens, before the first block. Its last matrix starts at zero, so a
model begins as it was without it.

Legend: B rows, T tokens, W words in the batch, C letters of a word, D hidden size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trivium.base.words import Rows
from trivium.model.transformer import Transformer

LETTER_SIZE, FILTERS, WIDTH = 32, 128, 3


class Spelling(nn.Module):
    """Letters (W, C), 0 for padding, to vectors (W, D); a word without letters gets zero."""

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

    def forward(self, letters: Tensor) -> Tensor:
        seen = F.embedding(letters, self.embedding.weight, padding_idx=0)  # (W, C, 32)
        features = self.convolution(seen.transpose(1, 2))  # (W, 128, C)
        hidden = features.masked_fill((letters == 0)[:, None], -1e4).amax(dim=2)  # (W, 128)
        hidden = torch.where((letters != 0).any(dim=1, keepdim=True), F.gelu(hidden), torch.zeros_like(hidden))
        return self.out(hidden)  # type: ignore[no-any-return]


def states(model: Transformer, rows: Rows) -> Tensor:
    """Hidden states (B, T, D) of the rows, spelling added where the model reads it."""
    if model.extra is None:
        return model(rows.tokens, real=rows.real, types=rows.types)  # type: ignore[no-any-return]
    assert rows.words is not None and rows.letters is not None, "this model reads spelling"
    spelled = model.extra(rows.letters)  # (W, D)
    added = F.embedding(rows.words, spelled)  # (B, T, D)
    return model.run(model.embed(rows.tokens, types=rows.types) + added, real=rows.real)
