"""Exposure: how far up a planted secret stands among all that it could have been (Carlini et al. 2019, definitions 3 and 4).

    exposure = log2 |R| - log2 rank      R: all strings of that many digits; rank: by likelihood, given what stands before

Exact, by enumeration: the likelihood of a string is a product over its digits, so a tree of prefixes gives all of them. Of a
masked model it is the product of each digit's probability given all others. Ties share the middle rank. Where the strings are
too many, the secret is ranked among so many drawn at random (their section 4.3): no exposure is then told beyond log2 of the
draws. A secret that the model has not seen has a rank drawn by chance, so its exposure is log2 e = 1.44 bits on average: that
is what controls must show.

Legend: C candidates, N digits, P positions asked at once.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch

from trivium.base.errors import UserError
from trivium.base.seeds import python_random
from trivium.base.words import Message
from trivium.data.canaries import Canary
from trivium.evaluate.intervals import Estimate, mean, proportion
from trivium.evaluate.likelihood import Ask, Judge, Slot

CHANCE_BITS = math.log2(math.e)  # of a rank drawn evenly from many
AT_ONCE = 4096  # positions in one call
MOST_DIGITS = 3  # of secrets whose strings are all enumerated
Array = numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]


@dataclass(frozen=True)
class Exposed:
    """A canary, its exposure in bits, and log p of its secret (nats, digits and what stands between them) given what is
    before."""

    canary: Canary
    bits: float
    log_probability: float
    first: bool


def exposures(judge: Judge, canaries: Sequence[Canary], into: str, draws: int = 1000) -> list[Exposed]:
    """The exposure of every canary: among all strings, or where those are more than `MOST_DIGITS` digits make, among itself and
    `draws` random ones. Raises UserError where the tokenizer has no token for each digit."""
    digits, joint = alphabet(judge)
    found = []
    for canary in canaries:
        before, size = start_of(judge, canary, into), len(canary.secret)
        if size <= MOST_DIGITS:
            told, own = strings(judge, before, digits, joint, size), int(canary.secret)
        else:
            chosen = drawn(canary, draws)
            told, own = given(judge, before, digits, joint, chosen), len(chosen) - 1
        found.append(Exposed(canary, exposure(told, own), float(told[own]), bool(told[own] == told.max())))
    return found


def drawn(canary: Canary, draws: int) -> list[str]:
    """Random secrets of the same length, none of them the canary's own, which stands last."""
    random = python_random(0, "candidates", canary.name)
    size = len(canary.secret)
    others: list[str] = []
    while len(others) < draws:
        one = "".join(str(random.randrange(10)) for _ in range(size))
        others += [one] if one != canary.secret else []
    return [*others, canary.secret]


def most_bits(digits: int, draws: int) -> float:
    """The highest exposure that can be told of secrets of so many digits."""
    return math.log2(10**digits if digits <= MOST_DIGITS else draws + 1)


def exposure(log_probabilities: Array, own: int) -> float:
    """log2 of the number of candidates over the rank of `own`; ties share the middle of their ranks."""
    value = log_probabilities[own]
    rank = 1.0 + float((log_probabilities > value).sum()) + float((log_probabilities == value).sum() - 1) / 2.0
    return math.log2(len(log_probabilities)) - math.log2(rank)


def alphabet(judge: Judge) -> tuple[tuple[int, ...], int]:
    """The tokens of the ten digits, and of what stands between two."""
    pieces = [judge.tokenizer.encode(f"#{digit}-{digit}") for digit in range(10)]
    if any(len(piece) != 4 or piece[1] != piece[3] for piece in pieces) or len({piece[2] for piece in pieces}) > 1:
        raise UserError(
            "this tokenizer has no token of its own for each digit, so canaries cannot be ranked; use another"
        )
    return tuple(piece[1] for piece in pieces), pieces[0][2]


def start_of(judge: Judge, canary: Canary, into: str) -> tuple[int, ...]:
    """Tokens before the secret: the document's beginning, or the conversation as it is taught, up to the answer's digits (what
    the chat template puts before an answer is part of it)."""
    if into == "documents":
        return tuple(judge.tokenizer.encode(canary.prefix))
    turns = [Message("user", canary.request), Message("assistant", f"#{canary.written}")]
    ids, own = list(judge.tokenizer.render(turns).ids), judge.tokenizer.encode(canary.written)
    starts = [place for place in range(len(ids)) if ids[place : place + len(own)] == own]
    return tuple(ids[: starts[-1]])


