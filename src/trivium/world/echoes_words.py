"""Echo documents about words and single sentences: opposites, kinds, tenses, joined and changed sentences, names found.

Each writer gives in `repeats` what the text says at least twice.
"""

from __future__ import annotations

from typing import NamedTuple

from trivium.world import lexicon
from trivium.world.grammar import article, at, capital, indefinite, join, past, plural, third
from trivium.world.lexicon import KIND_PHRASES, KINDS, OPPOSITES, PREPOSITIONS
from trivium.world.state import World
from trivium.world.writing import Dice, Written, mend

_PAIRS = tuple(OPPOSITES.items())


class Deed(NamedTuple):
    """What one person does, told about today and about yesterday: "Ann walks to the park", "Ann walked to the park"."""

    name: str
    now: str
    then: str
    place: str
    thing: str


_DEEDS = (
    "walk to the {place}", "go to the {place}", "run to the {place}", "sleep in the {room}", "sit in the {room}",
    "find the {thing} in the {room}", "lose the {thing} {at_place}", "clean the {thing}", "paint the {thing}",
    "mend the {thing}", "carry the {thing} to the {place}", "bring the {thing} to the {room}", "buy a {thing}",
    "sell a {thing}", "see a {animal}", "feed the {animal}", "follow the {animal} to the {place}", "hear a {animal}",
    "draw a {animal}", "wash the {animal}", "eat {food}", "cook {meal}", "make {meal}", "drink {drink}",
    "read in the {room}", "sing in the {room}", "dance {at_place}", "swim in the river", "work {at_place}",
    "wait {at_place}", "write a letter", "open the door", "wear the {clothes}", "give the {thing} to {other}",
    "meet {other} {at_place}", "visit {other}", "help {other}", "call {other}", "thank {other}",
    "want a {thing}", "love the {animal}", "hide the {thing} in the {room}", "look at the {thing}",
    "take the {thing}", "leave the {thing} in the {room}", "play with the {animal}", "live in {town}", "come to {town}",
)  # fmt: skip


def deed(r: Dice, world: World, name: str) -> Deed:
    """Something that `name` does, with the things of this world."""
    other = r.choice(world.people).name
    while other == name:
        other = r.choice(world.people).name
    place, thing = r.choice(lexicon.PLACES.all), r.choice(lexicon.THINGS.all)
    lemma, _, rest = r.choice(_DEEDS).partition(" ")
    rest = rest.format(
        place=place, room=r.choice(lexicon.ROOMS.all), thing=thing, animal=r.choice(lexicon.ANIMALS.all),
        food=indefinite(r.choice(lexicon.FOODS.all)),
        meal=indefinite(r.choice(lexicon.MEALS.all)),
        at_place=at(place), drink=r.choice(lexicon.DRINKS.all), other=other,
        clothes=r.choice(lexicon.CLOTHES.all), town=r.choice(world.towns).name,
    )  # fmt: skip
    return Deed(name, mend(f"{name} {third(lemma)} {rest}"), mend(f"{name} {past(lemma)} {rest}"), place, thing)


def tenses(r: Dice, world: World) -> Written:
    """The same deeds of today and of yesterday."""
    shape = r.choice(_TENSES)
    deeds = [deed(r, world, person.name) for person in r.sample(world.people, r.choice((2, 3, 3, 4)))]
    lines = [shape.format(now=one.now, then=one.then) for one in deeds]
    opening = r.choice(("", "", "What is done today was done yesterday too. ", "Now and then. "))
    return opening + " ".join(lines), {"form": "tenses", "repeats": [], "pairs": [[d.now, d.then] for d in deeds]}


_TENSES = (
    "Today {now}. Yesterday {then}.",
    "Yesterday {then}. Today {now}.",
    'Today we say, "{now}." Of yesterday we say, "{then}."',
    "{now}. Yesterday it was the same: {then}.",
    "Now: {now}. In the past: {then}.",
    "Now {now}, and last week {then} too.",
    '"{now}" is about today. "{then}" is about yesterday.',
    "Every day {now}. So yesterday {then}.",
)


def joined(r: Dice, world: World) -> Written:
    """Two sentences, and the same two as one."""
    parts, repeats = [], []
    for _ in range(r.choice((2, 2, 3))):
        one, two = (deed(r, world, person.name) for person in r.sample(world.people, 2))
        first, second = (one.now, two.now) if r.random() < 0.4 else (one.then, two.then)
        parts.append(r.choice(_JOINED).format(one=first, two=second))
        repeats += [first, second]
    return " ".join(parts), {"form": "joined", "repeats": repeats}


