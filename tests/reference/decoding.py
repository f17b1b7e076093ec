"""Decoding without a cache: the whole text again for every token."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trivium.model.transformer import Transformer


def greedy(
    model: Transformer, prompt: Sequence[int], stops: frozenset[int], most: int, *, whole: bool = False
) -> list[int]:
    """With `whole` every token of the prompt sees all of it."""
    tokens = list(prompt)
    while len(tokens) - len(prompt) < most and len(tokens) < model.shape.max_positions:
        prefix = torch.tensor([[whole and place < len(prompt) for place in range(len(tokens))]])
        hidden = model(torch.tensor([tokens]), prefix=prefix)
        tokens.append(int(model.logits(hidden[0, -1]).argmax()))
        if tokens[-1] in stops:
            break
    return tokens[len(prompt) :]
