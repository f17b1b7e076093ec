"""What is rated and what people say of it: items, responses, judgements.

An item is a prompt with the responses to it; its id is a hash of its content, so the same item offered twice is one item
and keeps its answers. A judgement speaks of responses by their place: 0 is the first of the item, whatever the order in
which a rater saw them (`reordered` changes between the two).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from trivium.base.errors import UserError
from trivium.base.files import hash_bytes
from trivium.base.words import Message
from trivium.tokenizer.layout import without_surrogates

Kind = Literal["pair", "ranking", "likert"]
Verdict = Literal["prefer", "tie", "both_bad", "rank", "score", "skip"]
MOST_RESPONSES = 5
POINTS = 7  # of a Likert scale, from 1
HELPFUL = "helpful"  # the axis of an answer that is only called good or bad
MOST_TEXT = 100_000  # characters of a correction
MOST_NOTE = 2_000  # characters of a reason or a comment
VERDICTS: Mapping[str, frozenset[str]] = {
    "pair": frozenset(["prefer", "tie", "both_bad", "skip"]),
    "ranking": frozenset(["rank", "both_bad", "skip"]),
    "likert": frozenset(["score", "skip"]),
}


def as_text(content: Any) -> str:
    """`content` as JSON of ASCII characters alone, keys sorted: what every database takes, whatever a text holds."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class JudgementError(UserError):
    """A judgement that does not fit its item."""


@dataclass(frozen=True)
class Response:
    """One answer to a prompt. `ended`: it stopped by itself; `policy` names the model that wrote it, never shown to raters."""

    text: str
    ended: bool = True
    policy: str = ""


@dataclass(frozen=True)
class Item:
    """Something to rate. `gold` is the right judgement where it is known; `details` is kept for whoever reads the answers."""

    kind: Kind
    prompt: tuple[Message, ...]
    responses: tuple[Response, ...]
    axes: tuple[str, ...] = ()
    gold: Mapping[str, Any] | None = None
    priority: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        least, most = {"pair": (2, 2), "ranking": (2, MOST_RESPONSES), "likert": (1, 1)}[self.kind]
        if not least <= len(self.responses) <= most:
            allowed = str(least) if least == most else f"{least} to {most}"
            raise UserError(f"a {self.kind} item has {len(self.responses)} responses; it takes {allowed}")
        if self.kind == "likert" and not self.axes:
            raise UserError("a likert item has no axes; name at least one, for example helpful")
        texts = [response.text for response in self.responses]
        if len(set(texts)) < len(texts):
            raise UserError("two responses of an item are the same text; there is nothing to compare, leave it out")

    @property
    def id(self) -> str:
        """24 hexadecimal digits, a function of prompt, responses and axes."""
        content: dict[str, Any] = {
            "kind": self.kind,
            "prompt": [asdict(message) for message in self.prompt],
            "responses": [asdict(response) for response in self.responses],
            "axes": list(self.axes),
            "gold": self.gold is not None,
        }
        return hash_bytes(as_text(content).encode())[:24]


def in_neutral_order(responses: Sequence[Response]) -> tuple[Response, ...]:
    """The responses in an order that says nothing about them and that everyone finds: by the hash of their texts."""
    return tuple(sorted(responses, key=lambda one: hash_bytes(as_text(one.text).encode())))


class Judgement(BaseModel):
    """What a rater says of an item. `places` count from 0; `strength` 1 slightly, 2 better, 3 much better."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verdict: Verdict
    preferred: int | None = Field(None, ge=0, lt=MOST_RESPONSES, description="the better response of a pair")
    strength: int | None = Field(None, ge=1, le=3, description="how much better")
    ranking: tuple[tuple[int, ...], ...] | None = Field(None, description="places from best to worst, ties together")
    scores: dict[str, int] | None = Field(None, description="points from 1 to 7 for each axis")
    corrects: int | None = Field(None, ge=0, lt=MOST_RESPONSES, description="the response that was rewritten")
    correction: str | None = Field(None, max_length=MOST_TEXT, description="what it should say")
    reason: str | None = Field(None, max_length=MOST_NOTE, description="why it was skipped")
    comment: str | None = Field(None, max_length=MOST_NOTE, description="anything else")

    @field_validator("correction", "reason", "comment", mode="before")
    @classmethod
    def _whole_characters(cls, text: Any) -> Any:
        return without_surrogates(text)[0] if isinstance(text, str) else text


def read_judgement(content: Any) -> Judgement:
    """`content` as a judgement. Raises JudgementError with the first thing that is wrong."""
    try:
        return Judgement.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        at = ".".join(str(part) for part in fault["loc"]) or "judgement"
        raise JudgementError(f"'{at}': {fault['msg'].removeprefix('Value error, ')}") from None


def check_judgement(judgement: Judgement, kind: str, responses: Sequence[Response], axes: Sequence[str]) -> None:
    """Raises JudgementError where the judgement does not fit an item of `kind`."""
    allowed = VERDICTS[kind]
    if judgement.verdict not in allowed:
        raise JudgementError(
            f"verdict '{judgement.verdict}' does not fit a {kind}; it takes {', '.join(sorted(allowed))}"
        )
    every = set(range(len(responses)))
    if judgement.verdict == "prefer" and judgement.preferred not in every:
        raise JudgementError(f"'preferred' is {judgement.preferred}; it must be 0 or 1")
    if judgement.verdict == "rank":
        ranked = [place for together in judgement.ranking or () for place in together]
        if sorted(ranked) != sorted(every) or not all(judgement.ranking or ()):
            raise JudgementError(f"'ranking' must name each place from 0 to {len(responses) - 1} once")
    if judgement.verdict == "score":
        _check_scores(judgement.scores or {}, axes)
    if (judgement.correction is None) != (judgement.corrects is None):
        raise JudgementError("'correction' and 'corrects' go together: the new text, and the response that it mends")
    if judgement.correction is not None and judgement.corrects is not None:
        if judgement.corrects not in every:
            raise JudgementError(f"'corrects' is {judgement.corrects}; it must be 0 to {len(responses) - 1}")
        if not judgement.correction.strip() or judgement.correction == responses[judgement.corrects].text:
            raise JudgementError("'correction' is empty or changes nothing; write what the answer should say")


def _check_scores(scores: Mapping[str, int], axes: Sequence[str]) -> None:
    if set(scores) != set(axes) or not all(1 <= points <= POINTS for points in scores.values()):
        raise JudgementError(f"'scores' must give 1 to {POINTS} points for each of: {', '.join(axes)}")


def reordered(judgement: Judgement, shown: Sequence[int]) -> Judgement:
    """A judgement of places as they were shown as one of the item's own places: `shown[p]` was seen at place p."""

    def own(place: int | None) -> int | None:
        return None if place is None else shown[place]

    ranking = None
    if judgement.ranking is not None:
        ranking = tuple(tuple(shown[place] for place in together) for together in judgement.ranking)
    return judgement.model_copy(
        update={"preferred": own(judgement.preferred), "corrects": own(judgement.corrects), "ranking": ranking}
    )


def category(judgement: Judgement) -> str:
    """What two raters agree in when they agree: 'first' or 'second' of a pair, 'tie', 'both_bad', a ranking, points."""
    if judgement.verdict == "prefer":
        return ("first", "second")[judgement.preferred or 0]
    if judgement.verdict == "rank":
        return ">".join("=".join(map(str, sorted(together))) for together in judgement.ranking or ())
    if judgement.verdict == "score":
        return ",".join(f"{axis}={points}" for axis, points in sorted((judgement.scores or {}).items()))
    return judgement.verdict