_JOINED = (
    "{one}. {two}. So {one} and {two}.",
    "{one}. {two}. Both at once: {one} and {two}.",
    "First: {one}. Second: {two}. Together: {one} and {two}.",
    "{one}, and that is one thing. {two}, and that is the other. {one} and {two}.",
    "Two short sentences: {one}. {two}. One long sentence: {one} and {two}.",
    '"{one}." "{two}." With the word "and" between them: "{one} and {two}."',
    "{one} and {two}. That is to say: {one}. {two}.",
)


def replaced(r: Dice, world: World) -> Written:
    """A sentence in which one word after another is replaced."""
    people = [person.name for person in r.sample(world.people, 3)]
    one = deed(r, world, people[0])
    sentence = one.then if r.random() < 0.5 else one.now
    name, parts, repeats = people[0], [f"{sentence}."], [sentence]
    for new in people[1 : r.choice((2, 3))]:
        if new in sentence:
            continue
        sentence = sentence.replace(name, new, 1)
        parts.append(r.choice(_SWAPS).format(old=name, new=new, sentence=sentence))
        name = new
    for old, pool in ((one.thing, lexicon.THINGS), (one.place, lexicon.PLACES)):
        new = r.choice(pool.all)
        fits = article(new) == article(old) and PREPOSITIONS.get(new) == PREPOSITIONS.get(old)
        if f" {old}" in sentence and new not in sentence and fits:
            sentence = sentence.replace(f" {old}", f" {new}", 1)
            parts.append(r.choice(_SWAPS).format(old=old, new=new, sentence=sentence))
    parts.append(r.choice((f"At first it was: {repeats[0]}.", f"The first sentence was: {repeats[0]}.")))
    return " ".join(parts), {"form": "replaced", "repeats": repeats}


_SWAPS = (
    "With {new} in the place of {old}: {sentence}.",
    "Now we say {new} and not {old}: {sentence}.",
    "Not {old} but {new}: {sentence}.",
    "If it was {new} and not {old}, then we say: {sentence}.",
    '"Take {new} for {old}," said the teacher. The pupils wrote: {sentence}.',
    "It was not {old}, it was {new}. So {sentence}.",
    "{old} becomes {new}: {sentence}.",
)


def names_found(r: Dice, world: World) -> Written:
    """Sentences, and who and what and where they speak of."""
    parts, repeats = [], []
    for person in r.sample(world.people, r.choice((2, 3))):
        town = r.choice(world.towns).name
        thing = r.choice(lexicon.THINGS.all)
        slots = {"name": person.name, "town": town, "thing": thing, "colour": r.choice(lexicon.COLOURS.all)}
        slots["He"] = person.pronouns.He
        sentence = r.choice(_SCENES).format_map(slots)
        found = [r.choice(_NAMED).format_map(slots), r.choice(_PLACED).format_map(slots)]
        found.append(r.choice(_THINGS).format_map(slots))
        parts += [sentence, *r.sample(found, r.choice((1, 2, 3)))]
        repeats.append(person.name)
    return " ".join(parts), {"form": "names_found", "repeats": []}


_SCENES = (
    "{name} found a {thing} in {town}.",
    "{name} from {town} has a {colour} {thing}.",
    "In {town}, {name} bought a {thing}.",
    "{name} took the {thing} to {town}.",
    "Last week {name} lost the {thing} in {town}.",
    "There is a {thing} in {town} for {name}.",
    "The {thing} of {name} is in {town}.",
    "{name} sold the {colour} {thing} at the market in {town}.",
    "On the way to {town}, {name} saw a {thing}.",
    "{name} lives in {town} and needs a {thing}.",
)
_NAMED = (
    "The person is {name}.",
    "The name in this sentence is {name}.",
    "Who is it about? {name}.",
    "It is about {name}.",
    "One person is named: {name}.",
)
_PLACED = (
    "The town is {town}.",
    "The place is {town}.",
    "Where was it? In {town}.",
    "The name of the town is {town}.",
    "It tells us about {town}.",
)
_THINGS = (
    "The thing is the {thing}.",
    "What is it about? A {thing}.",
    "The thing in it is a {thing}.",
    "It names a {thing}.",
)


def opposites(r: Dice, world: World) -> Written:
    """Words and their opposites, each pair said both ways or used in a sentence."""
    shape = r.choice(_OPPOSITE)
    pairs = r.sample(_PAIRS, r.choice((3, 4, 5)))
    parts = []
    for one, two in pairs:
        if r.random() < 0.3:
            one, two = two, one
        parts.append(capital(shape.format(one=one, two=two)))
    return " ".join(parts), {"form": "opposites", "repeats": [], "pairs": [list(pair) for pair in pairs]}


