"""Items and answers from files: TRL's preference shapes, our preferences.jsonl, and plain lists of responses.

A line is a JSON object with one of these forms; a prompt is a text or a list of turns, an answer a text or one turn:

    {"prompt", "chosen", "rejected"}     a pair whose answer is known; turns without "prompt" are split where they part;
                                         with "tie": true neither is better
    {"prompt", "completion", "label"}    one answer that is good (true) or bad (TRL's unpaired preference)
    {"prompt", "answer", ...}            the same of our own, with "good" or with "scores", points on named axes
    {"prompt", "responses": [...]}       two to five answers to compare
    {"prompt", "response", "axes"}       one answer to give points on named axes

`as_what` decides what becomes of a known answer: 'items' forgets it and asks people, 'gold' checks raters with it, and
'answers' takes it as given. All of a file is taken in, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from trivium.base.errors import DataError, UserError
from trivium.base.files import hash_bytes
from trivium.base.words import Message
from trivium.feedback.answers import record_unasked
from trivium.feedback.database import Database, Work
from trivium.feedback.items import current_round, offer
from trivium.feedback.plan import note, now
from trivium.feedback.raters import ensure_rater
from trivium.feedback.words import HELPFUL, POINTS, Item, Judgement, Response, as_text, in_neutral_order
from trivium.tokenizer.layout import without_surrogates

What = Literal["items", "gold", "answers"]
WHATS: tuple[What, ...] = ("items", "gold", "answers")
ROLES = ("system", "user", "assistant")


def take_in(database: Database, content: bytes, as_what: What, name: str, who: str) -> int:
    """Take in the lines of a file called `name`. Returns how many were new. Raises DataError with line and field."""
    rows = [row for row in read_rows(content, name) if not _follows(row[2])]
    with database.writing() as work:
        round_number = current_round(work)
        items = [item for _, item, _ in rows]
        if as_what == "gold":
            missing = next((line for line, item, _ in rows if item.kind != "pair" or item.gold is None), None)
            if missing is not None:
                raise DataError("a known item needs prompt, chosen and rejected", file=name, line=missing)
        else:
            items = [replace(item, gold=None) for item in items]
        added = offer(work, items, round_number)
        if as_what == "answers":
            added = sum(_answer(work, item, found, name) for item, (_, found, _) in zip(items, rows, strict=True))
        note(work, who, "imported", file=name, lines=len(rows), new=added, taken_as=as_what)
    return added


def _follows(row: Mapping[str, Any]) -> bool:
    """Whether the line says of one answer what the line of its pair says of both: that they are bad."""
    return row.get("verdict") == "both_bad" and "answer" in row and "chosen" not in row


def _answer(work: Work, item: Item, found: Item, name: str) -> int:
    """Record what a line says as an answer of its rater; 0 where it says nothing or was there before."""
    if found.gold is None:
        return 0
    details = found.details
    rater = ensure_rater(work, str(details.get("rater") or f"import:{name}"[:80]))
    judgement = Judgement.model_validate(found.gold)
    key = as_text([item.id, rater.id, str(details.get("at", "")), judgement.model_dump(mode="json")])
    answer_id = f"i-{hash_bytes(key.encode())[:32]}"
    if work.value("SELECT 1 FROM answers WHERE id = :id", id=answer_id):
        return 0
    record_unasked(work, item.id, rater.id, judgement, answer_id, str(details.get("at") or now()))
    return 1


def read_rows(content: bytes, name: str) -> Iterator[tuple[int, Item, Mapping[str, Any]]]:
    """(line, item, the row) of each line that is not blank; `item.gold` is what the row says is right, where it does."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 text ({error.reason} at byte {error.start})", file=name) from None
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DataError(f"is not JSON ({error})", file=name, line=number) from None
            if not isinstance(row, dict):
                raise DataError("is not a JSON object", file=name, line=number)
            try:
                yield number, _item(row), row
            except _FieldError as error:
                raise DataError(str(error), file=name, line=number, field=error.field) from None
            except UserError as error:
                raise DataError(str(error), file=name, line=number) from None


class _FieldError(UserError):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _item(row: dict[str, Any]) -> Item:
    if "chosen" in row and "rejected" in row:
        return _known_pair(row)
    prompt = _turns(row.get("prompt"), "prompt")
    if "responses" in row:
        if not isinstance(row["responses"], list):
            raise _FieldError("responses", "is not a list of texts")
        responses = tuple(_response(one, "responses") for one in row["responses"])
        return Item("pair" if len(responses) == 2 else "ranking", prompt, responses, details=_details(row))
    if "response" in row:
        axes = row.get("axes")
        if not isinstance(axes, list) or not all(isinstance(axis, str) and axis.strip() for axis in axes):
            raise _FieldError("axes", "is not a list of names, for example ['helpful', 'true']")
        names = tuple(_clean(axis) for axis in axes)
        return Item("likert", prompt, (_response(row["response"], "response"),), names, details=_details(row))
    if "completion" in row or "answer" in row:
        return _known_single(row, prompt)
    raise _FieldError(
        "chosen",
        "is missing; a line has prompt with chosen and rejected, completion and label, responses, or response and axes",
    )


