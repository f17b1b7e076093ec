"""Instruction families that look a fact up in a short passage about two or three people.

The order of the facts is random, another person always has a fact of the asked kind where there is room, and in one
case of ten the passage does not tell: the answer is then `NOT_SAID`.
"""

from __future__ import annotations

from trivium.world.draws import Draw
from trivium.world.families import Case, Family, case
from trivium.world.passages import Passage, statement

NOT_SAID = "The text does not say."
_SILENT = 0.1


def _where_lives(draw: Draw) -> Case:
    silent = draw.chance(_SILENT)
    passage = Passage(draw, "town", silent=silent)
    answer = NOT_SAID if silent else f"{passage.name} lives in {passage.value('town')}."
    return case(answer, text=passage.text, name=passage.name)


WHERE_LIVES = Family(
    name="where_lives",
    line="the town where a person of the passage lives",
    make=_where_lives,
    train=(
        "{text} Where does {name} live?",
        "Where does {name} live? {text}",
        "Read the text and say where {name} lives. {text}",
        "{text} Tell me where {name} lives.",
        "Text: {text} Question: where does {name} live?",
        "In which town does {name} live? {text}",
        "{text} Which town does {name} live in?",
        "Find the town where {name} lives. {text}",
        "{text} Now find out where {name} lives.",
        "I want to know where {name} lives. {text}",
        "Here is a text. {text} Can you tell me where {name} lives?",
        "{text} Please say in which town {name} lives.",
        "Look at this text: {text} Where does {name} live?",
        "Question: where does {name} live? Text: {text}",
    ),
    held_out=(
        "{text} Do you know where {name} lives?",
        "Please read this. {text} Say in which town {name} lives.",
        "Can you find the town that {name} lives in? {text}",
        "Here is a question about the text: where does {name} live? {text}",
        "{text} I want to know in which town {name} lives.",
    ),
)


def _who_has(draw: Draw) -> Case:
    relation = "clothes" if draw.task else draw.random.choice(("thing", "pet"))
    passage = Passage(draw, relation)
    thing = passage.value(relation)
    return case(f"{passage.name} has the {thing}.", text=passage.text, thing=thing)


WHO_HAS = Family(
    name="who_has",
    line="the person of the passage who has a given animal or thing",
    make=_who_has,
    train=(
        "{text} Who has the {thing}?",
        "Who has the {thing}? {text}",
        "Read the text and say who has the {thing}. {text}",
        "{text} Tell me who has the {thing}.",
        "Text: {text} Question: who has the {thing}?",
        "Find the person who has the {thing}. {text}",
        "{text} Which person has the {thing}?",
        "{text} Someone has the {thing}. Who is it?",
        "I want to know who has the {thing}. {text}",
        "Here is a text. {text} Can you tell me who has the {thing}?",
        "Which of these people has the {thing}? {text}",
        "Look at this text: {text} Who has the {thing}?",
        "{text} Please say who has the {thing}.",
    ),
    held_out=(
        "{text} Do you know who has the {thing}?",
        "Please read this. {text} Which person has the {thing}?",
        "Can you find out who has the {thing}? {text}",
        "Question: who has the {thing}? Text: {text}",
        "Someone has the {thing}. Find the person. {text}",
    ),
    held_out_task="who has a piece of clothing",
)


def _fact(draw: Draw) -> Case:
    relation = "favourite colour" if draw.task else draw.random.choice(("job", "favourite food", "hobby"))
    silent = draw.chance(_SILENT)
    passage = Passage(draw, relation, silent=silent)
    answer = NOT_SAID if silent else passage.value(relation)
    return case(answer, text=passage.text, name=passage.name, relation=relation)


FACT = Family(
    name="fact",
    line="a person's job, hobby or favourite food, by name of the relation",
    make=_fact,
    train=(
        "{text} What is the {relation} of {name}?",
        "What is {name}'s {relation}? {text}",
        "Read the text and give the {relation} of {name}. {text}",
        "{text} Tell me {name}'s {relation}.",
        "Text: {text} Question: what is {name}'s {relation}?",
        "Find the {relation} of {name}. {text}",
        "{text} Give only the {relation} of {name}.",
        "I want to know {name}'s {relation}. {text}",
        "Here is a text. {text} Can you tell me the {relation} of {name}?",
        "{text} Please say what the {relation} of {name} is.",
        "Look at this text: {text} What is {name}'s {relation}?",
        "Question: what is the {relation} of {name}? Text: {text}",
        "Name the {relation} of {name}. {text}",
    ),
    held_out=(
        "{text} Do you know {name}'s {relation}?",
        "Please read this. {text} Give {name}'s {relation}.",
        "Can you find the {relation} of {name}? {text}",
        "{text} Now say what {name}'s {relation} is.",
        "Here is a question about the text: what is the {relation} of {name}? {text}",
    ),
    held_out_task="favourite colour, which passages state and no question asks for",
)


def _yes_no(draw: Draw) -> Case:
    relation = "favourite colour" if draw.task else draw.random.choice(("town", "job", "thing"))
    passage = Passage(draw, relation)
    true = draw.chance(0.5)
    claim = statement(passage.name, relation, passage.value(relation, passage.name if true else passage.other))
    return case("Yes." if true else "No.", text=passage.text, claim=claim)


YES_NO = Family(
    name="yes_no",
    line="whether a claim agrees with the passage",
    make=_yes_no,
    train=(
        "{text} Is it true that {claim}?",
        "Is it true that {claim}? {text}",
        "Read the text. Is this right: {claim}? {text}",
        "{text} Say yes or no: {claim}.",
        "{text} Yes or no? {claim}.",
        "Text: {text} Claim: {claim}. Is the claim true?",
        "Someone says that {claim}. Is that right? {text}",
        "{text} I think that {claim}. Am I right?",
        "Check this claim: {claim}. {text}",
        "{text} Check if {claim}.",
        "Does the text say that {claim}? {text}",
        "{text} Does the text say that {claim}?",
        "Answer with yes or no. {text} Is it true that {claim}?",
    ),
    held_out=(
        "{text} Is it right that {claim}?",
        "{text} Someone says that {claim}. Is it true?",
        "Say yes or no. Does the text say that {claim}? {text}",
        "Claim: {claim}. Is it true? Text: {text}",
        "I think that {claim}. Check it in the text, yes or no. {text}",
    ),
    held_out_task="claims about favourite colours",
)


FAMILIES = (WHERE_LIVES, WHO_HAS, FACT, YES_NO)
