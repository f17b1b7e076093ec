"""Echo documents that carry words from one place to another: messages, songs, memory games, queues, gifts, codes.

Each writer gives in `repeats` what the text says at least twice.
"""

from __future__ import annotations

from itertools import pairwise

from trivium.world import lexicon
from trivium.world.echoes_lists import KIND_OF, NOUNS
from trivium.world.grammar import at, capital, indefinite, join, plural, spoken_part
from trivium.world.lexicon import KIND_PHRASES, KINDS, NUMBERS, ORDINALS
from trivium.world.rules import shown
from trivium.world.state import Person, World
from trivium.world.writing import Dice, Written, fill

_MESSAGES = (
    "The {thing} is in the {room}.",
    "The {quality} {thing} is in the {room}.",
    "I need the {quality} {thing}, not the {quality2} one.",
    "The {thing} is not in the {room}, it is in the {room2}.",
    "Dinner is at {number} o'clock.",
    "I will come to {town} on {day}.",
    "Please bring the {thing} and the {thing2}.",
    "Please bring the {colour} {thing} to the {place}.",
    "We meet {at_place} on {day}.",
    "The {animal} is well again.",
    "We have {food} for everyone.",
    "{third} has found the {thing}.",
    "{third} is ill and cannot come on {day}.",
    "I have lost my {thing}. Have you seen it?",
    "Do not forget the {thing}.",
    "My birthday is in {month}.",
    "We go to {town} in {month}.",
    "The {colour} door is open, the {colour2} door is closed.",
    "The train goes at {number} o'clock.",
    "There are {number} {animals} in the {room}.",
    "Wait for me {at_place}.",
    "The party is on {day} {at_place}.",
    "My {relative} has a new {thing}.",
    "Thank you for the {colour} {thing}.",
)


def _message(r: Dice, world: World) -> str:
    thing, thing2 = r.sample(lexicon.THINGS.all, 2)
    room, room2 = r.sample(lexicon.ROOMS.all, 2)
    colour, colour2 = r.sample(lexicon.COLOURS.all, 2)
    quality, quality2 = r.sample(_LOOKS, 2)
    animal, place = r.choice(lexicon.ANIMALS.all), r.choice(lexicon.PLACES.all)
    return r.choice(_MESSAGES).format(
        thing=thing, thing2=thing2, quality=quality, quality2=quality2,
        month=r.choice(lexicon.MONTHS.all), room=room, room2=room2, colour=colour, colour2=colour2, animal=animal,
        animals=plural(animal), number=NUMBERS[2 + int(r.random() * 8)], town=r.choice(world.towns).name,
        day=r.choice(lexicon.DAYS.all), place=place,
        at_place=at(place), food=r.choice(_SERVED),
        third=r.choice(world.people).name, relative=r.choice(("brother", "sister", "mother", "father", "friend")),
    )  # fmt: skip


_LOOKS = (*lexicon.SIZES.all, *lexicon.QUALITIES.all)
_SERVED = tuple(food if food in lexicon.MASS else plural(food) for food in lexicon.FOODS.all)


def message(r: Dice, world: World) -> Written:
    """A message goes from one person to another word for word, sometimes over two carriers."""
    people = r.sample(world.people, 4)
    sender, carrier, getter, helper = people
    text, place = _message(r, world), r.choice(lexicon.PLACES.all)
    names = {
        "sender": sender.name, "carrier": carrier.name, "getter": getter.name, "helper": helper.name, "text": text,
        "He": carrier.pronouns.He, "he": carrier.pronouns.he, "him": getter.pronouns.him, "she": getter.pronouns.he,
        "place": place, "town": getter.town, "at_place": at(place),
    }  # fmt: skip
    steps = [_TELL, _WALK, _TWO_CARRIERS if r.random() < 0.35 else _ARRIVE, _AFTER]
    return " ".join(fill(r, steps, names)), {"form": "message", "repeats": [text]}


