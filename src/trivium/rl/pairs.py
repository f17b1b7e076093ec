"""Preferences as tensors: both answers of a pair in one forward pass.

Legend: N pairs, B = 2N rows (the chosen first, then the rejected), T tokens, right-padded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trivium.base.errors import DataError
from trivium.base.files import read_jsonl
from trivium.base.words import Message
from trivium.data.order import permute
from trivium.tokenizer import Tokenizer


@dataclass(frozen=True)
class Pair:
    """Token ids of the two conversations, end of turn included where the answer ended by itself."""

    chosen: tuple[int, ...]
    rejected: tuple[int, ...]
    prompt: int  # tokens of the prompt, the same in both


@dataclass(frozen=True)
class PairBatch:
    """`tokens` int64 (2N, T), `lengths` int64 (2N,)."""

    tokens: Tensor
    lengths: Tensor

    @property
    def pairs(self) -> int:
        return len(self.tokens) // 2


def load_pairs(path: Path, tokenizer: Tokenizer, limit: int) -> dict[str, list[Pair]]:
    """Pairs of a preferences file by split. Raises DataError, naming the line, for a pair without a difference or a
    conversation longer than `limit` tokens."""
    found: dict[str, list[Pair]] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        if row["chosen"] == row["rejected"] and row["chosen_ended"] == row["rejected_ended"]:
            raise DataError(
                "chosen and rejected are the same; remove the pair", file=path, line=number, field="rejected"
            )
        messages = [Message(turn["role"], turn["content"]) for turn in row["prompt"]]
        prompt = tokenizer.render(messages, add_generation_prompt=True).ids
        chosen = conversation_ids(tokenizer, messages, row["chosen"], row["chosen_ended"])
        rejected = conversation_ids(tokenizer, messages, row["rejected"], row["rejected_ended"])
        longest = max(len(chosen), len(rejected))
        if longest > limit:
            raise DataError(
                f"{longest} tokens; the model reads at most {limit}", file=path, line=number, field="prompt"
            )
        found.setdefault(row["split"], []).append(Pair(tuple(chosen), tuple(rejected), len(prompt)))
    return found


def conversation_ids(tokenizer: Tokenizer, prompt: Sequence[Message], answer: str, ended: bool) -> list[int]:
    """Ids of prompt and answer; without the end of turn where the answer was cut off."""
    ids = list(tokenizer.render([*prompt, Message("assistant", answer)]).ids)
    return ids if ended else ids[:-1]


def pair_batch(pairs: Sequence[Pair], pad: int) -> PairBatch:
    """Right-padded rows, chosen first."""
    rows = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.full((len(rows), int(lengths.max())), pad)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row)
    return PairBatch(tokens, lengths)


def pair_batches(pairs: Sequence[Pair], size: int, seed: int, step: int, pad: int) -> PairBatch:
    """The batch of a 0-based step: every epoch holds each pair once, in an order of its own."""
    count = len(pairs)
    chosen = [
        pairs[permute((step * size + offset) % count, count, seed, (step * size + offset) // count)]
        for offset in range(size)
    ]
    return pair_batch(chosen, pad)


def summary(pairs: Mapping[str, Sequence[Pair]]) -> dict[str, Any]:
    """How many pairs each split has."""
    return {f"{split}_pairs": len(rows) for split, rows in sorted(pairs.items())}
