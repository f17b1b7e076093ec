"""Decoding without a cache: the whole text again for every token."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trivium.model.transformer import Transformer


def greedy(model: Transformer, prompt: Sequence[int], stops: frozenset[int], most: int) -> list[int]:
    tokens = list(prompt)
    while len(tokens) - len(prompt) < most and len(tokens) < model.shape.max_positions:
        hidden = model(torch.tensor([tokens]))
        tokens.append(int(model.logits(hidden[0, -1]).argmax()))
        if tokens[-1] in stops:
            break
    return tokens[len(prompt) :]
