"""Ratings as others know them: our preferences.jsonl, TRL's shapes, instruction data; and back again.

| form | a line |
|---|---|
| preferences | what `reward` reads: prompt, chosen, rejected, rater, at, and where they come from |
| trl | `{"prompt": [turns], "chosen": [turn], "rejected": [turn]}` (TRL's conversational preference) |
| unpaired | `{"prompt": [turns], "completion": [turn], "label": bool}` (TRL's unpaired preference, as KTO takes it) |
| instructions | `{"messages": [...]}`, from corrections |
| answers | every answer as it was given, with the order on the screen |

Points on single answers are preferences too: what one person found good over what they found bad, for the same prompt.
What was asked to measure a model is among the answers alone: nothing learns from it. People appear by their id alone. A
simulated or imported rater's name says what it is, so it stands instead of the id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trivium.base.errors import UserError
from trivium.base.words import MEASURE, Message
from trivium.feedback.answers import Answer, read_answers
from trivium.feedback.database import Database
from trivium.feedback.items import read_items
from trivium.feedback.raters import list_raters
from trivium.feedback.words import POINTS, Item, Judgement, Response

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
    thumbs: dict[tuple[str, tuple[Message, ...]], list[tuple[Answer, Item]]] = {}
    for answer in read_answers(database, round_number):
        item = items[answer.item]
        if form != "answers" and item.details.get("split") == MEASURE:
            continue
        yield from _rows(form, answer, item, people[answer.rater])
        if item.kind == "likert" and opinion(answer.judgement) is not None:
            thumbs.setdefault((answer.rater, item.prompt), []).append((answer, item))
    if form in ("preferences", "trl"):
        for (rater, _), given in thumbs.items():
            for choice in _parted(given):
                yield _pair(form, choice, people[rater])


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
    else:
        yield from (_pair(form, choice, rater) for choice in choices(answer, item))


def _pair(form: str, choice: Choice, rater: str) -> dict[str, Any]:
    if form == "preferences":
        return preference_row(choice, rater)
    pair = {"chosen": [_said(choice.chosen.text)], "rejected": [_said(choice.rejected.text)]}
    return {"prompt": [asdict(message) for message in choice.item.prompt], **pair}


def _parted(given: Sequence[tuple[Answer, Item]]) -> Iterator[Choice]:
    """What one person's points on single answers to one prompt say of two of them: the good ones over the bad ones."""
    for answer, item in given:
        if opinion(answer.judgement):
            good = item.responses[0]
            worse = (other.responses[0] for one, other in given if opinion(one.judgement) is False)
            yield from (Choice(answer, item, good, bad, None) for bad in worse if bad.text != good.text)


def preference_row(choice: Choice, rater: str) -> dict[str, Any]:
    """A line of preferences.jsonl: what the reward model reads, and how to find back to rater, answer and models."""
    details = choice.item.details
    return {
        "prompt": [asdict(message) for message in choice.item.prompt],
        "chosen": choice.chosen.text,
        "rejected": choice.rejected.text,
        "chosen_ended": choice.chosen.ended,
        "rejected_ended": choice.rejected.ended,
        "rater": rater,
        "at": choice.answer.at,
        "prompt_id": details.get("prompt_id", choice.answer.item),
        "split": details.get("split", "train"),
        "strength": choice.strength,
        "item": choice.answer.item,
        "answer": choice.answer.id,
        "chosen_policy": choice.chosen.policy,
        "rejected_policy": choice.rejected.policy,
    }


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


def opinion(judgement: Judgement) -> bool | None:
    """Whether points on one answer call it good (all above the middle) or bad (all below); None where neither."""
    points = (judgement.scores or {}).values()
    middle = (1 + POINTS) / 2
    if judgement.verdict != "score" or not points:
        return None
    return True if min(points) > middle else False if max(points) < middle else None


def verdicts(answer: Answer, item: Item) -> Iterator[tuple[str, bool]]:
    """Texts that an answer calls good or bad: of a pair the better and the worse one, both of two bad ones, one with points
    above or below the middle, a correction."""
    judgement = answer.judgement
    texts = [response.text for response in item.responses]
    if judgement.verdict == "prefer":
        yield from ((text, place == judgement.preferred) for place, text in enumerate(texts))
    elif judgement.verdict == "both_bad":
        yield from ((text, False) for text in texts)
    good = opinion(judgement)
    if good is not None:
        yield texts[0], good
    if judgement.correction is not None:
        yield judgement.correction, True


def _said(text: str) -> Mapping[str, str]:
    return {"role": "assistant", "content": text}