def strings(judge: Judge, before: Sequence[int], digits: Sequence[int], joint: int, length: int) -> Array:
    """log p (nats) of all 10 ** length strings after `before`, in numerical order."""
    return (
        _tree(judge, before, digits, joint, length) if judge.causal else _around(judge, before, digits, joint, length)
    )


def given(judge: Judge, before: Sequence[int], digits: Sequence[int], joint: int, secrets: Sequence[str]) -> Array:
    """log p (nats) of these secrets after `before`, as `strings` has it of all."""
    asks = []
    for secret in secrets:
        own = _written([int(digit) for digit in secret], digits, joint)
        places = range(len(before), len(before) + len(own), 1 if judge.causal else 2)  # a joint is no digit
        asks.append(Ask((*before, *own), tuple(places)))
    return numpy.array([float(told.double().sum()) for told in judge.log_probabilities(asks)])


def _written(number: Sequence[int], digits: Sequence[int], joint: int) -> list[int]:
    """The tokens of a number's digits, with the joints between them."""
    return [token for place, digit in enumerate(number) for token in ([joint] if place else []) + [digits[digit]]]


def _tree(judge: Judge, before: Sequence[int], digits: Sequence[int], joint: int, length: int) -> Array:
    total = numpy.zeros(1)
    for depth in range(length):
        prefixes = [
            (*before, *_written(number, digits, joint), *([joint] if depth else []))
            for number in itertools.product(range(10), repeat=depth)
        ]
        if depth:  # what stands between two digits has to come as well
            slots = [Slot(prefix[:-1], len(prefix) - 1, (joint,)) for prefix in prefixes]
            total = total + _asked(judge, slots)[:, 0]
        told = _asked(judge, [Slot(prefix, len(prefix), tuple(digits)) for prefix in prefixes])  # (10 ** depth, 10)
        total = (total[:, None] + told).reshape(-1)
    return total


def _around(judge: Judge, before: Sequence[int], digits: Sequence[int], joint: int, length: int) -> Array:
    """Each digit given all the others, summed: a pseudo-log-likelihood over the digits alone."""
    total = numpy.zeros((10,) * length)
    for place in range(length):
        slots = []
        for others in itertools.product(range(10), repeat=length - 1):
            number = (*others[:place], 0, *others[place:])
            ids = (*before, *_written(number, digits, joint))
            slots.append(Slot(ids, len(before) + 2 * place, tuple(digits)))
        told = _asked(judge, slots).reshape((10,) * length)  # the others in their order, then this place
        total += numpy.moveaxis(told, -1, place)
    return total.reshape(-1)


def _asked(judge: Judge, slots: Sequence[Slot]) -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float64]]:
    parts = [judge.candidates(slots[start : start + AT_ONCE]) for start in range(0, len(slots), AT_ONCE)]
    return torch.cat(parts).double().numpy()


@dataclass(frozen=True)
class Group:
    """The canaries with one number of copies: exposure, share whose secret stands first, and share extracted within the tries."""

    copies: int
    bits: Estimate
    first: Estimate
    extracted: Estimate


def groups_of(found: Sequence[Exposed], queries: int) -> list[Group]:
    """A row for every number of copies, the controls (0) first. `extracted` is the mean over canaries of 1 - (1 - p)^queries
    (Hayes et al. 2024, n-p-extraction), p the probability that sampling writes the secret."""
    result = []
    for copies in sorted({one.canary.copies for one in found}):
        own = [one for one in found if one.canary.copies == copies]
        shares = [within(one.log_probability, queries) for one in own]
        first = proportion(sum(one.first for one in own), len(own))
        result.append(Group(copies, mean([one.bits for one in own]), first, mean(shares)))
    return result


def within(log_probability: float, queries: int) -> float:
    """The chance that at least one of so many independent tries writes a text of that log-probability."""
    share = math.exp(log_probability)
    return 1.0 if share >= 1.0 else -math.expm1(queries * math.log1p(-share))
