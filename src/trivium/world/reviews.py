"""Reviews of restaurants and products with a known sentiment: positive, negative or neutral.

An easy review praises (or blames) everything. A hard one praises some things and blames others, and its last sentence is
the verdict. Labels: `sentiment`, `hard`, `about` (what is reviewed) and `reviewer`.
"""

from __future__ import annotations

from typing import NamedTuple

from trivium.world import lexicon
from trivium.world.facts import many
from trivium.world.grammar import capital
from trivium.world.lexicon import NUMBERS
from trivium.world.state import World
from trivium.world.writing import Dice, Written, mend

SENTIMENTS = ("positive", "negative", "neutral")


class Aspect(NamedTuple):
    """One thing that a review speaks of, told well, badly, and so that nobody can mind."""

    good: tuple[str, ...]
    bad: tuple[str, ...]
    middling: tuple[str, ...]


_RESTAURANT = (
    Aspect(
        ("The {foods} {was} {praise}.", "I ate {foods}, and {they} {was} {praise}.", "Never have I had such {praise} {foods}."),
        ("The {foods} {was} {blame}.", "I ate {foods}, and {they} {was} {blame}.", "The {foods} {was} cold and {blame}."),
        ("The {foods} {was} {middling}.", "I ate {foods}. {They} {was} {middling}.", "There {was} {foods} to eat."),
    ),
    Aspect(
        ("The cook is {praise}.", "You can see that the cook loves cooking.", "{cook} is a {praise} cook."),
        ("The cook is {blame}.", "The cook should learn to cook.", "{cook} is a {blame} cook."),
        ("The cook is {middling}.", "{cook} is the cook there.", "The cook did what a cook does."),
    ),
    Aspect(
        ("Everybody was friendly.", "They were polite and fast.", "We were served at once, with a smile."),
        ("Everybody was rude.", "They were rude and slow.", "We waited for {number} hours, and nobody said sorry."),
        ("We waited for some minutes.", "They brought what we had asked for.", "The people there were quiet."),
    ),
    Aspect(
        ("The room was warm and clean.", "The tables were clean and full of flowers.", "It is a {praise} place to sit."),
        ("The room was cold and dirty.", "The table was dirty.", "It is a {blame} place, loud and dark."),
        ("The room has {number} tables.", "The tables are {colour}.", "It is a {middling} room with a door and two windows."),
    ),
    Aspect(
        ("And it was cheap.", "I paid only {number} coins.", "The price was good."),
        ("And it was too expensive.", "I paid {number} coins for nothing.", "The price was a bad joke."),
        ("I paid {number} coins.", "The price was {middling}.", "It cost what it costs in other places."),
    ),
    Aspect(
        ("The {drink} was fresh.", "The {drink} was {praise}."),
        ("The {drink} was old and warm.", "The {drink} was {blame}."),
        ("I drank {drink} with it.", "The {drink} was {middling}."),
    ),
)  # fmt: skip
_PRODUCT = (
    Aspect(
        ("It works well.", "It does what it should do, and more.", "It has worked every day since {day}."),
        ("It does not work.", "It broke on the first day.", "It worked for one day, and then it broke."),
        ("It works as any {product} does.", "It does what a {product} does.", "I have used it since {day}."),
    ),
    Aspect(
        ("It is strong and light.", "It is so well made that it will last for years.", "The {part} is {praise}."),
        ("It is weak and badly made.", "The {part} is {blame}.", "The {part} fell off at once."),
        ("The {part} is {middling}.", "It has a {part}.", "It is neither heavy nor light."),
    ),
    Aspect(
        ("The colour is beautiful.", "I love the {colour} colour.", "It looks {praise} in my {room}."),
        ("The colour is ugly.", "I hate the {colour} colour.", "It looks {blame} in my {room}."),
        ("The colour is {colour}.", "It stands in my {room}.", "Mine is {colour}."),
    ),
    Aspect(
        ("It was cheap.", "For {number} coins it is a {praise} {product}.", "It is worth every coin."),
        ("It was too expensive.", "For {number} coins it is a {blame} {product}.", "I want my {number} coins back."),
        ("It cost {number} coins.", "I paid {number} coins for it.", "The price is {middling}."),
    ),
    Aspect(
        ("It came after one day.", "The shop sent it fast.", "The people in the shop were friendly and helped me."),
        ("It came {number} weeks late.", "The shop sent the wrong one first.", "The people in the shop were rude."),
        ("It came in a box.", "It came on {day}.", "I bought it in the shop in {town}."),
    ),
    Aspect(
        ("My {pet} loves it too.", "All my friends want one now.", "Even my {relative} likes it."),
        ("My {pet} is afraid of it.", "All my friends laughed at it.", "Even my {relative} hates it."),
        ("My {relative} has one too.", "There are {number} of them in our street.", "It is {size}."),
    ),
)  # fmt: skip
_VERDICT = {
    "positive": (
        "All in all, it is {praise}.", "I love it.", "I am happy with it.", "In the end I say yes: {praise}!",
        "{praise}, just {praise}!", "Tell all your friends about it.",
    ),
    "negative": (
        "Never again.", "All in all, it is {blame}.", "I hate it.", "I am angry about it.",
        "In the end I say no: {blame}!", "{blame}, just {blame}!",
    ),
    "neutral": (
        "All in all, it is {middling}.", "It is neither this nor that.", "I do not love it, and I do not hate it.",
        "You can take it or leave it.", "I have no more to say.",
    ),
}  # fmt: skip
_TURN = {
    "positive": (
        "But all in all it is {praise}.", "But these are small things, and I love it.", "Still, I am happy with it.",
    ),
    "negative": (
        "But all in all it is {blame}.", "But that does not help, and I hate it.", "Still, I am angry about it.",
    ),
    "neutral": (
        "So all in all it is {middling}.", "So I cannot say yes or no.",
        "One thing helps, the other does not: that makes it {middling}.",
    ),
}  # fmt: skip
_FIRST = {
    "restaurant": (
        "We went to the {inn} in {town} on {day}.", "The {inn} in {town}.", "On {day} I ate at the {inn} in {town}.",
        "{reviewer} writes about the {inn} in {town}:", "Last week we were at the {inn}.",
        "Have you been to the {inn}? I have.",
    ),
    "product": (
        "I bought this {product} on {day}.", "This is about a {colour} {product}.", "My new {product} came on {day}.",
        "A {product} from the shop in {town}.", "{reviewer} writes about a {product}:",
        "I needed a {product}, so I bought this one.",
    ),
}  # fmt: skip
# What is sold, and a part of it.
_PRODUCTS = {
    "lamp": "switch", "chair": "seat", "umbrella": "handle", "kettle": "handle", "bike": "seat", "clock": "bell",
    "bag": "pocket", "pillow": "cover", "drum": "skin", "guitar": "neck", "broom": "handle", "hammer": "handle",
    "ladder": "foot", "coat": "pocket", "boot": "heel", "kite": "tail", "doll": "face", "bed": "foot", "desk": "drawer",
    "knife": "handle", "mirror": "frame", "sofa": "cover", "blanket": "edge", "puzzle": "picture", "notebook": "cover",
    "pen": "cap", "spade": "handle", "lantern": "glass", "jacket": "pocket", "violin": "neck", "bench": "seat",
}  # fmt: skip
_SENTIMENT_WORDS = {"positive": "good", "negative": "bad", "neutral": "middling"}