_OPPOSITE = (
    "The opposite of {one} is {two}.",
    "The opposite of {one} is {two}, and the opposite of {two} is {one}.",
    "{one} and {two} are opposites.",
    "What is the opposite of {one}? It is {two}.",
    '"{one}," said the teacher. "{two}," said the pupils.',
    "{one}: {two}.",
    "Not {one} but {two}.",
    "If it is not {one}, it is {two}.",
    'I say "{one}" and you say "{two}".',
)


def contrasts(r: Dice, world: World) -> Written:
    """Two things of one kind that are opposite, and which is which."""
    parts, repeats = [], []
    for _ in range(r.choice((1, 2, 2))):
        one, two = r.choice(_LOOKS)
        noun = r.choice((*lexicon.THINGS.all, *lexicon.CLOTHES.all))
        first, second = (person.name for person in r.sample(world.people, 2))
        slots = {"one": one, "two": two, "noun": noun, "first": first, "second": second}
        parts.append(r.choice(_CONTRASTS).format_map(slots))
        parts += r.sample([way.format_map(slots) for way in _WHICH], r.choice((1, 2)))
        repeats += [one, two]
    return " ".join(parts), {"form": "contrasts", "repeats": repeats}


_LOOKS = tuple(
    pair for pair in _PAIRS if {*pair} & {*lexicon.SIZES, *lexicon.QUALITIES} or pair[0] in ("heavy", "cheap", "full")
)
_CONTRASTS = (
    "The {noun} of {first} is {one}, but the {noun} of {second} is {two}. The opposite of {one} is {two}.",
    "{first} has a {one} {noun}, and {second} has a {two} {noun}. Not {one} but {two}: that is how they differ.",
    "There are two of them, a {one} {noun} and a {two} {noun}. {first} has the {one} one, {second} has the {two} one.",
    "{first} wants a {one} {noun}. {second} says that a {two} {noun} is better. So {first} takes the {one} one, "
    "and {second} takes the {two} one.",
)
_WHICH = (
    "Who has the {two} {noun}? {second}.",
    "Who has the {one} {noun}? {first}.",
    "What is the {noun} of {second} like? It is {two}.",
    "Is the {noun} of {first} {two}? No, it is {one}.",
)


def kinds(r: Dice, world: World) -> Written:
    """What kind of thing each word is, or many words of one kind."""
    names = r.sample(tuple(KINDS), 4)
    if r.random() < 0.3:
        kind, other = names[:2]
        words = r.sample(KINDS[kind].all, 4)
        odd = r.choice(KINDS[other].all)
        slots = {
            "list": join([capital(_mention(words[0])), *map(_mention, words[1:])]), "kinds": _plural_kind(kind),
            "odd": _mention(odd), "other": KIND_PHRASES[other], "kind": KIND_PHRASES[kind], "word": odd,
            "Odd": capital(_mention(odd)),
        }  # fmt: skip
        return r.choice(_MANY).format_map(slots), {"form": "kinds", "repeats": []}
    shape = r.choice(_KIND)
    parts = []
    for kind in r.sample(names * 2, r.choice((3, 4, 5))):
        word = r.choice(KINDS[kind].all)
        other = r.choice([name for name in names if name != kind])
        slots = {
            "word": word, "a_word": _mention(word), "a_kind": KIND_PHRASES[kind], "kind": kind,
            "other": KIND_PHRASES[other],
        }  # fmt: skip
        parts.append(capital(shape.format_map(slots)))
    return " ".join(parts), {"form": "kinds", "repeats": []}


_mention = indefinite


def _plural_kind(kind: str) -> str:
    return kind if kind in lexicon.MASS else plural(kind)


_KIND = (
    "{a_word} is {a_kind}.",
    "{a_word} is {a_kind} and not {other}.",
    "What is {a_word}? {a_word} is {a_kind}.",
    "Is {a_word} {other}? No, {a_word} is {a_kind}.",
    "{word}: {kind}.",
    '"{word}" is a word for {a_kind}.',
    "The word {word} belongs to this kind: {kind}.",
    "Is {a_word} {a_kind}? Yes, it is.",
)
_MANY = (
    "{list} are {kinds}. {Odd} is not, because {odd} is {other}.",
    "{list} belong together, they are all {kinds}. {Odd} does not belong here. It is {other}.",
    "What are these? {list}. They are {kinds}. And {odd}? That is {other}.",
    "{list} are {kinds}, but {odd} is {other}.",
)
