"""What a preferences file says, by request: pairs, ties, the best of a list, ratings, verdicts.

| a line has | it says |
|---|---|
| `chosen`, `rejected` | the first is better; with `strength` 1 to 3, by how much; with `tie: true`, neither is |
| `answers`, `best` | of this list of answers the one at this place (from 0) is better than all others |
| `answer`, `rating` | a number; how ratings are scaled is the reader's affair, and two by one `rater` are a preference |
| `answer`, `good` | whether it is good, by itself; beside a `rating` or alone |

Every line has `prompt` (turns), `split`, and where answers stand whether each ended by itself (`chosen_ended`,
`rejected_ended`, `ended`; true where it is not said). Lines belong together where their `prompt_id` or, without one, their
prompt is the same; a conversation that comes again is kept once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.base.files import read_jsonl
from trivium.base.words import Message
from trivium.rl.pairs import Conversation, Judged
from trivium.tokenizer import Tokenizer

STRENGTHS = (1, 2, 3)


@dataclass
class _Request:
    """What was said about one request so far; `starts` of each distinct answer, in the order of their first coming."""

    starts: dict[Conversation, int] = field(default_factory=dict)
    said: dict[str, list[Any]] = field(default_factory=dict)

    def place(self, answer: Conversation, start: int) -> int:
        self.starts.setdefault(answer, start)
        return list(self.starts).index(answer)

    def add(self, kind: str, value: Any) -> None:
        self.said.setdefault(kind, []).append(value)

    def judged(self) -> Judged:
        found = {kind: tuple(values) for kind, values in self.said.items()}
        return Judged(tuple(self.starts), starts=tuple(self.starts.values()), **found)


@dataclass(frozen=True)
class _Line:
    """One row of the file, with how to say what is wrong with it."""

    row: Mapping[str, Any]
    path: Path
    number: int
    tokenizer: Tokenizer
    limit: int

    def fault(self, what: str, name: str) -> DataError:
        return DataError(what, file=self.path, line=self.number, field=name)

    def get(self, name: str) -> Any:
        if name not in self.row:
            raise self.fault("is missing", name)
        return self.row[name]

    def text(self, name: str) -> str:
        value = self.get(name)
        if not isinstance(value, str):
            raise self.fault(f"should be text, is {type(value).__name__}", name)
        return value

    def conversation(self, text: str, ended: bool) -> tuple[Conversation, int]:
        """Token ids of prompt and answer, and where the answer begins."""
        try:
            messages = [Message(turn["role"], turn["content"]) for turn in self.get("prompt")]
        except (TypeError, KeyError):
            raise self.fault("should be a list of turns, each with 'role' and 'content'", "prompt") from None
        ids, start = answered(self.tokenizer, messages, text, ended)
        if len(ids) > self.limit:
            raise self.fault(f"{len(ids)} tokens; the model reads at most {self.limit}", "prompt")
        return ids, start


def load_judged(path: Path, tokenizer: Tokenizer, limit: int) -> dict[str, list[Judged]]:
    """The requests of a preferences file by split, each with all that was said about it.

    Raises DataError, naming line and field, for a row that says nothing (a pair without a difference, a list of one) or
    that is none, and for a conversation longer than `limit` tokens.
    """
    requests: dict[tuple[str, str], _Request] = {}
    for number, row in enumerate(read_jsonl(path), 1):
        line = _Line(row, path, number, tokenizer, limit)
        key = str(line.get("split")), str(row.get("prompt_id") or line.get("prompt"))
        _take(line, requests.setdefault(key, _Request()))
    found: dict[str, list[Judged]] = {}
    for (split, _), request in requests.items():
        found.setdefault(split, []).append(request.judged())
    return found


def _take(line: _Line, request: _Request) -> None:
    """Add what one line says."""
    row = line.row
    if "chosen" in row:
        _take_pair(line, request)
    elif "answers" in row:
        _take_list(line, request)
    else:
        _take_single(line, request)


def _take_single(line: _Line, request: _Request) -> None:
    rating, good = line.row.get("rating"), line.row.get("good")
    if rating is None and good is None:
        raise line.fault("is missing; an answer alone needs it, or 'rating'", "good")
    number = isinstance(rating, int | float) and not isinstance(rating, bool) and math.isfinite(rating)
    if rating is not None and not number:
        raise line.fault(f"should be a number, is {rating!r}", "rating")
    if good is not None and not isinstance(good, bool):
        raise line.fault(f"should be true or false, is {good!r}", "good")
    place = request.place(*line.conversation(line.text("answer"), bool(line.row.get("ended", True))))
    if rating is not None:
        request.add("ratings", (place, float(rating)))
        request.add("rated_by", str(line.row.get("rater", "")))
    if good is not None:
        request.add("verdicts", (place, good))


def _take_pair(line: _Line, request: _Request) -> None:
    texts = [line.text(name) for name in ("chosen", "rejected")]
    ended = [bool(line.row.get(f"{name}_ended", True)) for name in ("chosen", "rejected")]
    if texts[0] == texts[1] and ended[0] == ended[1]:
        raise line.fault("chosen and rejected are the same; remove the pair", "rejected")
    strength = 1 if line.row.get("strength") is None else line.row["strength"]
    if strength not in STRENGTHS:
        raise line.fault(f"is {strength!r}; 1 (slightly), 2 (better) or 3 (much better) are possible", "strength")
    pair = tuple(request.place(*line.conversation(text, end)) for text, end in zip(texts, ended, strict=True))
    if line.row.get("tie"):
        request.add("ties", pair)
    else:
        request.add("pairs", pair)
        request.add("strengths", strength)


def _take_list(line: _Line, request: _Request) -> None:
    texts, best = line.get("answers"), line.get("best")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts) or len(set(texts)) < 2:
        raise line.fault("should be a list of two different texts at least", "answers")
    if len(set(texts)) < len(texts):
        raise line.fault("holds the same answer twice; keep it once", "answers")
    if isinstance(best, bool) or not isinstance(best, int) or not 0 <= best < len(texts):
        raise line.fault(f"is {best!r}; it should be a place, 0 to {len(texts) - 1}", "best")
    places = [request.place(*line.conversation(text, True)) for text in texts]
    request.add("lists", (places[best], *(place for number, place in enumerate(places) if number != best)))


def with_pairs(requests: Mapping[str, Sequence[Judged]], *, ties: bool = False) -> tuple[dict[str, list[Judged]], int]:
    """By split the requests with pairs (said, or following from lists and ratings; with `ties` also with those, to train on)
    both of whose answers have a token at least, and how many pairs and ties were left out for want of one."""
    kept: dict[str, list[Judged]] = {}
    dropped = 0
    for split, rows in requests.items():
        for request in rows:
            sizes = [len(answer) - start for answer, start in zip(request.answers, request.starts, strict=True)]
            given = request.compared, request.ties if ties and split == "train" else ()
            pairs, alike = (tuple(two for two in found if sizes[two[0]] and sizes[two[1]]) for found in given)
            dropped += sum(map(len, given)) - len(pairs) - len(alike)
            if pairs or alike:
                kept.setdefault(split, []).append(replace(request, pairs=pairs, strengths=(), ties=alike))
    return kept, dropped


def answered(tokenizer: Tokenizer, prompt: Sequence[Message], answer: str, ended: bool) -> tuple[Conversation, int]:
    """Ids of prompt and answer, the end of turn last, or without it where the answer was cut off; and where the answer
    begins."""
    rendered = tokenizer.render([*prompt, Message("assistant", answer)])
    last = len(rendered.mask) - rendered.mask[::-1].index(True)  # behind the last token that the assistant says
    start = last - rendered.mask[:last][::-1].index(False)
    return tuple(rendered.ids[: last if ended else last - 1]), start


def conversation_ids(tokenizer: Tokenizer, prompt: Sequence[Message], answer: str, ended: bool) -> Conversation:
    """Ids of prompt and answer; without the end of turn where the answer was cut off."""
    return answered(tokenizer, prompt, answer, ended)[0]
