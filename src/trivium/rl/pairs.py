"""Preferences as tensors: the answers to a request in one forward pass, each once, whatever the number of its pairs.

Six judged pairs of four answers cost four rows, not twelve (Ouyang et al. 2022, section 3.5), and all pairs of a request
stay in one batch, so that no answer is learned by heart over several steps.
Legend: N pairs, B answers (rows), T tokens, right-padded.
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

Conversation = tuple[int, ...]


@dataclass(frozen=True)
class Judged:
    """The answers to one request and what was preferred among them.

    `answers` are token ids of whole conversations, end of turn included where the answer ended by itself; `pairs` are
    (better, worse) places in `answers`.
    """

    answers: tuple[tuple[int, ...], ...]
    pairs: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PairBatch:
    """`tokens` int64 (B, T), `lengths` int64 (B,); `chosen` and `rejected` int64 (N,) are rows of them."""

    tokens: Tensor
    lengths: Tensor
    chosen: Tensor
    rejected: Tensor

    @property
    def pairs(self) -> int:
        return len(self.chosen)


def load_judged(path: Path, tokenizer: Tokenizer, limit: int) -> dict[str, list[Judged]]:
    """The requests of a preferences file by split, each with all of its pairs; pairs belong together where their
    `prompt_id` or, without one, their prompt is the same. Raises DataError, naming the line, for a pair without a
    difference or a conversation longer than `limit` tokens."""
    rows: dict[tuple[str, str], list[tuple[Conversation, Conversation]]] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        if row["chosen"] == row["rejected"] and row["chosen_ended"] == row["rejected_ended"]:
            raise DataError(
                "chosen and rejected are the same; remove the pair", file=path, line=number, field="rejected"
            )
        messages = [Message(turn["role"], turn["content"]) for turn in row["prompt"]]
        chosen = conversation_ids(tokenizer, messages, row["chosen"], row["chosen_ended"])
        rejected = conversation_ids(tokenizer, messages, row["rejected"], row["rejected_ended"])
        longest = max(len(chosen), len(rejected))
        if longest > limit:
            raise DataError(
                f"{longest} tokens; the model reads at most {limit}", file=path, line=number, field="prompt"
            )
        request = str(row.get("prompt_id") or row["prompt"])
        rows.setdefault((row["split"], request), []).append((chosen, rejected))
    found: dict[str, list[Judged]] = {}
    for (split, _), pairs in rows.items():
        found.setdefault(split, []).append(judged(pairs))
    return found


def judged(pairs: Sequence[tuple[Conversation, Conversation]]) -> Judged:
    """(chosen, rejected) conversations of one request, with each distinct conversation kept once."""
    places = {answer: place for place, answer in enumerate(dict.fromkeys(answer for pair in pairs for answer in pair))}
    return Judged(tuple(places), tuple((places[chosen], places[rejected]) for chosen, rejected in pairs))


def conversation_ids(tokenizer: Tokenizer, prompt: Sequence[Message], answer: str, ended: bool) -> Conversation:
    """Ids of prompt and answer; without the end of turn where the answer was cut off."""
    ids = tuple(tokenizer.render([*prompt, Message("assistant", answer)]).ids)
    return ids if ended else ids[:-1]


def pair_batch(requests: Sequence[Judged], pad: int) -> PairBatch:
    """Every answer of the requests as a right-padded row, and their pairs as places of rows."""
    rows = [answer for request in requests for answer in request.answers]
    lengths = torch.tensor([len(row) for row in rows])
    tokens = torch.full((len(rows), int(lengths.max())), pad)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = torch.tensor(row)
    places: list[tuple[int, int]] = []
    first = 0
    for request in requests:
        places += [(first + better, first + worse) for better, worse in request.pairs]
        first += len(request.answers)
    chosen, rejected = torch.tensor(places).unbind(dim=1)  # (N,) each
    return PairBatch(tokens, lengths, chosen, rejected)


def pair_batches(
    requests: Sequence[Judged], size: int, seed: int, step: int, pad: int, own: range | None = None
) -> PairBatch:
    """The batch of a 0-based step, or `own` of its `size` requests: every epoch holds each request once, in an order of
    its own."""
    count = len(requests)
    chosen = [
        requests[permute((step * size + offset) % count, count, seed, (step * size + offset) // count)]
        for offset in own or range(size)
    ]
    return pair_batch(chosen, pad)


def summary(requests: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """How many pairs each split has."""
    return {f"{split}_pairs": sum(len(row.pairs) for row in rows) for split, rows in sorted(requests.items())}
