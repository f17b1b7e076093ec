"""Pages of a little encyclopedia: a person, a town, an animal, a food, a job, a thing.

A page tells some facts, and often tells one of them again in other words at the end. Labels: `about` (the subject's kind
and name) and, for a person, `facts` as (person, relation, value).
"""

from __future__ import annotations

from trivium.world import lexicon
from trivium.world.facts import RELATIONS, many, relations_of, slots_of, with_pronoun
from trivium.world.grammar import at, capital, indefinite, join, plural
from trivium.world.lexicon import KIND_PHRASES, KINDS, WORK, WORKPLACES
from trivium.world.state import Town, World
from trivium.world.writing import Dice, Writer, Written, fill, mend


def page(r: Dice, world: World) -> Written:
    """One page about anything in the world."""
    text, labels = r.choice(_SUBJECTS)(r, world)
    return mend(text), labels


def _person(r: Dice, world: World) -> Written:
    person = r.choice(world.people)
    named = slots_of(world, person)
    pronoun = with_pronoun(named)
    relations = r.sample(relations_of(person), r.choice((5, 6, 7, 8)))
    parts = []
    for index, relation in enumerate(relations):
        slots = named if index == 0 or r.random() < 0.2 else pronoun
        parts.append(r.choice(RELATIONS[relation].tell).format_map(slots))
    again = r.choice(relations)
    fact = r.choice(RELATIONS[again].tell).format_map(named)
    closing = r.choice(_AGAIN)
    if closing and fact not in parts:
        parts.append(closing.format(fact=fact, name=person.name))
    title = r.choice((f"{person.name}\n", f"About {person.name}: ", f"{person.name}. ", "", ""))
    facts = [[person.name, relation, getattr(person, RELATIONS[relation].field)] for relation in relations]
    return title + " ".join(parts), {"about": ["person", person.name], "facts": facts}


_AGAIN = ("", "", "So remember: {fact}", "Once more: {fact}", "Do not forget this about {name}. {fact}", "{fact}")


def _town(r: Dice, world: World) -> Written:
    town = r.choice(world.towns)
    people = [person for person in world.people if person.town == town.name]
    slots = _town_slots(town)
    parts = [r.choice(_TOWN_FIRST).format_map(slots)]
    parts += [way.format_map(slots) for way in (r.choice(ways) for ways in r.sample(_TOWN_FACTS, r.choice((3, 4, 5))))]
    if people:
        names = [person.name for person in people[:4]]
        verb = "lives" if len(names) == 1 else "live"
        parts.append(r.choice((f"{join(names)} {verb} in {town.name}.", f"In {town.name} {verb} {join(names)}.")))
        person = r.choice(people)
        parts.append(f"{person.name} is {indefinite(person.job)} there.")
    if r.random() < 0.5:
        parts.append(r.choice(_TOWN_AGAIN).format_map(slots))
    title = r.choice((f"{town.name}\n", f"About {town.name}: ", ""))
    return title + " ".join(parts), {"about": ["town", town.name]}


def _town_slots(town: Town) -> dict[str, str]:
    return {
        "town": town.name, "kind": town.kind, "river": town.river, "foods": many(town.food), "inn": town.inn,
        "one": town.places[0], "two": town.places[1], "three": town.places[2], "day": town.market_day,
    }  # fmt: skip


_TOWN_FIRST = (
    "{town} is a {kind} on the river {river}.", "{town} is a small {kind}.", "{town} is an old {kind} by the {river}.",
    "The {kind} of {town} lies on the river {river}.", "There is a {kind} called {town}.",
)  # fmt: skip
_TOWN_FACTS = (
    ("Its river is the {river}.", "The river {river} flows past {town}.", "The name of its river is {river}."),
    ("{town} is known for its {foods}.", "Nobody has better {foods} than {town}.",
     "People come to {town} to eat {foods}."),
    ("There is a {one} and a {two} in {town}.", "In {town} you can see the {one}, the {two} and the {three}.",
     "{town} has a {three}, and it has a {two} too."),
    ("The market is on {day}.", "Every {day} there is a market in {town}.", "On {day} people from {town} go to the market."),
    ("Its inn is called the {inn}.", "You can eat at the {inn}.", "The {inn} is the inn of {town}.",
     "Travellers sleep at the {inn}."),
    ("{town} has a school and a {three}.", "Behind the {one} there is a {three}.",
     "From the {one} to the {three} it is not far."),
)  # fmt: skip
_TOWN_AGAIN = (
    "So on {day} you can go to the market of {town}.", "If you are hungry in {town}, go to the {inn}.",
    "If you want {foods}, go to {town}.", "So {town} and the river {river} belong together.",
    "The {one} of {town} is worth a visit.",
)  # fmt: skip


