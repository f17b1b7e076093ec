"""Instruction families that read a short text: where things are, their colours, who gave what, gaps, headlines, talk.

Each text has at least two things of the asked kind, so that the question decides the answer, and their order is random.
"""

from __future__ import annotations

from trivium.world.draws import HELD_OUT_KIND, Draw
from trivium.world.families import Case, Family, case
from trivium.world.grammar import indefinite
from trivium.world.passages import Passage, statement


def _where_is(draw: Draw) -> Case:
    number = draw.random.randint(2, 3)
    pairs = list(zip(draw.portable(number), draw.rooms(number), strict=True))
    thing, place = draw.random.choice(pairs)
    text = " ".join(f"The {one} is in the {spot}." for one, spot in pairs)
    if draw.task:
        return case(thing, text=text, place=place)
    return case(f"in the {place}", text=text, thing=thing)


WHERE_IS = Family(
    name="where_is",
    line="the place where a thing of the passage is",
    make=_where_is,
    train=(
        "{text} Where is the {thing}?",
        "Where is the {thing}? {text}",
        "Read the text and say where the {thing} is. {text}",
        "{text} Tell me where the {thing} is.",
        "Text: {text} Question: where is the {thing}?",
        "{text} In which place is the {thing}?",
        "Find the {thing} in this text and say where it is. {text}",
        "{text} I am looking for the {thing}. Where is it?",
        "I want to know where the {thing} is. {text}",
        "Here is a text. {text} Can you tell me where the {thing} is?",
        "Look at this text: {text} Where is the {thing}?",
        "I cannot find the {thing}. Where is it? {text}",
        "{text} Please say where the {thing} is.",
    ),
    held_out=(
        "{text} Do you know where the {thing} is?",
        "Please read this. {text} Now say where the {thing} is.",
        "{text} I cannot find the {thing}. Where is it?",
        "Question: where is the {thing}? Text: {text}",
        "I am looking for the {thing}. {text} Where is it?",
    ),
    held_out_task="which thing is in a given place",
    task_phrasings=(
        "{text} What is in the {place}?",
        "What is in the {place}? {text}",
        "{text} Tell me what is in the {place}.",
        "Text: {text} Question: which thing is in the {place}?",
    ),
)


def _colour_of(draw: Draw) -> Case:
    number = draw.random.randint(2, 3)
    things = draw.of_kind(HELD_OUT_KIND, number) if draw.task else draw.portable(number)
    rows = list(zip(draw.people(number), draw.colours(number), things, strict=True))
    _, colour, thing = draw.random.choice(rows)
    text = " ".join(f"{name} has {indefinite(hue)} {one}." for name, hue, one in rows)
    return case(colour, text=text, thing=thing)


COLOUR_OF = Family(
    name="colour_of",
    line="the colour of a thing of the passage",
    make=_colour_of,
    train=(
        "{text} What colour is the {thing}?",
        "What colour is the {thing}? {text}",
        "Read the text and say what colour the {thing} is. {text}",
        "{text} Tell me the colour of the {thing}.",
        "Text: {text} Question: what is the colour of the {thing}?",
        "Find the colour of the {thing}. {text}",
        "{text} Which colour is the {thing}?",
        "Give only the colour of the {thing}. {text}",
        "I want to know the colour of the {thing}. {text}",
        "Here is a text. {text} Can you tell me what colour the {thing} is?",
        "Look at this text: {text} What colour is the {thing}?",
        "{text} Please name the colour of the {thing}.",
    ),
    held_out=(
        "{text} Do you know what colour the {thing} is?",
        "Please read this. {text} Now name the colour of the {thing}.",
        "Question: what colour is the {thing}? Text: {text}",
        "{text} Give only the colour of the {thing}.",
        "Can you find the colour of the {thing}? {text}",
    ),
    held_out_task="the colour of clothes",
)


def _gift(draw: Draw) -> tuple[str, str, str, str]:
    """A text in which two things change hands, and giver, thing and receiver of one of the gifts."""
    first, second, third = draw.people(3)
    one, two = draw.portable(2)
    gifts = [(first, one, second), draw.random.choice(((second, two, third), (third, two, first)))]
    draw.random.shuffle(gifts)
    text = " ".join(f"{giver} gave the {thing} to {receiver}." for giver, thing, receiver in gifts)
    return (text, *draw.random.choice(gifts))


def _who_gave(draw: Draw) -> Case:
    text, giver, thing, receiver = _gift(draw)
    if draw.task:
        return case(thing, text=text, giver=giver, receiver=receiver)
    return case(giver, text=text, thing=thing)


WHO_GAVE = Family(
    name="who_gave",
    line="the person who gave a thing to another",
    make=_who_gave,
    train=(
        "{text} Who gave the {thing} away?",
        "Who gave the {thing} to someone? {text}",
        "Read the text and say who gave the {thing}. {text}",
        "{text} Tell me who gave the {thing}.",
        "Text: {text} Question: who gave the {thing}?",
        "Find the person who gave the {thing}. {text}",
        "{text} Which person gave the {thing}?",
        "{text} Someone gave the {thing} away. Who was it?",
        "I want to know who gave the {thing}. {text}",
        "Here is a text. {text} Can you tell me who gave the {thing}?",
        "Look at this text: {text} Who gave the {thing}?",
        "{text} Please say who gave the {thing}.",
    ),
    held_out=(
        "{text} Do you know who gave the {thing}?",
        "Please read this. {text} Which person gave the {thing} away?",
        "Can you find out who gave the {thing}? {text}",
        "Question: who gave the {thing}? Text: {text}",
    ),
    held_out_task="what was given",
    task_phrasings=(
        "{text} What did {giver} give to {receiver}?",
        "What did {giver} give to {receiver}? {text}",
        "{text} Tell me what {giver} gave to {receiver}.",
        "Text: {text} Question: which thing did {giver} give to {receiver}?",
    ),
)


