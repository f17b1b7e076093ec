"""What the answers of a round say about its raters and about themselves: reliability, agreement, biases, win rates.

Counts come as (successes, of how many), so that whoever shows them can add an interval. Nothing here changes anything.
"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from trivium.feedback.agreement import Alpha, alpha, ceiling
from trivium.feedback.answers import Answer, read_answers
from trivium.feedback.database import Database
from trivium.feedback.items import read_items
from trivium.feedback.raters import Rater, list_raters
from trivium.feedback.reliability import dawid_skene
from trivium.feedback.strengths import Strengths, bradley_terry
from trivium.feedback.words import Item, category

CATEGORIES = ("first", "tie", "second", "both_bad")
PREFERENCES = tuple(range(-3, 4))  # much worse to much better, 0 a tie
Share = tuple[int, int]  # successes, of how many


@dataclass(frozen=True)
class RaterQuality:
    """One rater's answers. `reliability` is Dawid and Skene's; `repeats` those given again when shown swapped."""

    rater: Rater
    answers: int
    skips: int
    median_seconds: float | None
    reliability: float | None
    gold: Share
    repeats: Share
    first_chosen: Share
    longer_chosen: Share


@dataclass(frozen=True)
class Quality:
    """All of a round. `verdicts` and `preferences` are alphas over pairs; `ceiling` as in `agreement.ceiling`."""

    raters: tuple[RaterQuality, ...]
    first_chosen: Share
    longer_chosen: Share
    repeats: Share
    verdicts: Alpha
    preferences: Alpha
    ceiling: tuple[float, int] | None
    strengths: Strengths
    counts: Mapping[str, int] = field(default_factory=dict)


def measure(database: Database, round_number: int | None = None) -> Quality:
    """Everything at once, from the answers that count."""
    items = read_items(database, round_number)
    every = read_answers(database, round_number, ("main", "repeat", "gold"))
    said = [answer for answer in every if answer.judgement.verdict != "skip"]
    main = [answer for answer in said if answer.purpose == "main"]
    pairs = [answer for answer in main if items[answer.item].kind == "pair"]
    reliability = dawid_skene([(one.item, one.rater, category(one.judgement)) for one in pairs], CATEGORIES).of
    with database.reading() as work:
        people = list_raters(work)
    again = {(one.item, one.rater): one for one in said if one.purpose == "repeat"}
    rows = []
    for rater in people:
        own = [answer for answer in every if answer.rater == rater.id]
        rows.append(_of_rater(rater, own, items, again, reliability.get(rater.id)))
    by_item = grouped(pairs)
    alpha_verdicts = alpha([[category(one.judgement) for one in found] for found in by_item.values()], CATEGORIES)
    signed = [[mark for one in found if (mark := signed_strength(one)) is not None] for found in by_item.values()]
    return Quality(
        raters=tuple(rows),
        first_chosen=first_chosen(pairs),
        longer_chosen=longer_chosen(pairs, items),
        repeats=consistent(pairs, again),
        verdicts=alpha_verdicts,
        preferences=alpha(signed, PREFERENCES, "ordinal"),
        ceiling=ceiling({item: [category(one.judgement) for one in found] for item, found in by_item.items()}),
        strengths=bradley_terry({item: duels(found, items[item]) for item, found in grouped(main).items()}),
        counts={name: sum(category(one.judgement) == name for one in pairs) for name in CATEGORIES},
    )


def strengths_over_all(database: Database) -> Strengths:
    """How the models of all rounds compare: each round's pairs alone would not join the first model to the last."""
    known = read_items(database)
    said = grouped(one for one in read_answers(database) if one.judgement.verdict != "skip")
    return bradley_terry({item: duels(found, known[item]) for item, found in said.items()})


