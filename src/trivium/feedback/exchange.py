"""Ratings as others know them: our preferences.jsonl, TRL's shapes, instruction data; and back again.

| form | a line |
|---|---|
| preferences | what `reward`, DPO and KTO read: pairs, ties, answers with points or called bad; and where they come from |
| trl | `{"prompt": [turns], "chosen": [turn], "rejected": [turn]}` (TRL's conversational preference) |
| unpaired | `{"prompt": [turns], "completion": [turn], "label": bool}` (TRL's unpaired preference, as KTO takes it) |
| instructions | `{"messages": [...]}`, from corrections |
| answers | every answer as it was given, with the order on the screen |

Points that one person gave to two answers to one prompt are a preference too, where they differ: in `preferences` the points
stand, and who reads them compares; TRL has a form for pairs alone. Both bad is a tie of answers each of which is bad. In
`unpaired` a pair's better answer is good and its worse one bad, as KTO reads it. What was asked to measure a model is among the
answers alone: nothing learns from it. People appear by their id alone. A simulated or imported rater's name says what it is, so
it stands instead of the id.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from trivium.base.errors import UserError
from trivium.base.files import hash_bytes
from trivium.base.words import MEASURE, Message
from trivium.feedback.answers import Answer, read_answers
from trivium.feedback.database import Database
from trivium.feedback.items import read_items
from trivium.feedback.raters import list_raters
from trivium.feedback.words import POINTS, Item, Judgement, Response, as_text

FORMS = ("preferences", "trl", "unpaired", "instructions", "answers")
TELLING = ("simulated:", "import:", "human:")  # how names begin that say what a rater is


@dataclass(frozen=True)
class Choice:
    """One response preferred to another in one answer; `strength` is None where it was not asked for."""

    answer: Answer
    item: Item
    chosen: Response
    rejected: Response
    strength: int | None


def export(database: Database, form: str, round_number: int | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a form. Raises UserError for a form that is none."""
    if form not in FORMS:
        raise UserError(f"there is no form '{form}'; choose {', '.join(FORMS)}")
    items = read_items(database, round_number)
    with database.reading() as work:
        people = {rater.id: label(rater.id, rater.name) for rater in list_raters(work)}
    points: dict[tuple[str, tuple[Message, ...]], list[tuple[Answer, Item]]] = {}
    for answer in read_answers(database, round_number):
        item = items[answer.item]
        if form != "answers" and item.details.get("split") == MEASURE:
            continue
        yield from _rows(form, answer, item, people[answer.rater])
        if item.kind == "likert" and answer.judgement.scores:
            points.setdefault((answer.rater, item.prompt), []).append((answer, item))
    if form == "trl":
        for given in points.values():
            yield from (_trl(choice) for choice in _parted(given))


def label(rater: str, name: str) -> str:
    """How a rater is called outside the store."""
    return name if name.startswith(TELLING) else f"human:{rater}"


def _rows(form: str, answer: Answer, item: Item, rater: str) -> Iterator[dict[str, Any]]:
    turns = [asdict(message) for message in item.prompt]
    judgement = answer.judgement
    if form == "answers":
        said = judgement.model_dump(mode="json", exclude_none=True)
        responses = [asdict(response) for response in item.responses]
        where = {"answer": answer.id, "item": answer.item, "rater": rater, "at": answer.at}
        how = {"shown": list(answer.shown), "milliseconds": answer.milliseconds}
        yield {"kind": item.kind, "prompt": turns, "responses": responses, **said, **how, **where}
    elif form == "instructions":
        if judgement.correction is not None:
            source = {"rater": rater, "at": answer.at, "answer": answer.id}
            yield {"messages": [*turns, _said(judgement.correction)], **source}
    elif form == "unpaired":
        for text, good in verdicts(answer, item):
            yield {"prompt": turns, "completion": [_said(text)], "label": good}
    elif form == "trl":
        yield from (_trl(choice) for choice in choices(answer, item))
    else:
        yield from preference_rows(answer, item, rater)


def _trl(choice: Choice) -> dict[str, Any]:
    pair = {"chosen": [_said(choice.chosen.text)], "rejected": [_said(choice.rejected.text)]}
    return {"prompt": [asdict(message) for message in choice.item.prompt], **pair}


def _parted(given: Sequence[tuple[Answer, Item]]) -> Iterator[Choice]:
    """What one person's points on single answers to one prompt say of two of them, where they differ."""
    for (answer, item), (other, less) in itertools.permutations(given, 2):
        better, worse = item.responses[0], less.responses[0]
        if points_of(answer.judgement) > points_of(other.judgement) and better.text != worse.text:
            yield Choice(answer, item, better, worse, None)