def _animal(r: Dice, world: World) -> Written:
    animal = r.choice(lexicon.ANIMALS.all)
    legs, home, eats, does, like = _ANIMALS[animal]
    owners = [person for person in world.people if person.pet == animal]
    slots = {
        "a": indefinite(animal), "A": capital(indefinite(animal)), "animal": animal, "Many": capital(plural(animal)),
        "many": plural(animal), "legs": legs, "home": home, "eats": eats, "does": does, "like": like,
    }  # fmt: skip
    parts = fill(r, [_ANIMAL_FIRST, *r.sample(_ANIMAL_FACTS, r.choice((3, 4)))], slots)
    if owners:
        owner = r.choice(owners)
        parts.append(f"{owner.name} has {slots['a']} called {owner.pet_name}.")
    if r.random() < 0.4:
        parts.append(r.choice(_ANIMAL_AGAIN).format_map(slots))
    return r.choice((f"The {animal}\n", "", "")) + " ".join(parts), {"about": ["animal", animal]}


_ANIMAL_FIRST = (
    "{A} is an animal.",
    "The {animal} is an animal with {legs}.",
    "{Many} are animals.",
    "What is {a}? It is an animal.",
)
_ANIMAL_FACTS = (
    ("The {animal} has {legs}.", "{A} has {legs}.", "You know {a} by its {legs}."),
    ("{Many} live {home}.", "The home of the {animal} is {home}.", "You find {many} {home}."),
    (
        "{Many} eat {eats}.",
        "A hungry {animal} looks for {eats}.",
        "{Many} like {eats}.",
        "The food of the {animal}: {eats}.",
    ),
    ("{A} can {does}.", "{Many} {does}.", "The {animal} likes to {does}."),
    ("{A} is {like}.", "People say that {many} are {like}.", "{Many} are {like}."),
)
_ANIMAL_AGAIN = (
    "So if you look for {many}, look {home}.", "Give {a} {eats}, and it will be happy.", "Remember: {many} eat {eats}.",
    "An animal that is {like} and has {legs}: that is {a}.",
)  # fmt: skip
_FOUR, _TWO, _SIX, _NONE = "four legs", "two legs and two wings", "six legs", "no legs"
# legs, home, food, what it does, what it is like
_ANIMALS: dict[str, tuple[str, str, str, str, str]] = {
    "dog": (_FOUR, "in houses", "meat and bread", "run and swim", "honest"),
    "cat": (_FOUR, "in houses", "fish and mice", "climb and jump", "soft"),
    "rabbit": (_FOUR, "in fields", "carrots and grass", "jump", "shy"),
    "horse": (_FOUR, "on farms", "grass and apples", "run fast", "strong"),
    "cow": (_FOUR, "on farms", "grass", "give milk", "calm"),
    "pig": (_FOUR, "on farms", "potatoes and apples", "sleep long", "clever"),
    "goat": (_FOUR, "on hills", "grass and leaves", "climb", "funny"),
    "sheep": (_FOUR, "on hills", "grass", "give wool", "quiet"),
    "hen": (_TWO, "on farms", "seeds", "give eggs", "careful"),
    "duck": (_TWO, "by lakes", "bread and grass", "swim and fly", "cheerful"),
    "goose": (_TWO, "on farms", "grass and seeds", "swim and shout", "loud"),
    "fox": (_FOUR, "in forests", "mice and hens", "hide and run", "clever"),
    "wolf": (_FOUR, "in forests", "meat", "run far", "wild"),
    "bear": (_FOUR, "in forests", "honey and fish", "sleep all winter", "strong"),
    "deer": (_FOUR, "in forests", "leaves and grass", "run and jump", "shy"),
    "mouse": (_FOUR, "in barns", "cheese and seeds", "hide", "small"),
    "squirrel": (_FOUR, "in trees", "seeds", "climb and hide food", "fast"),
    "owl": (_TWO, "in old trees", "mice", "see in the dark", "quiet"),
    "crow": (_TWO, "in trees", "seeds and bread", "fly and learn", "clever"),
    "eagle": (_TWO, "on mountains", "fish and mice", "fly high", "proud"),
    "swan": (_TWO, "by lakes", "grass and bread", "swim and fly", "beautiful"),
    "parrot": (_TWO, "in warm forests", "seeds and bananas", "repeat words", "funny"),
    "turtle": (_FOUR, "by lakes", "leaves", "swim and hide", "slow"),
    "frog": (_FOUR, "by lakes", "insects", "jump and swim", "green"),
    "snake": (_NONE, "in dry fields", "mice and eggs", "hide in the grass", "quiet"),
    "bee": (_SIX, "in gardens", "honey", "fly and make honey", "busy"),
    "ant": (_SIX, "in forests", "seeds and insects", "carry heavy things", "busy"),
    "butterfly": (_SIX, "in gardens", "flowers", "fly from flower to flower", "beautiful"),
    "spider": ("eight legs", "in attics", "insects", "climb and wait", "patient"),
    "whale": (_NONE, "in the sea", "fish", "sing and swim", "big"),
    "dolphin": (_NONE, "in the sea", "fish", "swim and play", "friendly"),
    "lion": (_FOUR, "in warm lands", "meat", "run and roar", "brave"),
    "tiger": (_FOUR, "in warm forests", "meat", "hide and jump", "strong"),
    "elephant": (_FOUR, "in warm lands", "leaves and grass", "remember everything", "big"),
    "monkey": (_FOUR, "in warm forests", "bananas and leaves", "climb and play", "funny"),
    "donkey": (_FOUR, "on farms", "grass and carrots", "carry bags", "patient"),
    "pony": (_FOUR, "on farms", "grass and apples", "run and jump", "friendly"),
    "hamster": (_FOUR, "in houses", "seeds", "run at night", "small"),
    "camel": (_FOUR, "in dry lands", "dry grass", "walk far without water", "patient"),
    "hedgehog": (_FOUR, "in gardens", "insects and apples", "sleep all winter", "shy"),
    "otter": (_FOUR, "by rivers", "fish", "swim and play", "cheerful"),
    "snail": (_NONE, "in gardens", "leaves", "carry its house", "slow"),
    "crab": ("eight legs", "on beaches", "fish", "walk to the side", "careful"),
    "penguin": (_TWO, "in cold lands", "fish", "swim but not fly", "funny"),
    "seal": (_NONE, "in cold seas", "fish", "swim and sleep in the sun", "calm"),
}


