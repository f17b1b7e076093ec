"""Echo documents about lists: said again, turned around, shortened, counted, searched; queues, games, errands, rolls.

A list is told once and then asked about; what is asked and answered stands in `_asked` as a question, an answer and a
statement, and is told in one of three voices. Each writer gives in `repeats` what the text says at least twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from trivium.world import lexicon
from trivium.world.grammar import capital, indefinite, join, plural
from trivium.world.lexicon import KIND_PHRASES, KINDS, NUMBERS, ORDINALS
from trivium.world.state import Person, World
from trivium.world.writing import Dice, Written

KIND_OF = {noun: kind for kind, nouns in KINDS.items() for noun in nouns.all}
NOUNS = tuple(KIND_OF)
_KIND_NAMES = tuple(KINDS)
# A question, its answer and the same as a statement, all without the final punctuation.
Asked: TypeAlias = tuple[str, str, str]


def draw_list(r: Dice) -> list[str]:
    """Two to six words: mixed nouns, nouns of one kind, or names."""
    number = r.choice((2, 3, 3, 3, 4, 4, 4, 5, 5, 6))
    style = r.random()
    if style < 0.5:
        return r.sample(NOUNS, number)
    if style < 0.8:
        return r.sample(KINDS[r.choice(_KIND_NAMES)].all, number)
    return r.sample(lexicon.NAMES.all if style < 0.9 else lexicon.COLOURS.all, number)


def _place(r: Dice, items: list[str]) -> Asked:
    index = r.choice((0, 0, -1, -1, 1, 1, 2)) if len(items) > 2 else r.choice((0, -1))
    place = "last" if index in (-1, len(items) - 1) else ORDINALS[index]
    item = items[index]
    question = r.choice(
        (
            f"Which word is {place}", f"Which one is {place}", f"What is the {place} word",
            f"Can you tell me the {place} one", f"What is {place} on the list",
        )
    )  # fmt: skip
    statement = r.choice((f"The {place} word is {item}", f"{item} is {place}", f"The {place} one is {item}"))
    return question, item, statement


def _neighbour(r: Dice, items: list[str]) -> Asked:
    index = int(r.random() * (len(items) - 1))
    one, two = items[index], items[index + 1]
    if r.random() < 0.6:
        question = r.choice((f"What comes after {one}", f"Which word follows {one}", f"What stands after {one}"))
        return question, two, r.choice((f"After {one} comes {two}", f"{two} follows {one}"))
    question = r.choice((f"What comes before {two}", f"Which word stands before {two}"))
    return question, one, r.choice((f"Before {two} comes {one}", f"{one} stands before {two}"))


def _number(r: Dice, items: list[str]) -> Asked:
    number = NUMBERS[len(items)]
    question = r.choice(("How many words are there", "How many are on the list", "How many did you count"))
    return question, number, r.choice((f"There are {number} words", f"The list has {number} words"))


def _backwards(r: Dice, items: list[str]) -> Asked:
    turned = ", ".join(reversed(items))
    question = r.choice(("What is the list backwards", "Can you say it backwards", "How does it go from last to first"))
    return question, turned, r.choice((f"Backwards it is {turned}", f"From last to first it is {turned}"))


def _without(r: Dice, items: list[str]) -> Asked:
    gone = r.choice(items)
    rest = ", ".join(item for item in items if item != gone)
    question = r.choice((f"What is left without {gone}", f"I take out {gone}. What is left"))
    return question, rest, r.choice((f"Without {gone} it is {rest}", f"All but {gone} is {rest}"))


def _changed(r: Dice, items: list[str]) -> Asked:
    old, new = r.choice(items), r.choice(NOUNS)
    while new in items:
        new = r.choice(NOUNS)
    changed = ", ".join(new if item == old else item for item in items)
    question = r.choice((f"What if {old} becomes {new}", f"I put {new} in the place of {old}. What is the list now"))
    return question, changed, f"With {new} in the place of {old} it is {changed}"


def _longer(r: Dice, items: list[str]) -> Asked:
    new = r.choice(NOUNS)
    while new in items:
        new = r.choice(NOUNS)
    longer = ", ".join([*items, new])
    return f"I add {new} at the end. What is the list now", longer, f"With {new} at the end it is {longer}"


def _member(r: Dice, items: list[str]) -> Asked:
    here = r.random() < 0.5
    word = r.choice(items if here else NOUNS)
    here = word in items
    answer = r.choice(("yes", f"yes, {word} is on the list") if here else ("no", f"no, {word} is not on the list"))
    question = r.choice((f"Is {word} on the list", f"Is {word} there", f"Do you see {word}", f"Is there {word} too"))
    return question, answer, f"{capital(word)} is {'on' if here else 'not on'} the list"


def _again(r: Dice, items: list[str]) -> Asked:
    same = ", ".join(items)
    question = r.choice(("What was the list", "Can you say it again", "What did I read", "Which words were they"))
    return question, same, f"Once more, it is {same}"


def _kind(r: Dice, items: list[str]) -> Asked:
    kinds = [KIND_OF.get(item, "") for item in items]
    alone = [item for item, kind in zip(items, kinds, strict=True) if kind and kinds.count(kind) == 1]
    if not alone:
        return _again(r, items)
    item = r.choice(alone)
    phrase = KIND_PHRASES[KIND_OF[item]]
    question = r.choice((f"Which one is {phrase}", f"Which word is {phrase}", f"One of them is {phrase}. Which one"))
    return question, item, f"{item} is {phrase}"


_ASKED: tuple[Callable[[Dice, list[str]], Asked], ...] = (
    _place, _place, _neighbour, _neighbour, _number, _backwards, _without, _changed, _longer, _member, _member, _again,
    _again, _kind, _kind,
)  # fmt: skip


def lesson(r: Dice, world: World) -> Written:
    """A teacher reads one or two lists, and pupils answer questions about them."""
    teacher, *pupils = r.sample(world.people, 3)
    voice = r.choice((_talk, _talk, _quick, _state))
    parts, repeats = [], []
    for _ in range(r.choice((1, 1, 2))):
        items = draw_list(r)
        shown = ", ".join(items)
        parts.append(r.choice(_READ).format(teacher=teacher.name, pupil=pupils[0].name, list=shown))
        for ask in r.sample(_ASKED, r.choice((2, 3, 3, 4))):
            parts.append(voice(r, ask(r, items), pupils))
        if r.random() < 0.5:
            parts.append(voice(r, _again(r, items), pupils))
            repeats.append(shown)
    return " ".join(parts), {"form": "list_lesson", "repeats": repeats}


_READ = (
    "List: {list}.",
    "Here is a list: {list}.",
    "Words: {list}.",
    "{teacher} wrote a list on the wall: {list}.",
    'The teacher read a list: "{list}."',
    "Today's list is {list}.",
    "{pupil} reads these words: {list}.",
    "{teacher} said these words to {pupil}: {list}.",
    "There is a list in the book: {list}.",
)


def _talk(r: Dice, asked: Asked, pupils: list[Person]) -> str:
    question, answer, _ = asked
    name = r.choice(pupils).name
    return r.choice(
        (
            f'"{question}?" the teacher asked. "{capital(answer)}," said {name}.',
            f'"{question}?" "{capital(answer)}," {name} said.',
            f'The teacher asked {name}, "{question}?" {name} answered, "{capital(answer)}."',
        )
    )


def _quick(r: Dice, asked: Asked, pupils: list[Person]) -> str:
    return f"{asked[0]}? {capital(asked[1])}."


def _state(r: Dice, asked: Asked, pupils: list[Person]) -> str:
    return f"{capital(asked[2])}."


def roll_call(r: Dice, world: World) -> Written:
    """A row of names is read out and said back."""
    people = r.sample(world.people, r.choice((3, 4, 5, 6)))
    names = [person.name for person in people]
    shown = ", ".join(names)
    teacher = r.choice(world.people).name
    pupil = r.choice(people)
    place = r.choice(("class", "team", "choir", "group", "bus"))
    end = r.choice(
        (
            f"The first name was {names[0]} and the last name was {names[-1]}.",
            f"{capital(NUMBERS[len(names)])} names were read, and {NUMBERS[len(names)]} people were there.",
            f"{names[0]} came first and {names[-1]} came last.",
            f"Nobody had forgotten {pupil.name}.",
            f"After {names[1]} came {names[2]}.",
        )
    )
    if r.random() < 0.4:
        calls = " ".join(f'"{name}?" "{r.choice(_HERE)}"' for name in names)
        text = f"{teacher} called the names of the {place}. {calls} So {join(names)} were there. {end}"
        return text, {"form": "roll_call", "repeats": names}
    text = r.choice(
        (
            f'{teacher} read the names of the {place}: "{shown}." {pupil.name} said them after {teacher}: "{shown}." {end}',
            f"These people are in the {place}: {shown}. Who is in the {place}? {shown}. {end}",
            f'"Who is in the {place}?" asked {teacher}. "{shown}," said {pupil.name}. {teacher} wrote it down: {shown}. {end}',
        )
    )
    return text, {"form": "roll_call", "repeats": [shown]}


_HERE = ("Here.", "Yes, here I am.", "I am here.", "Here!", "Yes.")


def errand(r: Dice, world: World) -> Written:
    """Somebody is sent to buy a list of things, says the list again, and comes home with all of it or all but one."""
    sender, goer = r.sample(world.people, 2)
    foods = r.sample(lexicon.FOODS.all, r.choice((2, 3, 3, 4)))
    goods = [_goods(r, food) for food in foods]
    shown = join(goods)
    slots = {
        "sender": sender.name, "goer": goer.name, "goods": shown, "Goods": capital(shown),
        "he": goer.pronouns.he, "He": goer.pronouns.He,
        "shop": r.choice(("shop", "market", "bakery", "corner shop")),
    }  # fmt: skip
    parts = [r.choice(_SEND).format_map(slots)]
    if r.random() < 0.6:
        parts.append(r.choice(_ON_THE_WAY).format_map(slots))
    asked = r.random() < 0.6
    got = goods
    if len(goods) > 2 and r.random() < 0.35:
        gone = int(r.random() * len(goods))
        got, asked = [one for index, one in enumerate(goods) if index != gone], True
        parts.append(
            f'"There {"is" if foods[gone] in lexicon.MASS else "are"} no {plural(foods[gone])} today," {_SELLER}.'
        )
        parts.append(f"So {goer.name} came home with {join(got)}, but without {goods[gone]}.")
    else:
        parts.append(r.choice(_AT_THE_SHOP).format_map(slots))
    if asked:
        parts.append(f'"What did you bring?" asked {sender.name}. "{capital(join(got))}," said {goer.name}.')
    return " ".join(parts), {"form": "errand", "repeats": [join(got)]}


_SELLER = "said the shopkeeper"


def _goods(r: Dice, food: str) -> str:
    number = r.choice((1, 1, 2, 3, 4, 5))
    if food in lexicon.MASS:
        return food
    return indefinite(food) if number == 1 else f"{NUMBERS[number]} {plural(food)}"


_SEND = (
    '"Please buy {goods}," said {sender} to {goer}.',
    '{sender} gave {goer} some coins. "Go to the {shop} and bring {goods}," {sender} said.',
    "{sender} sent {goer} to the {shop} for {goods}.",
    "{sender} needed {goods}, and {goer} went to the {shop}.",
    "The shopping list of {sender} was short: {goods}. {goer} took it to the {shop}.",
)
_ON_THE_WAY = (
    'On the way {he} said it again and again: "{Goods}, {goods}."',
    'At the shop {he} said, "I want {goods}, please."',
    '{He} did not want to forget anything. "{Goods}," {he} said to the wind.',
    'The shopkeeper asked, "What do you want?" "{Goods}," was the answer.',
)
_AT_THE_SHOP = (
    "{goer} came home with {goods}.",
    "{He} bought {goods} and went home.",
    "Soon the basket held {goods}.",
    "{goer} put it all into a bag: {goods}.",
)