def _who_got(draw: Draw) -> Case:
    text, _, thing, receiver = _gift(draw)
    return case(receiver, text=text, thing=thing)


WHO_GOT = Family(
    name="who_got",
    line="the person who got a thing from another",
    make=_who_got,
    train=(
        "{text} Who got the {thing}?",
        "Who got the {thing}? {text}",
        "Read the text and say who got the {thing}. {text}",
        "{text} Tell me who got the {thing}.",
        "Text: {text} Question: who got the {thing}?",
        "Find the person who got the {thing}. {text}",
        "{text} Which person got the {thing}?",
        "{text} Someone got the {thing}. Who was it?",
        "I want to know who got the {thing}. {text}",
        "Here is a text. {text} Can you tell me who got the {thing}?",
        "Look at this text: {text} Who got the {thing} in the end?",
        "{text} Please say who got the {thing}.",
    ),
    held_out=(
        "{text} Do you know who got the {thing}?",
        "Please read this. {text} Which person got the {thing} in the end?",
        "Can you find out who got the {thing}? {text}",
        "Question: who got the {thing}? Text: {text}",
    ),
)


def _fill_gap(draw: Draw) -> Case:
    relation = "job" if draw.task else draw.random.choice(("town", "thing", "favourite food"))
    passage = Passage(draw, relation)
    gap = statement(passage.name, relation, "___") + "."
    return case(passage.value(relation), text=passage.text, gap=gap)


FILL_GAP = Family(
    name="fill_gap",
    line="the missing word of a sentence that repeats the passage",
    make=_fill_gap,
    train=(
        "{text} Fill the gap: {gap}",
        "Fill the gap. {text} {gap}",
        "{text} What is missing here? {gap}",
        "{text} Which word is missing? {gap}",
        "Read the text and fill the gap. {text} {gap}",
        "Find the missing word. {text} {gap}",
        "Text: {text} Gap: {gap}",
        "{gap} Fill the gap with a word from this text: {text}",
        "{text} Complete this sentence: {gap}",
        "Complete the last sentence. {text} {gap}",
        "{text} Which word goes into the gap? {gap}",
        "Give the missing word: {gap} {text}",
        "Use the text to fill the gap: {gap} Text: {text}",
    ),
    held_out=(
        "Please fill the gap. Text: {text} Sentence: {gap}",
        "{text} Find the missing word: {gap}",
        "Look at the text and give the missing word. {text} {gap}",
        "Which word is missing here? {gap} Text: {text}",
        "{gap} Complete this sentence with a word from the text. {text}",
    ),
    held_out_task="a missing job",
)


def _follow_up(draw: Draw) -> Case:
    relations = ("town", "job" if draw.task else draw.random.choice(("thing", "pet")))
    passage = Passage(draw, *relations)
    name = passage.name
    answers = tuple(f"{statement(name, relation, passage.value(relation))}." for relation in relations)
    return Case({"text": passage.text, "name": name, "he": draw.pronouns(name).he}, answers)


FOLLOW_UP = Family(
    name="follow_up",
    line="two questions about one passage; the second says he or she",
    make=_follow_up,
    train=(
        "{text} Where does {name} live? || And what does {he} have?",
        "{text} In which town does {name} live? || What does {he} have?",
        "{text} Tell me where {name} lives. || Now tell me what {he} has.",
        "Where does {name} live? {text} || And which thing does {he} have?",
        "Text: {text} Question: where does {name} live? || Next question: what does {he} have?",
        "Read the text and say where {name} lives. {text} || Now say what {he} has.",
        "Find the town where {name} lives. {text} || And find what {he} has.",
        "I want to know where {name} lives. {text} || I also want to know what {he} has.",
        "{text} Which town does {name} live in? || Thank you. What does {he} have?",
        "Here is a text. {text} Where does {name} live? || Can you tell me what {he} has?",
        "Look at this text: {text} Where does {name} live? || Good. And what does {he} have?",
        "{text} Please say where {name} lives. || Please say what {he} has.",
    ),
    held_out=(
        "{text} Do you know where {name} lives? || And do you know what {he} has?",
        "Please read this. {text} Where does {name} live? || Thank you. Now tell me what {he} has.",
        "Question: where does {name} live? Text: {text} || Next question: which thing does {he} have?",
        "{text} Now find out where {name} lives. || Good. Please say what {he} has.",
    ),
    held_out_task="the second question is about the job",
    task_phrasings=(
        "{text} Where does {name} live? || And what is {he}?",
        "{text} Tell me where {name} lives. || Now tell me what {he} is.",
        "{text} Please say where {name} lives. || Please say what {he} is.",
    ),
)

FAMILIES = (WHERE_IS, COLOUR_OF, WHO_GAVE, WHO_GOT, FILL_GAP, FOLLOW_UP)
