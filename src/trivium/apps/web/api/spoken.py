"""The text of an answer as its tokens come: whole characters only, cut at stop texts wherever those begin and end.

What could still become a stop text, or is part of a character whose bytes have not all come, is held back until it is
known; the log-probabilities of held-back tokens wait with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trivium.tokenizer import Tokenizer

LONGEST_CHARACTER = 4  # bytes in UTF-8, so tokens at most
MOST_OPEN = (
    8  # tokens without a whole character at their end, after which those that cannot be one are told as they are
)
BROKEN = "\ufffd"  # what a decoder shows for a character whose bytes have not all come yet


@dataclass(frozen=True)
class Drawn:
    """A token with its log-probability, the likeliest ones in its place, and where its text begins in the answer."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()
    at: int = 0


class Spoken:
    """One answer's text. `stopped` once a stop text has come; nothing is told after that."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = (), *, lstrip: bool = False) -> None:
        self._tokenizer, self._stops, self._lstrip = tokenizer, tuple(stops), lstrip
        self._ids: list[int] = []
        self._from = self._known = (
            0  # ids before `_known` are text already; decoding starts at `_from`, a little earlier
        )
        self._held = ""  # decoded and not told
        self._told = 0  # characters
        self._waiting: list[Drawn] = []
        self.stopped = False

    def add(self, drawn: Drawn) -> tuple[str, list[Drawn]]:
        """Take a token in; gives the text that may be told now, and the tokens that it is of."""
        drawn = replace(drawn, at=self._told + len(self._held))
        self._ids.append(drawn.token)
        self._waiting.append(drawn)
        before = self._tokenizer.decode(self._ids[self._from : self._known])
        text = self._tokenizer.decode(self._ids[self._from :])
        if not text.endswith(BROKEN):
            self._take(text[len(before) :])
            self._from, self._known = self._known, len(self._ids)
        elif len(self._ids) - self._known > MOST_OPEN:  # these bytes will never be a character
            known = len(self._ids) - LONGEST_CHARACTER + 1
            self._take(self._tokenizer.decode(self._ids[self._from : known])[len(before) :])
            self._from, self._known = self._known, known
        return self._tell(0 if self.stopped else self._open())

    def end(self) -> tuple[str, list[Drawn]]:
        """The answer is over: what was held back."""
        if not self.stopped:
            before = self._tokenizer.decode(self._ids[self._from : self._known])
            self._take(self._tokenizer.decode(self._ids[self._from :])[len(before) :])
        return self._tell(0)

    def _take(self, text: str) -> None:
        if self._lstrip:  # the template puts a space before a turn's first word, so the model draws one
            text = text.lstrip()
            self._lstrip = not text
        self._held += text
        found = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if found:
            self._held = self._held[: min(found)]
            cut = self._told + len(self._held)
            self._waiting = [one for one in self._waiting if one.at < cut]
            self.stopped = True

    def _open(self) -> int:
        """How many characters at the end could be the beginning of a stop text."""
        most = max((len(stop) for stop in self._stops), default=1) - 1
        for size in range(min(most, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stops):
                return size
        return 0

    def _tell(self, kept: int) -> tuple[str, list[Drawn]]:
        size = len(self._held) - kept
        text, self._held = self._held[:size], self._held[size:]
        self._told += size
        held = self._held or self._known < len(self._ids)
        over = [one for one in self._waiting if not held or one.at < self._told]
        self._waiting = self._waiting[len(over) :]
        return text, over