def _job(r: Dice, world: World) -> Written:
    job = r.choice(lexicon.JOBS.all)
    people = [person for person in world.people if person.job == job]
    slots = {"job": job, "many": plural(job), "work": WORK[job], "place": WORKPLACES[job], "Many": capital(plural(job))}
    parts = fill(r, [_JOB_FIRST, *r.sample(_JOB_FACTS, r.choice((2, 3)))], slots)
    if people:
        person = r.choice(people)
        parts.append(f"{person.name} from {person.town} is a {job}. {person.pronouns.He} {WORK[job]}.")
    else:
        parts.append(
            r.choice(
                (
                    f"Nobody here is a {job}.",
                    f"Women and men work as {plural(job)}.",
                    f"Many children want to be {plural(job)}.",
                )
            )
        )
    return " ".join(parts), {"about": ["job", job]}


_JOB_FIRST = (
    "A {job} {work}.",
    "What does a {job} do? A {job} {work}.",
    "What is a {job}? Somebody who {work}.",
    "Being a {job} is a job.",
)
_JOB_FACTS = (
    ("You find a {job} at the {place}.", "{Many} work at the {place}.", "The place of a {job} is the {place}."),
    ("Who {work}? A {job}.", "If somebody {work}, it is a {job}.", "Somebody who {work} is called a {job}."),
    (
        "A good {job} is patient and careful.",
        "It takes years to become a good {job}.",
        "A {job} starts early in the morning.",
    ),
    ("{Many} learn from older {many}.", "There are many {many} in our towns.", "Every town needs a {job}."),
)