def preference_rows(answer: Answer, item: Item, rater: str) -> Iterator[dict[str, Any]]:
    """The lines of preferences.jsonl that an answer gives, in the forms of `trivium.rl.judgements`: what trainers read, and
    how to find back to rater, answer and models."""
    own = {
        "prompt": [asdict(message) for message in item.prompt],
        "rater": rater,
        "at": answer.at,
        "prompt_id": item.details.get("prompt_id") or _prompt_id(item.prompt),
        "split": item.details.get("split", "train"),
        "item": answer.item,
    }
    for choice in choices(answer, item):
        yield {**own, **_two(choice.chosen, choice.rejected), "strength": choice.strength, "answer": answer.id}
    said = {"verdict": answer.judgement.verdict}
    for first, second in ties(answer, item):
        yield {**own, **_two(first, second), "tie": True, **said, "answer": answer.id}
    scores = answer.judgement.scores
    rated = {"rating": points_of(answer.judgement), "scores": scores} if scores else {}
    alone = dict(singles(answer, item))
    for response in item.responses if scores else alone:
        good = {"good": alone[response]} if response in alone else {}
        text = {"answer": response.text, "ended": response.ended, "policy": response.policy}
        yield {**own, **text, **rated, **good, **said, "answer_id": answer.id}


def _two(chosen: Response, rejected: Response) -> dict[str, Any]:
    pair = {"chosen": chosen.text, "rejected": rejected.text}
    ended = {"chosen_ended": chosen.ended, "rejected_ended": rejected.ended}
    return {**pair, **ended, "chosen_policy": chosen.policy, "rejected_policy": rejected.policy}


def _prompt_id(prompt: Sequence[Message]) -> str:
    """The same for every item with that prompt: what was said of its answers belongs together."""
    return f"p-{hash_bytes(as_text([asdict(message) for message in prompt]).encode())[:16]}"


def choices(answer: Answer, item: Item) -> Iterator[Choice]:
    """Every preference that an answer expresses: a pair's, all of a ranking's, and of a correction over what it mends."""
    judgement, responses = answer.judgement, item.responses
    if judgement.verdict == "prefer" and judgement.preferred is not None:
        chosen, rejected = responses[judgement.preferred], responses[1 - judgement.preferred]
        yield Choice(answer, item, chosen, rejected, judgement.strength)
    ranked = judgement.ranking or ()
    for number, together in enumerate(ranked):
        for worse in ranked[number + 1 :]:
            for place in together:
                yield from (Choice(answer, item, responses[place], responses[other], None) for other in worse)
    if judgement.correction is not None and judgement.corrects is not None:
        written = Response(judgement.correction, True, "person")
        yield Choice(answer, item, written, responses[judgement.corrects], None)


def ties(answer: Answer, item: Item) -> Iterator[tuple[Response, Response]]:
    """Every two responses of which an answer says that neither is better: a tie's, both bad, one place of a ranking."""
    if answer.judgement.verdict in ("tie", "both_bad"):
        yield from itertools.combinations(item.responses, 2)
    for together in answer.judgement.ranking or ():
        yield from itertools.combinations([item.responses[place] for place in together], 2)


def singles(answer: Answer, item: Item) -> Iterator[tuple[Response, bool]]:
    """Responses that an answer calls good or bad whatever the others are: all of what is all bad, one with points above or
    below the middle."""
    good = opinion(answer.judgement)
    if answer.judgement.verdict == "both_bad":
        yield from ((response, False) for response in item.responses)
    elif good is not None:
        yield item.responses[0], good


def points_of(judgement: Judgement) -> float:
    """The mean of points over the axes; 0 where there are none."""
    return fmean(judgement.scores.values()) if judgement.scores else 0.0


def opinion(judgement: Judgement) -> bool | None:
    """Whether points on one answer call it good (all above the middle) or bad (all below); None where neither."""
    points = (judgement.scores or {}).values()
    middle = (1 + POINTS) / 2
    if judgement.verdict != "score" or not points:
        return None
    return True if min(points) > middle else False if max(points) < middle else None


def verdicts(answer: Answer, item: Item) -> Iterator[tuple[str, bool]]:
    """Texts that an answer calls good or bad: the better and the worse one of each of its preferences, and single ones."""
    for choice in choices(answer, item):
        yield choice.chosen.text, True
        yield choice.rejected.text, False
    yield from ((response.text, good) for response, good in singles(answer, item))


def _said(text: str) -> Mapping[str, str]:
    return {"role": "assistant", "content": text}