_TELL = (
    "{sender} said to {carrier}, \"Tell {getter}: '{text}'\"",
    '"Please give {getter} a message," said {sender} to {carrier}. "Say this: \'{text}\'"',
    "{sender} had a message for {getter}. \"Say to {getter}: '{text}'\" {sender} told {carrier}.",
    'Tell {getter}: "{text}" This is what {sender} said to {carrier}.',
    '{sender} could not come, so {sender} sent {carrier} with these words for {getter}: "{text}"',
)
_WALK = (
    "",
    "{carrier} walked to {town}.",
    "{carrier} ran to the {place}, where {getter} was.",
    'On the way {carrier} said the words again: "{text}"',
    "It was a long way, but {carrier} did not forget a word.",
    "{carrier} found {getter} {at_place}.",
)
_ARRIVE = (
    '{He} said to {getter}, "{text}"',
    'There {he} told {getter}, "{text}"',
    "{carrier} said to {getter}, \"{sender} says: '{text}'\"",
    '"What did {sender} say?" asked {getter}. {carrier} answered, "{text}"',
    '{getter} asked, "Is there a message for me?" "Yes," said {carrier}. "It is this: \'{text}\'"',
)
_TWO_CARRIERS = (
    '{He} met {helper} and said, "{text}" Then {helper} went to {getter} and said, "{text}"',
    '{carrier} told {helper}, "{text}" And {helper} told {getter}, "{text}"',
)
_AFTER = (
    "",
    "",
    '"Thank you," said {getter}.',
    '"What did you say?" asked {getter}. "{text}"',
    '{getter} wrote it down: "{text}"',
    "So {getter} knew it too.",
    "The message was from {sender}, and it was for {getter}.",
    'Later {getter} told a friend what {sender} had said: "{text}"',
)


def repeat_after_me(r: Dice, world: World) -> Written:
    """Sentences said by one and repeated by another."""
    teacher, pupil = r.sample(world.people, 2)
    spoken = [_message(r, world) for _ in range(r.choice((2, 3, 3, 4)))]
    opening, line = r.choice(_AFTER_ME)
    names = {"teacher": teacher.name, "pupil": pupil.name}
    lines = [line.format(said=said, part=spoken_part(said), **names) for said in spoken]
    return " ".join([opening.format(**names), *lines]).strip(), {
        "form": "repeat_after_me",
        "repeats": [said.rstrip(".") for said in spoken],
    }


_AFTER_ME = (
    ("{pupil} says everything that {teacher} says.", '{teacher}: "{said}" {pupil}: "{said}"'),
    ("Repeat after {teacher}.", '{teacher} says, "{said}" You say, "{said}"'),
    ("{pupil} has a parrot. It says what it hears.", '"{part} says {pupil}. "{part} says the parrot.'),
    ("There is an echo in the mountains near {pupil}'s house.", '{pupil} calls, "{said}" The echo answers, "{said}"'),
    ("{pupil} learns to write and copies each line.", "The line is: {said} {pupil} writes: {said}"),
    ("", '"{part} said {teacher}. "Again, please," said {pupil}. "{part} said {teacher}.'),
    ("The same words are in both books.", "In the first book it says: {said} In the second book it says: {said}"),
)


def memory_game(r: Dice, world: World) -> Written:
    """A list that grows by one with each player's turn."""
    players = r.sample(world.people, r.choice((2, 3)))
    style = r.random()
    pool = lexicon.THINGS.all if style < 0.6 else KINDS[r.choice(("animal", "clothes", "toy", "tool"))].all
    things = [indefinite(thing) for thing in r.sample(pool, r.choice((3, 4, 5)))]
    start = r.choice(_GAMES)
    turns = []
    for index in range(len(things)):
        turns.append(f'{players[index % len(players)].name} said, "{start} {join(things[: index + 1])}."')
    opening = r.choice(
        (f"{join([person.name for person in players])} played a memory game.", "In this game the list grows.", "")
    )
    end = r.choice(
        (
            f"The list had {NUMBERS[len(things)]} things: {join(things)}.",
            "Nobody forgot a thing, and everybody won.",
            f"The first thing was {things[0]} and the last thing was {things[-1]}.",
            "",
        )
    )
    text = " ".join(part for part in (opening, *turns, end) if part)
    return text, {"form": "memory_game", "repeats": things[:-1]}


_GAMES = (
    "I packed my bag and took",
    "I went to the market and bought",
    "In my room there is",
    "I went to the beach and saw",
    "My friend gave me",
    "For my birthday I want",
    "I looked into the box and found",
)


