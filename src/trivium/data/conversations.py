"""Conversations to learn from: tokenised once, then batches of similar length in a random order.

Loss falls on what the assistant says and on the end of its turn. Batches form inside fixed stretches of the seeded order,
so that length says little about when a conversation is seen; which rows a batch holds is a pure function of its number,
and resuming is asking for the next one.
Legend: B rows, T tokens in a row, N tokens of all conversations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from trivium.base.errors import DataError
from trivium.base.seeds import numpy_random
from trivium.base.words import Batch, Example, Message
from trivium.data.ledger import Ledger
from trivium.data.order import permute
from trivium.data.rows import read_rows, short, text_of
from trivium.tokenizer import Tokenizer
from trivium.tokenizer.layout import ROLES

STRETCH = 2048  # conversations of the seeded order inside which batches of similar length form
Array = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class Conversations:
    """Tokenised conversations, laid end to end.

    `tokens` int32 (N,), `learned` bool (N,) on what the assistant says, `starts` int64 (conversations + 1,); `pad` fills
    rows; `dropped` were longer than the limit.
    """

    tokens: Array
    learned: Array
    starts: Array
    pad: int
    dropped: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> Array:
        """Tokens of each conversation."""
        return numpy.diff(self.starts)


def load_conversations(path: Path, tokenizer: Tokenizer, limit: int) -> Conversations:
    """The conversations of a JSONL file. Those of more than `limit` tokens are dropped and counted.

    Raises DataError, naming the line, for a row that is no conversation or has nothing to learn, and where none is left.
    """
    tokens: list[Array] = []
    learned: list[Array] = []
    dropped = longest = 0
    for _, example in read_examples(path):
        rendered = tokenizer.render(example.messages)
        longest = max(longest, len(rendered.ids))
        if len(rendered.ids) > limit:
            dropped += 1
            continue
        tokens.append(numpy.array(rendered.ids, numpy.int32))
        learned.append(numpy.array(rendered.mask, bool))
    if not tokens:
        what = (
            f"all {dropped} conversations are longer than the model's {limit} tokens (the longest has {longest})"
            if dropped
            else "no conversation"
        )
        raise DataError(f"{what}; give shorter ones or a larger pretrain.model.max_positions", file=path)
    starts = numpy.cumsum([0, *(len(row) for row in tokens)])
    return Conversations(numpy.concatenate(tokens), numpy.concatenate(learned), starts, tokenizer.pad, dropped)


def read_examples(path: Path) -> Iterator[tuple[int, Example]]:
    """(line, Example) of every row of a conversations file. Raises DataError, naming the line, where one is none."""
    for line, row in read_rows(path, "refuse", Ledger()):
        yield line, Example(messages_of(row, path, line))


def messages_of(row: Mapping[str, Any], path: Path | str, line: int | None) -> tuple[Message, ...]:
    """The conversation in `messages` of a row. Raises DataError, naming the field, where there is nothing to learn."""
    turns = row.get("messages")
    if not isinstance(turns, list) or not turns:
        raise DataError(
            "should be a list of turns, each with 'role' and 'content'", file=path, line=line, field="messages"
        )
    messages = tuple(_message(turn, f"messages[{number}]", path, line) for number, turn in enumerate(turns))
    if messages[-1].role != "assistant" or len(messages) < 2:
        fault = "nothing to learn here; a conversation ends with what the assistant says, after another turn"
        raise DataError(fault, file=path, line=line, field="messages")
    return messages


def _message(turn: Any, where: str, path: Path | str, line: int | None) -> Message:
    if not isinstance(turn, dict):
        raise DataError(
            f"should be an object with 'role' and 'content', is {short(turn)}", file=path, line=line, field=where
        )
    role = turn.get("role")
    if role not in ROLES:
        raise DataError(
            f"is {short(role)}; known roles: {', '.join(ROLES)}", file=path, line=line, field=f"{where}.role"
        )
    content = text_of(turn, "content", path, line, f"{where}.content")
    if not content.strip():
        raise DataError("is empty; give the words or take the line out", file=path, line=line, field=f"{where}.content")
    return Message(role, content)


class ConversationBatches:
    """Batches of conversations, right-padded, of at most `tokens_per_batch` tokens with the padding (one conversation
    that is longer than that has a batch to itself)."""

    def __init__(self, conversations: Conversations, tokens_per_batch: int, seed: int) -> None:
        self.conversations, self.tokens_per_batch, self.seed = conversations, tokens_per_batch, seed
        self._plans: dict[int, list[Array]] = {}
        self._firsts = [0]  # number of the first batch of each epoch planned so far, and of the one after

    def batch(self, number: int) -> Batch:
        """Batch `number` (from 0) of the endless sequence of epochs."""
        return self.collate(self.rows(number))

    def rows(self, number: int) -> Array:
        """Which conversations batch `number` holds."""
        while self._firsts[-1] <= number:
            self._firsts.append(self._firsts[-1] + len(self.plan(len(self._firsts) - 1)))
        epoch = int(numpy.searchsorted(self._firsts, number, side="right")) - 1
        return self.plan(epoch)[number - self._firsts[epoch]]

    def plan(self, epoch: int) -> list[Array]:
        """The batches of an epoch: every conversation is in exactly one."""
        if epoch not in self._plans:
            order = permute(numpy.arange(len(self.conversations)), len(self.conversations), self.seed, epoch)
            batches: list[Array] = []
            for start in range(0, len(order), STRETCH):
                inside = self._buckets(order[start : start + STRETCH])
                mixed = numpy_random(self.seed, "batches", epoch, start).permutation(len(inside))
                batches += [inside[place] for place in mixed]
            self._plans = {epoch: batches}  # a run moves on through the epochs
        return self._plans[epoch]

    def _buckets(self, chosen: Array) -> list[Array]:
        """`chosen` by length, cut into as few batches as there must be, and those about equally large."""
        lengths = self.conversations.lengths
        by_length = chosen[numpy.argsort(lengths[chosen], kind="stable")]
        inputs = (lengths[by_length] - 1).tolist()
        fewest = len(_cuts(inputs, self.tokens_per_batch))
        low, high = 1, self.tokens_per_batch
        while low < high:  # the smallest budget that still gives that few
            middle = (low + high) // 2
            low, high = (low, middle) if len(_cuts(inputs, middle)) == fewest else (middle + 1, high)
        ends = _cuts(inputs, low)
        return [by_length[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def collate(self, rows: Array) -> Batch:
        """The conversations `rows` as a batch; weights are 1 where the target is the assistant's."""
        import torch

        source = self.conversations
        width = int(source.lengths[rows].max())
        tokens = numpy.full((len(rows), width), source.pad, numpy.int64)  # (B, T + 1)
        weights = numpy.zeros((len(rows), width), numpy.float32)  # (B, T + 1)
        for place, row in enumerate(rows.tolist()):
            start, end = source.starts[row], source.starts[row + 1]
            tokens[place, : end - start] = source.tokens[start:end]
            weights[place, : end - start] = source.learned[start:end]
        pieces = (tokens[:, :-1], tokens[:, 1:], weights[:, 1:])  # (B, T) each
        return Batch(*(torch.from_numpy(numpy.ascontiguousarray(piece)) for piece in pieces))


def _cuts(lengths: Sequence[int], budget: int) -> list[int]:
    """Where batches of ascending `lengths` end, if each takes rows while rows times the longest is within `budget`."""
    ends = []
    start = 0
    for place, length in enumerate(lengths):
        if place > start and (place - start + 1) * length > budget:
            ends.append(place)
            start = place
    return [*ends, len(lengths)]
