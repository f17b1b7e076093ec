"""Labelled items of the little world: reviews with their sentiment, news with its entities, questions with the place of
the answer, news with its headline, mail that is wanted or not, sentences with their translation.

Item i of (seed, split) is a function of the three. What is trained on speaks of the pools' trained people, towns and things,
every other split of the held-out ones, so that a score says what was learned and not what was learned by heart. A share of the
worlds that are trained on may be `invented`: with words that nobody has ever read, which can be copied and not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from typing import Any

from trivium.base.seeds import derive, python_random
from trivium.world.bilingual import random_phrase, random_sentence
from trivium.world.facts import RELATIONS, relations_of, slots_of
from trivium.world.invented import invent
from trivium.world.lexicon import WEATHER
from trivium.world.mail import mail
from trivium.world.news import news
from trivium.world.reviews import review
from trivium.world.state import Side, World, draw_world
from trivium.world.writing import Dice, mend

ITEMS_PER_WORLD = PEOPLE = 8
SILENT_SHARE = 0.1  # of the questions that the passage does not answer
# Relation -> the slot of its sentences that answers. Left out are those that another sentence can also tell.
ASKED = {
    "town": "town", "job": "job", "pet": "pet", "pet_name": "pet_name", "food": "foods", "colour": "colour",
    "house": "house", "hobby": "hobby", "years": "years", "trait": "trait",
}  # fmt: skip
_OPEN, _CLOSE = "\x02", "\x03"


def sentiments(seed: int, split: str) -> Iterator[tuple[str, str]]:
    """(review, "positive", "negative" or "neutral"), without end."""
    for dice, world in _draws(seed, split, "sentiment"):
        text, labels = review(dice, world)
        yield text, labels["sentiment"]


def entities(seed: int, split: str) -> Iterator[tuple[str, list[tuple[int, int, str]]]]:
    """(news, (start, end, "PER", "LOC" or "ORG") of every name in it by characters), without end."""
    for dice, world in _draws(seed, split, "entities"):
        text, labels = news(dice, world)
        yield text, [tuple(entity) for entity in labels["entities"]]


def headlines(seed: int, split: str, invented: float = 0.0) -> Iterator[tuple[str, str]]:
    """(news without its headline, the headline), without end; only such as tell nothing that the news does not.

    A newspaper's headline may name who is not in the text; who learns from those learns to invent.
    """
    for dice, world in _draws(seed, split, "headlines", invented):
        text, labels = news(dice, world)
        headline = labels["headline"]
        body = text[len(headline) :].lstrip(".\n ")
        told = [text[start:end] for start, end, _ in labels["entities"] if end <= len(headline)]
        told += [word for word in WEATHER.all if word in headline.lower().split()]
        if all(one in body for one in told):
            yield body, headline


def mails(seed: int, split: str) -> Iterator[tuple[str, str]]:
    """(mail, "spam" or "ham"), without end."""
    for dice, world in _draws(seed, split, "mail"):
        yield mail(dice, world, split == "train")


def translations(seed: int, split: str) -> Iterator[tuple[str, str]]:
    """(English, Lumi), phrases and sentences in turn, without end. Half of what is not trained on has nouns that are held out."""
    for number in count():
        dice = python_random(seed, "labelled", "translations", split, number)
        side: Side = "train" if split == "train" or number % 4 > 1 else "held_out"
        yield (random_sentence if number % 2 else random_phrase)(dice, side)


def questions(seed: int, split: str, invented: float = 0.0) -> Iterator[tuple[str, str, tuple[int, str] | None]]:
    """(passage, question, (first character, text) of the answer, or None where the passage does not say), without end."""
    for dice, world in _draws(seed, split, "questions", invented):
        yield _question(dice, world)


def _question(dice: Dice, world: World) -> tuple[str, str, tuple[int, str] | None]:
    """Two or three people and some of the same facts about each; the question is about one fact of one of them."""
    people = dice.sample(world.people, dice.choice((2, 2, 3)))
    shared = [name for name in ASKED if all(name in relations_of(person) for person in people)]
    told = dice.sample(shared, dice.choice((2, 2, 3)))
    silent = dice.random() < SILENT_SHARE
    person, relation = dice.choice(people), told[0]
    sentences = []
    for one in people:
        slots: dict[str, Any] = slots_of(world, one)
        for name in told:
            asked = one is person and name == relation
            if asked and silent:
                continue
            slot = ASKED[name]
            ways = [way for way in RELATIONS[name].tell if f"{{{slot}}}" in way]
            marked = slots | ({slot: f"{_OPEN}{slots[slot]}{_CLOSE}"} if asked else {})
            sentences.append(dice.choice(ways).format_map(marked))
    text = _mended(" ".join(dice.sample(sentences, len(sentences))))
    question = mend(dice.choice(RELATIONS[relation].ask).format_map(slots_of(world, person)))
    start, end = text.find(_OPEN), text.find(_CLOSE)
    passage = text.replace(_OPEN, "").replace(_CLOSE, "")
    return passage, question, None if silent else (start, text[start + 1 : end])


def _mended(text: str) -> str:
    """`text` with its articles mended, the marks of the answer kept where they were."""
    start = text.find(_OPEN)
    if start < 0:
        return mend(text)
    answer = text[start + 1 : text.find(_CLOSE)]
    before = mend(text[:start] + answer)
    before = before[: len(before) - len(answer)]
    return f"{before}{_OPEN}{answer}{_CLOSE}{mend(text[text.find(_CLOSE) + 1 :])}"


def _draws(seed: int, split: str, purpose: str, invented: float = 0.0) -> Iterator[tuple[Dice, World]]:
    for number in count():
        world = _world(seed, split, purpose, number // ITEMS_PER_WORLD, invented if split == "train" else 0.0)
        yield Dice(derive(seed, "labelled", purpose, split, number)), world


@lru_cache(maxsize=8)
def _world(seed: int, split: str, purpose: str, number: int, invented: float) -> World:
    side: Side = "train" if split == "train" else "held_out"
    world = draw_world(python_random(seed, "labelled world", purpose, split, number), side, PEOPLE)
    dice = Dice(derive(seed, "invented", purpose, split, number))
    return invent(dice, world) if dice.random() < invented else world