def song(r: Dice, world: World) -> Written:
    """A song of two or three verses with the same refrain after each."""
    slots = {
        "v1": r.choice(lexicon.VIVID.all), "v2": r.choice(lexicon.VIVID.all), "river": r.choice(lexicon.RIVERS.all),
        "town": r.choice(world.towns).name, "name": r.choice(world.people).name, "colour": r.choice(lexicon.COLOURS.all),
    }  # fmt: skip
    refrain = r.choice(_REFRAINS).format_map(slots)
    verses = []
    for template in r.sample(_VERSES, r.choice((2, 2, 3))):
        animal, thing = r.choice(lexicon.ANIMALS.all), r.choice(lexicon.THINGS.all)
        place = r.choice(lexicon.PLACES.all)
        verses.append(template.format(animal=animal, thing=thing, place=place, at_place=at(place), **slots))
        verses.append(refrain)
    title = r.choice(
        (f"A song from {slots['town']}", f"The song of the river {slots['river']}", f"{slots['name']}'s song")
    )
    return "\n".join([f"{title}:", *verses]), {"form": "song", "repeats": [refrain]}


_REFRAINS = (
    "Sing, {name}, sing, the day is {v1},\nsing, {name}, sing, the night is {v2}.",
    "Oh, carry me home to {town}, my dear,\noh, carry me home to {town}.",
    "Turn around, turn around, the moon is {v1},\nturn around, turn around, dance with me.",
    "La la la, the {v1} wind,\nla la la, the {v2} sea.",
    "The {river} flows, the {river} flows,\nand where it goes, nobody knows.",
    "{colour}, {colour}, {colour} is the sky,\n{colour} is the bird that I saw fly.",
    "Row, row, over the {river},\nrow, row, and come back to me.",
    "Clap your hands and stamp your feet,\nclap your hands with all you meet.",
)
_VERSES = (
    "The {animal} went up to the {place}\nand came back with a {thing}.",
    "I saw a {animal} {at_place},\nit was {v1} and it was {v2}.",
    "Who has the {thing}? The {animal} has the {thing},\nthe {animal} has it {at_place}.",
    "In {town} there lives a {animal},\nit sleeps the whole day long.",
    "My {thing} is old, my {thing} is small,\nbut it is mine, and I love it all.",
    "Bring me the {thing}, bring me the {animal},\nbring me a {v1} song.",
    "One for the {animal}, two for the {thing},\nthree for the friends who know how to sing.",
)


def queue(r: Dice, world: World) -> Written:
    """People stand in a line; one leaves or comes, and the places are told again."""
    people = r.sample(world.people, r.choice((3, 4, 4, 5)))
    names = [person.name for person in people]
    place = r.choice(lexicon.PLACES.all)
    parts = [r.choice(_LINES).format(place=place, at_place=at(place), names=join(names), list=", ".join(names))]
    parts += dict.fromkeys(_standing(r, names) for _ in range(r.choice((2, 3, 4))))
    change, first = r.random(), tuple(names)
    if change < 0.45:
        gone = names.pop(int(r.random() * len(names)))
        why = r.choice(
            ("had to go home", "was tired and left", "was hungry and went away", "did not want to wait", "went home")
        )
        parts.append(f"Then {gone} {why}. Now there were {NUMBERS[len(names)]}: {join(names)}.")
        parts.append(_standing(r, names))
    else:
        if change < 0.8:
            names.append(r.choice([person.name for person in world.people if person.name not in names]))
            parts.append(f"Then {names[-1]} came and stood at the end of the line. Now {names[-1]} was last.")
        parts.append(
            r.choice(("The line was now {}.", "So the order was {}.", "From first to last: {}.")).format(
                ", ".join(names)
            )
        )
    return " ".join(parts), {"form": "queue", "repeats": [name for name in names if name in first]}


_LINES = (
    "{names} were waiting in a line {at_place}.",
    "There was a line in front of the {place}: {list}.",
    "Some people stood in a line {at_place}: {names}.",
    "In the line {at_place} stood {names}, in this order.",
)


def _standing(r: Dice, names: list[str]) -> str:
    index = int(r.random() * len(names))
    name = names[index]
    place = "last" if index == len(names) - 1 else ORDINALS[index]
    other = names[index - 1] if index else names[1]
    side = "behind" if index else "in front of"
    return r.choice(
        (
            f"{name} was {place}.",
            f"{name} stood {side} {other}.",
            f"Who was {place}? {name} was {place}.",
            f'"Who is {place}?" "{name}."',
            f"{capital(place)} in the line was {name}.",
            f"Who stood {side} {other}? It was {name}.",
        )
    )


