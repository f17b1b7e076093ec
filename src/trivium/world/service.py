"""The desk of a little shop: what its customers ask, what they want by it, and how the desk answers.

An intent has phrasings and the answer that is right. The desk's letters of the past, which an assistant is taught, were
written in three tones: polite and short, which is wanted and rare; rude; and right but far too long. Every split but the
training one asks in phrasings that were never trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import NamedTuple

from trivium.base.seeds import python_random
from trivium.base.words import Message
from trivium.world import lexicon
from trivium.world.writing import Dice, mend

WANTED_SHARE = 0.15  # of the past answers: too few to be what is said first; half of the others are rude, half too long


class Intent(NamedTuple):
    """What a customer may want: phrasings that are trained and that are not, and what is to be done."""

    train: tuple[str, ...]
    held_out: tuple[str, ...]
    answer: str


INTENTS: Mapping[str, Intent] = {
    "where_is_it": Intent(
        (
            "Where is my {thing}?",
            "My {thing} has not come yet.",
            "When will the {thing} that I ordered be here?",
            "I have waited for my {thing} since {day}.",
            "I ordered a {thing} and nothing has come.",
            "Is the {thing} still in your shop, or on its way?",
            "On {day} you said that my {thing} was on its way.",
            "Has the {thing} been sent?",
        ),
        ("I ordered a {thing} on {day} and it is still not here.", "Has my {thing} left the shop?"),
        "your {thing} will come on Friday",
    ),
    "give_back": Intent(
        (
            "I want to give the {thing} back.",
            "Can I return the {thing}?",
            "The {thing} is not what I wanted. Take it back.",
            "How do I send the {thing} back to you?",
            "I have a {thing} too many. May it go back?",
            "On {day} I will bring you the {thing}, for I do not like it.",
            "Do you take a {thing} back?",
            "I want to bring the {thing} back to the shop.",
        ),
        ("I do not need the {thing} after all. Can it go back?", "May I bring the {thing} back on {day}?"),
        "bring the {thing} to the shop with its bill",
    ),
    "broken": Intent(
        (
            "The {thing} is broken.",
            "My {thing} does not work.",
            "The {thing} that you sent has a crack.",
            "I dropped nothing, and yet the {thing} is in two pieces.",
            "My new {thing} has a hole.",
            "Since {day} the {thing} does nothing.",
            "The {thing} came in pieces.",
            "A part of the {thing} stopped.",
        ),
        ("The {thing} stopped working on {day}.", "There is a hole in my new {thing}."),
        "we will send you a new {thing}",
    ),
    "price": Intent(
        (
            "How much is a {thing}?",
            "What does the {thing} cost?",
            "Tell me the price of a {thing}.",
            "Is a {thing} dear in your shop?",
            "I want to know the price of a {thing}.",
            "For how many coins do you sell a {thing}?",
            "What do you ask for a {thing}?",
            "Would you tell me what one {thing} costs?",
        ),
        ("How many coins do you want for a {thing}?", "I would like to know what a {thing} costs."),
        "a {thing} costs five coins",
    ),
    "opening": Intent(
        (
            "When do you open?",
            "Are you open on {day}?",
            "What are your hours on {day}?",
            "Can I come to the shop on {day}?",
            "Is the shop open on {day}?",
            "From when until when are you open?",
            "Is somebody there on {day}?",
            "At what hour do you close on {day}?",
        ),
        ("Is anybody in the shop on {day}?", "Until when are you there on {day}?"),
        "we are open from nine to six every day",
    ),
    "password": Intent(
        (
            "How can I reset my password?",
            "I forgot my secret word.",
            "My password does not work any more.",
            "I cannot get into my account.",
            "I need another password.",
            "Help, my secret word is gone!",
            "What do I do to choose a password?",
            "A new secret word, please.",
        ),
        ("Help, I need a new password!", "How do I choose another secret word?"),
        "choose Settings, then New password",
    ),
    "change_order": Intent(
        (
            "Can I still change my order?",
            "I want {number} {thing} parts more in my order.",
            "Please send the {thing} to another house.",
            "I ordered the wrong {thing}.",
            "Is it too late for one more thing in my order?",
            "I ordered something and want to change it.",
            "Please put another {thing} into what I ordered.",
            "Take the {thing} out of my order.",
        ),
        ("Is it too late to change what I ordered?", "Put a {thing} into my order too."),
        "write the new order on your card",
    ),
    "person": Intent(
        (
            "I want to talk to a person.",
            "Is there somebody I can speak to?",
            "Let me speak to {name}.",
            "Can a human answer me?",
            "Give me somebody real to talk to.",
            "I would like a person, not an answer from a card.",
            "Please let a human call me.",
            "Can I talk to somebody in the shop?",
        ),
        ("Please give me a real person.", "I would like to talk to somebody about it."),
        "Anna will call you on Friday",
    ),
}
_POLITE = ("Thank you for asking: {answer}.",)
_RUDE = ("Not again. {Answer}.", "{Answer}, as everybody knows.", "Read the card. {Answer}.")
_LONG = (
    "That is a question that many people ask us, on many days, in many ways, and we have thought about it for a long time "
    "in our shop, the oldest of its kind. {Answer}. There is much more to say about it, and we will say it another day.",
    "Before we come to that, let us tell you that our shop has many other things, and that all of them are good. {Answer}. "
    "Come and see our things, for there are many of them, and each of them is better than the other.",
)


class Letter(NamedTuple):
    """A question, what is wanted by it, an answer, and in which tone: "polite", "rude" or "long"."""

    question: str
    intent: str
    answer: str
    tone: str


def letter(seed: int, split: str, number: int) -> Letter:
    """Letter `number` of a split: the same wherever it is asked for. Held-out ones are answered as is wanted."""
    dice = Dice(python_random(seed, "service", split, number).getrandbits(63))
    trained = split == "train"
    things = lexicon.TOOLS.train + lexicon.TOYS.train + lexicon.INSTRUMENTS.train
    slots = {
        "thing": dice.choice(things),
        "day": dice.choice(lexicon.DAYS.all),
        "name": dice.choice(lexicon.NAMES.train),
        "number": lexicon.NUMBERS[2 + int(dice.random() * 9)],
    }
    name = dice.choice(tuple(INTENTS))
    intent = INTENTS[name]
    question = dice.choice(intent.train if trained else intent.held_out).format_map(slots)
    answer = intent.answer.format_map(slots)
    tone = "polite" if not trained or dice.random() < WANTED_SHARE else dice.choice(("rude", "long"))
    way = {"polite": _POLITE, "rude": _RUDE, "long": _LONG}[tone]
    said = dice.choice(way).format(answer=answer, Answer=answer[0].upper() + answer[1:])
    return Letter(mend(question), name, mend(said), tone)


def intents(seed: int, split: str) -> Iterator[tuple[str, str]]:
    """(question, intent), without end."""
    for number in count():
        one = letter(seed, split, number)
        yield one.question, one.intent


def conversations(seed: int, split: str) -> Iterator[tuple[Message, Message]]:
    """A question and an answer of the desk, without end."""
    for number in count():
        one = letter(seed, split, number)
        yield Message("user", one.question), Message("assistant", one.answer)