def scores_of(database: Database, round_number: int, items: Collection[str], policy: str) -> list[float]:
    """For each of the items that was rated, how `policy`'s response did against the other one: 1 won, 0.5 tie, 0 lost; the mean
    over its raters."""
    known, wanted = read_items(database, round_number), set(items)
    found = []
    for name, said in grouped(read_answers(database, round_number)).items():
        won = (
            [score if one == policy else 1 - score for one, _, score in duels(said, known[name])]
            if name in wanted
            else []
        )
        if won:
            found.append(sum(won) / len(won))
    return found


def _of_rater(
    rater: Rater,
    own: Sequence[Answer],
    items: Mapping[str, Item],
    again: Mapping[tuple[str, str], Answer],
    reliability: float | None,
) -> RaterQuality:
    said = [answer for answer in own if answer.judgement.verdict != "skip"]
    main = [one for one in said if one.purpose == "main"]
    pairs = [one for one in main if items[one.item].kind == "pair"]
    times = [answer.milliseconds / 1000 for answer in own if answer.milliseconds is not None]
    graded = [answer.correct for answer in own if answer.correct is not None]
    return RaterQuality(
        rater=rater,
        answers=len(main),
        skips=len(own) - len(said),
        median_seconds=statistics.median(times) if times else None,
        reliability=reliability,
        gold=(sum(graded), len(graded)),
        repeats=consistent(pairs, again),
        first_chosen=first_chosen(pairs),
        longer_chosen=longer_chosen(pairs, items),
    )


def grouped(answers: Iterable[Answer]) -> dict[str, list[Answer]]:
    """Answers by item."""
    found: dict[str, list[Answer]] = {}
    for answer in answers:
        found.setdefault(answer.item, []).append(answer)
    return found


def signed_strength(answer: Answer) -> int | None:
    """-3 where the second response is much better, 0 for a tie, 3 where the first is; None for both bad."""
    judgement = answer.judgement
    if judgement.verdict == "tie":
        return 0
    if judgement.verdict != "prefer":
        return None
    return (judgement.strength or 2) * (1 if judgement.preferred == 0 else -1)


def first_chosen(answers: Iterable[Answer]) -> Share:
    """How often what stood first on the screen was preferred; half of all, where the place does not matter."""
    chosen = [
        one.shown[0] == one.judgement.preferred for one in answers if one.judgement.verdict == "prefer" and one.shown
    ]
    return sum(chosen), len(chosen)


def longer_chosen(answers: Iterable[Answer], items: Mapping[str, Item]) -> Share:
    """How often the longer of two responses was preferred; equal lengths are left out."""
    chosen = []
    for answer in answers:
        lengths = [len(response.text) for response in items[answer.item].responses]
        if answer.judgement.verdict == "prefer" and lengths[0] != lengths[1]:
            chosen.append(lengths.index(max(lengths)) == answer.judgement.preferred)
    return sum(chosen), len(chosen)


def consistent(answers: Iterable[Answer], again: Mapping[tuple[str, str], Answer]) -> Share:
    """Of the pairs that a rater saw twice, the second time swapped: how many got the same answer."""
    both = [(one, again[one.item, one.rater]) for one in answers if (one.item, one.rater) in again]
    return sum(category(one.judgement) == category(two.judgement) for one, two in both), len(both)


def duels(answers: Iterable[Answer], item: Item) -> list[tuple[str, str, float]]:
    """What the answers to an item say about the models behind it; both bad counts as a tie."""
    names = [response.policy for response in item.responses]
    found: list[tuple[str, str, float]] = []
    for answer in answers:
        judgement = answer.judgement
        if judgement.verdict == "prefer":
            found.append((names[0], names[1], 1.0 if judgement.preferred == 0 else 0.0))
        elif judgement.verdict in ("tie", "both_bad") and len(names) == 2:
            found.append((names[0], names[1], 0.5))
        elif judgement.ranking:
            level = {place: number for number, together in enumerate(judgement.ranking) for place in together}
            for one in range(len(names)):
                for other in range(one + 1, len(names)):
                    score = 0.5 if level[one] == level[other] else float(level[one] < level[other])
                    found.append((names[one], names[other], score))
    return [duel for duel in found if duel[0] and duel[1]]
