"""How a fact about a person is told, asked, answered, said of oneself and reported, each in several ways.

Templates name the person as {Who} and {Whose} at the start of a sentence and {who}, {whose} inside it; a writer puts a
name or a pronoun there. Other slots come from `slots_of`. What is true is in `state`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trivium.world.grammar import capital, plural
from trivium.world.lexicon import MASS, WORK
from trivium.world.state import Person, World


@dataclass(frozen=True)
class Relation:
    """The ways to speak of one relation. `field` is the person's field that answers a question about it."""

    field: str
    tell: tuple[str, ...]
    ask: tuple[str, ...]
    short: tuple[str, ...]
    full: str
    ask_you: tuple[str, ...]
    say_i: tuple[str, ...]
    said: str  # after "NAME said that"


RELATIONS: dict[str, Relation] = {
    "town": Relation(
        "town",
        (
            "{Who} lives in {town}.", "In {town} you find {whom}.", "{Whose} home is in {town}.", "{Who} is from {town}.",
            "The town where {who} lives is {town}.", "{Who} has a house in {town}.",
        ),
        ("Where does {who} live?", "In which town does {who} live?", "Where is {who} from?", "Where is {whose} home?"),
        ("In {town}.", "{town}."),
        "{Who} lives in {town}.",
        ("Where do you live?", "In which town do you live?", "Where is your home?"),
        ("I live in {town}.", "My home is in {town}.", "I am from {town}."),
        "{he} lives in {town}",
    ),
    "job": Relation(
        "job",
        (
            "{Who} is a {job}.", "{Who} works as a {job}.", "{Whose} job is {job}.", "{Who} {work}, as every {job} does.",
            "Every day {who} works as a {job}.",
        ),
        ("What is {whose} job?", "What does {who} do for a living?", "What work does {who} do?", "What is {who}?"),
        ("A {job}.", "{Job}."),
        "{Who} is a {job}.",
        ("What is your job?", "What do you do for a living?", "What work do you do?"),
        ("I am a {job}.", "I work as a {job}.", "My job is {job}."),
        "{he} is a {job}",
    ),
    "school": Relation(
        "job",
        ("{Who} is a pupil.", "{Who} goes to school.", "{Who} is a pupil at a school in {town}.", "{Who} still goes to school."),
        ("What does {who} do?", "Does {who} work or go to school?", "What is {who}?"),
        ("A pupil.",),
        "{Who} is a pupil.",
        ("Do you work or do you go to school?", "What do you do?"),
        ("I am a pupil.", "I go to school."),
        "{he} is a pupil",
    ),
    "pet": Relation(
        "pet",
        (
            "{Who} has a {pet}.", "{Whose} pet is a {pet}.", "A {pet} called {pet_name} lives with {whom}.",
            "{Who} has a {pet} called {pet_name}.", "{Who} takes care of a {pet}.",
        ),
        ("What pet does {who} have?", "Which animal does {who} have?", "What kind of animal is {whose} pet?"),
        ("A {pet}.",),
        "{Who} has a {pet}.",
        ("Do you have a pet?", "What pet do you have?", "Which animal do you have at home?"),
        ("I have a {pet}.", "Yes, I have a {pet}.", "My pet is a {pet}."),
        "{he} has a {pet}",
    ),
    "pet_name": Relation(
        "pet_name",
        (
            "{Whose} {pet} is called {pet_name}.", "The name of {whose} {pet} is {pet_name}.", "{pet_name} is {whose} {pet}.",
            "{Who} calls the {pet} {pet_name}.", "{Whose} {pet} has the name {pet_name}.",
        ),
        ("What is the name of {whose} {pet}?", "What is {whose} {pet} called?", "How is {whose} {pet} called?"),
        ("{pet_name}.",),
        "{Whose} {pet} is called {pet_name}.",
        ("What is the name of your {pet}?", "What is your {pet} called?"),
        ("My {pet} is called {pet_name}.", "The name of my {pet} is {pet_name}.", "It is called {pet_name}."),
        "{his} {pet} is called {pet_name}",
    ),
    "food": Relation(
        "food",
        (
            "{Whose} favourite food is {foods}.", "{Who} likes {foods} best.", "{Who} loves {foods} more than any other food.",
            "The food that {who} likes best is {foods}.", "Nothing tastes better to {whom} than {foods}.",
        ),
        ("What is {whose} favourite food?", "What does {who} like to eat?", "Which food does {who} like best?"),
        ("{Foods}.",),
        "{Whose} favourite food is {foods}.",
        ("What is your favourite food?", "What do you like to eat?", "Which food do you like best?"),
        ("My favourite food is {foods}.", "I like {foods} best.", "I love {foods}."),
        "{his} favourite food is {foods}",
    ),
    "colour": Relation(
        "colour",
        (
            "{Whose} favourite colour is {colour}.", "{Who} likes {colour} more than all other colours.",
            "The colour that {who} likes best is {colour}.", "{Who} loves everything that is {colour}.",
        ),
        ("What is {whose} favourite colour?", "Which colour does {who} like best?"),
        ("{Colour}.",),
        "{Whose} favourite colour is {colour}.",
        ("What is your favourite colour?", "Which colour do you like best?"),
        ("My favourite colour is {colour}.", "I like {colour} best."),
        "{his} favourite colour is {colour}",
    ),
    "house": Relation(
        "house",
        (
            "{Whose} house is {house}.", "{Who} lives in a {house} house.", "The house of {whom} is {house}.",
            "You see {whose} {house} house at once.", "The colour of {whose} house is {house}.",
        ),
        ("What colour is {whose} house?", "Which colour does {whose} house have?"),
        ("{House}.",),
        "{Whose} house is {house}.",
        ("What colour is your house?", "Which colour does your house have?"),
        ("My house is {house}.", "I live in a {house} house."),
        "{his} house is {house}",
    ),
    "thing": Relation(
        "thing",
        (
            "{Who} has a {thing_colour} {thing}.", "A {thing_colour} {thing} belongs to {whom}.",
            "{Whose} {thing} is {thing_colour}.",
            "{Who} keeps a {thing_colour} {thing} in the bag.", "In {whose} bag there is a {thing_colour} {thing}.",
        ),
        ("Which thing does {who} have?", "Which thing belongs to {whom}?", "What is in {whose} bag?"),
        ("A {thing_colour} {thing}.", "The {thing_colour} {thing}."),
        "{Who} has a {thing_colour} {thing}.",
        ("What do you have there?", "What is in your bag?", "What are you holding?"),
        ("I have a {thing_colour} {thing}.", "It is my {thing_colour} {thing}.", "A {thing_colour} {thing}."),
        "{he} has a {thing_colour} {thing}",
    ),
    "hobby": Relation(
        "hobby",
        (
            "{Whose} hobby is {hobby}.", "{Who} likes {hobby}.", "On free days {who} loves {hobby}.",
            "{Hobby} is what {who} likes to do on Sundays.", "{Who} is good at {hobby}.",
        ),
        ("What is {whose} hobby?", "What does {who} like to do on free days?"),
        ("{Hobby}.",),
        "{Whose} hobby is {hobby}.",
        ("What is your hobby?", "What do you like to do on free days?"),
        ("My hobby is {hobby}.", "I like {hobby}.", "I am good at {hobby}."),
        "{his} hobby is {hobby}",
    ),
    "friend": Relation(
        "friend",
        (
            "{Whose} best friend is {friend}.", "{Who} and {friend} are friends.", "{friend} is a good friend of {theirs}.",
            "{Who} often meets {friend}, a good friend.",
        ),
        ("Who is {whose} best friend?", "Who is a friend of {whom}?", "Which friend does {who} have?"),
        ("{friend}.",),
        "{Whose} best friend is {friend}.",
        ("Who is your best friend?", "Who is your friend?"),
        ("My best friend is {friend}.", "{friend} is my best friend.", "{friend} and I are friends."),
        "{his} best friend is {friend}",
    ),
    "years": Relation(
        "years",
        (
            "{Who} is {years} years old.", "{Whose} age is {years}.", "{Who} has turned {years}.",
            "{Who} is a {noun} of {years}.",
        ),
        ("How old is {who}?", "What is {whose} age?"),
        ("{Years}.", "{Years} years old."),
        "{Who} is {years} years old.",
        ("How old are you?", "What is your age?"),
        ("I am {years} years old.", "I am {years}."),
        "{he} is {years} years old",
    ),
    "trait": Relation(
        "trait",
        (
            "{Who} is {trait}.", "Everybody says that {who} is {trait}.", "{Who} is known as a {trait} {noun}.",
            "{Who} is a {trait} {noun}.",
        ),
        ("What is {who} like?", "What do people say about {whom}?"),
        ("{Trait}.",),
        "{Who} is {trait}.",
        ("What do people say about you?", "What are you like?"),
        ("People say that I am {trait}.", "I think I am {trait}."),
        "people call {him} {trait}",
    ),
    "sibling": Relation(
        "sibling",
        (
            "{sibling} is {whose} {sibling_noun}.", "{Who} has a {sibling_noun} called {sibling}.",
            "{Whose} {sibling_noun} is {sibling}.", "The name of {whose} {sibling_noun} is {sibling}.",
        ),
        ("Who is {whose} {sibling_noun}?", "What is the name of {whose} {sibling_noun}?"),
        ("{sibling}.",),
        "{Whose} {sibling_noun} is {sibling}.",
        ("Do you have a brother or a sister?", "Who belongs to your family?"),
        ("I have a {sibling_noun}, {sibling}.", "My {sibling_noun} is called {sibling}."),
        "{his} {sibling_noun} is {sibling}",
    ),
}  # fmt: skip
_ADULT = tuple(relation for relation in RELATIONS if relation not in ("sibling", "school"))
_CHILD = tuple("school" if relation == "job" else relation for relation in _ADULT)