def gifts(r: Dice, world: World) -> Written:
    """A thing goes from hand to hand, and at the end it is told who had it."""
    people: list[Person] = r.sample(world.people, r.choice((3, 3, 4)))
    names = [person.name for person in people]
    thing = r.choice(lexicon.THINGS.all)
    colour = r.choice(lexicon.COLOURS.all)
    parts = [r.choice((f"{names[0]} had a {colour} {thing}.", f"There was a {colour} {thing}. It was {names[0]}'s."))]
    asked = []
    for giver, getter in pairwise(names):
        parts.append(
            r.choice(
                (
                    f"{giver} gave the {thing} to {getter}.",
                    f"Then {giver} gave it to {getter}.",
                    f"{getter} got the {thing} from {giver}.",
                    f"{giver} lent {getter} the {thing}.",
                    f"{giver} sold the {thing} to {getter}.",
                )
            )
        )
        asked.append(f"Who gave it to {getter}? {giver}.")
        asked.append(f"Who got it from {giver}? {getter}.")
    asked += [
        f"Who has the {thing} now? {names[-1]} has the {thing}.",
        f"What colour is the {thing}? {capital(colour)}.",
    ]
    asked += [f"Who had it first? {names[0]} had it first.", f"Now {names[-1]} has the {colour} {thing}."]
    return " ".join(parts + r.sample(asked, r.choice((2, 3, 4)))), {"form": "gifts", "repeats": names[1:-1]}


def code(r: Dice, world: World) -> Written:
    """A rule shown by examples: each kind of word has its sign, and the same sign comes again for the same kind."""
    kinds = shown(r, r.choice((2, 2, 3)))
    signs = r.sample(_SIGNS, len(kinds)) if r.random() < 0.6 else kinds
    shape = r.choice(("{word}: {sign}.", "{word} is {sign}.", "{word}, {sign}.", "{word} - {sign}."))
    rows = []
    for index in range(r.choice((5, 6, 7, 8))):
        kind = kinds[index] if index < len(kinds) else r.choice(kinds)
        rows.append((r.choice(KINDS[kind].all), signs[kinds.index(kind)]))
    text = " ".join(capital(shape.format(word=word, sign=sign)) for word, sign in rows)
    rule = join([f"{sign} is for {_many(kind)}" for kind, sign in zip(kinds, signs, strict=True)])
    if signs != kinds and r.random() < 0.6:
        text = r.choice((f"{text} The rule is: {rule}.", f"This is the rule: {rule}. {text}"))
    return text, {"form": "code", "repeats": []}


_SIGNS = ("A", "B", "C", "D", "one", "two", "three", "red", "blue", "green", "star", "moon", "left", "right")


def _many(kind: str) -> str:
    return kind if kind in lexicon.MASS else plural(kind)


def doubles(r: Dice, world: World) -> Written:
    """Rows of words that are said twice, or that come back in the same order."""
    items = r.sample(NOUNS, r.choice((3, 4, 5)))
    shown = ", ".join(items)
    slots = {
        "list": shown, "back": ", ".join(items[::-1]), "twice": ", ".join(f"{item}, {item}" for item in items),
        "first": items[0], "last": items[-1], "kind": KIND_PHRASES[KIND_OF[items[0]]],
    }  # fmt: skip
    return capital(r.choice(_ROWS).format_map(slots)), {"form": "doubles", "repeats": items}


_ROWS = (
    "{twice}. Each word is said twice: {list}.",
    "{list}, {list}, {list}. Three times the same, and always {first} comes first.",
    "Say it slowly: {list}. Say it fast: {list}. Say it backwards: {back}.",
    "I see these words: {list}. You see these words: {list}. We both see {first}, and {first} is {kind}.",
    "On the left it says: {list}. On the right it says: {list}. Both sides are the same.",
    "One row: {list}. The other row: {back}. They are not in the same order.",
    "The wall says: {list}. The book says: {list}. Both end with {last}.",
    "Forwards: {list}. Backwards: {back}. Forwards again: {list}.",
)
