"""Dialogues: two people ask and answer, pass on what a third one said, and come back to what was said before.

A dialogue is a row of exchanges, each (speaker, words), and is written as a script ("Ann: Hello.") or as prose. Labels:
`speakers` and `facts`, the (person, relation, value) triples that the talk states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from trivium.world import lexicon
from trivium.world.facts import RELATIONS, Slots, many, relations_of, slots_of
from trivium.world.grammar import at, capital, spoken_part
from trivium.world.lexicon import NUMBERS
from trivium.world.state import Person, World
from trivium.world.writing import Dice, Written, mend

Turn: TypeAlias = tuple[str, str]  # who says it: "a" or "b"; what is said
Fact: TypeAlias = list[str]
Talk: TypeAlias = tuple[list[Turn], list[Fact]]


def dialogue(r: Dice, world: World) -> Written:
    """One dialogue between two people of the world: a greeting, one to three parts, and often a goodbye."""
    one, two, third = r.sample(world.people, 3)
    hello, replies = r.choice(_HELLO)
    turns: list[Turn] = [("a", hello.format(name=two.name)), ("b", r.choice(replies).format(name=one.name))]
    facts: list[Fact] = []
    for part in dict.fromkeys(r.sample(_PARTS, r.choice((1, 2, 2, 3)))):
        said, known = part(r, world, (one, two, third))
        turns += said
        facts += known
    if r.random() < 0.7:
        turns += [("a", r.choice(_GOODBYE)), ("b", r.choice(_GOODBYE_BACK).format(name=one.name))]
    write = r.choice((_script, _script, _prose))
    text = mend(write(r, {"a": one.name, "b": two.name}, _merged(turns)))
    return text, {"speakers": [one.name, two.name], "facts": facts}


def _merged(turns: list[Turn]) -> list[Turn]:
    """The turns with what one speaker says in a row as one turn."""
    rows: list[Turn] = []
    for speaker, said in turns:
        if rows and rows[-1][0] == speaker:
            rows[-1] = (speaker, f"{rows[-1][1]} {said}")
        else:
            rows.append((speaker, said))
    return rows


_REPLIES = ("Hello, {name}.", "Good to see you, {name}.", "Oh, hello, {name}.")
_HELLO: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Hello, {name}.", _REPLIES),
    ("Good morning, {name}.", (*_REPLIES, "Good morning, {name}.")),
    ("Good evening, {name}.", (*_REPLIES, "Good evening, {name}.")),
    (
        "Hello, {name}. How are you?",
        ("I am well, thank you.", "Very well, thank you, {name}.", "I am a little tired, {name}."),
    ),
    ("Hello! Are you {name}?", ("Yes, that is my name.", "Yes, I am. And who are you? Oh, you are {name}!")),
    (
        "{name}, do you have time for a question?",
        ("Yes, of course, {name}.", "Ask me anything, {name}.", "A little time, yes."),
    ),
    ("Excuse me, may I ask you something, {name}?", ("Yes, of course.", "Please do, {name}.", "Ask me anything.")),
)
_GOODBYE = (
    "Thank you. Goodbye.", "Thank you for your help.", "I must go now. See you soon.", "Good. Until tomorrow!",
    "That is all that I wanted to know. Thank you.", "I have to go home. Goodbye.",
)  # fmt: skip
_GOODBYE_BACK = ("Goodbye, {name}.", "See you, {name}.", "Goodbye. Come again soon, {name}.", "Goodbye!")


def _script(r: Dice, names: dict[str, str], turns: list[Turn]) -> str:
    return "\n".join(f"{names[speaker]}: {said}" for speaker, said in turns)


def _prose(r: Dice, names: dict[str, str], turns: list[Turn]) -> str:
    lines = []
    for index, (speaker, said) in enumerate(turns):
        name = names[speaker]
        answered = "answered" if speaker == "b" else "said"
        if index > 3 and r.random() < 0.4:
            lines.append(f'"{said}"')
        elif said.endswith("?"):
            lines.append(r.choice(('"{}" asked {}.', '"{}" {} asked.')).format(said, name))
        else:
            lines.append(r.choice((f"{{}} said {name}.", f"{{}} {name} {answered}.")).format('"' + spoken_part(said)))
    return " ".join(lines)


Part: TypeAlias = Callable[[Dice, World, tuple[Person, Person, Person]], Talk]


def _about_you(r: Dice, world: World, people: tuple[Person, Person, Person]) -> Talk:
    """A asks B about B, and may ask back or ask again."""
    turns: list[Turn] = []
    facts: list[Fact] = []
    one, two, _ = people
    known = [relation for relation in relations_of(two) if getattr(two, RELATIONS[relation].field) != one.name]
    for relation in r.sample(known, r.choice((1, 2, 2, 3))):
        ways, slots = RELATIONS[relation], slots_of(world, two)
        said = r.choice(ways.say_i).format_map(slots)
        turns += [("a", r.choice(ways.ask_you).format_map(slots)), ("b", said)]
        facts.append([two.name, relation, str(getattr(two, ways.field))])
        again = r.random()
        if again < 0.25:
            turns += [
                ("a", r.choice(("What did you say?", "I did not hear you.", "Please say it again."))),
                ("b", said),
            ]
        elif again < 0.6 and relation in relations_of(one):
            turns += [("b", r.choice(("And you?", "What about you?")))]
            turns += [("a", r.choice(ways.say_i).format_map(slots_of(world, one)))]
            facts.append([one.name, relation, str(getattr(one, ways.field))])
            turns[-2] = ("b", f"{said} {turns[-2][1]}")
            del turns[-3]
    return turns, facts


def _about_third(r: Dice, world: World, people: tuple[Person, Person, Person]) -> Talk:
    """A asks B about somebody else, and what that person said."""
    third = people[2]
    slots = slots_of(world, third)
    turns: list[Turn] = [("a", f"Do you know {third.name}?"), ("b", r.choice(_KNOW).format_map(slots))]
    facts: list[Fact] = []
    for relation in r.sample(relations_of(third), r.choice((1, 2, 2))):
        ways = RELATIONS[relation]
        facts.append([third.name, relation, str(getattr(third, ways.field))])
        full, said = ways.full.format_map(slots), ways.said.format_map(slots)
        if r.random() < 0.45:
            turns.append(("a", r.choice(("And what did {name} say?", "What did {he} tell you?")).format_map(slots)))
            turns.append(("b", r.choice(_REPORT).format(said=said, **slots)))
            if r.random() < 0.4:
                turns += [("a", f"So {_claim(ways.said, slots)}?"), ("b", r.choice((f"Yes, {said}.", f"Yes. {full}")))]
        else:
            turns.append(("a", r.choice(ways.ask).format_map(slots)))
            turns.append(("b", r.choice((full, f"I think {said}.", r.choice(ways.short).format_map(slots)))))
            if r.random() < 0.3:
                turns += [("a", r.choice(("Are you sure?", "Really?"))), ("b", f"Yes, I am sure. {full}")]
    return turns, facts


def _claim(said: str, slots: Slots) -> str:
    return said.format_map(slots | {"he": slots["name"], "him": slots["name"], "his": slots["name"] + "'s"})


_KNOW = (
    "Yes, I know {him} well.", "Of course I do.", "Oh yes, who does not know {him}?", "Yes, we met last week.",
    "A little. I saw {him} on Monday.",
)  # fmt: skip
_REPORT = (
    "{name} said that {said}.",
    "{He} said that {said}.",
    "{name} told me that {said}.",
    "{He} told me that {said}.",
)


def _where_is(r: Dice, world: World, people: tuple[Person, Person, Person]) -> Talk:
    """A looks for a thing; B has seen it, or has not and names somebody who has."""
    third = people[2].name
    thing, room, other = r.choice(lexicon.THINGS.all), *r.sample(lexicon.ROOMS.all, 2)
    turns: list[Turn] = [
        ("a", r.choice((f"Where is my {thing}?", f"I cannot find my {thing}.", f"Have you seen my {thing}?")))
    ]
    end = r.random()
    if end < 0.4:
        turns.append(
            (
                "b",
                r.choice((f"Your {thing} is in the {room}.", f"I saw your {thing} in the {room}.", f"In the {room}.")),
            )
        )
        turns.append(("a", r.choice((f"In the {room}! Thank you.", f"So it is in the {room}. I will look there."))))
    elif end < 0.7:
        turns.append(("b", f"Is it in the {other}?"))
        turns.append(("a", f"No, it is not in the {other}. I looked there."))
        turns.append(("b", f"Then look in the {room}."))
        turns.append(("a", r.choice((f"Here it is! It was in the {room}.", f"Yes, my {thing} was in the {room}."))))
    else:
        turns.append(("b", f"I do not know. Ask {third}. {third} had the {thing} yesterday."))
        turns.append(("a", f"{third} had it? Then I will ask {third}."))
        turns.append(("b", f"Yes, {third} took it to the {room}."))
        turns.append(("a", f"Then my {thing} is in the {room}."))
    return turns, []


def _plan(r: Dice, world: World, people: tuple[Person, Person, Person]) -> Talk:
    """They agree on a day and a place, and say it again."""
    third = people[2].name
    place, day, other = r.choice(lexicon.PLACES.all), *r.sample(lexicon.DAYS.all, 2)
    hour = NUMBERS[1 + int(r.random() * 11)]
    turns: list[Turn] = [
        ("a", r.choice((f"Will you come to the {place} with me?", f"Shall we go to the {place}?"))),
        ("b", r.choice(("I would like to. When?", "Yes! On which day?", "That is a good idea. When shall we meet?"))),
        ("a", f"On {other}."),
    ]
    if r.random() < 0.5:
        turns += [
            (
                "b",
                r.choice((f"On {other} I have no time. What about {day}?", f"Not on {other}. Can we meet on {day}?")),
            ),
            ("a", r.choice((f"Good, then on {day}.", f"Yes, {day} is fine."))),
        ]
    else:
        day = other
    turns += [
        ("b", r.choice(("At what time?", "And when on that day?", "Who else will come?"))),
        ("a", f"At {hour} o'clock."),
        ("b", f"On {day} at {hour} o'clock {at(place)}. I will be there."),
    ]
    if turns[-3][1] == "Who else will come?":
        turns[-2:] = [("a", f"{third} will come too."), ("b", f"So {third}, you and I meet {at(place)} on {day}.")]
    if r.random() < 0.4:
        turns += [("a", r.choice(("So when do we meet?", "Which day was it?"))), ("b", f"On {day}.")]
    return turns, []


def _shop(r: Dice, world: World, people: tuple[Person, Person, Person]) -> Talk:
    """A buys something from B: what, how many, what colour, what it costs."""
    if r.random() < 0.5:
        colour, other = r.sample(lexicon.COLOURS.all, 2)
        thing = r.choice(_GOODS)
        price = NUMBERS[2 + int(r.random() * 10)]
        turns: list[Turn] = [
            (
                "a",
                r.choice((f"I want to buy a {thing}.", f"Do you sell a {thing} here?", f"I am looking for a {thing}.")),
            ),
            ("b", f"I have a {colour} {thing} and a {other} {thing}. Which one do you want?"),
            ("a", r.choice((f"The {colour} one, please.", f"I want the {colour} {thing}."))),
            ("b", f"Here is the {colour} {thing}."),
            ("a", r.choice(("What does it cost?", "How much is it?"))),
            ("b", f"The {colour} {thing} costs {price} coins."),
        ]
        if r.random() < 0.5:
            turns += [("a", f"Here are {price} coins."), ("b", f"{capital(price)} coins. Thank you.")]
        return turns, []
    food, number = r.choice(lexicon.FOODS.all), NUMBERS[2 + int(r.random() * 8)]
    foods = many(food)
    if food in lexicon.MASS:
        turns = [
            ("a", f"Do you have {food} today?"),
            ("b", f"Yes, the {food} is fresh today."),
            ("a", f"Then I take some {food}."),
        ]
        return turns, []
    return [
        ("a", r.choice((f"I need some {foods}.", f"Do you have {foods} today?"))),
        ("b", r.choice((f"How many {foods} do you want?", f"Yes, we have {foods}. How many?"))),
        ("a", f"{capital(number)} {foods}, please."),
        ("b", f"Here are your {number} {foods}."),
    ], []


_GOODS = (*lexicon.CLOTHES, *lexicon.FURNITURE, *lexicon.TOOLS, *lexicon.TOYS, *lexicon.INSTRUMENTS)


def _story_so_far(r: Dice, world: World, people: tuple[Person, Person, Person]) -> Talk:
    """A tells what happened; B asks who, where and what about it."""
    third, animal = people[2].name, people[2].pet
    place, thing = r.choice(lexicon.PLACES.all), r.choice(lexicon.THINGS.all)
    told, rows = r.choice(_HAPPENED)
    slots = {
        "third": third,
        "place": place,
        "at_place": at(place),
        "thing": thing,
        "animal": animal,
        "day": r.choice(lexicon.DAYS.all),
    }
    turns: list[Turn] = [("a", told.format_map(slots))]
    for question, answer in r.sample(rows, 2):
        turns += [("b", question.format_map(slots)), ("a", answer.format_map(slots))]
    return turns, []


_HAPPENED: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "On {day} {third} found a {thing} {at_place}.",
        (
            ("Who found it?", "{third} found it."),
            ("Where was the {thing}?", "The {thing} was {at_place}."),
            ("What did {third} find?", "{third} found a {thing}."),
            ("When was that?", "It was on {day}."),
        ),
    ),
    (
        "I saw a {animal} {at_place}, and {third} saw it too.",
        (
            ("What did you see?", "I saw a {animal}."),
            ("Where did you see the {animal}?", "I saw it {at_place}."),
            ("Who else saw it?", "{third} saw it too."),
        ),
    ),
    (
        "{third} gave me a {thing} on {day}.",
        (
            ("Who gave you the {thing}?", "{third} gave it to me."),
            ("What did {third} give you?", "A {thing}."),
            ("When did you get it?", "I got it on {day}."),
        ),
    ),
    (
        "The {animal} of {third} ran away on {day}. It was {at_place}.",
        (
            ("Whose {animal} was it?", "It was the {animal} of {third}."),
            ("When did the {animal} run away?", "It ran away on {day}."),
            ("Where was it?", "It was {at_place}."),
        ),
    ),
    (
        "I was {at_place} on {day}, because {third} wanted my {thing}.",
        (
            ("Why were you {at_place}?", "Because {third} wanted my {thing}."),
            ("When were you there?", "I was there on {day}."),
            ("What did {third} want?", "{third} wanted my {thing}."),
        ),
    ),
)

_PARTS: tuple[Part, ...] = (
    _about_you, _about_you, _about_third, _about_third, _where_is, _plan, _shop, _story_so_far, _story_so_far,
)  # fmt: skip