Slots = dict[str, Any]


def relations_of(person: Person) -> tuple[str, ...]:
    """The relations that are true of this person."""
    relations = _CHILD if person.is_child else _ADULT
    return (*relations, "sibling") if person.sibling else relations


def slots_of(world: World, person: Person) -> Slots:
    """What the templates name about `person`, who is called by name."""
    pronouns, foods = person.pronouns, many(person.food)
    sibling = world.person(person.sibling) if person.sibling else person
    return {
        "Who": person.name, "who": person.name, "Whose": person.name + "'s", "whose": person.name + "'s",
        "whom": person.name, "name": person.name, "he": pronouns.he, "him": pronouns.him, "his": pronouns.his,
        "He": pronouns.He, "His": pronouns.His, "town": person.town, "job": person.job, "Job": capital(person.job),
        "work": WORK.get(person.job, "goes to school"), "pet": person.pet, "pet_name": person.pet_name,
        "foods": foods, "Foods": capital(foods), "colour": person.colour, "Colour": capital(person.colour),
        "house": person.house, "House": capital(person.house), "thing": person.thing,
        "thing_colour": person.thing_colour, "hobby": person.hobby, "Hobby": capital(person.hobby),
        "friend": person.friend, "years": person.years, "Years": capital(person.years), "theirs": person.name,
        "trait": person.trait, "Trait": capital(person.trait),
        "noun": person.noun, "sibling": person.sibling, "sibling_noun": SIBLING[sibling.pronouns.he],
    }  # fmt: skip


def with_pronoun(slots: Slots) -> Slots:
    """The same slots, the person called "he" or "she"."""
    return slots | {
        "Who": slots["He"], "who": slots["he"], "Whose": slots["His"], "whose": slots["his"], "whom": slots["him"],
        "theirs": "hers" if slots["he"] == "she" else "his",
    }  # fmt: skip


def many(noun: str) -> str:
    """The word for `noun` in general: "apples", "bread"."""
    return noun if noun in MASS else plural(noun)


SIBLING = {"he": "brother", "she": "sister"}
