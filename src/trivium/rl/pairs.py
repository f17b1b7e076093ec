"""Judged answers as tensors: the answers to a request in one forward pass, each once, whatever was said of it.

Six judged pairs of four answers cost four rows, not twelve (Ouyang et al. 2022, section 3.5), and all that was said about a
request stays in one step, so that no answer is learned by heart over several. What the rows begin with alike is computed once
(`trivium.model.ragged`). What a file may say is in `trivium.rl.judgements`.
Legend: N pairs, B answers (rows), T tokens, right-padded, W answers in a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trivium.data.order import permute

Conversation = tuple[int, ...]


@dataclass(frozen=True)
class Judged:
    """The answers to one request and what was said about them.

    `answers` are token ids of whole conversations, end of turn included where the answer ended by itself; `starts` is where
    each begins to answer. All others are places in `answers`: `pairs` (better, worse), each with its strength in
    `strengths` (all 1 where there are none); `ties`; `lists`, of which the first is the best; `ratings` (place, number), each
    with who gave it in `rated_by` (one person where there are none); `verdicts` (place, whether it is good).
    """

    answers: tuple[Conversation, ...]
    pairs: tuple[tuple[int, int], ...] = ()
    starts: tuple[int, ...] = ()
    strengths: tuple[int, ...] = ()
    ties: tuple[tuple[int, int], ...] = ()
    lists: tuple[tuple[int, ...], ...] = ()
    ratings: tuple[tuple[int, float], ...] = ()
    rated_by: tuple[str, ...] = ()
    verdicts: tuple[tuple[int, bool], ...] = ()

    @property
    def compared(self) -> tuple[tuple[int, int], ...]:
        """Every (better, worse) that is said or follows: of pairs, of lists, of ratings by one person that differ."""
        return (*self.preferred, *self.rated_apart)

    @property
    def preferred(self) -> tuple[tuple[int, int], ...]:
        """Every (better, worse) of pairs and of lists."""
        return (*self.pairs, *((places[0], other) for places in self.lists for other in places[1:]))

    @property
    def rated_apart(self) -> tuple[tuple[int, int], ...]:
        """Every (better, worse) that one person's ratings of two answers say: what one calls 5 another calls 7."""
        marks = list(zip(self.ratings, self.rated_by or ("",) * len(self.ratings), strict=True))
        return tuple(
            (better, worse)
            for (better, more), who in marks
            for (worse, less), other in marks
            if more > less and who == other and better != worse
        )


@dataclass(frozen=True)
class Block:
    """Rows that are computed at once: `tokens` int64 (b, T), `lengths` int64 (b,), `starts` int64 (b,) of the answers in
    them."""

    tokens: Tensor
    lengths: Tensor
    starts: Tensor


@dataclass(frozen=True)
class PairBatch:
    """`rows` hold every answer, in the order of the requests.

    Everything else counts answers in that order, int64: `chosen` and `rejected` (N,) with `strengths` float32 (N,), `ties`
    (., 2), `lists` (., W) filled up with -1, `rated` (.,) with `ratings` float32 (.,).
    """

    rows: Block
    chosen: Tensor
    rejected: Tensor
    strengths: Tensor
    ties: Tensor
    lists: Tensor
    rated: Tensor
    ratings: Tensor

    @property
    def pairs(self) -> int:
        return len(self.chosen)

    @property
    def said(self) -> int:
        """Judgements in it."""
        return self.pairs + len(self.ties) + len(self.lists) + len(self.rated)


def judged(pairs: Sequence[tuple[Conversation, Conversation]]) -> Judged:
    """(chosen, rejected) conversations of one request, with each distinct conversation kept once."""
    places = {answer: place for place, answer in enumerate(dict.fromkeys(answer for pair in pairs for answer in pair))}
    return Judged(tuple(places), tuple((places[chosen], places[rejected]) for chosen, rejected in pairs))


def block_of(answers: Sequence[Conversation], starts: Sequence[int], pad: int) -> Block:
    """Answers as right-padded rows, in their order."""
    lengths = [len(answer) for answer in answers]
    widest = max(lengths)
    tokens = [(*answer, *(pad,) * (widest - len(answer))) for answer in answers]
    return Block(torch.tensor(tokens), torch.tensor(lengths), torch.tensor(starts))


def pair_batch(requests: Sequence[Judged], pad: int) -> PairBatch:
    """Every answer of the requests as a row, and what was said about them as places of rows."""
    answers = [answer for request in requests for answer in request.answers]
    starts = [start for request in requests for start in request.starts or (0,) * len(request.answers)]
    pairs: list[tuple[int, int]] = []
    strengths: list[int] = []
    ties: list[tuple[int, int]] = []
    lists: list[list[int]] = []
    ratings: list[tuple[int, float]] = []
    first = 0
    for request in requests:
        pairs += [(first + better, first + worse) for better, worse in request.pairs]
        strengths += request.strengths or (1,) * len(request.pairs)
        ties += [(first + one, first + other) for one, other in request.ties]
        lists += [[first + place for place in places] for places in request.lists]
        ratings += [(first + place, value) for place, value in request.ratings]
        first += len(request.answers)
    widest = max(map(len, lists), default=0)
    chosen, rejected = _whole(pairs, 2).unbind(dim=1)  # (N,) each
    return PairBatch(
        block_of(answers, starts, pad),
        chosen,
        rejected,
        torch.tensor(strengths, dtype=torch.float32),
        _whole(ties, 2),
        _whole([one + [-1] * (widest - len(one)) for one in lists], widest),
        torch.tensor([place for place, _ in ratings], dtype=torch.long),
        torch.tensor([value for _, value in ratings], dtype=torch.float32),
    )


def _whole(rows: Sequence[Sequence[int]], columns: int) -> Tensor:
    """int64 (len(rows), columns), also of no rows."""
    return torch.tensor(rows, dtype=torch.long).view(len(rows), columns)


def tie_weight(requests: Sequence[Judged]) -> float:
    """v of Davidson's model: v / (2 + v) is the share of ties among the comparisons; 0 where there are none."""
    ties, pairs = sum(len(request.ties) for request in requests), sum(len(request.pairs) for request in requests)
    share = ties / (ties + pairs + 1)  # as if one pair more had been told apart: v is finite where none was
    return 2 * share / (1 - share)


def chosen_requests(count: int, size: int, seed: int, step: int) -> list[int]:
    """Which of `count` requests a 0-based step of `size` holds: every epoch holds each once, in an order of its own."""
    numbers = range(step * size, (step + 1) * size)
    return [permute(number % count, count, seed, number // count) for number in numbers]


def pair_batches(
    requests: Sequence[Judged], size: int, seed: int, step: int, pad: int, own: range | None = None
) -> PairBatch:
    """The batch of a 0-based step, or `own` of its `size` requests."""
    numbers = chosen_requests(len(requests), size, seed, step)
    return pair_batch([requests[numbers[place]] for place in own or range(size)], pad)


def summary(requests: Mapping[str, Sequence[Judged]]) -> dict[str, Any]:
    """How many pairs each split has."""
    return {f"{split}_pairs": sum(len(row.pairs) for row in rows) for split, rows in sorted(requests.items())}