def _food(r: Dice, world: World) -> Written:
    food = r.choice(lexicon.FOODS.all)
    fans = [person.name for person in world.people if person.food == food]
    towns = [town.name for town in world.towns if town.food == food]
    mass = food in lexicon.MASS
    slots = {
        "Foods": capital(many(food)), "foods": many(food), "is": "is" if mass else "are", "it": "it" if mass else "them",
        "A": capital(indefinite(food)), "colour": r.choice(lexicon.COLOURS.all), "tastes": "tastes" if mass else "taste",
        "day": r.choice(lexicon.DAYS.all), "drink": r.choice(lexicon.DRINKS.all), "town": r.choice(world.towns).name,
        "they": "it" if mass else "they",
    }  # fmt: skip
    parts = fill(r, [_FOOD_FIRST, *r.sample(_FOOD_FACTS, r.choice((2, 3)))], slots)
    if fans:
        parts.append(f"{join(fans)} {'likes' if len(fans) == 1 else 'like'} {many(food)} best.")
    if towns:
        parts.append(f"The best {many(food)} {'comes' if mass else 'come'} from {towns[0]}.")
    return " ".join(parts), {"about": ["food", food]}


_FOOD_FIRST = (
    "{A} is a food.",
    "{Foods} {is} good to eat.",
    "What {is} {foods}? Something to eat.",
    "Many people eat {foods}.",
)
_FOOD_FACTS = (
    (
        "You can buy {foods} at the market.",
        "At the market in {town} you find {foods}.",
        "The shop in {town} sells {foods}.",
    ),
    ("{Foods} {tastes} good with {drink}.", "People drink {drink} with {it}.", "With {foods} you drink {drink}."),
    ("On {day} many families eat {foods}.", "Some eat {foods} every {day}.", "{day} is the day for {foods}."),
    ("Children like {it}.", "Old and young people like {it}.", "Nobody is sad with {foods} on the plate."),
    (
        "{Foods} {is} best when {they} {is} fresh.",
        "Cooks in {town} know how to make {foods}.",
        "The cook keeps {it} in the pantry.",
    ),
)


def _thing(r: Dice, world: World) -> Written:
    kind = r.choice(("tool", "plant", "instrument", "vehicle", "furniture", "toy", "clothes"))
    words = r.sample(KINDS[kind].all, 2)
    word = words[0]
    person, other, third = (one.name for one in r.sample(world.people, 3))
    slots = {
        "A": capital(indefinite(word)), "a": indefinite(word), "word": word, "many": plural(word), "kind": KIND_PHRASES[kind],
        "name": person, "other": other, "third": third, "second": indefinite(words[1]),
        "Second": capital(indefinite(words[1])),
        "use": _USES[kind], "place": at(r.choice(lexicon.PLACES.all)),
        "colour": r.choice(lexicon.COLOURS.all), "Many": capital(plural(word)), "room": r.choice(lexicon.ROOMS.all),
    }  # fmt: skip
    parts = fill(r, [_THING_FIRST, *r.sample(_THING_FACTS, r.choice((2, 3, 4)))], slots)
    return " ".join(parts), {"about": [kind, word]}


_USES = {
    "tool": "work with it", "plant": "water it", "instrument": "play it", "vehicle": "travel with it",
    "furniture": "have it in a room", "toy": "play with it", "clothes": "wear it",
}  # fmt: skip
_THING_FIRST = (
    "{A} is {kind}.",
    "What is {a}? {A} is {kind}.",
    "{Many} are of this kind: {a} is {kind}.",
)
_THING_FACTS = (
    ("You can {use}.", "People {use}.", "What do people do with {a}? They {use}."),
    ("{name} has a {colour} {word}.", "The {word} of {name} is {colour}.", "{name} has {a}. It is {colour}."),
    ("{other} has no {word}.", "{other} wants {a} too.", "{other} once lost {a}."),
    ("{Second} is {kind} too.", "Like {a}, {second} is {kind}."),
    ("You see {many} {place}.", "There are {many} {place}.", "In the {room} of {third} there is {a}."),
)

_SUBJECTS: tuple[Writer, ...] = (
    _person, _person, _person, _person, _town, _town, _animal, _animal, _job, _food, _thing, _thing,
)  # fmt: skip