def _known_single(row: dict[str, Any], prompt: tuple[Message, ...]) -> Item:
    field, name = ("completion", "label") if "completion" in row else ("answer", "good")
    response = _response(row[field], field, bool(row.get("ended", True)), row.get("policy"))
    scores = row.get("scores")
    if scores is None:
        if not isinstance(row.get(name), bool):
            raise _FieldError(name, f"is {row.get(name)!r:.40}; it must be true (good) or false (bad)")
        scores = {HELPFUL: POINTS if row[name] else 1}
    fits = isinstance(scores, dict) and all(
        type(points) is int and 1 <= points <= POINTS and axis.strip() for axis, points in scores.items()
    )
    if not fits or not scores:
        raise _FieldError("scores", f"is {scores!r:.40}; it must name axes with 1 to {POINTS} points each")
    named = {_clean(axis): points for axis, points in scores.items()}
    return Item(
        "likert", prompt, (response,), tuple(named), gold={"verdict": "score", "scores": named}, details=_details(row)
    )


def _known_pair(row: dict[str, Any]) -> Item:
    chosen, rejected = row["chosen"], row["rejected"]
    if "prompt" in row:
        prompt = _turns(row["prompt"], "prompt")
    else:
        if not (isinstance(chosen, list) and isinstance(rejected, list)) or chosen[:-1] != rejected[:-1]:
            raise _FieldError("prompt", "is missing, and chosen and rejected are no conversations that share one")
        prompt = _turns(chosen[:-1], "chosen")
        chosen, rejected = chosen[-1:], rejected[-1:]
    better = _response(chosen, "chosen", bool(row.get("chosen_ended", True)), row.get("chosen_policy"))
    worse = _response(rejected, "rejected", bool(row.get("rejected_ended", True)), row.get("rejected_policy"))
    strength = row.get("strength")
    if strength is not None and (isinstance(strength, bool) or strength not in (1, 2, 3)):
        raise _FieldError("strength", f"is {strength!r:.40}; it must be 1, 2 or 3")
    # The better one is not always the first, or a look at the file would tell an item's answer from its order.
    responses = in_neutral_order((better, worse))
    gold = {"verdict": "prefer", "preferred": responses.index(better), **({"strength": strength} if strength else {})}
    if row.get("tie"):
        gold = {"verdict": "both_bad" if row.get("verdict") == "both_bad" else "tie"}
    return Item("pair", prompt, responses, gold=gold, details=_details(row))


def _details(row: dict[str, Any]) -> dict[str, Any]:
    """What of a line goes with its item: its rater and time too, as far as they are texts of a sensible length."""
    kept = {name: row[name] for name in ("prompt_id", "split", "rater", "at") if name in row}
    for name, value in kept.items():
        if not isinstance(value, str) or not 0 < len(value) <= 200:
            raise _FieldError(name, f"is {value!r:.40}; it must be a text of 1 to 200 characters")
    return {name: _clean(value) for name, value in kept.items()}


def _response(value: Any, field: str, ended: bool = True, policy: Any = None) -> Response:
    text: Any = value
    if isinstance(text, list) and len(text) == 1:
        text = text[0]
    if isinstance(text, dict):
        if text.get("role", "assistant") != "assistant":
            raise _FieldError(field, f"is a turn of {text.get('role')!r:.40}; it must be the assistant's")
        text = text.get("content")
    if not isinstance(text, str):
        raise _FieldError(field, "is no text and no single turn of the assistant")
    return Response(_clean(text), ended, _clean(policy) if isinstance(policy, str) else "")


def _turns(value: Any, field: str) -> tuple[Message, ...]:
    turns = [{"role": "user", "content": value}] if isinstance(value, str) else value
    if not isinstance(turns, list) or not turns:
        raise _FieldError(field, "is no text and no list of turns")
    for turn in turns:
        fits = isinstance(turn, dict) and turn.get("role") in ROLES and isinstance(turn.get("content"), str)
        if not fits:
            raise _FieldError(field, "has a turn without role (system, user or assistant) and content (a text)")
    return tuple(Message(turn["role"], _clean(turn["content"])) for turn in turns)


def _clean(text: str) -> str:
    return without_surrogates(text)[0]