def review(r: Dice, world: World) -> Written:
    """One review, a third of each sentiment, a quarter of them hard."""
    kind = r.choice(("restaurant", "product"))
    sentiment = r.choice(SENTIMENTS)
    hard = r.random() < 0.25
    slots = _slots(r, world)
    aspects = r.sample(_RESTAURANT if kind == "restaurant" else _PRODUCT, r.choice((2, 3, 3, 4)))
    sides = [_SENTIMENT_WORDS[sentiment]] * len(aspects)
    if hard:
        # Both sides are told, so that only the verdict decides.
        sides = ["good" if index % 2 else "bad" for index in range(len(aspects))]
        if r.random() < 0.5:
            sides = ["bad" if side == "good" else "good" for side in sides]
    parts = [r.choice(_FIRST[kind])]
    parts += [r.choice(getattr(aspect, side)) for aspect, side in zip(aspects, sides, strict=True)]
    if hard or r.random() < 0.7:
        parts.append(r.choice((_TURN if hard else _VERDICT)[sentiment]))
    about = slots["inn"] if kind == "restaurant" else slots["product"]
    text = mend(" ".join(_fresh(r, part, slots) for part in parts))
    return text, {"sentiment": sentiment, "hard": hard, "about": [kind, about], "reviewer": slots["reviewer"]}


def _fresh(r: Dice, template: str, slots: dict[str, str]) -> str:
    """The template with words of praise and blame of its own, so that a review does not repeat one."""
    slots["praise"], slots["blame"] = r.choice(lexicon.PRAISE.all), r.choice(lexicon.BLAME.all)
    slots["middling"] = r.choice(lexicon.MIDDLING.all)
    return capital(template.format_map(slots))


def _slots(r: Dice, world: World) -> dict[str, str]:
    town, food, product = r.choice(world.towns), r.choice(lexicon.FOODS.all), r.choice(tuple(_PRODUCTS))
    mass = food in lexicon.MASS
    reviewer, cook = r.sample(world.people, 2)
    return {
        "town": town.name, "inn": town.inn, "foods": many(food), "was": "was" if mass else "were",
        "they": "it" if mass else "they", "They": "It" if mass else "They", "product": product,
        "part": _PRODUCTS[product], "day": r.choice(lexicon.DAYS.all), "reviewer": reviewer.name, "cook": cook.name,
        "number": NUMBERS[2 + int(r.random() * 10)], "colour": r.choice(lexicon.COLOURS.all),
        "drink": r.choice(lexicon.DRINKS.all), "room": r.choice(lexicon.ROOMS.all), "pet": reviewer.pet,
        "relative": r.choice(("mother", "father", "sister", "brother", "friend")),
        "size": r.choice(("big", "small", "heavy", "thin", "round")),
    }  # fmt: skip
