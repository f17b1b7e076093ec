"""What the engine is asked and what it gives: a request, its rows, and the form of a constraint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from trivium.base.seeds import torch_random
from trivium.generate.sampling import Sampling


class Constraint(Protocol):
    """What one row may still say."""

    def allowed(self, vocabulary: int) -> Tensor:
        """Boolean (vocabulary,), True for each token that may come next; at least one may."""

    def advance(self, token: int) -> None:
        """Take note of the token that came."""


class Grammar(Protocol):
    """What any row of a request may say."""

    def start(self) -> Constraint:
        """The constraint of a row that has said nothing yet."""


@dataclass(frozen=True)
class Request:
    """`prompt` token ids, to be answered `samples` times.

    What is None is as the session or the call says. `stops` are token ids that end an answer; with `grammar` only what it
    allows is drawn; with `top` each token comes with that many of the likeliest.
    """

    prompt: tuple[int, ...]
    samples: int = 1
    sampling: Sampling | None = None
    seed: int | None = None
    stops: frozenset[int] | None = None
    grammar: Grammar | None = None
    top: int = 0


@dataclass(eq=False)
class Row:
    """One answer in the making. `tokens` include the stop token that ended it; `logprobs` are those of the draws, `likely`
    of each draw the `top` likeliest tokens with theirs. A row that is no longer `live` has `ended` by a stop token, was
    cancelled, or has all the tokens that it may have."""

    request: int
    sample: int
    prompt: tuple[int, ...]
    sampling: Sampling
    stops: frozenset[int]
    most: int  # tokens of the answer
    uniforms: Sequence[float]
    constraint: Constraint | None = None
    top: int = 0
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    likely: list[list[tuple[int, float]]] = field(default_factory=list)
    ended: bool = False
    live: bool = True
    cancelled: bool = False
    slot: int = -1  # of the session; none while it waits

    def take(self, token: int, logprob: float) -> None:
        """Note a token that was drawn."""
        self.tokens.append(token)
        self.logprobs.append(logprob)
        if self.constraint is not None:
            self.constraint.advance(token)
        self.ended = token in self.stops
        self.live = not self.ended and len(self.tokens) < self.most


def uniforms(sampling: Sampling, most: int, seed: int, request: int, sample: int) -> list[float]:
    """The numbers in [0, 1) that a row's draws use, `most` of them: the same wherever and beside whatever it is drawn."""
    if sampling.temperature == 0.0:
        return [0.0] * most
    generator = torch_random(seed, "draw", request, sample)
    return torch.rand(sampling.max_new_tokens, generator=generator).tolist()
