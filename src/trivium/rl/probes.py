"""Degenerate answers: what a reward model must not like, for a policy finds out what it likes.

Each is made of tokens of real answers. Some of training's requests get one that all else is preferred to, drawn at random;
others, of fixed make and to held-out requests, are scored by the gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from trivium.rl.pairs import Conversation, Judged
from trivium.tokenizer import Tokenizer

REQUESTS = 64  # that are probed
REPEATED = 6  # tokens that a probe says again and again
LONGER = 4  # times the longest real answer
KINDS = ("empty", "repetition", "very long")


class Spoiler:
    """Makes degenerate answers for `requests`; `limit` is what the model reads at most."""

    def __init__(self, requests: Sequence[Judged], tokenizer: Tokenizer, limit: int) -> None:
        self.limit, self.end = limit, tokenizer.end_of_turn
        sizes = [len(answer) - start for one in requests for answer, start in zip(one.answers, one.starts, strict=True)]
        self.longest = max(sizes, default=1)
        self.bodies = [_best(request)[1] for request in requests]

    def make(self, kind: str, prompt: Conversation, body: Conversation, where: int, size: int) -> Conversation:
        """A conversation with a degenerate answer: of kind repetition the `where`-th part of `body` again and again, `size`
        tokens of it; of kind very long what others say from number `where` on, `size` times the longest answer."""
        room = max(0, self.limit - len(prompt) - 1)
        if kind == "empty":
            return (*prompt, self.end)
        if kind == "repetition":
            part = body[where : where + size] or body[:size] or (self.end,)
            long = min(self.longest, room)
            return (*prompt, *(part * (long // len(part) + 1))[:long], self.end)
        long, tokens = min(size * self.longest, room), list(body)
        for number in range(len(self.bodies)):
            if len(tokens) >= long:
                break
            tokens += self.bodies[(where + number) % len(self.bodies)]
        return (*prompt, *tokens[:long], self.end)

    def probes(self, requests: Sequence[Judged]) -> Mapping[str, list[Conversation]]:
        """By kind one degenerate conversation for each of the first `REQUESTS` requests."""
        asked = [_best(request) for request in requests[:REQUESTS]]
        sizes = {"repetition": REPEATED, "very long": LONGER}
        return {
            kind: [
                self.make(kind, prompt, body, number if kind == "very long" else 0, sizes.get(kind, 0))
                for number, (prompt, body) in enumerate(asked)
            ]
            for kind in KINDS
        }

    def spoiled(self, request: Judged, random: Random) -> Judged:
        """The request with a degenerate answer more, to which those that won are preferred."""
        winners = sorted({better for better, _ in request.compared})
        kind = random.choice(KINDS)
        prompt, body = _best(request)
        where = random.randrange(len(self.bodies) if kind == "very long" else max(1, len(body) // 2))
        size = random.randint(2, 4) if kind == "very long" else random.randint(2, 10)
        made = self.make(kind, prompt, body, where, size)
        if made in request.answers or not winners:
            return request
        pairs = (*request.pairs, *((winner, len(request.answers)) for winner in winners))
        strengths = (*(request.strengths or (1,) * len(request.pairs)), *(1 for _ in winners))
        starts = (*request.starts, len(prompt))
        return replace(request, answers=(*request.answers, made), starts=starts, pairs=pairs, strengths=strengths)


def _best(request: Judged) -> tuple[Conversation, Conversation]:
    """The prompt, and without its end the answer that won most."""
    wins = [better for better, _ in request.compared] or [0]
    place = max(wins, key=wins.count)
    answer, start = request.answers[place], request.starts[place]
    return answer[:start], answer[start : len(answer) - 1]
