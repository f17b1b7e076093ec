"""Conversations to learn from: tokenised once, then steps in a random order.

Loss falls on what the assistant says and on the end of its turn. Batches of similar length form inside a step's own part
of the seeded order, so that length says nothing about when a conversation is seen; which rows a step holds is a pure
function of its number, and resuming is asking for the next one.
Legend: B rows, T tokens in a row, N tokens of all conversations.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy

from trivium.base.errors import DataError
from trivium.base.ranks import ALONE, Ranks
from trivium.base.words import Batch, Example, Message
from trivium.data.ledger import Ledger
from trivium.data.order import chosen_rows
from trivium.data.rows import read_rows, short, text_of
from trivium.tokenizer import Tokenizer
from trivium.tokenizer.layout import ROLES

PARTS = 4  # batches of a step; more pad less, fewer are larger (on a small model 4 took 8% less time than 2)
WIDTHS = 8  # batches are a multiple of this wide
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

    def distinct(self) -> Conversations:
        """The same without those that are token for token another's copy; the first of them stays."""
        kept: dict[bytes, tuple[Array, Array]] = {}
        for start, end in itertools.pairwise(self.starts):
            row = self.tokens[start:end], self.learned[start:end]
            kept.setdefault(b"".join(part.tobytes() for part in row), row)
        tokens, learned = (numpy.concatenate(side) for side in zip(*kept.values(), strict=True))
        starts = numpy.cumsum([0, *(len(row) for row, _ in kept.values())])
        return replace(self, tokens=tokens, learned=learned, starts=starts)


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
    messages = turns_of(row, path, line)
    if messages[-1].role != "assistant" or len(messages) < 2:
        fault = "nothing to learn here; a conversation ends with what the assistant says, after another turn"
        raise DataError(fault, file=path, line=line, field="messages")
    return messages


def turns_of(row: Mapping[str, Any], path: Path | str, line: int | None) -> tuple[Message, ...]:
    """The turns in `messages` of a row, whoever has the last. Raises DataError, naming the field, where they are none."""
    turns = row.get("messages")
    if not isinstance(turns, list) or not turns:
        raise DataError(
            "should be a list of turns, each with 'role' and 'content'", file=path, line=line, field="messages"
        )
    return tuple(_message(turn, f"messages[{number}]", path, line) for number, turn in enumerate(turns))


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
    """Steps of conversations in the seeded order, each in a few right-padded batches of similar length.

    A step holds a random set whatever the lengths, so its gradient leans to no kind of conversation; only inside it are
    the rows sorted, so that less is padding.
    """

    def __init__(
        self,
        conversations: Conversations,
        tokens_per_step: int,
        seed: int,
        parts: int = PARTS,
        ranks: Ranks = ALONE,
        *,
        prefix: bool = False,
    ) -> None:
        """A step has as many rows as have about `tokens_per_step` tokens on average; the share of process `ranks` is cut
        into `parts` batches. With `prefix` what stands before the first learned token is seen by all of its row. Raises
        UserError where there are more processes than rows."""
        self.conversations, self.seed, self.ranks, self.prefix = conversations, seed, ranks, prefix
        mean = len(conversations.tokens) / len(conversations)
        self.rows_per_step = max(1, round(tokens_per_step / mean))
        ranks.parts(self.rows_per_step, self.rows_per_step)
        self.parts = min(parts, self.rows_per_step // ranks.size)

    def rows(self, step: int) -> Array:
        """Which conversations a 0-based step holds, shortest first; every epoch holds each once."""
        chosen = chosen_rows(step, self.rows_per_step, len(self.conversations), self.seed)
        return chosen[numpy.argsort(self.conversations.lengths[chosen], kind="stable")]

    def sizes(self, step: int) -> list[tuple[int, int]]:
        """Rows and tokens in a row of this process's micro-batches of a 0-based step."""
        own = self.rows(step)[self.ranks.rank :: self.ranks.size]
        lengths = [self.conversations.lengths[rows] for rows in numpy.array_split(own, self.parts)]
        return [(len(part), _width(int(part.max()))) for part in lengths]

    def batches(self, step: int) -> list[Batch]:
        """This process's micro-batches of a 0-based step, a pure function of it: rows short and long like the others'."""
        own = self.rows(step)[self.ranks.rank :: self.ranks.size]
        return [self.collate(rows) for rows in numpy.array_split(own, self.parts)]

    def collate(self, rows: Array) -> Batch:
        """The conversations `rows` as a batch; weights are 1 where the target is the assistant's."""
        import torch

        source = self.conversations
        width = _width(int(source.lengths[rows].max())) + 1
        tokens = numpy.full((len(rows), width), source.pad, numpy.int64)  # (B, T + 1)
        weights = numpy.zeros((len(rows), width), numpy.float32)  # (B, T + 1)
        before = numpy.zeros((len(rows), width), bool)  # (B, T + 1)
        for place, row in enumerate(rows.tolist()):
            start, end = source.starts[row], source.starts[row + 1]
            tokens[place, : end - start] = source.tokens[start:end]
            weights[place, : end - start] = source.learned[start:end]
            before[place, : int(source.learned[start:end].argmax())] = True
        pieces = (tokens[:, :-1], tokens[:, 1:], weights[:, 1:], before[:, :-1])  # (B, T) each
        read, target, weight, seen = (torch.from_numpy(numpy.ascontiguousarray(piece)) for piece in pieces)
        return Batch(read, target, weight, prefix=seen if self.prefix else None)


def _width(longest: int) -> int:
    """Few different widths: the allocator and the matrix library then meet the same sizes again."""
    return -(-longest // WIDTHS) * WIDTHS
