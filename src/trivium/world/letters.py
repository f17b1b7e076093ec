"""Letters: thanks, invitations, postcards from a journey and words of comfort, plain or vivid.

Labels: `purpose`, `vivid`, `writer`, `reader`.
"""

from __future__ import annotations

from trivium.world import lexicon
from trivium.world.facts import many
from trivium.world.grammar import at
from trivium.world.lexicon import NUMBERS
from trivium.world.state import World
from trivium.world.writing import Dice, Written, fill, mend

_VIVID_SHARE = 0.4


def letter(r: Dice, world: World) -> Written:
    """One letter of three to eight sentences from one person of the world to another."""
    writer, reader, third = r.sample(world.people, 3)
    vivid = r.random() < _VIVID_SHARE
    purpose = r.choice(tuple(_LETTERS))
    plain, picturesque = _LETTERS[purpose]
    v1, v2, v3, v4 = r.sample(lexicon.VIVID.all, 4)
    place = r.choice(lexicon.PLACES.all)
    slots = {
        "reader": reader.name, "writer": writer.name, "third": third.name, "town": writer.town, "place": place,
        "at_place": at(place), "town2": r.choice(world.towns).name, "thing": r.choice(lexicon.THINGS.all),
        "colour": r.choice(lexicon.COLOURS.all), "day": r.choice(lexicon.DAYS.all), "room": r.choice(lexicon.ROOMS.all),
        "number": NUMBERS[2 + int(r.random() * 9)], "foods": many(r.choice(lexicon.FOODS.all)), "pet": writer.pet,
        "pet_name": writer.pet_name, "river": r.choice(lexicon.RIVERS.all), "month": r.choice(lexicon.MONTHS.all),
        "weather": r.choice(lexicon.WEATHER.all),
        "animal": r.choice(lexicon.ANIMALS.all), "v1": v1, "v2": v2, "v3": v3, "v4": v4,
        "size": r.choice(lexicon.QUALITIES.all), "him": third.pronouns.him,
    }  # fmt: skip
    middle = r.sample((picturesque if vivid else plain)[1:], r.choice((1, 2, 3)))
    steps = [_DEAR, (picturesque if vivid else plain)[0], *middle, _WARM if vivid else _FLAT]
    text = " ".join(fill(r, steps, slots))
    end = r.choice(
        (" Your {writer}", " With love from {writer}", "\nYour friend {writer}", "\n{writer}", "")
    ).format_map(slots)
    return mend(text + end), {"purpose": purpose, "vivid": vivid, "writer": writer.name, "reader": reader.name}


_DEAR = ("Dear {reader},", "Dear {reader},", "Hello {reader},", "My dear {reader},")
_FLAT = ("Goodbye.", "That is all for today.", "See you soon.", "Please write back.", "I must stop now.", "")
_WARM = (
    "Come and see me soon, my dear friend.",
    "I will never forget it.",
    "You make my days warm and happy.",
    "We will always be friends.",
    "I hope to hold your hand again soon.",
)

# Plain and vivid: first sentences, then groups of which one, two or three are used.
_LETTERS: dict[str, tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]] = {
    "thanks": (
        (
            (
                "thank you for the {thing}.",
                "your {thing} came on {day}. Thank you.",
                "I got the {colour} {thing}. Thank you for it.",
            ),
            ("It is in the {room} now.", "I have put it into the {room}.", "It stands on my table."),
            ("I use it every {day}.", "I needed one.", "My old one was {size}."),
            ("{third} has seen it and wants one too.", "I have shown it to {third}.", "The {pet} sleeps next to it."),
        ),
        (
            (
                "thank you for the {v1} {thing}!",
                "what a {v1}, {v2} {thing} you have sent me!",
                "your {thing} is as {v1} as a {v2} star!",
            ),
            (
                "In the evening its {v3} colour fills the whole {room}.",
                "It makes my old {room} {v3} and new.",
                "When I look at it, I hear {v3} music.",
            ),
            (
                "I was sad that day, but then your {v4} present came.",
                "Suddenly it was a {v4} day.",
                "But the best surprise was your letter.",
            ),
            (
                "Even {pet_name} the {pet} looks at it with {v4} eyes.",
                "{third} came to see it and could not believe it.",
            ),
        ),
    ),
    "invitation": (
        (
            (
                "please come to {town} on {day}.",
                "there is a party {at_place} on {day}.",
                "on {day} we meet {at_place}. Will you come?",
            ),
            ("We will eat {foods}.", "There will be {foods} for everybody.", "Please bring some {foods}."),
            ("{third} will be there too.", "I have asked {third} too.", "You can sleep at my house."),
            ("It begins at {number} o'clock.", "We start at {number} o'clock.", "Bring a {thing} with you."),
        ),
        (
            (
                "come to our {v1} party {at_place} on {day}!",
                "a {v1} night waits for you {at_place}!",
                "on {day} {town} will be {v1} and {v2}, so come!",
            ),
            (
                "We will dance under {v3} stars.",
                "There will be {v3} songs and {foods}.",
                "The {river} will be {v3} in the light of the moon.",
            ),
            (
                "But I will not tell you the {v4} surprise.",
                "Then, at night, comes a {v4} surprise.",
                "It may rain, but our hearts will be {v4}.",
            ),
            ("Without you no song is {v4}.", "{third} will play the drum like a {v4} storm."),
        ),
    ),
    "postcard": (
        (
            (
                "I am in {town2}.",
                "here I am in {town2}.",
                "we came to {town2} on {day}.",
                "this is a card from {town2}.",
            ),
            ("The weather is {weather}.", "It is {weather} here.", "It has been {weather} for {number} days."),
            ("I have seen the {place}.", "On {day} I was {at_place}.", "There is a {place}, and it is {size}."),
            ("I ate {foods}.", "People eat {foods} here.", "I bought a {thing} for you."),
            (
                "{third} is with me.",
                "I met {third} here.",
                "I will come home in {month}.",
                "{pet_name} the {pet} is well.",
            ),
        ),
        (
            (
                "I am in {v1} {town2}!",
                "how {v1} it is here in {town2}!",
                "I am writing from a {v1}, {v2} place called {town2}.",
            ),
            ("The {river} flows past my window like a {v3} song.", "The streets are {v3}, and the houses are {v4}."),
            (
                "Yesterday I was lost, but suddenly I saw the {v3} {place}.",
                "But then, behind the {place}, I saw a {v4} {animal}!",
            ),
            ("In the morning the {place} is {v3}, and at night it is {v4}.", "The wind is {v4} and smells of {foods}."),
        ),
    ),
    "comfort": (
        (
            (
                "I hear that you are ill.",
                "{third} told me that you are sad.",
                "I hear that you have lost your {thing}.",
            ),
            ("I will come on {day}.", "I will bring you {foods}.", "{third} and I will visit you."),
            ("You can have my {thing}.", "Here is a {colour} {thing} for you.", "Stay in bed and drink tea."),
            ("It will be better soon.", "In {month} it will be better.", "It was the same with me last year."),
        ),
        (
            (
                "do not be sad, for after a {v1} night comes a {v2} morning.",
                "I send you a {v1} song and a {v2} {thing}.",
            ),
            ("I was ill too, but then a {v3} bird sang at my window.", "Look out: the sky is {v3} today."),
            (
                "Suddenly you will be well, and we will run over the {v4} hills.",
                "But wait, there is a {v4} surprise in this letter!",
            ),
            ("{pet_name} the {pet} sends you a {v4} hug.", "All of {town} is {v4} when you smile."),
        ),
    ),
}
