"""Question-and-answer notes: a short passage, and questions that it answers, in class-room talk.

A note has one of the forms of `_FORMS`; each returns the sentences of a passage and rows of (question, short answer,
full answer). Some questions cannot be answered, and the answer says so. Labels: `form`, `passage`, `questions`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from trivium.world import lexicon
from trivium.world.facts import RELATIONS, many, relations_of, slots_of, with_pronoun
from trivium.world.grammar import capital, join, past, plural
from trivium.world.lexicon import NUMBERS
from trivium.world.state import Person, World
from trivium.world.writing import Dice, Written, mend

Row: TypeAlias = tuple[str, str, str]  # question, short answer, full answer
Note: TypeAlias = tuple[list[str], list[Row]]
SILENT = "The text does not say."


def note(r: Dice, world: World) -> Written:
    """One note of any form, its questions in random order and in one voice."""
    name, form = r.choice(_FORMS)
    passage, rows = form(r, world)
    asked = [
        (mend(row[0]), mend(r.choice(row[1:]))) for row in r.sample(rows, min(len(rows), r.choice((1, 2, 2, 3, 3))))
    ]
    text = mend(" ".join(passage))
    meta = {"form": name, "passage": text, "questions": [list(pair) for pair in asked]}
    return r.choice(_VOICES)(r, world, text, asked), meta


def _question_answer(r: Dice, world: World, text: str, asked: list[tuple[str, str]]) -> str:
    gap = r.choice(("\n", " "))
    return gap.join([text, *(f"Question: {question}{gap}Answer: {answer}" for question, answer in asked)])


def _class_room(r: Dice, world: World, text: str, asked: list[tuple[str, str]]) -> str:
    teacher, *pupils = [person.name for person in world.people if person.name not in text][:3]
    lines = [r.choice((f"{teacher} reads to the class: {text}", f"This is in the book of {pupils[0]}: {text}", text))]
    for question, answer in asked:
        pupil = r.choice(pupils)
        lines.append(
            r.choice(
                (
                    f'"{question}" asks {teacher}. "{answer[:-1]}," says {pupil}.',
                    f'"{question}" "{answer}"',
                    f'{teacher} wants to know, "{question}" {pupil} answers, "{answer}"',
                    f'"{pupil}, {question[0].lower() + question[1:]}" "{answer}"',
                )
            )
        )
    return " ".join(lines)


def _plain(r: Dice, world: World, text: str, asked: list[tuple[str, str]]) -> str:
    opening = r.choice(("", "", "Text: ", "A short text. ", "Read this. "))
    return opening + " ".join([text, *(f"{question} {answer}" for question, answer in asked)])


_VOICES = (_question_answer, _question_answer, _class_room, _plain, _plain)


def _people(r: Dice, world: World) -> Note:
    """Two or three people and some of the same facts about each."""
    people: list[Person] = r.sample(world.people, r.choice((2, 2, 3)))
    shared = [relation for relation in relations_of(people[0]) if all(relation in relations_of(p) for p in people)]
    asked = r.sample(shared, r.choice((1, 2, 2, 3)))
    passage, rows = [], []
    for person in people:
        named = slots_of(world, person)
        slots = named
        for relation in r.sample(asked, len(asked)):
            ways = RELATIONS[relation]
            passage.append(r.choice(ways.tell).format_map(slots))
            short, full = r.choice(ways.short).format_map(named), ways.full.format_map(named)
            rows.append((r.choice(ways.ask).format_map(named), short, full))
            rows.append((f"Is it true that {ways.said.format_map(_named(named))}?", "Yes.", f"Yes. {full}"))
            rows += _who(person, people, relation, full)
            slots = with_pronoun(named)
    return passage, [*rows, *_denied(r, world, people, asked), _unsaid(r, world, people[0], asked)]


def _named(slots: dict[str, str]) -> dict[str, str]:
    return slots | {"he": slots["name"], "him": slots["name"], "his": slots["name"] + "'s"}


def _who(person: Person, people: list[Person], relation: str, full: str) -> list[Row]:
    """The question who has this value, where nobody else in the passage has it."""
    field = RELATIONS[relation].field
    value = getattr(person, field)
    if relation in ("friend", "sibling", "pet_name", "thing") or [getattr(p, field) for p in people].count(value) > 1:
        return []
    rest = full[len(person.name) :]
    question = "Who" + rest[:-1] + "?" if rest.startswith(" ") else f"Whose {rest[3:-1]}?"
    return [(question, f"{person.name}{'' if rest.startswith(' ') else chr(39) + 's'}.", full)]


def _denied(r: Dice, world: World, people: list[Person], asked: list[str]) -> list[Row]:
    """A claim that mixes two people up, and its denial."""
    one, two = r.sample(people, 2)
    relation = r.choice(asked)
    ways = RELATIONS[relation]
    if getattr(one, ways.field) == getattr(two, ways.field) or relation in ("friend", "sibling", "pet_name", "thing"):
        return []
    true, other = slots_of(world, one), slots_of(world, two)
    claim = ways.said.format_map(other | {"he": one.name, "him": one.name, "his": one.name + "'s"})
    return [(f"Is it true that {claim}?", "No.", f"No. {ways.full.format_map(true)}")]


def _unsaid(r: Dice, world: World, person: Person, asked: list[str]) -> Row:
    told = {"town", "pet", "pet_name", "school", "job", *asked}  # what other sentences can give away
    relation = r.choice([relation for relation in relations_of(person) if relation not in told])
    question = r.choice(RELATIONS[relation].ask).format_map(slots_of(world, person))
    return question, SILENT, SILENT


def _things(r: Dice, world: World) -> Note:
    """Things in rooms, one of which may be moved."""
    number = r.choice((2, 3, 3))
    things, rooms = r.sample(lexicon.THINGS.all, number), r.sample(lexicon.ROOMS.all, number + 1)
    name = r.choice(world.people).name
    passage = [
        r.choice(
            (f"The {thing} is in the {room}.", f"In the {room} is the {thing}.", f"There is a {thing} in the {room}.")
        )
        for thing, room in zip(things, rooms, strict=False)
    ]
    rows: list[Row] = []
    if r.random() < 0.45:
        thing, old, new = things[0], rooms[0], rooms[-1]
        passage.append(r.choice(_MOVES).format(name=name, thing=thing, old=old, new=new))
        rows += [
            (f"Where is the {thing} now?", f"In the {new}.", f"The {thing} is in the {new} now."),
            (f"Where was the {thing} before?", f"In the {old}.", f"Before, the {thing} was in the {old}."),
            (f"Who moved the {thing}?", f"{name}.", f"{name} moved the {thing}."),
            (f"Is the {thing} still in the {old}?", "No.", f"No, the {thing} is in the {new} now."),
        ]
        things, rooms = things[1:], rooms[1:-1]
    for thing, room in zip(things, rooms, strict=False):
        rows.append((f"Where is the {thing}?", f"In the {room}.", f"The {thing} is in the {room}."))
        rows.append((f"What is in the {room}?", f"The {thing}.", f"The {thing} is in the {room}."))
        rows.append((f"Is the {thing} in the {room}?", "Yes.", f"Yes, the {thing} is in the {room}."))
    other = r.choice(lexicon.THINGS.all)
    if all(other not in sentence for sentence in passage):
        rows.append((f"Where is the {other}?", SILENT, SILENT))
    return passage, rows


_MOVES = (
    "{name} took the {thing} from the {old} to the {new}.",
    "Then {name} carried the {thing} into the {new}.",
    "Now {name} puts the {thing} into the {new}.",
    "{name} brings the {thing} from the {old} into the {new}.",
)


def _days(r: Dice, world: World) -> Note:
    """What people did on which day and where."""
    people: list[Person] = r.sample(world.people, r.choice((2, 3)))
    days = r.sample(lexicon.DAYS.all, len(people))
    places = r.sample(lexicon.PLACES.all, len(people))
    passage, rows = [], []
    for person, day, place in zip(people, days, places, strict=True):
        verb, done, why = r.choice(_OUTINGS)
        then = past(verb)
        reason = f" because {why.format(he=person.pronouns.he)}" if r.random() < 0.5 else ""
        passage.append(
            r.choice(
                (
                    f"On {day} {person.name} {then} to the {place}{reason}.",
                    f"{person.name} {then} to the {place} on {day}{reason}.",
                )
            )
        )
        rows += [
            (f"Where did {person.name} {verb} on {day}?", f"To the {place}.", f"{person.name} {then} to the {place}."),
            (
                f"When did {person.name} {verb} to the {place}?",
                f"On {day}.",
                f"{person.name} {then} to the {place} on {day}.",
            ),
            (f"Who {then} to the {place}?", f"{person.name}.", f"{person.name} {then} to the {place}."),
            (f"Who {then} somewhere on {day}?", f"{person.name}.", f"On {day} it was {person.name}."),
        ]
        if reason:
            rows.append(
                (f"Why did {person.name} {verb} there?", f"{capital(reason.strip())}.", f"{capital(reason.strip())}.")
            )
        if r.random() < 0.3:
            passage.append(f"There {person.pronouns.he} {done}.")
    return passage, rows


_OUTINGS = (
    ("go", "met a friend", "{he} wanted to meet a friend"),
    ("walk", "sat in the sun", "the sun was shining"),
    ("run", "was too late", "{he} was late"),
    ("ride", "stayed until the evening", "the weather was good"),
    ("travel", "bought bread and cheese", "{he} needed something to eat"),
    ("go", "found a coin", "{he} had lost a coin there"),
    ("walk", "fed the ducks", "{he} likes animals"),
)


def _numbers(r: Dice, world: World) -> Note:
    """How many of something each person has."""
    people: list[Person] = r.sample(world.people, 2)
    nouns = r.sample([noun for noun in (*lexicon.FOODS.all, *lexicon.TOYS.all) if noun not in lexicon.MASS], 2)
    passage, rows, total = [], [], 0
    same = r.random() < 0.5
    for index, person in enumerate(people):
        noun = plural(nouns[0 if same else index])
        number = 2 + int(r.random() * 4)
        total += number
        passage.append(
            r.choice(
                (
                    f"{person.name} has {NUMBERS[number]} {noun}.",
                    f"{capital(NUMBERS[number])} {noun} belong to {person.name}.",
                    f"In the basket of {person.name} there are {NUMBERS[number]} {noun}.",
                )
            )
        )
        rows.append(
            (
                f"How many {noun} does {person.name} have?",
                f"{capital(NUMBERS[number])}.",
                f"{person.name} has {NUMBERS[number]} {noun}.",
            )
        )
        rows.append((f"Does {person.name} have {noun}?", "Yes.", f"Yes, {person.name} has {NUMBERS[number]} {noun}."))
    if same:
        noun = plural(nouns[0])
        rows.append(
            (
                f"How many {noun} do they have together?",
                f"{capital(NUMBERS[total])}.",
                f"Together they have {NUMBERS[total]} {noun}.",
            )
        )
    else:
        rows.append((f"Who has {plural(nouns[1])}?", f"{people[1].name}.", f"{people[1].name} has {plural(nouns[1])}."))
        rows.append((f"Does {people[0].name} have {plural(nouns[1])}?", "No.", f"No, {people[1].name} has them."))
    return passage, rows


def _compared(r: Dice, world: World) -> Note:
    """Three people, and who is older, taller, faster or stronger than whom."""
    one, two, three = (person.name for person in r.sample(world.people, 3))
    word, most, least = r.choice(_COMPARED)
    passage = [f"{one} is {word} than {two}.", f"{two} is {word} than {three}."]
    if r.random() < 0.3:
        passage.reverse()
    rows = [
        (f"Who is the {most}?", f"{one}.", f"{one} is the {most}."),
        (f"Who is the {least}?", f"{three}.", f"{three} is the {least}."),
        (f"Is {one} {word} than {three}?", "Yes.", f"Yes, {one} is {word} than {three}."),
        (f"Is {three} {word} than {two}?", "No.", f"No, {two} is {word} than {three}."),
        (f"Who is {word}, {two} or {three}?", f"{two}.", f"{two} is {word} than {three}."),
    ]
    return passage, rows


_COMPARED = (
    ("older", "oldest", "youngest"),
    ("younger", "youngest", "oldest"),
    ("taller", "tallest", "smallest"),
    ("faster", "fastest", "slowest"),
    ("slower", "slowest", "fastest"),
    ("stronger", "strongest", "weakest"),
    ("louder", "loudest", "quietest"),
)


def _odd(r: Dice, world: World) -> Note:
    """Which of some things a person likes, and which one not."""
    person = r.choice(world.people)
    foods = [many(food) for food in r.sample(lexicon.FOODS.all, 4)]
    liked, hated = foods[:3], foods[3]
    name, he = person.name, person.pronouns.he
    passage = [
        r.choice(
            (
                f"{name} likes {join(liked)}.",
                f"{name} eats {join(liked)}.",
                f"{capital(join(liked))} are what {name} likes.",
            )
        ),
        r.choice(
            (f"But {he} does not like {hated}.", f"Only {hated} {he} never eats.", f"{name} does not eat {hated}.")
        ),
    ]
    rows = [
        ("Which food does " + name + " not like?", f"{capital(hated)}.", f"{name} does not like {hated}."),
        (f"Does {name} like {hated}?", "No.", f"No, {name} does not like {hated}."),
        (f"Does {name} like {liked[1]}?", "Yes.", f"Yes, {name} likes {liked[1]}."),
        (f"What does {name} like?", f"{capital(join(liked))}.", f"{name} likes {join(liked)}."),
        (
            f"Which one does {name} not eat, {liked[0]} or {hated}?",
            f"{capital(hated)}.",
            f"{name} does not eat {hated}.",
        ),
        (f"What is the last food that {name} likes?", f"{capital(liked[2])}.", f"It is {liked[2]}."),
    ]
    return passage, rows


Form: TypeAlias = Callable[[Dice, World], Note]
_FORMS: tuple[tuple[str, Form], ...] = (
    ("people", _people),
    ("people", _people),
    ("people", _people),
    ("things", _things),
    ("things", _things),
    ("days", _days),
    ("numbers", _numbers),
    ("compared", _compared),
    ("odd", _odd),
)
